"""The whole program in a real terminal, by keys, over the lab's real systems."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pty_screen import Terminal
from real_systems import RealSystem, console, systems

from backends.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.pty, pytest.mark.long]

TYPES = ("openbao", "aws_iam", "postgres", "redis")
ASKING = ("Read to the end", "why go on?")


class WholeProgram(Terminal):
    """``token-console``, as a responder starts it."""

    program = (sys.executable, "-m", "console", "--home")


@pytest.fixture(scope="module")
def home(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("screen")
    config = lab.config.read_text()
    (place / "config.toml").write_text("[console]\nrefresh = 1\n" + config)
    assert console(place, "sync").returncode in (0, 3)
    return place


@pytest.fixture(params=TYPES)
def real(request: pytest.FixtureRequest, lab: Lab) -> RealSystem:
    return systems(lab)[request.param]


@pytest.fixture(scope="module")
def screen(home: Path) -> Iterator[WholeProgram]:
    with WholeProgram(home, "--act", size=(100, 30)) as running:
        running.shown("4 backends")
        yield running
        running.press(b"q")
        assert running.ended() == 0
        running.restored()


def unique(stem: str) -> str:
    return f"{stem}-{time.monotonic_ns() % 10**7}"


def filtered(screen: WholeProgram, words: str) -> None:
    screen.press(b"/")
    screen.quiet(0.2)
    screen.press(words.encode())
    screen.quiet(0.2)
    screen.press(b"\r")


def unfiltered(screen: WholeProgram) -> None:
    screen.press(b"\x1b")
    screen.quiet(0.6)


def answered(screen: WholeProgram, then: str) -> None:
    """Read the plan to its end and answer what it asks, until it says ``then``."""
    for _ in range(20):
        screen.until(lambda: any(text in screen.text() for text in (*ASKING, then)))
        said = screen.text()
        if then in said:
            return
        if "Read to the end" in said:
            screen.press(b"\x1b[6~")
        else:
            number = next(line for line in said.splitlines() if ASKING[1] in line).strip()[:6]
            screen.press(b"\r")
            screen.quiet(0.3)
            assert number in screen.text(), "enter alone answers nothing"
            screen.press(b"agreed with its owner by phone\r")
        screen.until(lambda said=said: screen.text() != said)  # type: ignore[misc]
        screen.quiet(0.3)
    raise AssertionError(screen.text())


def test_a_token_made_while_it_is_open_is_revoked_by_keys(
    screen: WholeProgram, home: Path, real: RealSystem
) -> None:
    issued = real.issue(unique("fresh"))
    filtered(screen, f"{issued.name} -is:gone -grant:{issued.name}")
    screen.shown(real.owner)
    assert real.accepts(issued)

    screen.press(b"K")
    screen.shown("reason")
    screen.press(b"leaked in a public repository\r")
    screen.shown("[ ] leak")
    screen.press(b"\r")
    screen.shown(real.mark.decode().removeprefix("POST "))
    answered(screen, "and enter to revoke")
    screen.press(b"\r")
    screen.quiet(0.3)
    assert real.accepts(issued), "enter alone confirms nothing"
    screen.press(f"\x1b[200~{issued.name}\x1b[201~\r".encode())
    screen.quiet(0.3)
    assert real.accepts(issued), "a paste confirms nothing"
    screen.press(issued.name.encode() + b"\r")
    screen.shown("recorded")
    assert not real.accepts(issued)
    screen.press(b"\x1b")
    unfiltered(screen)

    entries = [
        json.loads(line) for line in console(home, "journal", "list", "--json").stdout.splitlines()
    ]
    ours = [entry for entry in entries if issued.id in json.dumps(entry)]
    kinds = [entry["type"] for entry in ours]
    # A run climbs on while one looks: there may be more evidence, and nothing else.
    made = kinds.count("evidence")
    assert kinds == ["evidence"] * made + ["outcome", "intent", "plan", "plan.made"]
    assert made
    assert {entry["why"] for entry in ours if "why" in entry} >= {"leaked in a public repository"}
    assert issued.value not in screen.text()
    screen.press(b"J")
    screen.shown(issued.name)
    screen.press(b"\x1b")
    screen.shown("TOKEN")


def test_a_token_ended_elsewhere_turns_to_gone_with_its_history_kept(
    screen: WholeProgram, lab: Lab
) -> None:
    issued = systems(lab)["openbao"].issue(unique("elsewhere"))
    filtered(screen, issued.name)
    screen.shown("payments")
    with lab.servers["openbao"].client() as client:  # type: ignore[attr-defined]
        client.post("auth/token/revoke", json={"token": issued.value}).raise_for_status()
    screen.shown("gone")
    screen.press(b"\r")
    screen.shown("MAY DO")
    # Its history is the last part of the page.
    screen.press(b"\x1b[F")
    screen.shown("HISTORY")
    screen.press(b"\x1b")
    unfiltered(screen)


def test_a_system_that_goes_down_is_said_and_its_rows_stay(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "h")
    config = tmp_path / "h" / "config.toml"
    lines = [
        'url = "http://127.0.0.1:1"' if line.startswith("url") else line
        for line in config.read_text().splitlines()
    ]
    config.write_text("\n".join(lines))
    with WholeProgram(tmp_path / "h", size=(100, 30)) as running:
        running.shown("vault-lab FAILED")
        filtered(running, "backend:vault-lab -is:gone")
        running.shown("vault-lab ")
        assert " active " in running.text()
        running.press(b"b")
        running.shown("VERSION")
        running.press(b"j" * len(TYPES))
        running.shown("Check the address")
        running.press(b"\x1b")
        running.press(b"q")
        assert running.ended() == 0
