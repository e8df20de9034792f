"""Escape goes where one came from, and the key for the last view only to what was visited."""

import pytest
import tui_world as world
from driver import User, use
from tui_run_scene import Run, revoke

from console.tui.shell import navigation


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    world.fill(made)
    return made


def test_escape_goes_where_one_came_from_whatever_that_was(paths) -> None:
    async def steps(user: User) -> None:
        await user.press("enter", "g", "l")
        assert user.way == ["inventory", "token", "graph", "runs"]
        await user.waits_for("No plan has been made yet.")
        await user.press("escape")
        await user.waits_for("GRAPH of")
        await user.press("escape")
        user.sees("WHAT")  # The token's page that the graph was opened from.
        await user.press("b", "J", "b", "question_mark")
        user.sees("HELP for the backends view")
        for before in ("HEALTH", "newest first", "HEALTH", "WHAT"):
            await user.press("escape")
            user.sees(before)
        await user.press("escape")
        assert user.way == ["inventory"]

    use(world.application(paths), steps)


@pytest.mark.parametrize("key", ["l", "b", "J", "i", "question_mark"])
@pytest.mark.parametrize("start", [(), ("enter",), ("enter", "g"), ("enter", "t"), ("b",), ("J",)])
def test_each_key_that_leads_elsewhere_leads_back_by_escape(paths, start, key) -> None:
    async def steps(user: User) -> None:
        await user.press(*start)
        before = user.way
        await user.press(key)
        if user.way != before:
            await user.press("escape")
        assert user.way == before

    use(world.application(paths), steps)


def test_a_run_that_was_opened_from_an_alarm_or_a_list_leads_back_there(paths) -> None:
    revoke(paths, ["one"])

    async def steps(user: User) -> None:
        await user.press("enter", "l")
        await user.waits_for("revoke")
        await user.press("enter")
        await user.waits_for("in scope")
        await user.press("enter", "escape", "escape", "escape")
        assert user.way == ["inventory", "token"]

    use(world.application(paths), steps)


def test_the_tokens_of_a_backend_lead_back_to_the_backends(paths) -> None:
    async def steps(user: User) -> None:
        await user.press("b", "enter")
        await user.waits_for("3 of 8")
        await user.press("escape")
        user.sees("all tokens")  # The filter goes first.
        await user.press("escape")
        user.sees("HEALTH")
        await user.press("escape", "escape")
        assert user.way == ["inventory"]
        await user.press("escape")
        user.sees("there is nothing behind the list of tokens; q leaves")

    use(world.application(paths), steps)


def test_the_last_view_is_one_that_was_visited(paths) -> None:
    async def steps(user: User) -> None:
        await user.press("minus")
        assert user.way == ["inventory"]
        user.sees("last view: not now, no other view was opened yet")
        await user.press("J", "minus")
        assert user.way[-1] == "inventory"
        await user.press("minus")
        assert user.way[-1] == "journal"
        await user.press("escape", "escape", "escape")
        assert user.way == ["inventory"]
        await user.press("enter", "escape", "minus")
        user.sees("WHAT")  # A page that was left can be the last view too.

    use(world.application(paths), steps)


def test_a_strip_that_is_not_in_sight_takes_no_escape(paths) -> None:
    run: Run = revoke(paths, ["one"])

    async def steps(user: User) -> None:
        user.app.watch_run(run.plan.id, "revoke one")
        await user.press("J", "escape")
        assert user.way == ["inventory"]
        user.sees("RUN revoke one")

    use(world.application(paths), steps)


def test_of_a_very_long_way_the_oldest_part_is_forgotten(paths) -> None:
    async def steps(user: User) -> None:
        for _ in range(navigation.DEEPEST):
            await user.press("b", "J", "i", "enter")
        assert len(user.way) <= navigation.DEEPEST
        way = user.way
        assert way[0] == "inventory"
        for place in reversed(way[:-1]):
            await user.press("escape")
            assert user.way[-1] == place
        assert user.way == ["inventory"]

    use(world.application(paths), steps)


def test_a_key_that_does_nothing_here_says_so_and_where_it_would(paths) -> None:
    async def steps(user: User) -> None:
        await user.press("x")
        user.sees("xray: not in the inventory view; x is a key of: graph, xray")
        await user.press("f5")
        user.sees("f5: no key of this view; ? lists them")
        user.sees_no("xray")
        await user.press("J", "t")
        user.sees("timeline: not in the journal view; t is a key of: inventory, token, graph")
        await user.press("b", "slash")
        user.sees("filter or find: not in the backends view")
        await user.paste("K")
        user.sees("Paste dropped: nothing takes text here.")
        assert user.way == ["inventory", "journal", "backends"]

    use(world.application(paths, act=True), steps)
