"""The way to a revoke: two motions, nothing by accident, and nothing sent before its time."""

import json
import threading

import pytest
import tui_world as world
from tui_world import drive, fill, screen, settled, until

WHY = "their owner agreed by phone"
REASON = "leaked, INC-2291"


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


def asked(paths) -> list[dict]:
    file = paths.state / "asked"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def approvals(paths) -> list[dict]:
    return [request for request in asked(paths) if request["do"] == "approve"]


async def to_the_plan(pilot, app, reason: str = REASON) -> None:
    await until(pilot, lambda: app.link.up)
    await pilot.press("slash", *"ci-deploy", "enter")
    await until(pilot, lambda: "1 of 8" in screen(app))
    await pilot.press("K", *reason, "enter", "enter")
    await until(pilot, lambda: "1 of 1, why go on?" in screen(app))


async def to_the_word(pilot, app) -> None:
    await to_the_plan(pilot, app)
    await pilot.press(*WHY, "enter")
    await until(pilot, lambda: "enter to revoke, or esc" in screen(app))


def test_read_only_shows_the_action_with_the_reason(paths) -> None:
    app = world.application(paths, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"ci-deploy", "enter", "K")
        await settled(pilot)
        assert "revoke: not now, started without --act" in screen(app)
        assert app.inventory_view.open_bar is None

    drive(app, steps)
    assert asked(paths) == []


def test_a_backend_without_a_credential_to_act_is_refused_with_the_reason(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("K")
        await settled(pilot)
        assert "aws-main has no credential to act with" in screen(app)

    drive(app, steps)


def test_the_bar_restates_target_calls_consumers_and_hazards(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await to_the_plan(pilot, app)
        await until(pilot, lambda: "14 consumers" in screen(app))
        text = " ".join(screen(app).split())
        for said in (
            "REVOKE 1 token on vault-prod (production)",
            "irreversible",
            "ci-deploy owner payments last used 2m ago 14 consumers or more",
            "! STOP 14 consumers were seen and none has a successor.",
            "will call POST /v1/auth/token/revoke-accessor {accessor: 9hTk…c2A1}",
            "dies with it 3 child tokens, 7 leases",
            "takes effect at once; confirmed by look-up",
            "undo none",
            "reason leaked, INC-2291",
            "not seen leases: Needs sudo.",
        ):
            assert said in text, said

    drive(app, steps)


def test_only_the_whole_name_goes_on(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await to_the_word(pilot, app)
        await pilot.press("enter")
        await settled(pilot)
        assert "Nothing was sent. To revoke type ci-deploy or esc." in " ".join(screen(app).split())
        await pilot.press(*"ci-deplo", "enter")
        await settled(pilot)
        assert "Nothing was sent" in screen(app)
        assert approvals(paths) == []
        await pilot.press("y", "enter")
        await until(pilot, lambda: "RUN  revoke ci-deploy" in screen(app))
        assert app.inventory_view.open_bar is None

    drive(app, steps)
    (approval,) = approvals(paths)
    assert approval["typed"] == "ci-deploy"
    assert approval["answers"] == {"consumers": WHY}


def test_pasting_the_name_never_confirms(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        from textual.events import Paste

        await to_the_word(pilot, app)
        app.post_message(Paste("ci-deploy\n"))
        await until(pilot, lambda: "Pasting does nothing here" in screen(app))
        await pilot.press("enter")
        await settled(pilot)
        assert app.inventory_view.open_bar is not None

    drive(app, steps)
    assert approvals(paths) == []


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
def test_escape_leads_out_of_every_phase(paths, key) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await to_the_plan(pilot, app)
        await pilot.press(*"ci-dep", key)
        await settled(pilot)
        assert app.inventory_view.open_bar is None
        assert "Nothing was sent." in screen(app)
        await pilot.press("K", *"some", key)
        await settled(pilot)
        assert app.inventory_view.open_bar is None

    drive(app, steps)
    assert approvals(paths) == []


def test_a_reason_is_mandatory(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("K", "enter")
        await settled(pilot)
        assert "a reason of at least 10 characters is needed" in screen(app)

    drive(app, steps)
    assert asked(paths) == []


def test_a_fatal_hazard_ends_it_there(paths) -> None:
    app = world.application(paths, act=True, worker="fatal")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("K", *"leaked in public", "enter", "enter")
        await until(pilot, lambda: "cannot go on" in screen(app))
        assert "! NO This is the console's own." in " ".join(screen(app).split())
        await pilot.press(*"ci-deploy", "enter")
        await settled(pilot)

    drive(app, steps)
    assert approvals(paths) == []


def test_an_error_of_the_backend_is_said_with_what_to_do(paths) -> None:
    app = world.application(paths, act=True, worker="refuse")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("K", *"leaked in public", "enter", "enter")
        await until(pilot, lambda: "NOT REVOKED" in screen(app))
        assert "403 for accessor look-up" in screen(app)
        assert "Grant read on it." in screen(app)

    drive(app, steps)


def test_a_worker_that_dies_meanwhile_means_that_nothing_was_sent(paths) -> None:
    app = world.application(paths, act=True, worker="die")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("K", *"leaked in public", "enter", "enter")
        await until(pilot, lambda: "NOT REVOKED" in screen(app))
        assert "the backend process" in screen(app)

    drive(app, steps)


def test_on_a_small_screen_the_plan_has_to_be_read_to_its_end(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("K", *"leaked in public", "enter", "enter")
        await until(pilot, lambda: "Read to the end first" in screen(app))
        await pilot.press(*WHY, "enter")
        await settled(pilot)
        assert "Read to the end of the plan first" in screen(app)
        assert approvals(paths) == []
        await pilot.press("pagedown", "pagedown", "pagedown", "enter", *"ci-deploy", "enter")
        await until(pilot, lambda: approvals(paths) != [])

    drive(app, steps, (80, 16))


def test_nothing_behind_an_open_bar_takes_keys(paths) -> None:
    app = world.application(paths, act=True, worker="mute")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("K", *"leaked in public", "enter", "enter")
        await until(pilot, lambda: "Asking vault-prod" in screen(app))
        await pilot.press("q", "b", "J", "space", "K", "enter")
        await settled(pilot)
        assert not app._exit
        assert "Asking vault-prod" in screen(app)
        assert "marked" not in screen(app)
        await pilot.press("escape")
        await settled(pilot)
        assert app.inventory_view.open_bar is None

    drive(app, steps)


def test_keys_that_are_faster_than_the_search_act_on_what_was_asked_for(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        search = app.inventory_view._searcher._search

        def slow(*arguments):
            threading.Event().wait(0.3)
            search(*arguments)

        app.inventory_view._searcher._search = slow
        await pilot.press("slash", *"ci-deploy", "enter", "K")
        await settled(pilot)
        assert "REVOKE ci-deploy on vault-prod" in screen(app)

    drive(app, steps)


def test_the_one_mark_is_the_target_wherever_the_cursor_is(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"vault-prod", "enter")
        await until(pilot, lambda: "5 of 8" in screen(app))
        await pilot.press("space", "end", "K")
        await settled(pilot)
        assert "REVOKE ci-deploy on vault-prod" in screen(app)

    drive(app, steps)
