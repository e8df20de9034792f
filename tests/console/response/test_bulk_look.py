"""A run over many makes few requests: one list shows all that are gone, and none is read twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import scripted_system
from msgspec.structs import replace
from run_scene import Many, until

from backends.contract import (
    Capabilities,
    Outcome,
    OutcomeState,
    Proposal,
    Readable,
    Step,
    Support,
    Verb,
)
from backends.errors import Unreachable
from backends.model import EvidenceLevel, Token, TokenRef
from console.journal.format.entry import Kind
from console.response.plan.model import Plan
from console.response.run.run import Run
from console.response.step import attempt

SIZE = 40


class Bulky(scripted_system.Scripted):
    """The scripted system with whole lists and sure calls; it counts what it is asked.

    Beside the files that steer the other: ``unsure``, ``no-list``, ``list-fails``, ``logged``.
    """

    def __init__(self, other: scripted_system.Scripted) -> None:
        super().__init__(other.config)
        self.reads: Counter[str] = Counter()
        self.lists: list[int] = []
        self.recalled: dict[str, TokenRef] = {}

    def capabilities(self) -> Capabilities:
        (kind,) = super().capabilities().kinds
        ability = replace(kind.ability(Verb.REVOKE), sure=not self._is("unsure"))
        events = Support.FULL if self._is("logged") else Support.NONE
        told = replace(
            kind, in_bulk=True, verbs={Verb.REVOKE: ability}, reads={Readable.EVENTS: events}
        )
        return Capabilities(kinds=(told,))

    async def read(self, ref: TokenRef) -> Token:
        self.reads[ref.id] += 1
        return await super().read(ref)

    async def read_many(self, refs: Sequence[TokenRef]) -> Mapping[TokenRef, Token]:
        self.lists.append(len(refs))
        return {ref: await super(Bulky, self).read(ref) for ref in refs}

    async def gone(self, tokens: Sequence[Token]) -> frozenset[TokenRef]:
        self.lists.append(len(tokens))
        if self._is("list-fails"):
            raise Unreachable("no connection")
        there = {path.name for path in (self.path / "tokens").iterdir()}
        gone = frozenset(token.ref for token in tokens if token.ref.id not in there)
        return frozenset() if self._is("no-list") else gone

    def recall(self, names: Mapping[str, TokenRef]) -> None:
        self.recalled |= names

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        names = (f"hash of {token.ref.id}",) if self._file("logged") == "named" else ()
        return replace(await super().plan(verb, token), log_names=names)

    async def perform(self, step: Step) -> Outcome:
        there = (self.path / "tokens" / step.token.id).exists()
        outcome = await super().perform(step)
        return outcome if there else replace(outcome, state=OutcomeState.ALREADY)


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Many]:
    made = Many(tmp_path, {"a": SIZE})
    made.systems["a"] = Bulky(made.systems["a"])
    yield made
    made.journal.close()


def system(many: Many) -> Bulky:
    found = many.systems["a"]
    assert isinstance(found, Bulky)
    return found


def approved(many: Many, **more: object) -> Plan:
    """A plan for all, without a pace, so that many wait for their effect at one time."""
    return many.approve(rates={"a": 0.0}, **more)


def run(many: Many, plan: Plan) -> Bulky:
    """Run a plan, with what was asked for it counted from here on."""
    asked = system(many)
    asked.reads.clear()
    asked.lists.clear()
    many.run(plan)
    return asked


def levels(many: Many, plan: Plan) -> Counter[int]:
    return Counter(row.level for row in many.board(plan).items.values())


def test_a_plan_for_many_reads_them_together(many: Many) -> None:
    plan = approved(many)
    asked = system(many)
    assert asked.lists == [SIZE]
    assert not asked.reads
    assert [item.token.ref.id for item in plan.items if item.proposal.steps] != []
    assert len(plan.items) == SIZE


def test_the_canary_is_read_and_the_others_are_shown_by_lists(many: Many) -> None:
    plan = approved(many)
    asked = run(many, plan)
    assert asked.reads == {"a0": 2}, "before its call and after it"
    assert sum(asked.lists) == SIZE - 1
    assert len(asked.lists) < SIZE / 4
    assert Counter(many.calls("a")) == {f"a{number}": 1 for number in range(SIZE)}
    assert levels(many, plan) == {EvidenceLevel.RECORDED: SIZE}
    kinds = Counter(entry.kind for entry in many.told(plan))
    assert kinds[Kind.INTENT] == kinds[Kind.OUTCOME] == kinds[Kind.EVIDENCE] == SIZE
    shown = [entry for entry in many.told(plan) if "no longer lists it" in entry.sentence]
    assert len(shown) == SIZE - 1


@pytest.mark.parametrize("trouble", ["no-list", "list-fails"])
def test_what_no_list_shows_is_read_by_itself(many: Many, trouble: str) -> None:
    many.say(trouble)
    plan = approved(many)
    asked = run(many, plan)
    assert asked.reads == {"a0": 2} | {f"a{number}": 1 for number in range(1, SIZE)}
    assert levels(many, plan) == {EvidenceLevel.RECORDED: SIZE}


def test_a_yes_without_effect_is_not_proved_by_the_others_end(many: Many) -> None:
    many.say("answer-a7", '{"state": "applied", "status": "204"}')
    plan = approved(many)
    asked = run(many, plan)
    assert asked.reads["a7"] >= 1
    row = many.board(plan).of(TokenRef("a", scripted_system.KIND, "a7").handle)
    assert row is not None
    assert (row.level, row.state) == (EvidenceLevel.ACCEPTED, "left")
    assert levels(many, plan)[EvidenceLevel.RECORDED] == SIZE - 1


@pytest.mark.parametrize("why", ["unsure", "old", "unnamed"])
def test_a_token_is_read_before_a_call_that_alone_would_not_tell(many: Many, why: str) -> None:
    made_at = datetime.now(UTC) - timedelta(hours=2 if why == "old" else 0)
    many.say("unsure" if why == "unsure" else "logged", "" if why == "unnamed" else "named")
    plan = approved(many, made_at=made_at)
    asked = run(many, plan)
    assert asked.reads == {"a0": 2} | {f"a{number}": 1 for number in range(1, SIZE)}


def test_the_names_of_the_log_reach_the_process_that_carries_the_plan_out(many: Many) -> None:
    many.say("logged", "named")
    plan = approved(many)
    asked = run(many, plan)
    assert asked.reads == {"a0": 2}
    assert asked.recalled["hash of a9"] == TokenRef("a", scripted_system.KIND, "a9")
    assert len(asked.recalled) == SIZE


def test_what_ended_before_a_sure_call_is_told_by_the_call(many: Many) -> None:
    plan = approved(many)
    (system(many).path / "tokens" / "a5").unlink()
    run(many, plan)
    about = [entry for entry in many.told(plan) if entry.target_id == "a5"]
    assert [(entry.kind, entry.state) for entry in about] == [
        ("intent", ""),
        ("outcome", "already"),
        ("evidence", "seen"),
    ]


def test_what_is_tried_once_more_is_read_before(
    many: Many, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "SETTLE", 0.0)
    many.say("answer-a5", '{"state": "unknown"}')
    plan = approved(many)
    asked = run(many, plan)
    # To learn what became of the lost call, before the next one, and after it, alone by then.
    assert asked.reads["a5"] == 3
    assert levels(many, plan) == {EvidenceLevel.RECORDED: SIZE}


def test_a_run_that_is_told_to_stop_leaves_no_look_waiting(many: Many) -> None:
    plan = approved(many)

    async def stop(going: Run) -> None:
        await until(lambda: bool(many.calls("a")))
        going.stop()

    many.run(plan, stop)
    assert levels(many, plan)[0] >= 1
    run(many, plan)
    assert levels(many, plan) == {EvidenceLevel.RECORDED: SIZE}
    assert set(Counter(many.calls("a")).values()) == {1}
