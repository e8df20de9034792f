"""What was pressed, from the bytes that a terminal sends: in one burst, or one by one."""

import time

import pytest
from textual import events
from textual.constants import ESCAPE_DELAY

from console.tui.actions.registry import ACTIONS
from console.tui.shell.textual_hacks import KeyReader

PRESSED = {
    "a": "a", "b": "b", "f": "f", "J": "J", "K": "K", "O": "O", "\r": "enter", " ": "space",
    "/": "slash", ":": "colon", "?": "question_mark", "-": "minus", "0": "0", "2": "2",
    "[": "left_square_bracket", "]": "right_square_bracket", "\t": "tab", "\x06": "ctrl+f",
    "\x1b[A": "up", "\x1b[6~": "pagedown", "\x1bOB": "down", "\x1b": "escape", "é": "é",
}  # fmt: skip


def keys(*bursts: str) -> list[str]:
    """The keys for what came in bursts, the last of which nothing follows."""
    reader = KeyReader()
    heard = []
    for burst in bursts:
        heard += [*reader.read(burst.encode()), *reader.rest()]
    time.sleep(ESCAPE_DELAY * 1.1)
    heard += reader.rest()
    return [event.key for event in heard if isinstance(event, events.Key)]


@pytest.mark.parametrize("typed", PRESSED, ids=list(PRESSED.values()))
def test_escape_and_the_key_after_it_are_two_keys_however_close_they_come(typed: str) -> None:
    assert keys(typed) == [PRESSED[typed]]
    assert keys(f"\x1b{typed}") == ["escape", PRESSED[typed]]
    assert keys("\x1b", typed) == ["escape", PRESSED[typed]]


def test_no_key_of_the_registry_is_lost_behind_an_escape() -> None:
    single = [key for action in ACTIONS for key in action.keys if len(key) == 1]
    assert len(single) > 30
    assert [keys(f"\x1b{key}") for key in single] == [["escape", *keys(key)] for key in single]


def test_a_burst_of_keys_is_taken_one_by_one() -> None:
    assert keys("J\x1bb\x1b\x1b\rK") == ["J", "escape", "b", "escape", "escape", "enter", "K"]


def test_pasted_text_is_no_key_whatever_is_in_it() -> None:
    reader = KeyReader()
    heard = list(reader.read(b"\x1b[200~one\x1bK\x1b[A\rtwo\0\x1b[201~"))
    assert [type(event) for event in heard] == [events.Paste]
    assert heard[0].text == "one\x1bK\x1b[A\rtwo"  # type: ignore[attr-defined]


def test_escape_ends_a_paste_whose_end_never_came() -> None:
    assert keys("\x1b[200~half a pas", "te\x1b") == ["escape"]
    reader = KeyReader()
    list(reader.read(b"\x1b[200~half\x1b"))
    time.sleep(ESCAPE_DELAY * 1.1)
    list(reader.rest())
    assert [event.key for event in reader.read(b"K") if isinstance(event, events.Key)] == ["K"]
