"""One leaked value on each real system, by keys at 80x24: card, incident, end, refusal, pack.

Prints for each system the keys that were pressed beside what was typed as reason or name, and
how long hands were on the keyboard. Nothing is asserted of the time.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pty_screen import Terminal
from real_systems import Issued, RealSystem, console, systems

from backends.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.pty, pytest.mark.long]

TYPES = ("openbao", "aws_iam", "postgres", "redis")
MOST_KEYS = 25
"""Keys beside the typed reasons and names, as the responders' drill allows."""
SPEED = 0.2
"""Seconds that a practised hand takes for a key."""


class Hands(Terminal):
    """A console and somebody at it, whose keys are counted."""

    program = (sys.executable, "-m", "console", "--home")

    def __init__(self, home: Path, *flags: str) -> None:
        super().__init__(home, *flags)
        self.keys = self.typed = 0

    def key(self, *keys: bytes) -> None:
        """Press keys, one after the other, as a person does."""
        for each in keys:
            self.keys += 1
            self.press(each)
            self.quiet(0.3)

    def type(self, text: str, then: bytes = b"\r") -> None:
        """Type a reason or a name, and enter."""
        self.typed += len(text)
        self.press(text.encode())
        self.quiet(0.3)
        self.key(then)

    def paste(self, text: str) -> None:
        """Paste, as a terminal does it: one key."""
        self.keys += 1
        self.press(b"\x1b[200~" + text.encode() + b"\x1b[201~")
        self.quiet(0.3)


@pytest.fixture(scope="module")
def home(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("incident-lab")
    config = "[console]\nrefresh = 1\n" + lab.config.read_text()
    (place / "config.toml").write_text(config.replace(*knowing(lab, place)))
    return place


def knowing(lab: Lab, place: Path) -> tuple[str, str]:
    """A reader of PostgreSQL that may compare passwords, in the place of the usual one."""
    server: Any = lab.servers["postgres"]
    name, password = f"knows_{secrets.token_hex(4)}", secrets.token_hex(16)
    with server.connect() as connection:
        for statement in (
            f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE console_reader",
            f"GRANT SELECT ON pg_authid TO {name}",
        ):
            connection.execute(statement)
    file = place / "knows.password"
    file.touch(0o600)
    file.write_text(password)
    usual = 'user = "console_reader"'
    rest = lab.config.read_text().partition(usual)[2].partition("[backend.")[0]
    new = re.sub(r"read = \{[^}]*\}", f'read = {{ file = "{file}" }}', rest, count=1)
    assert new != rest
    return usual + rest, f'user = "{name}"' + new


@pytest.fixture(params=TYPES)
def leaked(
    request: pytest.FixtureRequest, lab: Lab, home: Path
) -> Iterator[tuple[RealSystem, Issued]]:
    real = systems(lab)[request.param]
    issued = real.issue(f"leaked-{time.monotonic_ns() % 10**7}")
    assert console(home, "sync", issued.backend).returncode in (0, 3)
    yield real, issued
    console(home, "incident", "use", ".", "--none")


def test_from_a_pasted_value_to_the_evidence(
    home: Path,
    leaked: tuple[RealSystem, Issued],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real, issued = leaked
    verb = b"c" if issued.backend == "pg-lab" else b"K"
    folder = tmp_path / "pack"
    with Hands(home, "--act") as hands:
        hands.shown("4 backends" if hands.size[0] > 99 else "tokens")
        hands.shown("a act")
        assert real.accepts(issued)
        began = time.monotonic()
        # What it is.
        hands.key(b"I")
        hands.paste(issued.value)
        hands.key(b"\r")
        hands.shown("leaked when?")
        hands.type("6h")
        hands.shown("LEAKED")
        hands.until(lambda: "handle" in hands.text())
        answer = time.monotonic() - began
        # The incident.
        hands.key(b"+")
        hands.shown("OPEN AN INCIDENT")
        hands.type("key in a build log")
        hands.type("the scanner of the build found it")
        hands.shown("is open with 1 of 1 token")
        # Its end.
        hands.key(verb)
        hands.shown("reason")
        hands.type("found by the scanner of the build")
        if verb == b"K":
            hands.shown("[ ] leak")
            hands.key(b"\r")
        finish(hands, issued.name)
        hands.until(lambda: "RECORDED" in hands.text() or "recorded" in hands.text())
        # And the proof: the value itself is refused.
        hands.key(b"Q")
        hands.shown("reason")
        hands.type("to see it refused")
        hands.type("try")
        hands.until(lambda: "REFUSED" in hands.text())
        assert not real.accepts(issued)
        hands.key(b"M")
        hands.shown("SEVERITY")
        hands.key(b"\r")
        hands.shown("EXPOSED")
        hands.key(b"W")
        hands.shown("directory")
        hands.type(str(folder))
        hands.key(b"\r")
        hands.until((folder / "SHA256SUMS").exists)
        hands.shown("Check it without this program")
        hands.quiet(1)
        took = time.monotonic() - began
        for _ in range(4):
            hands.press(b"\x1b")
            hands.quiet(0.4)
        hands.press(b"q")
        assert hands.ended() == 0
        assert issued.value.encode() not in hands.out
    by_hand = (hands.keys + hands.typed) * SPEED
    with capsys.disabled():
        print(
            f"\n{issued.backend}: {hands.keys} keys beside {hands.typed} letters of reasons and"
            f" names; answer after {answer:.1f} s, pack after {took:.1f} s; {by_hand:.0f} s of"
            f" hands at {SPEED} s a key; no other client"
        )
    assert hands.keys <= MOST_KEYS
    checked(folder)
    assert not [path for path in folder.rglob("*") if path.is_file() and value_in(path, issued)]


def finish(hands: Hands, name: str) -> None:
    """Read the plan to its end, answer what it asks, and type the word."""
    for _ in range(12):
        hands.quiet(0.6)
        text = hands.text()
        if "Read to the end" in text:
            hands.key(b"\x1b[6~")
        elif "why go on?" in text:
            hands.type("whoever uses it has to stop")
        elif f"Type  {name}" in text:
            hands.type(name)
            return
    raise AssertionError(hands.text())


def checked(folder: Path) -> None:
    """The pack is whole, by its own script of other people's programs."""
    vkey = (folder / "vkey").read_text().strip()
    done = subprocess.run(
        ["sh", "verify.sh", vkey], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def value_in(path: Path, issued: Issued) -> bool:
    return issued.value.encode() in path.read_bytes()
