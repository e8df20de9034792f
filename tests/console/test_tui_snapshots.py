"""Pictures of the main views at 80x24, with a fixed clock."""

import pytest
import tui_world as world
from tui_world import fill, screen, settled, until


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
        await pilot.press("K", *"leaked in public repo, INC-2291", "enter")
        await until(pilot, lambda: "14 consumers" in screen(app))

    picture(snap_compare, app, steps)


def test_picture_of_help(snap_compare, paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("question_mark")

    picture(snap_compare, app, steps)
