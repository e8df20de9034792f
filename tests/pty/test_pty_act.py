"""The demo in a real terminal, by keys: contain, restore, rotate, and revoke three at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pty_screen import Terminal

pytestmark = pytest.mark.pty

REASON = "INC-7: leaked in a public repo"


class Demo(Terminal):
    """``token-console demo``, as anybody would start it."""

    program = (sys.executable, "-m", "console", "--home")


def console(home: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "console", "--home", str(home), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("acting")
    console(place, "demo", "--prepare", "--tokens", "300", "--seed", "7")
    return place


@pytest.fixture
def screen(home: Path) -> Any:
    with Demo(home, "demo", size=(100, 30)) as running:
        running.shown("tokens")
        # The key for acting is offered once the process that talks to the backends is there.
        running.shown(" act ")
        yield running
        # What was said of the last thing done is left first.
        for _ in range(3):
            running.press(b"\x1b")
            running.quiet(0.5)
        running.press(b"q")
        assert running.ended() == 0
        running.restored()


def entries(home: Path) -> list[dict[str, Any]]:
    told = console(home / "demo", "journal", "list", "--json", "--limit", "1000")
    return [json.loads(line) for line in told.splitlines()]


def tokens(home: Path, query: str) -> list[dict[str, Any]]:
    told = json.loads(console(home / "demo", "list", query, "--json"))
    return told["tokens"] if isinstance(told, dict) else told


def filtered(screen: Demo, words: str, shown: str) -> None:
    screen.press(b"/\x15" + words.encode() + b"\r")
    screen.shown(shown)
    screen.quiet(0.5)


def ran(home: Path, verb: str) -> list[dict[str, Any]]:
    """What was approved and done of a verb. That a plan was made binds its file, and no more."""
    told = [entry for entry in entries(home) if entry["type"] != "plan.made"]
    return [entry for entry in told if entry.get("act", {}).get("verb") == verb]


def test_contain_restore_and_rotate_by_keys(screen: Demo, home: Path) -> None:
    found = [str(each["name"]) for each in tokens(home, "backend:pg-ledger state:active")]
    name = next(name for name in found if name.isidentifier())
    filtered(screen, name, "1 of")
    for key, verb in ((b"c", "contain"), (b"u", "restore")):
        screen.press(key + REASON.encode() + b"\r")
        screen.shown(f"and enter to {verb}")
        screen.press(b"\r")
        screen.quiet(0.3)
        assert ran(home, verb) == [], "enter alone confirms nothing"
        screen.press(f"\x1b[200~{name}\x1b[201~\r".encode())
        screen.quiet(0.3)
        assert ran(home, verb) == [], "a paste confirms nothing"
        screen.press(name.encode() + b"\r")
        screen.shown(f"RUN  {verb} {name}")
        screen.shown("recorded: the system")
        kinds = {entry["type"] for entry in ran(home, verb)}
        assert {"plan", "intent", "outcome", "evidence"} <= kinds
    screen.press(b"R" + REASON.encode() + b"\r")
    screen.shown("sealed in escrow only")
    screen.press(b"\x1b[B ")
    screen.shown("[x] sink handed-over")
    screen.press(b"\r")
    screen.shown("and enter to rotate")
    assert "sealed to 1 public key first" in screen.text()
    screen.press(name.encode() + b"\r")
    screen.until(lambda: any(entry["type"] == "evidence" for entry in ran(home, "rotate")))
    (dropped,) = (home / "demo" / "handed-over").iterdir()
    value = dropped.read_text().strip()
    assert os.stat(dropped).st_mode & 0o777 == 0o600
    assert value
    assert value.encode() not in screen.out, "the new value never reaches the terminal"
    assert value not in json.dumps(entries(home))


def test_three_marked_tokens_are_revoked_in_one_run(screen: Demo, home: Path) -> None:
    filtered(screen, "backend:pg-ledger state:active", " of ")
    screen.press(b"   K" + REASON.encode() + b"\r")
    screen.shown("REVOKE 3 marked tokens")
    screen.press(b"\r")
    screen.shown("REVOKE 3 tokens on 1 backend")
    screen.quiet(0.5)
    for _ in range(20):
        if "and enter to revoke" in screen.text():
            break
        # A hazard is asked about, or more is to be read.
        screen.press(b"\x1b[6~" if "Read to the end" in screen.text() else b"agreed by phone\r")
        screen.quiet(0.5)
    screen.press(b"3 tokens\r")
    screen.shown("in scope 3 =")
    screen.until(lambda: "left 0" in screen.text())
    done = [entry for entry in ran(home, "revoke") if entry["type"] == "outcome"]
    assert len({entry["act"]["target"]["id"] for entry in done}) == 3
    assert {entry["out"]["state"] for entry in done} == {"applied"}
    screen.press(b"P")
    screen.shown("may be closed")
    screen.press(b"\x1b")
    screen.shown("in scope 3 =")
    screen.quiet(0.6)
    screen.press(b"z")
    screen.shown("CLOSE run")
    screen.press(b"all three are dealt with\r")
    screen.shown("closed run")
