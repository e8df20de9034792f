"""A secret in hand, in a real terminal: never shown where text is taken, tried only when asked."""

import json
import secrets
import sys
from pathlib import Path

import demo_home
import pytest
from pty_screen import Terminal
from real_systems import console

from backends.estate import EstateWorld

pytestmark = [pytest.mark.pty]

CANARY = "ghp_" + secrets.token_hex(18)


class WholeProgram(Terminal):
    """``token-console``, as a responder starts it."""

    program = (sys.executable, "-m", "console", "--home")

    def flat(self) -> str:
        return " ".join(self.text().split())

    def says(self, words: str) -> None:
        """Read until these words stand on the screen, wherever they wrap."""
        self.until(lambda: words in self.flat())

    def paste(self, text: str) -> None:
        self.press(b"\x1b[200~" + text.encode() + b"\x1b[201~")

    def leaves(self) -> None:
        self.press(b"\x1b")
        self.quiet(0.3)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_home.prepare(tmp_path_factory.mktemp("demo"), tokens=200)


@pytest.fixture(scope="module")
def leaked(home: Path) -> list[tuple[str, str]]:
    """Living tokens, each with its handle and value."""
    words = ("list", "backend:vault-prod", "state:active", "used:<7d", "--json")
    rows = json.loads(console(home, *words).stdout)[:2]
    with EstateWorld(home / "estate.db") as world:
        return [(row["handle"], world.secret("vault", row["id"]).reveal()) for row in rows]


def nowhere(home: Path, terminal: Terminal, value: str) -> None:
    """Neither on the screen, nor in anything that was ever written to it, nor on the disk."""
    assert value not in terminal.text()
    assert value.encode() not in terminal.out, "it would be in the scroll-back"
    for path in (home / "state").rglob("*"):
        assert not path.is_file() or value.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_no_place_that_takes_text_shows_it_and_each_says_where_it_goes(
    home: Path, size: tuple[int, int]
) -> None:
    with WholeProgram(home, "--act", size=size) as running:
        running.shown("all tokens")
        for name, way in (
            ("filter", [b"/"]),
            ("palette", [b":"]),
            ("sort", [b"s"]),
            ("verbs", [b"a"]),
            ("reason", [b"K"]),
            ("journal", [b"J", b"/"]),
            ("graph", [b"g", b"/"]),
            ("timeline", [b"t", b"@"]),
        ):
            for key in way:
                running.press(key)
                running.quiet(0.8)
            running.paste(CANARY)
            running.says("A GitHub token: masked, not searched for. Whose it is: esc, I, paste")
            nowhere(home, running, CANARY)
            for _ in way:
                running.leaves()
            running.press(b"i")
            running.quiet(0.5)
            assert CANARY[-12:].encode() not in running.out, name


@pytest.mark.parametrize(("turn", "size"), [(0, (80, 24)), (1, (200, 50))])
def test_from_the_filter_to_the_card_to_a_try_that_is_asked_for(
    home: Path, leaked: list[tuple[str, str]], turn: int, size: tuple[int, int]
) -> None:
    handle, value = leaked[turn]
    with WholeProgram(home, "--act", size=size) as running:
        running.shown("all tokens")
        running.press(b"/")
        running.paste(value)
        running.says("Whose it is: esc, I, paste")
        running.leaves()
        while "not shown" not in running.text():
            # The worker may still be starting.
            running.press(b"I")
            running.quiet(1)
        running.paste(value)
        running.shown("character")
        running.press(b"\r")
        running.shown("leaked when")
        running.press(b"2d\r")
        running.says("RECORDED ACTIVE, NOT TRIED")
        running.says("K revoke")
        running.press(b"Q")
        running.says("TRY THE VALUE")
        running.says("writes a line into the system's audit log")
        running.press(b"found in a public repository\r")
        running.shown("type  try")
        running.paste("try")
        running.says("Pasting does nothing here")
        assert tries(home, handle) == [], "nothing was tried yet"
        running.press(b"try\r")
        running.says("LEAKED VALUE STILL WORKS: accepted when tried at")
        assert tries(home, handle) == ["", "not_seen"], "before it, and what came of it"
        nowhere(home, running, value)
        running.press(b"q")
        assert running.ended() == 0
        assert value.encode() not in running.out
    entries = console(home, "journal", "verify")
    assert entries.returncode == 0, entries.stdout + entries.stderr


def tries(home: Path, handle: str) -> list[str]:
    """What the journal says of tries of a token's value, oldest first: how each ended."""
    done = console(home, "journal", "list", "--json")
    entries = map(json.loads, done.stdout.splitlines())
    found = [entry for entry in entries if entry.get("act", {}).get("verb") == "try"]
    return [
        entry.get("out", {}).get("state", "")
        for entry in sorted(found, key=lambda each: each["seq"])
        if entry["act"]["target"]["handle"] == handle
    ]
