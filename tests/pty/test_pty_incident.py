"""An incident by keys, in a real terminal of 80x24: from a token to closed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_home import Responder, copy, prepare
from pty_screen import Terminal

pytestmark = pytest.mark.pty

ESCAPE, ENTER = b"\x1b", b"\r"


class Console(Terminal):
    """``token-console``, as a responder starts it."""

    program = (sys.executable, "-m", "console", "--home")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("incident-keys"))


@pytest.fixture
def ana(prepared: Path, tmp_path: Path) -> Responder:
    return Responder(copy(prepared, tmp_path))


@pytest.fixture
def screen(ana: Responder) -> Iterator[Console]:
    with Console(ana.home, "--act") as running:
        running.shown("tokens")
        running.shown("a act")
        yield running
        for _ in range(4):
            running.press(ESCAPE)
            running.quiet(0.5)
        running.press(b"q")
        assert running.ended() == 0


def filtered(screen: Console, words: str, shown: str) -> None:
    screen.press(b"/\x15" + words.encode() + ENTER)
    screen.shown(shown)
    screen.quiet(0.5)


def answer(screen: Console, *answers: str) -> None:
    """Answer one question after the other."""
    for text in answers:
        screen.quiet(0.3)
        screen.press(text.encode())
        screen.quiet(0.3)
        screen.press(ENTER)


def test_a_token_becomes_an_incident_and_the_incident_is_closed(
    ana: Responder, screen: Console
) -> None:
    row = ana.first("backend:vault-prod", "state:active", "used:>30d")
    filtered(screen, row["handle"], "1 of")
    screen.press(b"+")
    screen.shown("OPEN AN INCIDENT")
    screen.shown(f"Its scope begins with {row['name']} on vault-prod.")
    answer(screen, "key in a pastebin", "2d", "a customer wrote to us")
    screen.shown("is open with 1 of 1 token new in the scope")
    (listed,) = ana.told("incident", "list")
    id_ = listed["id"]
    assert listed["title"] == "key in a pastebin"
    screen.until(lambda: id_ in screen.text().splitlines()[0])

    screen.press(b"M")
    screen.shown("SEVERITY")
    screen.shown(f"* {id_}")
    screen.press(ENTER)
    screen.shown("NOT ENDED")
    shown = screen.text()
    assert "things keep it open" in shown
    assert "not yet: 1 token left" in shown

    # Its token is ended from here; the plan carries the incident without being told.
    screen.press(b"K")
    screen.shown("REVOKE")
    answer(screen, "the customer found it on a pastebin")
    screen.shown("[ ] leak")
    screen.press(ENTER)
    screen.until(lambda: f"{id_}:" in screen.text())
    end(screen, row["name"])
    ana.must("incident", "accept", id_, *holes(ana, id_), "--owner", "ana", "--reason",
             "none of our keys are kept there")  # fmt: skip
    screen.until(lambda: "nothing keeps it open" in screen.text())
    screen.press(b"z")
    screen.shown("CLOSE INC-")
    answer(screen, "it is revoked, and the customer knows")
    screen.shown("is closed")
    assert ana.told("incident", "show", id_)["state"] == "closed"
    # Who closed it is at work on it no more.
    screen.until(lambda: id_ not in screen.text().splitlines()[0])


def holes(ana: Responder, id_: str) -> list[str]:
    found = ana.told("incident", "show", id_)
    return [hole["id"] for hole in found["scope"]["holes"]]


def end(screen: Console, name: str) -> None:
    """Answer what speaks against the plan, and type the word."""
    for _ in range(8):
        screen.quiet(0.5)
        text = screen.text()
        if "Read to the end first" in text or "pgdn" in text.partition("reason")[2]:
            screen.press(b"\x1b[6~")
            screen.quiet(0.3)
            text = screen.text()
        if "why go on?" in text:
            answer(screen, "it has to stop all the same")
        else:
            break
    screen.press(name.encode())
    screen.quiet(0.3)
    screen.press(ENTER)
    screen.until(lambda: "RECORDED" in screen.text() or "REFUSED" in screen.text())


def test_a_note_a_role_an_exception_and_the_report(ana: Responder, screen: Console) -> None:
    row = ana.first("backend:aws-main", "state:active")
    ana.must("incident", "open", "INC-7", "--title", "x", "--reason", "a customer wrote to us",
             "--token", row["handle"])  # fmt: skip
    screen.press(b"M")
    screen.shown("* INC-7")
    screen.press(ENTER)
    screen.shown("NOT ENDED")
    screen.press(b";")
    answer(screen, "the vendor was called at noon")
    screen.shown("It is on the record of INC-7")
    screen.press(b"$")
    answer(screen, "ana", "lead")
    screen.shown("ana is lead in INC-7")
    screen.quiet(0.5)
    # From the last line up to the token: what was not seen is below it.
    screen.press(b"e")
    screen.shown("Put the cursor on a token, on what was not seen")
    for _ in range(30):
        screen.press(b"j")
        screen.quiet(0.1)
        screen.press(b"e")
        screen.quiet(0.4)
        if "LET BE" in screen.text():
            break
    screen.shown(f"LET BE {row['name']} on aws-main")
    answer(screen, "ben", "2999-12-31")
    # What no entry can hold is refused with a word on what can.
    answer(screen, "it is replaced next week")
    screen.shown("that date is too far away")
    screen.press(ESCAPE)
    screen.quiet(0.5)
    screen.press(b"e")
    screen.shown(f"LET BE {row['name']} on aws-main")
    answer(screen, "ben", "2199-12-31", "it is replaced next week")
    screen.shown("It is let be in INC-7")
    screen.shown("excepted, ben until 2199-12-31")
    screen.press(b"P")
    screen.shown("As text: token-console incident report INC-7")
    assert "INC-7 OPEN" in screen.text()
    screen.press(ESCAPE)
    screen.shown("excepted, ben")
    screen.press(b"1")
    screen.shown("As text: token-console incident show INC-7 --tim")
    assert "the vendor was called at noon" in " ".join(screen.text().split())
    screen.press(ESCAPE)
    screen.shown("excepted, ben")
    screen.press(b"2")
    screen.shown("Hand-over of INC-7")
    screen.press(ESCAPE)
    screen.shown("excepted, ben")
    screen.press(b"3")
    screen.shown("As text: token-console incident further INC-7")
    screen.press(ESCAPE)
    screen.shown("excepted, ben")
    screen.press(b"W")
    screen.shown("directory")
    answer(screen, str(ana.home / "pack"), "")
    screen.shown("Check it without this program")
    assert (ana.home / "pack" / "VERIFY.md").exists()
    screen.press(ESCAPE)
    screen.shown("excepted, ben")
    screen.press(b"=")
    screen.shown("incident:INC-7")
    screen.shown("1 of")
    found = ana.told("incident", "show", "INC-7")
    assert found["notes"][0]["why"] == "the vendor was called at noon"
    assert found["assigned"][0] == {
        "person": "ana", "role": "lead", "backend": "", "at": found["assigned"][0]["at"],
    }  # fmt: skip
