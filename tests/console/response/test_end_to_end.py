"""The main job on the lab's real systems, by the command line, and what a crash leaves behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from holding_proxy import Hold, HoldingProxy
from patience import HANG
from real_systems import Issued, RealSystem, console, systems

from backends.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]

TYPES = ("openbao", "aws_iam", "postgres", "redis")
REASON = "leaked in a public repository"
LAST_KEY = ("--answer", "last-active-key=its owner makes a new one")
IN_USE = ("--answer", "in-use=whoever uses it has to stop")
"""What a responder says to the hazards that a key on AWS really has here: it is the only
one of its user, and where a test tried it before, it was used."""
PATIENCE = HANG
"""Seconds for the runner, which outlives the command, to bring the list up to date."""


@pytest.fixture
def home(lab: Lab, tmp_path: Path) -> Path:
    """A console of its own over the shared servers."""
    shutil.copy(lab.config, tmp_path / "config.toml")
    return tmp_path


@pytest.fixture(params=TYPES)
def real(request: pytest.FixtureRequest, lab: Lab) -> RealSystem:
    return systems(lab)[request.param]


def unique(stem: str) -> str:
    return f"{stem}-{time.monotonic_ns()}"


def listed(home: Path, *query: str) -> list[dict[str, Any]]:
    done = console(home, "list", *query, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def test_sync_list_and_show_tell_of_real_tokens(home: Path, lab: Lab) -> None:
    """One look at all of them, since that is what the command does."""
    made = [systems(lab)[kind].issue(unique("ledger")) for kind in TYPES]
    done = console(home, "sync")
    assert done.returncode in (0, 3), done.stderr
    rows = listed(home, "ledger-")
    for issued in made:
        assert issued.value not in done.stdout + done.stderr
        (row,) = [row for row in rows if row["id"] == issued.id]
        if issued.backend == "redis-lab":
            assert row["owner"]["how"] == "not_tracked"  # Redis has no place for an owner.
        else:
            assert row["owner"]["value"] == "payments"
            assert row["owner"]["source"]
        assert row["last_used_at"]["how"] in ("never", "not_tracked", "known")
        shown = console(home, "show", f"{issued.backend}/{issued.id}")
        assert shown.returncode == 0, shown.stderr
        for label in ("CREATED", "OWNER", "LAST USED", "MAY", "EXPIRES", "HISTORY"):
            assert label in shown.stdout
        assert issued.value not in shown.stdout


def test_a_pasted_secret_is_identified(home: Path, real: RealSystem) -> None:
    issued = real.issue(unique("leaked"))
    done = console(home, "identify", "--json", text=issued.value + "\n")
    told = json.loads(done.stdout)
    if issued.backend in told["not_asked"] or not told["matches"]:
        # A credential that may not read password verifiers cannot recognise a password.
        assert issued.backend == "pg-lab", done.stdout + done.stderr
    else:
        assert told["matches"][0]["id"] == issued.id
    assert issued.value not in done.stdout + done.stderr


def test_a_token_that_goes_is_gone_with_its_history_kept(home: Path, lab: Lab) -> None:
    bao = systems(lab)["openbao"]
    issued = bao.issue(unique("short-lived"))
    console(home, "sync", issued.backend)
    with lab.servers["openbao"].client() as client:  # type: ignore[attr-defined]
        client.post("auth/token/revoke", json={"token": issued.value}).raise_for_status()
    console(home, "sync", issued.backend)
    (row,) = listed(home, issued.name)
    assert row["presence"] == "gone"
    shown = console(home, "show", row["handle"]).stdout
    assert "gone" in shown.partition("HISTORY")[2]


def test_a_dry_run_shows_the_calls_and_sends_none(home: Path, real: RealSystem) -> None:
    issued = real.issue(unique("dry"))
    console(home, "sync", issued.backend)
    done = console(home, "revoke", issued.id, "--reason", REASON, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert real.mark.decode() in done.stdout
    assert real.accepts(issued)
    assert not (home / "state" / "journal.db").exists() or journal(home) == []


def test_revoke_ends_the_token_and_the_journal_says_who_and_why(
    home: Path, real: RealSystem
) -> None:
    issued = real.issue(unique("compromised"))
    console(home, "sync", issued.backend)
    assert real.accepts(issued)
    words = ("revoke", issued.id, "--reason", REASON, "--incident", "INC-2291")
    answers = (*LAST_KEY, *IN_USE) if real.backend == "aws-lab" else ()
    refused = console(home, *words, *answers, "--confirm", "another name")
    assert refused.returncode != 0
    assert real.accepts(issued)
    if answers:
        unanswered = console(home, *words, "--confirm", issued.name)
        assert unanswered.returncode != 0
        assert "--answer last-active-key=" in unanswered.stderr
        assert real.accepts(issued)
    done = console(home, *words, *answers, "--confirm", issued.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not real.accepts(issued)
    entries = journal(home)
    kinds = [entry["type"] for entry in entries]
    assert kinds.index("intent") > kinds.index("outcome") > kinds.index("evidence")
    outcome = next(entry for entry in entries if entry["type"] == "outcome")
    assert outcome["out"]["state"] == "applied"
    # The newest comes first, and the runner may have climbed on since: our try was refused.
    levels = [entry["out"]["evidence"] for entry in entries if entry["type"] == "evidence"]
    assert levels[-1] == 2
    assert levels == sorted(levels, reverse=True)
    intent = next(entry for entry in entries if entry["type"] == "intent")
    assert intent["why"] == REASON
    assert intent["incident"] == "INC-2291"
    assert intent["who"]["kernel"]["uid"] == os.getuid()
    end = time.monotonic() + PATIENCE
    while presence(home, issued) != "gone":
        assert time.monotonic() < end, "the list goes on showing it"
    assert not list(everywhere(home, issued.value.rpartition(":")[2]))


def presence(home: Path, issued: Issued) -> str:
    (row,) = [row for row in listed(home, issued.name) if row["id"] == issued.id]
    return str(row["presence"])


def journal(home: Path) -> list[dict[str, Any]]:
    """The entries, newest first."""
    done = console(home, "journal", "list", "--json")
    if done.returncode == 2:
        return []
    return [json.loads(line) for line in done.stdout.splitlines()]


def everywhere(home: Path, needle: str) -> Iterator[Path]:
    for path in home.rglob("*"):
        if path.is_file() and needle.encode() in path.read_bytes():
            yield path


@pytest.mark.parametrize("hold", list(Hold))
def test_a_killed_runner_leaves_an_open_intent_that_is_settled_by_asking(
    home: Path, lab: Lab, real: RealSystem, hold: Hold
) -> None:
    issued = real.issue(unique("killed"))
    console(home, "sync", issued.backend)
    port = next(s.port for s in lab.servers.values() if s.name == issued.backend)
    config = home / "config.toml"
    straight = config.read_text()
    with HoldingProxy(port, real.last, hold) as proxy:
        config.write_text(re.sub(rf"\b{port}\b", str(proxy.port), straight))
        words = ["revoke", issued.id, "--reason", REASON, "--confirm", issued.name]
        words += LAST_KEY if real.backend == "aws-lab" else ()
        command = [sys.executable, "-m", "console", "--home", str(home), *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asking:
            assert proxy.held.wait(HANG), asking.stdout.read() if asking.stdout else ""
            os.kill(runner_of(home), signal.SIGKILL)
            asking.wait(HANG)
        assert asking.returncode != 0
    config.write_text(straight)

    waiting = console(home, "journal", "list", "--open")
    assert waiting.returncode == 3
    assert issued.name in waiting.stdout
    done_at_the_system = hold is Hold.ANSWER
    assert real.accepts(issued) is not done_at_the_system

    settled = console(home, "journal", "recover")
    assert settled.returncode == 0, settled.stdout + settled.stderr
    newest = journal(home)[0]
    assert newest["type"] == "recovery"
    assert newest["out"]["state"] == ("applied" if done_at_the_system else "not_applied")
    assert real.accepts(issued) is not done_at_the_system, "asking must not act"
    assert console(home, "journal", "list", "--open").returncode == 0


def runner_of(home: Path) -> int:
    """The process id of the one runner over this home."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = command.read_text().split("\0")
            if "console.response.run.process" in words and str(home / "state") in words:
                found.append(int(command.parent.name))
    (pid,) = found
    return pid


def test_the_console_does_not_saw_off_its_own_branch(home: Path, real: RealSystem) -> None:
    console(home, "sync")
    told = json.loads(console(home, "backends", "--json").stdout)
    own = {handle for backend in told for handle in backend["own"]}
    rows = [row for row in listed(home, f"backend:{real.backend}") if row["handle"] in own]
    assert rows
    for row in rows:
        done = console(home, "revoke", row["handle"], "--reason", REASON, "--confirm", row["name"])
        assert done.returncode == 1
        assert "own" in done.stderr
    assert all(entry["type"] != "intent" for entry in journal(home))


def test_a_system_that_is_down_makes_rows_stale_and_never_absent(home: Path, lab: Lab) -> None:
    console(home, "sync")
    before = len(listed(home))
    config = home / "config.toml"
    port = lab.servers["openbao"].port
    config.write_text(re.sub(rf"\b{port}\b", "1", config.read_text()))
    done = console(home, "sync")
    assert done.returncode == 3
    assert "vault-lab" in done.stderr
    assert len(listed(home)) >= before
    assert not [
        row
        for row in listed(home, "backend:" + lab.servers["openbao"].name)
        if row["presence"] == "gone"
    ]
