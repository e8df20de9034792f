"""Pictures of the main views at 80x24, with a fixed clock."""

import pytest
import tui_world as world
from tui_run_scene import Run, item, stranger
from tui_world import fill, screen, settled, until

from backends.contract import Verb


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


def picture(snap_compare, app, steps) -> None:
    async def run_before(pilot) -> None:
        await settled(pilot)
        await steps(pilot)
        await settled(pilot)

    assert snap_compare(app, terminal_size=(80, 24), run_before=run_before)


def test_picture_of_the_inventory(snap_compare, paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("down", "down", "down", "space")

    picture(snap_compare, app, steps)


def test_picture_of_a_token(snap_compare, paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("enter")

    picture(snap_compare, app, steps)


def test_picture_of_the_backends(snap_compare, paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("b", "down", "down")

    picture(snap_compare, app, steps)


def test_picture_of_the_confirm_bar(snap_compare, paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("K", *"INC-2291: leaked in a public repo", "enter", "enter")
        await until(pilot, lambda: "14 consumers" in screen(app))

    picture(snap_compare, app, steps)


def test_picture_of_help(snap_compare, paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("question_mark")

    picture(snap_compare, app, steps)


def test_picture_of_the_bar_for_many(snap_compare, paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"vault-prod", "enter")
        await until(pilot, lambda: "5 of 8" in screen(app))
        await pilot.press("space", "space", "space", "K")
        await pilot.press(*"INC-2291: leaked in a public repo", "enter", "enter")
        await until(pilot, lambda: "why go on?" in screen(app))

    picture(snap_compare, app, steps)


def test_picture_of_the_parts_of_a_run_board(snap_compare, paths) -> None:
    """Whatever has the time or an id of its own is not in it."""
    names = ("vault-prod", "aws-main", "github")
    run = Run(paths, [item(n, Verb.REVOKE, f"job-{n}", names[n % 3]) for n in range(1, 31)])
    run.end(range(1, 16))
    run.end(range(16, 20), level=2)
    run.end([20, 21], state="rejected")
    run.decide("halt", backend="github", detail="3 failures")
    run.decide("late", late=stranger(), backend="vault-prod", detail="made by ci since")
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("l")
        await until(pilot, lambda: "revoke" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: "in scope 31" in screen(app))
        board = app.screen
        board._board.lines[0] = [(" RUN 12345678 REVOKE · INC-7", "bold")]
        board._board.redraw()

    picture(snap_compare, app, steps)
