"""Escape goes where one came from, and the key for the last view only to what was visited."""

import pytest
import tui_world as world
from tui_run_scene import Run, revoke
from tui_world import drive, fill, screen, settled, until

from console.tui.shell import navigation


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


def views(app) -> list[str]:
    """The way from the list of tokens to what is in front."""
    return [view.view for view in app.screen_stack]


async def press(pilot, *keys) -> None:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def test_escape_goes_where_one_came_from_whatever_that_was(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await press(pilot, "enter", "g", "l")
        assert views(app) == ["inventory", "token", "graph", "runs"]
        await until(pilot, lambda: "No plan" in screen(app) or "No run" in screen(app))
        await press(pilot, "escape")
        await until(pilot, lambda: "GRAPH of" in screen(app))
        await press(pilot, "escape")
        assert "WHAT" in screen(app), "the token's page that the graph was opened from"
        await press(pilot, "b", "J", "b", "question_mark")
        assert "HELP for the backends view" in screen(app)
        await press(pilot, "escape")
        assert "HEALTH" in screen(app)
        await press(pilot, "escape")
        assert "newest first" in screen(app)
        await press(pilot, "escape")
        assert "HEALTH" in screen(app)
        await press(pilot, "escape")
        assert "WHAT" in screen(app)
        await press(pilot, "escape")
        assert views(app) == ["inventory"]

    drive(app, steps)


@pytest.mark.parametrize("key", ["l", "b", "J", "i", "question_mark"])
@pytest.mark.parametrize("start", [(), ("enter",), ("enter", "g"), ("enter", "t"), ("b",), ("J",)])
def test_each_key_that_leads_elsewhere_leads_back_by_escape(paths, start, key) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await press(pilot, *start)
        before = views(app)
        await press(pilot, key)
        if views(app) != before:
            await press(pilot, "escape")
        assert views(app) == before

    drive(app, steps)


def test_a_run_that_was_opened_from_an_alarm_or_a_list_leads_back_there(paths) -> None:
    revoke(paths, ["one"])
    app = world.application(paths)

    async def steps(pilot):
        await press(pilot, "enter", "l")
        await until(pilot, lambda: "REVOKE" in screen(app).upper())
        await press(pilot, "enter")
        await until(pilot, lambda: "in scope" in screen(app))
        await press(pilot, "enter", "escape", "escape", "escape")
        assert views(app) == ["inventory", "token"]

    drive(app, steps)


def test_the_tokens_of_a_backend_lead_back_to_the_backends(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await press(pilot, "b", "enter")
        await until(pilot, lambda: "3 of 8" in screen(app))
        await press(pilot, "escape")
        assert "all tokens" in screen(app), "the filter goes first"
        await press(pilot, "escape")
        assert "HEALTH" in screen(app)
        await press(pilot, "escape", "escape")
        assert views(app) == ["inventory"]
        await press(pilot, "escape")
        assert "there is nothing behind the list of tokens; q leaves" in screen(app)

    drive(app, steps)


def test_the_last_view_is_one_that_was_visited(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await press(pilot, "minus")
        assert views(app) == ["inventory"]
        assert "last view: not now, no other view was opened yet" in screen(app)
        await press(pilot, "J", "minus")
        assert app.front.view == "inventory"
        await press(pilot, "minus")
        assert app.front.view == "journal"
        await press(pilot, "escape", "escape", "escape")
        assert views(app) == ["inventory"]
        await press(pilot, "enter", "escape", "minus")
        assert "WHAT" in screen(app), "a page that was left can be the last view too"

    drive(app, steps)


def test_a_strip_that_is_not_in_sight_takes_no_escape(paths) -> None:
    run: Run = revoke(paths, ["one"])
    app = world.application(paths)

    async def steps(pilot):
        app.watch_run(run.plan.id, "revoke one")
        await press(pilot, "J", "escape")
        assert views(app) == ["inventory"]
        assert "RUN  revoke one" in screen(app)

    drive(app, steps)


def test_of_a_very_long_way_the_oldest_part_is_forgotten(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        for _ in range(navigation.DEEPEST):
            await press(pilot, "b", "J", "i", "enter")
        assert len(app.screen_stack) <= navigation.DEEPEST
        way = views(app)
        assert way[0] == "inventory"
        for place in reversed(way[:-1]):
            await press(pilot, "escape")
            assert app.front.view == place
        assert views(app) == ["inventory"]

    drive(app, steps)
