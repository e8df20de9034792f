"""A call that names its token by the value, and a system that flickers before it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import scripted_system
from msgspec.structs import replace
from run_scene import Many

from backends.model import Secret, TokenRef
from console.journal.format.entry import Kind
from console.response.evidence import probe
from console.response.service import trying
from console.response.step.attempt import NOT_IN_HAND

CANARY = "npm_canary-2718281828459045"
REF = TokenRef("a", scripted_system.KIND, "a0")


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Many]:
    made = Many(tmp_path, {"a": 1})
    yield made
    made.journal.close()


def left(folder: Path, value: str) -> list[Path]:
    """The files below a folder that hold a value."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if value.encode() in path.read_bytes()]


def test_the_value_reaches_the_call_and_nothing_else(many: Many, tmp_path: Path) -> None:
    many.say("by-value")
    plan = many.approve()
    assert [raised.hazard.code for raised in plan.questions] == ["value-needed"]
    many.run(plan, secrets={REF.handle: Secret(CANARY)})
    folder = many.systems["a"].path
    assert (folder / "value-seen").read_text() == CANARY
    assert (folder / "calls").read_text().endswith(" DELETE /keys/<secret>\n")
    assert many.board(plan).items[1].state == "recorded"
    assert left(tmp_path / "home", CANARY) == []
    intent = next(entry for entry in many.told(plan) if entry.kind == Kind.INTENT)
    assert intent.fp, "the intent has the value's keyed fingerprint"


def test_without_the_value_nothing_is_sent_and_the_run_goes_on_once_it_is_in_hand(
    many: Many,
) -> None:
    many.say("by-value")
    plan = many.approve()
    result = many.run(plan)
    assert result.words == NOT_IN_HAND
    assert [e.why for e in many.told(plan) if e.kind == Kind.NOTE] == [
        f"The run ended early: {NOT_IN_HAND}"
    ]
    assert not (many.systems["a"].path / "calls").exists()
    assert not [entry for entry in many.told(plan) if entry.kind == Kind.INTENT]
    many.run(plan, secrets={REF.handle: Secret(CANARY)})
    assert many.board(plan).items[1].state == "recorded"


def tried(many: Many, probes: str, runs: int) -> tuple[bool | None, str, int]:
    many.say("abilities", f'{{"at once": true, "runs": {runs}}}')
    many.say("probes", probes)
    result = asyncio.run(probe.ask(many.systems["a"], REF, Secret(CANARY))).result
    rest = (many.systems["a"].path / "probes").read_text().split()
    return result.accepted, result.detail, len(probes.split()) - len(rest)


def test_one_refusal_of_a_system_that_flickers_shows_nothing(many: Many) -> None:
    assert tried(many, "refused refused refused", 3) == (
        False, "refused; refused 3 times in a row", 3,
    )  # fmt: skip
    assert tried(many, "refused refused taken", 3) == (True, "taken; accepted at try 3 of 3", 3)
    assert tried(many, "refused silence refused", 3)[0] is None
    assert tried(many, "refused taken", 1) == (False, "refused", 1)


def test_that_there_are_several_tries_is_agreed_to(many: Many) -> None:
    many.say("abilities", '{"runs": 3}')
    assert trying.effects(many.systems["a"], REF) == (
        "none", "up to 3 tries, 0 s apart, until one is taken",
    )  # fmt: skip


def test_a_value_that_flickers_is_not_called_refused(many: Many) -> None:
    many.say("abilities", '{"at once": true, "runs": 3, "ceiling": 3}')
    many.say("probes", "refused refused taken")
    plan = many.approve()
    plan = many.approve_as(replace(plan, probe=True), plan.items)
    many.run(plan, secrets={REF.handle: Secret(CANARY)}, climb=0.2)
    row = many.board(plan).items[1]
    assert not row.refused
    assert row.state == "left", "nothing is over while the value is taken"
