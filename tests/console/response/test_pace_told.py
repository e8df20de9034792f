"""How fast a run is meant to be and is: the plan, the board and the report use the same words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from run_scene import Many

from backends.traffic import Limit, Limits
from console.response.plan import file, pace
from console.response.plan.model import PlannedPace
from console.response.state import report

THROTTLED = json.dumps({"state": "rejected", "status": "429", "detail": "slow down"})
BAD = "\x1b[2J[bold]\u202eatouq"


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Many]:
    made = Many(tmp_path, {"a": 8, "b": 8})
    yield made
    made.journal.close()


def flat(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def test_plan_board_and_file_say_the_same_of_a_pace_that_is_an_estimate(many: Many) -> None:
    plan = many.approve()
    words = pace.told(plan, "a")
    assert "as fast as it answers: 4 at a time at first, then up to 16" in words
    assert "about 40 calls a second, 1s in all (an estimate: no limit of its own is known" in words
    assert words in flat(report.plan_lines(plan))
    board = many.board(plan)
    lane = next(lane for lane in board.lanes() if lane.backend == "a")
    assert lane.pace == words
    assert lane.limit == 0
    assert lane.eta == pytest.approx(pace.seconds(plan, "a"))
    assert pace.told(file.load(plan.id, many.paths), "a") == words, "the file keeps it"


def test_a_fixed_rate_is_said_as_a_cap_and_nothing_is_guessed(many: Many) -> None:
    plan = many.approve(rates={"a": 5.0})
    assert pace.told(plan, "a") == "at most 5 calls a second"
    assert pace.seconds(plan, "a") == pytest.approx(8 / 5.0)
    lane = next(lane for lane in many.board(plan).lanes() if lane.backend == "a")
    assert (lane.pace, lane.limit) == ("at most 5 calls a second", 5.0)


def test_a_429_slows_the_lane_and_the_board_says_why_to_whoever_looks(many: Many) -> None:
    many.say("answer-a3", "\n".join([THROTTLED] * 2), "a")
    plan = many.approve()
    many.run(plan)
    board = many.board(plan)
    lanes = {lane.backend: lane for lane in board.lanes()}
    assert "at a time: it answered 429" in lanes["a"].pace
    assert "The pace of" not in lanes["a"].pace
    notes = [entry.sentence for entry in many.told(plan) if entry.kind == "note"]
    assert any("The pace of a: from" in note for note in notes), "in the journal for good"
    assert "429" not in lanes["b"].pace, "the other lane knows nothing of it"
    assert board.sums()["recorded"] == 16
    assert len(many.calls("a")) == 10, "and the call that was put off is made again"


def test_a_run_of_one_token_writes_nothing_of_its_pace(tmp_path: Path) -> None:
    one = Many(tmp_path, {"a": 1})
    one.say("answer-a0", THROTTLED)
    plan = one.approve()
    one.run(plan)
    assert [entry.kind for entry in one.told(plan) if entry.kind == "note"] == []
    one.journal.close()


def test_in_production_one_call_at_a_time_until_the_canary_is_proved(many: Many) -> None:
    plan = many.approve()
    items = [replace(item, production=True) for item in plan.items if item.backend == "a"]
    found = pace.planned(many.systems["a"], items, Limits())
    assert (found.start, found.most, found.waits) == (1, 16, True)
    plan = replace(plan, paces={"a": found})
    assert "1 at a time until its canary is proved, then up to 16" in pace.told(plan, "a")


def test_a_limit_bounds_the_estimate_and_the_calls_at_a_time_and_is_named(many: Many) -> None:
    plan = many.approve()
    items = [item for item in plan.items if item.backend == "a"]
    system = many.systems["a"]
    system.traffic.keep([Limit(requests=10, source=f"its quota {BAD}")])
    found = pace.planned(system, items, Limits(words="not all of its quotas could be read"))
    assert (found.expected, found.most) == (2.0, 2)
    assert "10 requests a second (its quota" in found.why
    assert "of which a run uses 60%; not all of its quotas could be read" in found.why
    lines = flat(report.plan_lines(replace(plan, paces={"a": found, "b": PlannedPace()})))
    assert "\x1b" not in lines
    assert "\u202e" not in lines


def test_a_run_asks_for_the_limits_before_its_first_call(many: Many) -> None:
    asked: list[int] = []
    system = many.systems["a"]

    async def limits() -> Limits:
        asked.append(len(many.calls("a")))
        system.traffic.keep([Limit(requests=1000, source="its quota")])
        return Limits()

    system.limits = limits  # type: ignore[method-assign]
    plan = many.approve()
    assert plan.paces["a"].expected == 40.0
    many.run(plan)
    assert asked == [0, 0], "for the plan, and for the run"
    assert system.traffic.share == 0.6, "a run uses more of it than what only reads"
