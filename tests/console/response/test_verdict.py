"""The headline: what is known now of the old value, in the words that everybody shows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace
from test_board import NOW, Told, plan_of

from backends.contract import Phase, Step, Verb
from console.journal.format.entry import Kind
from console.response.plan.model import Mode, Plan
from console.response.state import old_value, report
from console.response.state.old_value import What
from console.text import wrapped


def headline(told: Told, after: float = 1000.0) -> str:
    return old_value.of(told.board.items[1], NOW + told.seq + after).line


def lasting(seconds: float | None, verb: Verb = Verb.REVOKE, count: int = 1) -> Plan:
    """A plan whose values may, as declared, work on for some time."""
    plan = plan_of(count, verb)
    spread = None if seconds is None else timedelta(seconds=seconds)
    return replace(plan, items=tuple(replace(item, propagation=spread) for item in plan.items))


def rotation(mode: Mode = Mode.ROUTINE) -> Plan:
    """A rotation whose old value ends by a call of its own."""
    plan = lasting(0, Verb.ROTATE)
    (item,) = plan.items
    (end,) = item.proposal.steps
    mint: Step = replace(end, id="1.mint", phase=Phase.MINT, expect="")
    retire: Step = replace(end, id="1.revoke", phase=Phase.RETIRE)
    proposal = replace(item.proposal, steps=(mint, retire), takes_effect="at once")
    return replace(plan, mode=mode, items=(replace(item, proposal=proposal),))


def test_a_rotation_that_waits_says_that_the_old_value_works_and_for_whom() -> None:
    told = Told(rotation())
    assert headline(told) == "NOT ROTATED: waiting"
    told.call(1, "mint")
    told.say(
        Kind.NOTE, 1, step="1.moving", why="the old one is not retired: not moved: billing-cron"
    )
    expected = "OLD VALUE STILL WORKS: the old one is not retired: not moved: billing-cron"
    assert headline(told) == expected
    text = report.situation(told.board, NOW + 10.0, working=True)
    assert expected in text
    assert not any("done" in line for line in text)
    told.call(1, "revoke")
    told.say(Kind.EVIDENCE, 1, step="1.rotated", state="seen", evidence=2, how="read")
    assert headline(told) == "RECORDED ENDED, NOT TRIED"


def test_a_plan_to_rotate_says_when_the_old_value_ends() -> None:
    routine = "\n".join(report.plan_lines(rotation()))
    assert "takes effect  the old value works until every consumer was seen" in routine
    leak = "\n".join(report.plan_lines(rotation(Mode.LEAK)))
    assert "takes effect  the old value is ended right after the new one was delivered" in leak
    slow = "\n".join(report.plan_lines(lasting(70)))
    assert "it may work on for 70 s after that (declared)" in slow


def test_a_grace_period_is_no_end() -> None:
    plan = rotation()
    (item,) = plan.items
    proposal = replace(item.proposal, steps=item.proposal.steps[:1])
    told = Told(replace(plan, items=(replace(item, proposal=proposal),)))
    told.call(1, "mint")
    told.say(Kind.NOTE, 1, step="1.old", why="the system's record says active; it ends in 60 min")
    told.say(Kind.EVIDENCE, 1, step="1.rotated", state="seen", evidence=1, how="answer")
    assert told.state() == "replaced"
    assert headline(told) == (
        "OLD VALUE STILL WORKS: it was replaced, and the system's record says active; it ends in"
        " 60 min"
    )


def test_each_kind_of_knowledge_has_its_own_words() -> None:
    told = Told(lasting(0))
    told.call(1, state="")
    assert headline(told) == "NOT KNOWN: being called"
    told = Told(lasting(0))
    told.call(1)
    assert headline(told).startswith("NOT KNOWN: the system said yes, and its record does not")
    told.evidence(1, 2)
    assert headline(told) == "RECORDED REVOKED, NOT TRIED"
    told.say(Kind.OBSERVE, 1, step="1.revoke", how="probe", state="unclear")
    assert headline(told) == "RECORDED REVOKED, TRIED, NO CLEAR ANSWER"
    told.evidence(1, 3)
    at = old_value.clock(NOW + told.seq, NOW + told.seq)
    assert headline(told, 1.0) == f"REFUSED at {at}"
    told.evidence(1, 2, seen=False, how="probe")
    assert headline(told).startswith("OLD VALUE STILL WORKS")
    failed = Told(lasting(0))
    failed.call(1, state="rejected")
    assert headline(failed) == "NOT REVOKED: sentence 2"
    told.decide("alarm", 1, detail="used after its end: GET from 10.0.0.1")
    assert headline(told) == "OLD VALUE STILL WORKS: used after its end: GET from 10.0.0.1"


def test_how_long_a_value_may_work_on_is_never_silently_unknown() -> None:
    told = Told(lasting(None))
    told.call(1)
    told.evidence(1, 2)
    expected = "RECORDED REVOKED, NOT TRIED: how long it may work on is not declared"
    assert headline(told) == expected


@pytest.mark.parametrize("count", [1, 10])
def test_a_run_is_not_over_before_the_declared_propagation_is(count: int) -> None:
    told = Told(lasting(70, count=count))
    told.say(Kind.PLAN, id=told.plan.id, who="ana")
    for number in range(1, count + 1):
        told.call(number)
        told.evidence(number, 2)
    assert told.board.sums()["recorded"] == count
    now = NOW + told.seq + 9.0
    why = told.board.may_close(now)
    assert why.startswith("propagation not over until ")
    assert "(70 s declared)" in why
    text = "\n".join(report.situation(told.board, now, working=True))
    assert f"cannot be closed: {why}" in text
    assert "may be closed" not in text
    row = told.board.items[1]
    assert old_value.of(row, now).until == row.over
    assert "propagation not over until" in old_value.of(row, now).line
    assert told.board.may_close(NOW + told.seq + 71.0) == ""
    assert headline(told, 71.0) == "RECORDED REVOKED, NOT TRIED"


def test_a_value_that_was_accepted_within_the_window_keeps_the_run_open() -> None:
    """A try is a fact: the record alone must not call it ended, however short the time."""
    told = Told(lasting(70))
    told.call(1)
    told.evidence(1, 2)
    told.say(Kind.OBSERVE, 1, step="1.revoke", how="probe", state="not_seen")
    assert told.state() == "left"
    said = headline(told, 5.0)
    assert said.startswith("OLD VALUE STILL WORKS: it was accepted when it was tried at ")
    assert "propagation not over until" in said
    told.evidence(1, 3)
    assert told.state() == "dead"
    assert told.board.may_close(NOW + told.seq + 1.0) == "", "a refusal is no guess about time"


def test_a_killed_runner_is_not_running() -> None:
    told = Told(plan_of(2))
    told.say(Kind.PLAN, id=told.plan.id, who="ana")
    told.decide("start")
    told.call(1)
    at_work = report.situation(told.board, NOW + 50.0, working=True)
    assert "running" in at_work[0]
    gone = "\n".join(report.situation(told.board, NOW + 50.0, working=False))
    assert "stopped (its runner is gone; run start goes on)" in gone
    assert "running" not in gone
    assert "about" not in gone.splitlines()[0], "and nobody can say until when"


def test_the_worst_comes_first_and_a_few_words_are_enough_for_a_list() -> None:
    told = Told(lasting(0, count=3))
    told.call(1)
    told.evidence(1, 3)
    told.call(2)
    told.evidence(2, 2)
    told.call(3)
    told.evidence(3, 2)
    told.evidence(3, 2, seen=False, how="probe")
    rows, now = told.board.rows.values(), NOW + 100.0
    assert list(old_value.counts(rows, now)) == [What.WORKS, What.RECORDED, What.REFUSED]
    assert old_value.worst(rows, now) == "1 work"
    told_ = report.old_values(told.board, now)
    assert told_[0] == "old values: 1 still works, 1 recorded, not tried, 1 refused"
    assert told_[1].startswith("key-3 on b0: OLD VALUE STILL WORKS")


def test_no_line_of_a_report_hides_its_end() -> None:
    lines = wrapped("OLD VALUE STILL WORKS: " + "a consumer has not moved " * 20)
    assert all(len(line) <= 80 for line in lines)
    assert " ".join(" ".join(lines).split()).count("has not moved") == 20


def test_a_contained_value_that_was_accepted_is_not_called_done() -> None:
    told = Told(lasting(10, Verb.CONTAIN))
    told.call(1)
    told.evidence(1, 2)
    assert told.state() == "done"
    told.say(Kind.OBSERVE, 1, step="1.revoke", how="probe", state="not_seen")
    assert told.state() == "recorded"
    assert told.words() == "recorded, not refused: the old value still works"
    assert headline(told).startswith("OLD VALUE STILL WORKS")
