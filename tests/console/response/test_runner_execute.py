"""Carrying out a plan in this process: order, proof, and every way in which it must stop."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted_system
from planned import planned
from scripted_system import KIND, calls

from backends.contract import Backend, Outcome, Step, Verb
from backends.model import TokenRef
from console import settings
from console.errors import JournalError
from console.journal.format.sentence import Entry
from console.journal.write.journal import Journal
from console.response.approve.approval import approve
from console.response.plan.model import Plan
from console.response.run.run import Result, Run
from console.response.step.attempt import End
from console.settings import Paths

WHY = "leaked in a public repository"


class Scene:
    """A system, a journal, and one approved plan to revoke ``k``."""

    def __init__(self, tmp: Path) -> None:
        self.paths: Paths = settings.paths(tmp / "home")
        self.paths.make()
        self.system = scripted_system.make(tmp / "system", "k", "other")
        self.ref = TokenRef("sys", KIND, "k")
        self.journal = Journal(self.paths.journal)
        self.plan = self.approve()

    def approve(self) -> Plan:
        async def make() -> Plan:
            return await planned(
                self.system, Verb.REVOKE, await self.system.read(self.ref), WHY, "INC-7"
            )

        plan = asyncio.run(make())
        approve(plan, self.journal, self.paths, plan.typed_word)
        return plan

    def say(self, file: str, text: str = "") -> None:
        (self.system.path / file).write_text(text)

    def run(self) -> Result:
        async def opened(_: str) -> Backend:
            return self.system

        async def go() -> Result:
            return await Run(self.plan, self.journal, self.paths, opened, patience=0, climb=0).run()

        return asyncio.run(go())

    def told(self) -> list[Entry]:
        """What the journal has about the plan, oldest first, without the approval."""
        return list(reversed(self.journal.entries(plan=self.plan.id)))[1:]

    def kinds(self) -> list[tuple[str, str]]:
        return [(entry.kind, entry.state) for entry in self.told()]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.journal.close()


def test_a_revoke_is_an_intent_a_call_an_outcome_and_a_second_look(scene: Scene) -> None:
    assert scene.run().end is End.DONE
    intent, outcome, evidence = scene.told()
    assert scene.kinds() == [("intent", ""), ("outcome", "applied"), ("evidence", "seen")]
    assert calls(scene.system) == [intent.id]
    assert (intent.ref, outcome.ref, evidence.ref) == (scene.plan.id, intent.id, intent.id)
    assert evidence.evidence == 2
    assert (intent.why, intent.incident, intent.target_id) == (WHY, "INC-7", "k")
    assert "DELETE /keys/k" in intent.sentence
    assert not (scene.system.path / "tokens" / "k").exists()


def test_an_answer_without_effect_is_accepted_and_no_more(scene: Scene) -> None:
    scene.say("no-effect")
    scene.run()
    assert scene.told()[-1].evidence == 1
    assert scene.told()[-1].state == "not_seen"


def test_no_more_is_claimed_than_the_system_can_show(scene: Scene) -> None:
    scene.say("abilities", json.dumps({"ceiling": 1}))
    scene.plan = scene.approve()
    scene.run()
    assert scene.told()[-1].evidence == 1


def test_what_is_gone_already_needs_no_call(scene: Scene) -> None:
    (scene.system.path / "tokens" / "k").unlink()
    assert scene.run().end is End.DONE
    assert scene.kinds() == [("outcome", "already"), ("evidence", "seen")]
    assert calls(scene.system) == []


def test_a_plan_is_carried_out_once(scene: Scene) -> None:
    scene.run()
    scripted_system.put(scene.system, "k", "k")
    assert scene.run().end is End.DONE
    assert len(calls(scene.system)) == 1


def test_a_rejected_call_ends_the_plan_and_is_not_tried_again(scene: Scene) -> None:
    scene.say("no-effect")
    scene.say("answer", '{"state": "rejected", "status": "403", "detail": "no permission"}')
    assert scene.run().end is End.STOPPED
    assert scene.run().end is End.STOPPED
    assert [kind for kind, _ in scene.kinds()] == ["intent", "outcome", "note", "note"]
    assert "no permission" in scene.told()[2].sentence
    assert len(calls(scene.system)) == 1


@pytest.mark.parametrize(("retry", "tries"), [("repeat freely", 2), ("never", 1)])
def test_only_what_was_not_sent_and_may_be_repeated_is_tried_once_more(
    scene: Scene, retry: str, tries: int
) -> None:
    scene.say("abilities", json.dumps({"retry": retry}))
    scene.plan = scene.approve()
    scene.say("no-effect")
    scene.say("answer", '{"state": "not_sent", "detail": "no connection"}')
    assert scene.run().end is End.STOPPED
    kinds = scene.kinds()
    assert kinds.count(("intent", "")) == kinds.count(("outcome", "not_sent")) == tries
    assert len(set(calls(scene.system))) == tries


def test_a_lost_answer_is_resolved_by_reading_if_it_took_effect(scene: Scene) -> None:
    scene.say("answer", '{"state": "unknown", "detail": "no answer"}')
    assert scene.run().end is End.DONE
    assert scene.kinds()[:3] == [("intent", ""), ("outcome", "unknown"), ("recovery", "applied")]
    assert scene.told()[-1].evidence == 2
    assert scene.journal.open_intents() == []


def test_a_lost_answer_without_visible_effect_stays_open_and_is_not_repeated(
    scene: Scene,
) -> None:
    scene.say("no-effect")
    scene.say("answer", '{"state": "unknown", "detail": "no answer"}')
    assert scene.run().end is End.UNKNOWN
    assert scene.run().end is End.UNKNOWN
    assert len(calls(scene.system)) == 1
    assert len(scene.journal.open_intents()) == 1


def test_a_backend_that_breaks_its_promise_leaves_an_unknown_outcome_and_no_secret(
    scene: Scene,
) -> None:
    canary = "hvs.CANARYcanary0123456789abcdefgh"
    scene.say("no-effect")
    scene.say("raise", canary)
    assert scene.run().end is End.UNKNOWN
    assert scene.told()[1].state == "unknown"
    assert "RuntimeError" in scene.told()[1].sentence
    for file in scene.paths.state.rglob("*"):
        assert not file.is_file() or canary.encode() not in file.read_bytes()


def test_secrets_in_a_systems_words_do_not_reach_the_journal(scene: Scene) -> None:
    canary = "s.CANARYcanary0123456789abcd"
    answer = {"state": "rejected", "status": "400", "detail": f"bad token {canary}"}
    scene.say("no-effect")
    scene.say("answer", json.dumps(answer))
    scene.run()
    assert "withheld" in scene.told()[1].sentence
    for file in scene.paths.state.rglob("*"):
        assert not file.is_file() or canary.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("file", "text", "said", "kept"),
    [
        ("own", "k", "own branch", [("outcome", "not_sent")]),
        ("ancestors", "k", "descends", [("outcome", "not_sent")]),
        ("read-only", "", "only read", []),
        ("down", "", "credential cannot be checked", []),
    ],
)
def test_what_changed_since_the_plan_is_looked_at_right_before_the_call(
    scene: Scene, file: str, text: str, said: str, kept: list[tuple[str, str]]
) -> None:
    """What no lapse of time can mend is kept as an outcome; the rest may be tried again."""
    scene.say(file, text)
    assert scene.run().end is End.STOPPED
    assert scene.kinds() == [*kept, ("note", "")]
    assert said in scene.told()[0].sentence
    assert calls(scene.system) == []


def test_another_token_under_the_same_id_is_not_touched(scene: Scene) -> None:
    scripted_system.put(scene.system, "k", "k", principal="somebody-else")
    assert scene.run().end is End.STOPPED
    assert "principal" in scene.told()[0].sentence
    assert calls(scene.system) == []


class NoCommit:
    """A connection on a disk that is full."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real

    def execute(self, statement: str, *values: Any) -> Any:
        if statement.startswith("INSERT"):
            raise sqlite3.OperationalError("database or disk is full")
        return self._real.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_without_a_durable_intent_nothing_is_sent(scene: Scene) -> None:
    scene.journal.store.connection = NoCommit(scene.journal.store.connection)
    with pytest.raises(JournalError) as refusal:
        scene.run()
    assert "space" in refusal.value.hint
    assert calls(scene.system) == []
    assert (scene.system.path / "tokens" / "k").exists()


def test_a_call_other_than_the_planned_one_is_not_sent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = scripted_system.Scripted.perform

    async def another(self: scripted_system.Scripted, step: Step) -> Outcome:
        import msgspec

        call = msgspec.structs.replace(step.call, target="/keys/other")
        return await real(self, msgspec.structs.replace(step, call=call))

    monkeypatch.setattr(scripted_system.Scripted, "perform", another)
    scene.run()
    assert scene.told()[1].state == "not_sent"
    assert calls(scene.system) == []
