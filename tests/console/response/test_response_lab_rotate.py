"""Rotations on the real servers, by the command line, into every sink that works there.

The new value is tried at the system itself and so is the old one, past the console.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lab_scene import ANSWERS, REASON, SINKS, Desk, known
from patience import HANG
from real_systems import Issued

from backends.contract import Call
from backends.lab.lab import Lab
from backends.model import encode

pytestmark = [pytest.mark.lab, pytest.mark.long]

TO = tuple(word for sink in SINKS for word in ("--to", sink))


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, lab)
    yield made
    made.close()


def words(row: dict[str, Any], *more: str) -> tuple[str, ...]:
    return ("rotate", row["handle"], "--reason", REASON, *ANSWERS, *more)


def on_a_terminal(command: list[str]) -> tuple[int, str]:
    """Run a command whose input and output are a terminal. What it ended with, and showed.

    Its runner keeps the terminal open for longer, so the end is that of the command.
    """
    master, slave = os.openpty()
    waiting = select.poll()
    waiting.register(master, select.POLLIN)
    shown = b""
    with (
        open(master, "rb", buffering=0) as terminal,
        open(slave, "wb", buffering=0) as given,
        subprocess.Popen(command, stdin=given, stdout=given, stderr=given) as running,
    ):
        while running.poll() is None or waiting.poll(0):
            if waiting.poll(100):
                shown += terminal.read(1 << 16)
    return running.returncode, shown.decode()


def digest(call: dict[str, Any]) -> str:
    """The SHA-256 of a call as a plan has it, byte by byte."""
    return hashlib.sha256(encode(msgspec.convert(call, Call))).hexdigest()


@pytest.mark.parametrize("kind", ["openbao", "secret-id", "aws_iam", "postgres"])
def test_a_leaked_value_is_replaced_and_delivered_everywhere(
    desk: Desk, lab: Lab, kind: str
) -> None:
    real = known(lab)[kind]
    old, row = desk.issue(real, "leaked")
    asked = words(row, "--leak", *TO, "--show")
    planned = json.loads(desk.run(*asked, "--dry-run", "--json").stdout)
    assert real.accepts(old)

    code, shown = on_a_terminal(desk.command(*asked, "--confirm", row["name"]))
    assert code == 0, shown
    held = desk.held()
    (value,) = set(held.values())
    assert value != old.value
    assert list(held) == list(SINKS)
    assert shown.count(value) == 1, "shown once"
    assert real.accepts(old._replace(value=value)), "the new value works at the system itself"
    assert not real.accepts(old), "and the old one is refused there"

    item = desk.item()
    assert item["state"] == "replaced"
    plan = item["plan"]
    assert desk.opened(plan) == value
    entries = desk.journal(plan)
    intents = [entry["act"] for entry in entries if entry["type"] == "intent"]
    steps = [step["call"] for step in planned["items"][0]["proposal"]["steps"]]
    calls = [act["call"] for act in intents if ".deliver." not in act["step"]]
    assert [call["sha256"] for call in calls] == [digest(step) for step in steps]
    delivered = {act["step"].rpartition(".")[2] for act in intents if ".deliver." in act["step"]}
    assert delivered == {*SINKS, "show"}
    rotated = [entry for entry in entries if (entry["act"] or {}).get("step") == "1.rotated"]
    assert "the new value is accepted" in rotated[-1]["out"]["detail"]
    assert desk.run("journal", "list", "--open").returncode == 0
    desk.must("run", "close", plan, "--reason", "the new value is in use")
    assert desk.leaks(old.value, value) == []


def test_a_routine_rotation_waits_for_who_has_not_moved_until_that_is_waived(
    desk: Desk, lab: Lab
) -> None:
    """All three at once: each has to wait before it looks again."""
    systems = known(lab)
    running: dict[str, tuple[Issued, dict[str, Any], subprocess.Popen[bytes]]] = {}
    for kind in ("openbao", "secret-id", "aws_iam"):
        old, row = desk.issue(systems[kind], "moving")
        assert systems[kind].accepts(old), "somebody uses it"
        command = desk.command(*words(row, "--confirm", row["name"]))
        running[kind] = (old, row, subprocess.Popen(command, stdout=subprocess.DEVNULL))
    plans = {}
    for kind, (old, row, _) in running.items():
        (plans[kind],) = {
            each["plan"]
            for run in desk.told("run", "list")
            for each in desk.told("run", "show", run["plan"])["items"]
            if each["handle"] == row["handle"]
        }
        item = desk.reaches(lambda item: "not retired" in item["says"], old, plans[kind])
        assert item["state"] == "left"
        # The console has tried the new value, from the address of whoever used the old one.
        assert item["moved"] == []
        assert systems[kind].accepts(old), "the old one is not ended"
    for kind, plan in plans.items():
        assert running[kind][2].poll() is None
        desk.must("run", "waive", plan, "1", "--reason", "the old hosts are switched off")
    for kind, (old, _, process) in running.items():
        assert process.wait(HANG) == 0
        assert not systems[kind].accepts(old)
        value = desk.opened(plans[kind])
        assert systems[kind].accepts(old._replace(value=value))
        assert desk.leaks(old.value, value) == []
