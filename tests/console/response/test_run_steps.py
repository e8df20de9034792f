"""What one step has to show: children, sessions, a state put back, a lost answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import scripted_system
from msgspec.structs import replace
from run_scene import Many

from backends.contract import NO_SESSIONS, Verb
from backends.model import Grant, Token, TokenRef, TokenState, known, not_read
from console.journal.format.entry import Kind
from console.response.plan import entry_parts
from console.response.step import attempt
from console.response.step.attempt import End
from console.response.step.collateral import unlike_before
from console.response.step.read_back import look

LOST = json.dumps({"state": "unknown", "detail": "no answer"})


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Many]:
    made = Many(tmp_path, {"a": 1})
    yield made
    made.journal.close()


def test_a_child_that_lives_on_is_named_and_the_token_is_not_called_ended(many: Many) -> None:
    scripted_system.put(many.systems["a"], "child", "child of a0")
    many.say("children", "child never-was")
    plan = many.approve()
    plan = many.approve_as(plan, plan.items[:1])
    many.run(plan)
    against = [e for e in many.told(plan) if e.kind == "evidence" and e.target_id == "child"]
    assert [(entry.state, entry.evidence) for entry in against] == [("not_seen", 1)]
    assert "lives" in against[0].sentence
    assert not [entry for entry in many.told(plan) if entry.target_id == "never-was"]
    row = many.board(plan).items[1]
    assert (row.state, row.living) == ("failed", {against[0].handle})


def test_no_sessions_is_seen_and_what_may_not_be_seen_is_not_taken_for_none(many: Many) -> None:
    system = many.systems["a"]
    ref = TokenRef("a", scripted_system.KIND, "a0")

    def seen() -> bool | None:
        return asyncio.run(look(system, ref, NO_SESSIONS)).holds

    many.say("sessions", "psql batch")
    assert seen() is False
    many.say("sessions", "")
    assert seen() is True
    many.say("hidden")
    assert seen() is None


def test_a_lost_answer_is_made_good_once_it_is_certain_that_nothing_happened(
    many: Many, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "SETTLE", 0.0)
    many.say("answer-a0", LOST, "a")
    plan = many.approve()
    assert many.run(plan).end is End.DONE
    kinds = [(e.kind, e.state) for e in many.told(plan) if e.kind != "plan"]
    assert kinds[:6] == [
        ("intent", ""),
        ("outcome", "unknown"),
        ("recovery", "not_applied"),
        ("intent", ""),
        ("outcome", "applied"),
        ("evidence", "seen"),
    ]


def test_a_lost_answer_of_what_must_not_be_repeated_stays_open(
    many: Many, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "SETTLE", 0.0)
    many.say("abilities", json.dumps({"at once": True, "retry": "never"}))
    many.say("answer-a0", LOST, "a")
    plan = many.approve()
    assert many.run(plan).end is End.UNKNOWN
    assert many.calls("a") == ["a0"]
    assert len(many.journal.open_intents()) == 1


def test_a_restored_token_is_compared_with_what_it_was_before(many: Many) -> None:
    first = many.approve()
    had = replace(first.only.token, grants=known((Grant("role", "reader"),), "record"))
    contain = many.approve_as(first, (replace(first.only, token=had),))
    act = entry_parts.act(Verb.CONTAIN.value, had, contain.only.proposal.steps[0], contain.id)
    many.journal.append(Kind.INTENT, why=contain.reason, act=act)
    tools: Any = SimpleNamespace(plan=first, journal=many.journal, paths=many.paths)

    def differs(now: Token) -> str:
        return asyncio.run(unlike_before(tools, first.only, now))

    assert differs(had) == ""
    assert differs(replace(had, state=TokenState.DISABLED)) == "state"
    assert differs(replace(had, grants=known((Grant("role", "admin"),), "record"))) == "grants"
    assert differs(replace(had, grants=not_read())) == "", "what was not read tells nothing"
