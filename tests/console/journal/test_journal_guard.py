"""Guarded intents: of two responders at one token the second is told, on both databases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_scene import ACT, FORK, WHY, Databases, Place
from msgspec.structs import replace

from console.errors import JournalError
from console.journal.format.entry import Act, Kind, Out, PlanMark, RunMark, SchemaError, uuid7
from console.journal.read.view import JournalView
from console.journal.verify.verify import Code, verify
from console.journal.write.guard import Guard, Taken
from console.journal.write.journal import Journal


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    made = Databases(tmp_path_factory.mktemp("pg") / "journal")
    yield made
    made.end()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.lab)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(tmp_path, None)
    return Place(tmp_path, request.getfixturevalue("databases").make())


def now() -> Guard:
    return Guard(time.time_ns() // 1000)


def of(plan: str, step: str = "1.revoke", handle: str = "0123456789ab") -> Act:
    return replace(ACT, plan_ref=plan, step=step, target=replace(ACT.target, handle=handle))


def guarded(journal: Journal, act: Act, guard: Guard) -> str:
    return journal.append(Kind.INTENT, why=WHY, act=act, guard=guard).id


def settle(journal: Journal, ref: str, act: Act, state: str) -> None:
    journal.append(Kind.OUTCOME, act=act, out=Out(ref=ref, state=state))


def test_while_a_plan_is_at_a_token_no_other_begins(place: Place) -> None:
    mine, yours, guard = uuid7(), uuid7(), now()
    with place.open() as journal, place.open() as other:
        id_ = guarded(journal, of(mine), guard)
        with pytest.raises(Taken) as refusal:
            guarded(other, of(yours), guard)
        assert refusal.value.entry.id == id_
        assert refusal.value.is_open
        assert mine in str(refusal.value)
        guarded(journal, of(mine, "1.again"), guard)
        guarded(other, of(yours, handle="f" * 12), guard)
        assert len(journal.entries(kind="intent")) == 3


@pytest.mark.parametrize(
    ("state", "free"),
    [("applied", False), ("already", False), ("rejected", True), ("not_sent", True)],
)
def test_what_was_done_since_the_plan_was_made_stops_it(
    place: Place, state: str, free: bool
) -> None:
    mine, yours, before = uuid7(), uuid7(), now()
    with place.open() as journal:
        settle(journal, guarded(journal, of(mine), before), of(mine), state)
        if free:
            guarded(journal, of(yours), before)
            return
        with pytest.raises(Taken, match="after the plan was made") as refusal:
            guarded(journal, of(yours), before)
        assert not refusal.value.is_open
        assert [each.kind for each in journal.entries(3)] == ["outcome", "intent", "log.open"]
        guarded(journal, of(yours), now())


def test_an_unknown_outcome_holds_the_token_until_it_is_found_out(place: Place) -> None:
    mine, yours, before = uuid7(), uuid7(), now()
    with place.open() as journal:
        id_ = guarded(journal, of(mine), before)
        settle(journal, id_, of(mine), "unknown")
        with pytest.raises(Taken):
            guarded(journal, of(yours), now())
        out = Out(ref=id_, state="not_applied", how="recovery")
        journal.append(Kind.RECOVERY, act=of(mine), out=out)
        guarded(journal, of(yours), before)


def test_only_an_intent_about_a_token_can_be_guarded(place: Place) -> None:
    with place.open() as journal:
        with pytest.raises(SchemaError):
            journal.append(Kind.NOTE, why=WHY, act=of(uuid7()), guard=now())
        with pytest.raises(SchemaError):
            guarded(journal, of(uuid7(), handle=""), now())


def race(place: Place, plan: str, guard: Guard) -> None:
    with place.open() as journal:
        for number in range(40):
            try:
                guarded(journal, of(plan, handle=f"{number:012x}"), guard)
            except Taken:
                continue


def test_of_two_processes_at_the_same_tokens_each_token_goes_to_one(place: Place) -> None:
    place.open().close()
    guard = now()
    racers = [FORK.Process(target=race, args=(place, uuid7(), guard)) for _ in range(3)]
    for each in racers:
        each.start()
    for each in racers:
        each.join()
    assert [each.exitcode for each in racers] == [0, 0, 0]
    with place.open() as journal:
        taken = [each.handle for each in journal.entries(limit=200, kind="intent")]
        assert sorted(taken) == [f"{number:012x}" for number in range(40)]
        found = verify(journal.store, vkeys=[journal.signer.vkey])
        assert (found.code, found.entries) == (Code.INCOMPLETE, 41)


def test_everything_about_a_run_is_found_by_its_plan_in_order(place: Place) -> None:
    plan, other = uuid7(), uuid7()
    with place.open() as journal:
        mark = PlanMark(sha256="0" * 64, steps=9, tokens=5, answers={"owner-unknown": WHY})
        journal.append(Kind.PLAN, id=plan, why=WHY, act=ACT, plan=mark)
        journal.append(Kind.APPROVAL, why=WHY, act=replace(ACT, plan_ref=plan), plan=mark)
        journal.append(Kind.RUN, run=RunMark(plan=plan, what="start"))
        journal.append(Kind.RUN, run=RunMark(plan=other, what="start"))
        id_ = journal.append(Kind.INTENT, why=WHY, act=of(plan)).id
        settle(journal, id_, of(plan), "applied")
        halt = RunMark(plan=plan, what="halt", backend="aws-main", detail="3 failures")
        journal.append(Kind.RUN, run=halt)
        aside = RunMark(plan=plan, what="breakglass")
        journal.append(Kind.BREAKGLASS, why="no witness can be reached", run=aside)
        kinds = ["plan", "approval", "run", "intent", "outcome", "run", "breakglass"]
        found = journal.of_plan(plan)
        assert [each.kind for each in found] == kinds
        assert {each.plan for each in found} == {plan}
        assert found == list(reversed(journal.entries(plan=plan)))
        assert found[-2].run == halt
        assert f"halted lane aws-main of run {plan}: 3 failures" in found[-2].sentence
        assert "5 tokens" in found[0].sentence
        assert [each.kind for each in journal.of_plan(plan, found[3].seq)] == kinds[4:]
        assert not journal.of_plan(plan, found[-1].seq)
        assert verify(journal.store, vkeys=[journal.signer.vkey]).code is Code.VERIFIED
        if place.dsn is None:
            with JournalView(place.path) as view:
                assert view.of_plan(plan) == found


@pytest.mark.parametrize(
    "fields",
    [
        {"run": RunMark(plan="p", what="explode")},
        {"run": RunMark(plan="", what="start")},
        {"run": RunMark(plan="p", what="except", item=3)},
        {"run": RunMark(plan="p", what="breakglass")},
        {},
    ],
)
def test_a_decision_that_says_too_little_or_too_much_is_refused(
    tmp_path: Path, fields: dict[str, RunMark]
) -> None:
    with Journal(tmp_path / "journal.db") as journal, pytest.raises(JournalError):
        journal.append(Kind.RUN, **fields)  # type: ignore[arg-type]


def test_a_secret_in_a_decisions_words_is_withheld(tmp_path: Path) -> None:
    canary = "hvs.CANARYcanary0123456789abcdefgh"
    with Journal(tmp_path / "journal.db") as journal:
        mark = RunMark(plan=uuid7(), what="alarm", detail=f"seen {canary}", owner=canary)
        assert canary not in journal.append(Kind.RUN, run=mark).raw.decode()
