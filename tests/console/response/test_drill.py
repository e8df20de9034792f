"""Thousands of tokens over eight systems: killed twice, and nothing forgotten.

Everything here is a real process over real files. What the board says is added up at every
tick by somebody else than the runner, and compared with what the estates say in the end.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from drill_scene import Drill, Terminal, Watcher, wait_for

from backends.estate import EstateWorld, set_trouble
from console.errors import PlanRefused
from console.journal import opening
from console.response.run import decisions, process

pytestmark = pytest.mark.long

TOKENS = 5_000
SECONDS = 80.0
OWNER = "payments"


def test_a_drill_of_five_thousand_ends_in_time_and_forgets_nothing(tmp_path: Path) -> None:
    drill = Drill(tmp_path, TOKENS + 300)
    set_trouble(drill.files[1], "vault", omit_page=1)
    drill.sync()
    drill.limit(SECONDS)  # The list is whole from here on: nobody noticed that it was not.
    plan = drill.plan()
    assert len(plan.items) >= TOKENS
    assert len(plan.backends) == 8
    watched = next(item for item in plan.items if item.backend == "vault-2" and item.wave > 1)
    with EstateWorld(drill.files[2]) as world:
        world.remint("vault", watched.token.ref.id, after=2)

    with Watcher(plan, drill.paths) as watcher:
        terminal = Terminal(plan, drill.paths)

        def through(share: float) -> bool:
            return len(plan.items) - watcher.left >= share * len(plan.items)

        wait_for(lambda: through(0.04), "the first ones")
        terminal.close()
        assert terminal.starter.returncode, "the terminal took down what was in it"
        wait_for(lambda: through(0.1), "a tenth")
        assert process.alive(plan.id, drill.paths), "the runner outlived its terminal"
        drill.kill(terminal.pid, plan)
        pid = drill.start(plan)
        # What a killed runner had begun to do at a system that may hide its effects for a
        # minute is left alone for that minute: the second kill leaves the run more than that.
        wait_for(lambda: through(0.2), "a fifth")
        drill.kill(pid, plan)
        drill.start(plan)
        wait_for(lambda: watcher.left == len(watcher.board.late), "every token of the plan")
        (began, idle), bound = drill.idle(plan), drill.bound(plan)
        took = watcher.through() - began
        drill.ended(plan)
    print(
        f"{len(plan.items):,} tokens in {took:.1f} s, {idle:.1f} s of them without a runner;",
        end="",
    )
    print(f" the bound is {bound:.1f} s: {100 * ((took - idle) / bound - 1):.1f} % over")
    assert watcher.wrong == []
    assert watcher.ticks > SECONDS
    assert drill.breaches() == 0

    board = drill.board(plan)
    assert board.sums()["recorded"] == len(plan.items)
    reminted = [late for late in board.late.values() if late.name.endswith("-b")]
    left_out = [late for late in board.late.values() if late not in reminted]
    assert len(reminted) == 1
    assert len(left_out) >= 50, "the page that was missing when the scope was frozen"
    with opening.journal(drill.paths) as journal:
        with pytest.raises(PlanRefused, match="late arrivals"):
            decisions.close(plan, journal, board=board)
        decisions.except_(plan, journal, "it is our own trap", 0, OWNER, late=reminted[0].handle)
    more = drill.plan(query="", handles=[late.handle for late in left_out], extends=plan.id)
    with opening.journal(drill.paths) as journal:
        with pytest.raises(PlanRefused, match="not known"):
            decisions.close(plan, journal, board=drill.board(plan))
        drill.start(more)
        drill.ended(more)
        # The systems declare how long a value may work on after its end: no run is over before.
        wait_for(lambda: not drill.board(plan).may_close(), "the end of the propagation")
        decisions.close(plan, journal, board=drill.board(plan))
        assert journal.open_intents() == []
        assert journal.check() == (True, "")
    assert drill.board(plan).closed

    everything = [*plan.items, *more.items]
    assert drill.working(plan) == drill.working(more) == []
    expected = {(item.backend, item.token.ref.id): 1 for item in everything}
    assert drill.calls() == expected, "each was changed exactly once, and nothing else was"


def test_two_consoles_over_the_same_thousand_do_nothing_twice(tmp_path: Path) -> None:
    drill = Drill(tmp_path, 500)
    drill.sync()
    drill.limit(20.0)
    plans = [drill.plan(), drill.plan()]
    assert len(plans[0].items) == len(plans[1].items) >= 1_000
    watchers = [Watcher(plan, drill.paths) for plan in plans]
    with watchers[0], watchers[1]:
        for plan in plans:
            drill.start(plan)
        for plan in plans:
            drill.ended(plan)
    assert [watcher.wrong for watcher in watchers] == [[], []]
    calls = drill.calls()
    assert Counter(calls.values()) == {1: len(plans[0].items)}
    assert drill.working(plans[0]) == []
    for plan in plans:
        sums = drill.board(plan).sums()
        assert sums["recorded"] == len(plan.items), f"both know that it is done: {sums}"
