"""The board: every token in exactly one state, and no word that the evidence does not bear."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from backends.contract import Call, Hazard, Proposal, Step, Verb
from backends.model import EvidenceLevel, Token, TokenRef
from console.journal.format.entry import Kind, uuid7
from console.journal.format.parts import RunMark
from console.journal.format.sentence import Entry
from console.response.plan.model import Mode, Plan, PlanItem
from console.response.state import report
from console.response.state.run import Board
from console.response.state.token import STATES

NOW = 1_800_000_000
ANSWERS = ("applied", "rejected", "unknown", "", "not_sent")


class Told:
    """Writes entries as the engine would, in the journal's order."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.board = Board(plan)
        self.seq = 0
        self.intents: dict[str, str] = {}

    def say(self, kind: Kind, number: int = 0, **fields: object) -> str:
        self.seq += 1
        id_ = uuid7()
        item = self.plan.item(number)
        base: dict[str, object] = {
            "seq": self.seq,
            "raw": b"",
            "sentence": f"sentence {self.seq}",
            "id": id_,
            "kind": kind.value,
            "t": NOW + self.seq,
            "t_us": (NOW + self.seq) * 1_000_000,
            "plan": self.plan.id,
            "backend": item.backend if item else "",
            "handle": item.token.ref.handle if item else "",
        }
        self.board.feed([Entry(**{**base, **fields})])  # type: ignore[arg-type]
        return id_

    def call(self, number: int, step: str = "revoke", state: str = "applied") -> None:
        name = f"{number}.{step}"
        intent = self.say(Kind.INTENT, number, step=name)
        if state:
            self.say(Kind.OUTCOME, number, step=name, state=state, ref=intent)

    def evidence(self, number: int, level: int, *, seen: bool = True, how: str = "read") -> None:
        state = "seen" if seen else "not_seen"
        self.say(
            Kind.EVIDENCE, number, step=f"{number}.revoke", state=state, evidence=level, how=how
        )

    def decide(self, what: str, number: int = 0, **fields: object) -> None:
        mark = RunMark(plan=self.plan.id, what=what, item=number, **fields)  # type: ignore[arg-type]
        self.say(Kind.RUN, number, run=mark)

    def state(self, number: int = 1) -> str:
        return self.board.items[number].state

    def words(self, number: int = 1) -> str:
        return self.board.items[number].words


def plan_of(count: int = 1, verb: Verb = Verb.REVOKE, **fields: object) -> Plan:
    items = []
    for number in range(1, count + 1):
        backend = f"b{number % 3}"
        ref = TokenRef(backend, "key", f"k{number}")
        step = Step(
            id=f"{number}.revoke",
            verb=verb,
            token=ref,
            title="end it",
            call=Call("http", "DELETE", f"/keys/{number}"),
            expect="gone",
        )
        items.append(
            PlanItem(
                number=number,
                verb=verb,
                token=Token(ref=ref, name=f"key-{number}", scope="all"),
                backend=backend,
                kind_title="key",
                proposal=Proposal(steps=(step,)),
                ceiling=EvidenceLevel.SILENT,
            )
        )
    made = {"id": uuid7(), "verb": verb, "reason": "leaked", "items": tuple(items)}
    return Plan(made_at=datetime.fromtimestamp(NOW, UTC), **{**made, **fields})  # type: ignore[arg-type]


def test_accepted_is_not_dead() -> None:
    told = Told(plan_of())
    told.call(1)
    assert (told.state(), told.words()) == ("left", "accepted, not confirmed")


def test_the_issuers_record_is_not_a_refusal() -> None:
    told = Told(plan_of())
    told.call(1)
    told.evidence(1, 2)
    assert (told.state(), told.words()) == ("recorded", "recorded, not refused")
    told.evidence(1, 4, how="log")
    assert told.state() == "recorded"
    assert "not refused" in told.words()


def test_a_refusal_makes_it_dead_and_an_acceptance_takes_that_back() -> None:
    told = Told(plan_of())
    told.call(1)
    told.evidence(1, 2)
    told.evidence(1, 3, how="probe")
    assert told.state() == "dead"
    told.evidence(1, 2, seen=False, how="probe")
    assert told.state() == "left", "nothing is over while the old value works"
    assert "still works" in told.words()


def test_no_time_is_told_for_what_waits_for_something_else_than_calls() -> None:
    plan = plan_of(6, rates={f"b{number}": 2.0 for number in range(3)})
    by_hand = replace(plan.items[0], proposal=Proposal(steps=(), manual="1. Ask them."))
    told = Told(replace(plan, items=(by_hand, *plan.items[1:])))
    assert told.board.eta(NOW) is None, "nobody knows when a person has done it"
    lanes = {lane.backend: lane for lane in told.board.lanes(NOW)}
    assert (lanes["b1"].counts["left"], lanes["b1"].eta) == (2, 0.5)
    assert (lanes["b2"].counts["left"], lanes["b2"].eta) == (2, 1.0)
    for number in (2, 3, 4, 5, 6):
        told.call(number)
        told.evidence(number, 2)
    lines = report.situation(told.board, NOW + 60, working=True)
    assert "b1: recorded 1, left 1 of 2; running" in [line.strip() for line in lines]
    assert not [line for line in lines if "about" in line]


def test_nothing_is_called_asked_of_which_nothing_was_asked() -> None:
    told = Told(plan_of(2))
    told.call(1)
    assert told.board.items[1].proof == "asked"
    assert told.board.items[2].proof == "none, nothing was asked yet"
    assert told.board.proof().ranked[0] == ("asked", 1)


def test_a_card_with_steps_keeps_its_lines_and_waves_count_from_one() -> None:
    plan = plan_of(2)
    card = Proposal(steps=(), manual="Only Ana can:\n1. Ask Ana.\n2. Look here.")
    lines = report.plan_lines(replace(plan, items=(replace(plan.items[0], proposal=card),
                                                   replace(plan.items[1], wave=1))))  # fmt: skip
    assert "        by hand       Only Ana can:" in lines
    assert "                      1. Ask Ana." in lines
    assert "                      2. Look here." in lines
    assert "     1. key-1 on b1, owner none known, wave 1" in lines
    assert "     2. key-2 on b2, owner none known, wave 2" in lines


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "1 token that should have ended with it lives on"),
        (2, "2 tokens that should have ended with it live on"),
    ],
)
def test_what_lives_on_is_counted_in_its_own_number(number: int, said: str) -> None:
    told = Told(plan_of())
    told.call(1)
    for each in range(number):
        told.say(Kind.EVIDENCE, 1, step="1.revoke", state="not_seen", evidence=2, how="read",
                 handle=f"child{each}")  # fmt: skip
    assert told.words() == said


def test_use_after_death_is_never_dead() -> None:
    told = Told(plan_of())
    told.call(1)
    told.evidence(1, 3, how="probe")
    told.decide("alarm", 1, detail="used from 203.0.113.9 after its end")
    assert told.state() == "failed"
    assert "203.0.113.9" in told.words()
    assert told.board.alarms


def test_a_child_that_lives_on_is_a_failure_until_it_is_gone() -> None:
    told = Told(plan_of())
    told.call(1)
    told.evidence(1, 3)
    child = {"handle": "cccccccccccc", "step": "1.revoke"}
    told.say(Kind.EVIDENCE, 1, state="not_seen", evidence=1, **child)
    assert told.state() == "failed"
    told.say(Kind.EVIDENCE, 1, state="seen", evidence=2, **child)
    assert told.state() == "dead"


@pytest.mark.parametrize("answer", ["applied", "not_applied"])
def test_an_unknown_answer_is_left_until_recovery_tells(answer: str) -> None:
    told = Told(plan_of())
    intent = told.say(Kind.INTENT, 1, step="1.revoke")
    told.say(Kind.OUTCOME, 1, step="1.revoke", state="unknown", ref=intent)
    assert (told.state(), told.words()) == ("left", "no trustworthy answer")
    told.say(Kind.RECOVERY, 1, step="1.revoke", state=answer, ref=intent)
    assert told.state() == "left"
    assert told.words() == {"applied": "accepted, not confirmed", "not_applied": "waiting"}[answer]


def test_an_exception_needs_no_act_and_opens_again_when_it_ends() -> None:
    told = Told(plan_of())
    told.decide("except", 1, owner="ana", expires=(NOW + 100) * 1_000_000)
    assert told.state() == "excepted"
    told.board.tick(NOW + 99)
    assert told.state() == "excepted"
    told.board.tick(NOW + 101)
    assert told.state() == "left"
    assert told.board.sums()["left"] == 1


def test_a_late_arrival_keeps_the_run_open_until_a_plan_takes_it_in() -> None:
    told = Told(plan_of())
    told.call(1)
    told.evidence(1, 3)
    assert told.board.may_close() == ""
    late = plan_of(extends=told.plan.id)
    handle = late.only.token.ref.handle
    told.say(
        Kind.RUN,
        handle="aaaaaaaaaaaa",
        backend="b1",
        target_name="fresh",
        run=RunMark(plan=told.plan.id, what="late", backend="b1"),
    )
    assert told.board.total == 2
    assert "late" in told.board.may_close()
    assert handle != "aaaaaaaaaaaa"
    told.decide("except", 0, detail="aaaaaaaaaaaa", owner="ana")
    assert told.board.may_close() == ""


def test_a_failure_cannot_be_closed_over() -> None:
    told = Told(plan_of())
    told.call(1, state="rejected")
    assert told.state() == "failed"
    assert "failed" in told.board.may_close()


def test_a_fatal_hazard_in_a_plan_for_many_counts_as_failed() -> None:
    plan = plan_of(2)
    first, other = plan.items
    own = Hazard(code="own-credential", text="its own branch", fatal=True)
    blocked = replace(first, proposal=replace(first.proposal, hazards=(own,)))
    board = Board(replace(plan, items=(blocked, other)))
    assert board.sums()["failed"] == 1
    assert board.items[1].words == "its own branch"


def test_a_contained_token_is_done_and_never_dead() -> None:
    told = Told(plan_of(verb=Verb.CONTAIN))
    told.call(1)
    told.evidence(1, 3, how="probe")
    assert told.state() == "done"
    told.evidence(1, 2, seen=False, how="probe")
    assert (told.state(), told.words()[:21]) == ("recorded", "recorded, not refused")


def test_a_rotation_is_replaced_when_it_is_delivered_and_the_old_one_retired() -> None:
    told = Told(plan_of(verb=Verb.ROTATE, sinks=("kv",)))
    told.call(1)
    assert told.state() == "left"
    told.call(1, "deliver.kv")
    assert told.state() == "replaced"


def test_a_leaks_old_value_that_still_works_keeps_a_rotation_open() -> None:
    told = Told(plan_of(verb=Verb.ROTATE, mode=Mode.LEAK))
    told.call(1)
    told.evidence(1, 2, seen=False, how="probe")
    assert told.state() == "left"
    told.evidence(1, 3, how="probe")
    assert told.state() == "replaced"


def test_halts_pauses_and_lanes() -> None:
    told = Told(plan_of(6, rates={"b0": 5.0, "b1": 5.0, "b2": 5.0}))
    told.decide("start")
    told.decide("halt", backend="b1", detail="3 failures")
    lanes = {lane.backend: lane for lane in told.board.lanes(NOW + told.seq)}
    assert lanes["b1"].state == "halted"
    assert lanes["b0"].state == "running"
    assert sum(lane.scope for lane in lanes.values()) == 6
    told.decide("unhalt", backend="b1")
    told.decide("pause")
    assert {lane.state for lane in told.board.lanes(NOW + told.seq)} == {"paused"}
    told.decide("resume")
    assert not told.board.paused


def test_the_sum_holds_after_every_entry_whatever_comes() -> None:
    for seed in range(200):
        dice = random.Random(seed)
        told = Told(plan_of(9, dice.choice([Verb.REVOKE, Verb.ROTATE, Verb.CONTAIN])))
        for _ in range(120):
            number = dice.randint(1, 9)
            act = dice.randrange(8)
            if act < 3:
                told.call(
                    number, state=dice.choice(["applied", "rejected", "unknown", "", "not_sent"])
                )
            elif act < 6:
                told.evidence(number, dice.randint(1, 4), seen=dice.random() < 0.7)
            elif act == 6:
                told.decide("except", number, owner="ana", expires=(NOW + 60) * 1_000_000)
            else:
                told.decide(dice.choice(["alarm", "waive", "moved"]), number, detail="x")
            told.board.tick(NOW + dice.randrange(200))
            sums = told.board.sums()
            assert set(sums) == set(STATES)
            assert sum(sums.values()) == told.board.total == 9
            lanes = list(told.board.lanes(NOW))
            assert sum(lane.scope for lane in lanes) == 9
            for state in STATES:
                assert sum(lane.counts[state] for lane in lanes) == sums[state]
            for row in told.board.rows.values():
                assert row.state != "dead" or (row.refused and not row.alarm)


def test_the_report_says_what_the_board_says_and_nothing_a_terminal_could_act_on() -> None:
    plan = plan_of(3, reason="vendor \x1b]0;pwn\x07 breach", incident="INC-7")
    told = Told(plan)
    told.call(1)
    told.evidence(1, 3)
    told.call(2, state="rejected")
    lines = report.situation(told.board, NOW + 50.0, working=True)
    assert "3 = dead 1 + failed 1 + left 1" in lines
    assert not any("\x1b" in line or "\x07" in line for line in lines)
    assert any(line.startswith("cannot be closed") for line in lines)
