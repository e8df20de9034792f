"""What is said of a decision that somebody walks away from while it is carried out."""

import asyncio

import pytest
import tui_world as world
from tui_run_scene import revoke
from tui_world import drive, fill, screen, settled, until

from console.tui.session.worker_link import WorkerError

REASON = "the owner agreed by phone"


@pytest.mark.parametrize("refused", [False, True])
def test_who_leaves_while_it_is_carried_out_is_not_told_that_nothing_was_decided(
    tmp_path, refused
) -> None:
    paths = world.where(tmp_path)
    fill(paths)
    revoke(paths, ["one", "two"])
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("l")
        await until(pilot, lambda: "OLD VALUES" in screen(app) and "INC-7" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: "in scope" in screen(app))
        slow, asked = asyncio.Event(), asyncio.Event()
        ask = app.link.ask

        async def slowly(what, /, **fields):
            if what != "decide":
                return await ask(what, **fields)
            asked.set()
            await slow.wait()
            if refused:
                raise WorkerError("the journal is full")
            return {"says": "It is let be."}

        app.link.ask = slowly
        await pilot.press("down", "e", *"payments", "enter", *"2027-01-31", "enter")
        await pilot.press("escape")
        await settled(pilot)
        assert "Nothing was decided." in screen(app), "nothing was sent"
        await pilot.press("e", *"payments", "enter", *"2027-01-31", "enter", *REASON, "enter")
        await asked.wait()
        await pilot.press("escape")
        await settled(pilot)
        assert "Nothing was decided." not in screen(app)
        assert "It was sent: what came of it" in screen(app)
        slow.set()
        says = "the journal is full" if refused else "It is let be."
        await until(pilot, lambda: says in screen(app))

    drive(app, steps)


def test_a_decision_that_dies_with_the_worker_is_not_called_not_done(tmp_path) -> None:
    paths = world.where(tmp_path)
    fill(paths)
    revoke(paths, ["one", "two"])
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("l")
        await until(pilot, lambda: "OLD VALUES" in screen(app) and "INC-7" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: "in scope" in screen(app))
        ask = app.link.ask

        async def dying(what, /, **fields):
            if what == "decide":
                # It has the request and dies before it answers.
                app.link._process.kill()
                return await asyncio.get_running_loop().create_task(never())
            return await ask(what, **fields)

        async def never():
            answer = asyncio.get_running_loop().create_future()
            app.link._waiting[-1] = answer
            return await answer

        app.link.ask = dying
        await pilot.press("down", "e", *"payments", "enter", *"2027-01-31", "enter")
        await pilot.press(*REASON, "enter")
        await until(pilot, lambda: "NOT KNOWN" in screen(app))
        assert "see the journal" in screen(app)
        assert "NOT DONE" not in screen(app)
        assert "Nothing was sent" not in screen(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "Nothing was decided" not in screen(app)

    drive(app, steps)
