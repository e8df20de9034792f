"""A run over several systems: canaries, budgets, and what a responder decides meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from patience import HANG
from run_scene import Many, until

from backends.errors import Unreachable
from console.errors import PlanRefused
from console.response.run import decisions
from console.response.run.run import Run
from console.response.step.attempt import End
from console.response.step.pace import SLACK, Pace

THROTTLED = json.dumps({"state": "rejected", "status": "429", "detail": "slow down"})
DECLINED = json.dumps({"state": "rejected", "status": "403", "detail": "no permission"})


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Many]:
    made = Many(tmp_path, {"a": 8, "b": 8})
    yield made
    made.journal.close()


def test_a_run_deals_with_every_token_once_and_its_sum_holds(many: Many) -> None:
    plan = many.approve(wave=3)
    result = many.run(plan)
    assert (result.end, result.words) == (End.DONE, "16 tokens: 16 recorded")
    assert sorted(many.calls("a")) == sorted(f"a{n}" for n in range(8))
    board = many.board(plan)
    assert board.sums()["recorded"] == board.total == 16
    waves = [entry.run.item for entry in many.told(plan) if entry.run and entry.run.what == "wave"]
    assert waves == [0, 1, 2, 3]
    many.run(plan)
    assert len(many.calls("a")) == 8, "a run that is done makes no call when it is started anew"


def test_no_token_is_called_about_before_the_canary_is_proved(many: Many) -> None:
    many.say("no-effect", system="a")
    plan = many.approve()
    assert many.run(plan).end is End.STOPPED
    assert many.calls("a") == ["a0"], "the canary's lane stops at it"
    assert len(many.calls("b")) == 8, "the other lane goes on"
    assert ("halt", "a") in many.marks(plan)
    assert "canary a0" in many.board(plan).halted["a"]


def test_a_lane_without_a_canary_waits_for_the_runs(many: Many) -> None:
    many.say("no-effect", system="a")
    plan = many.approve(canaries=1)
    items = tuple(item if item.backend == "a" else replace(item, wave=1) for item in plan.items)
    plan = many.approve_as(plan, items)
    many.run(plan)
    assert many.calls("b") == []
    assert "canary a0" in many.board(plan).halted["b"]


def test_a_used_up_budget_halts_its_lane_and_no_other(many: Many) -> None:
    for n in (2, 3, 4):
        many.say(f"answer-a{n}", DECLINED, "a")
    plan = many.approve(budget=3, rates={"a": 1000.0})
    assert many.run(plan).end is End.STOPPED
    board = many.board(plan)
    assert list(board.halted) == ["a"]
    assert "no permission" in board.halted["a"]
    assert sum(row.state == "failed" for row in board.items.values()) == 3
    assert len(many.calls("b")) == 8


def test_after_a_lifted_halt_what_failed_is_tried_again(many: Many) -> None:
    many.say("answer-a0", DECLINED, "a")
    plan = many.approve(budget=1)

    async def lift(run: Run) -> None:
        await until(lambda: "a" in run.board.halted)
        await asyncio.to_thread(
            decisions.unhalt, plan, many.journal, "the permission was granted", "a"
        )

    assert many.run(plan, lift, person=HANG).end is End.DONE
    assert many.calls("a").count("a0") == 2
    assert many.board(plan).sums()["recorded"] == 16


def test_a_system_that_cannot_be_opened_halts_its_lane_until_it_is_lifted(many: Many) -> None:
    many.cannot_open["a"] = Unreachable("no connection")
    plan = many.approve()

    async def lift(run: Run) -> None:
        await until(lambda: "a" in run.board.halted)
        assert many.calls("a") == []
        many.cannot_open.clear()
        await asyncio.to_thread(decisions.unhalt, plan, many.journal, "it is up again now", "a")

    assert many.run(plan, lift, person=HANG).end is End.DONE
    assert len(many.calls("a")) == 8


def test_a_paused_run_makes_no_call_until_it_is_resumed(many: Many) -> None:
    # So slow that every turn has to be waited for, also on a machine that is slow itself.
    plan = many.approve(rates={"a": 0.5, "b": 0.5})
    seen: list[int] = []

    def made() -> int:
        return len(many.calls("a")) + len(many.calls("b"))

    paused = asyncio.Event()

    async def sleep(seconds: float) -> None:
        # The calls after the third wait for the responder, however slow the machine is.
        if made() >= 3:
            await paused.wait()
        await asyncio.sleep(min(seconds, 0.01))

    async def decide(run: Run) -> None:
        await until(lambda: made() >= 3)
        await asyncio.to_thread(decisions.pause, plan, many.journal)
        await until(lambda: run.board.paused)
        paused.set()
        await asyncio.sleep(0.2)
        seen.append(made())
        await asyncio.sleep(0.5)
        seen.append(made())
        with pytest.raises(PlanRefused, match="paused already"):
            decisions.pause(plan, many.journal)
        await asyncio.to_thread(decisions.resume, plan, many.journal)

    assert many.run(plan, decide, person=HANG, sleep=sleep).end is End.DONE
    assert seen[0] == seen[1] < 16
    assert made() == 16


def test_an_aborted_run_ends_and_says_what_is_left(many: Many) -> None:
    plan = many.approve(rates={"a": 5.0, "b": 5.0})
    aborted = asyncio.Event()

    async def sleep(seconds: float) -> None:
        # The third call waits for the responder, however slow the machine is.
        if len(many.calls("a")) >= 2:
            await aborted.wait()
        await asyncio.sleep(min(seconds, 0.01))

    async def decide(run: Run) -> None:
        await until(lambda: len(many.calls("a")) >= 2)
        await asyncio.to_thread(decisions.abort, plan, many.journal, "it was a false alarm")
        aborted.set()

    result = many.run(plan, decide, sleep=sleep)
    assert result.end is End.STOPPED
    assert "left" in result.words
    assert len(many.calls("a")) < 8
    with pytest.raises(PlanRefused, match="aborted"):
        decisions.resume(plan, many.journal)
    many.run(plan)
    assert len(many.calls("a")) < 8, "an aborted run stays so"


def test_a_call_that_was_put_off_is_repeated_with_growing_pauses(many: Many) -> None:
    many.say("answer-a2", "\n".join([THROTTLED] * 2), "a")
    many.say("answer-b2", "\n".join([THROTTLED] * 9), "b")
    plan = many.approve()
    many.run(plan)
    assert many.calls("a").count("a2") == 3
    assert many.calls("b").count("b2") == 4, "three repeats, and no more"
    assert {1.0, 2.0, 4.0} <= set(many.slept)
    states = {row.item.token.name: row.state for row in many.board(plan).items.values()}
    assert (states["a2"], states["b2"]) == ("recorded", "failed")
    intents = [e.id for e in many.told(plan) if e.kind == "intent" and e.target_id == "a2"]
    assert len(set(intents)) == 3, "each repeat is an intent of its own"


def test_an_excepted_token_is_left_alone(many: Many) -> None:
    plan = many.approve()
    decisions.except_(plan, many.journal, "payments needs it until noon", 3, "payments")
    many.run(plan)
    assert "a2" not in many.calls("a")
    sums = many.board(plan).sums()
    assert (sums["excepted"], sums["recorded"]) == (1, 15)
    assert decisions.close(plan, many.journal).run is not None


def test_a_run_with_something_left_cannot_be_closed(many: Many) -> None:
    many.say("answer-a1", DECLINED, "a")
    plan = many.approve()
    with pytest.raises(PlanRefused, match="not known"):
        decisions.close(plan, many.journal)
    many.run(plan)
    with pytest.raises(PlanRefused, match="failed"):
        decisions.close(plan, many.journal)


def test_what_another_plan_took_meanwhile_is_not_done_twice(many: Many) -> None:
    first, second = many.approve(), many.approve()
    many.say("no-effect")
    many.run(first, person=0.0)  # The canaries were called about, without effect.
    many.unsay("no-effect", "a")
    many.unsay("no-effect", "b")
    many.run(second)
    assert many.calls("a").count("a0") == 1
    row = many.board(second).items[1]
    assert row.state == "left"
    assert first.id[-6:] in row.taken


def test_calls_that_were_held_up_together_go_out_at_the_rate() -> None:
    gone: list[float] = []

    async def go() -> None:
        now = 100.0

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        waits: list[float] = []
        lane = Pace("a", 10.0, clock=lambda: now, sleep=sleep)
        for _ in range(12):
            waits.clear()
            await lane.ready()
            gone.append(sum(waits))

    asyncio.run(go())
    slack = int(SLACK * 10.0) + 1
    assert gone[:slack] == [0.0] * slack, "a little may be made up for"
    assert gone[-1] == pytest.approx(11 / 10.0 - SLACK)
