"""Bytes that no keyboard should send, in a real terminal: none of them ends the screen."""

import signal

import pytest
from pty_screen import Terminal

from console.settings import paths

pytestmark = pytest.mark.pty


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    import tui_world

    made = tmp_path_factory.mktemp("home")
    tui_world.fill(paths(made))
    return made


@pytest.mark.parametrize(
    "bytes_",
    [b"\xff", b"\xc3(", b"\x9b", b"\xe2\x82", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xfc"],
)
def test_a_byte_that_is_no_utf_8_is_a_dropped_key_and_said(home, bytes_) -> None:
    with Terminal(home) as terminal:
        terminal.shown("ci-deploy")
        terminal.press(b"/" + bytes_ + b"rep")
        terminal.shown("/ rep" if bytes_ != b"\xc3(" else "/ (rep")
        terminal.press(b"\x1b")
        terminal.shown("all tokens")
        terminal.press(bytes_ + b"b")
        terminal.shown("HEALTH")
        terminal.press(bytes_ + b"zz")
        terminal.shown("Key dropped: it is no UTF-8. Set the terminal to UTF-8.")
        terminal.press(b"q")
        assert terminal.ended() == 0
        terminal.restored()


def test_a_paste_that_is_cut_inside_a_character_is_shown_with_a_mark(home) -> None:
    with Terminal(home) as terminal:
        terminal.shown("ci-deploy")
        terminal.press(b"/\x1b[200~M\xfcller \xc3\x1b[201~")
        terminal.shown("/ M\ufffdller \ufffd")
        terminal.press(b"\x1b")
        terminal.shown("all tokens")
        terminal.press(b"q")
        assert terminal.ended() == 0


def test_escape_ends_a_paste_whose_end_never_comes(home) -> None:
    with Terminal(home) as terminal:
        terminal.shown("ci-deploy")
        terminal.press(b"\x1b[200~half of it")
        terminal.quiet()
        terminal.press(b"\x1b")
        terminal.quiet()
        terminal.press(b"b")
        terminal.shown("HEALTH")
        terminal.press(b"q")
        assert terminal.ended() == 0


@pytest.mark.parametrize(
    "report",
    [
        b"\x1b[99999999999u",  # a key whose number is no character
        b"\x1b[97:65;2u",  # a key with its shifted form, in a form that was not asked for
        b"\x1b[97;2:1u",
        b"\x1b[48;999999999;999999999;1;1t",  # a terminal of a billion columns
        b"\x1b[<0;;M",
    ],
)
def test_a_report_that_makes_no_sense_is_left_out(home, report) -> None:
    with Terminal(home) as terminal:
        terminal.shown("ci-deploy")
        terminal.press(report + b"b")
        terminal.shown("HEALTH")
        terminal.press(b"q")
        assert terminal.ended() == 0


@pytest.mark.parametrize("mouse", ["0", "1"])
@pytest.mark.parametrize("place", [b"5;3", b"500;500"])
def test_a_mouse_report_takes_no_key_from_an_open_palette(home, mouse, place) -> None:
    with Terminal(home, environ={"TOKEN_CONSOLE_MOUSE": mouse}) as terminal:
        terminal.shown("ci-deploy")
        terminal.press(b":")
        terminal.shown("enter choose")
        terminal.press(b"\x1b[<0;" + place + b"M\x1b[<0;" + place + b"m\x1b[<35;7;7M")
        terminal.quiet()
        terminal.press(b"backen")
        terminal.shown(": backen")
        terminal.press(b"\r")
        terminal.shown("HEALTH")
        terminal.press(b"q")
        assert terminal.ended() == 0


@pytest.mark.parametrize(
    "number", [signal.SIGQUIT, signal.SIGINT, signal.SIGUSR1, signal.SIGALRM, signal.SIGXCPU]
)
def test_a_signal_that_ends_a_process_leaves_a_clean_terminal(home, number) -> None:
    with Terminal(home) as terminal:
        terminal.shown("ci-deploy")
        terminal.press(b":")
        terminal.shown("enter choose")
        terminal.process.send_signal(number)
        assert terminal.ended() == 128 + number
        terminal.restored()
