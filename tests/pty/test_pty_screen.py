"""The screen in a real terminal: signals, crashes, hostile bytes, and how much it writes."""

import os
import re
import signal

import pytest
from patience import HANG
from pty_screen import CANARY, Terminal

from backends.model import ScopeDone
from console.settings import paths

pytestmark = pytest.mark.pty


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    import tui_world

    made = tmp_path_factory.mktemp("home")
    tokens = [tui_world.token("vault-prod", f"b{n:03}", f"job-{n:03}") for n in range(200)]
    still = tui_world.Still("vault-prod", [*tokens, ScopeDone("root/", 200)])
    tui_world.fill(paths(made), [still, tui_world.aws()])
    return made


@pytest.fixture(scope="module")
def hostile_home(tmp_path_factory):
    import tui_world

    made = tmp_path_factory.mktemp("hostile")
    tui_world.fill(paths(made))
    return made


def test_it_shows_the_store_and_q_leaves_a_clean_terminal(home) -> None:
    with Terminal(home) as terminal:
        terminal.shown("job-00")
        assert "203 tokens" in terminal.text()
        terminal.press(b"q")
        assert terminal.ended() == 0
        terminal.restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_a_clean_terminal(home, number) -> None:
    with Terminal(home) as terminal:
        terminal.shown("job-00")
        terminal.process.send_signal(number)
        assert terminal.ended() == 128 + number
        terminal.restored()


def test_ctrl_c_does_not_leave(home) -> None:
    with Terminal(home) as terminal:
        terminal.shown("job-00")
        terminal.press(b"\x03")
        terminal.press(b"/zzz")
        terminal.shown("No token matches")
        assert terminal.process.poll() is None
        terminal.press(b"\x03q")
        assert terminal.ended() == 0


def test_a_terminal_that_goes_away_ends_the_process_even_when_no_signal_tells(home) -> None:
    with Terminal(home, ignore_hangup=True) as terminal:
        terminal.shown("job-00")
        os.close(terminal.slave)
        os.close(terminal.master)
        assert terminal.process.wait(timeout=HANG) != 0


@pytest.mark.parametrize("where", ["key", "callback", "drawing"])
def test_a_crash_shows_one_line_and_no_secret(home, where) -> None:
    with Terminal(home, f"--crash-in-{where}") as terminal:
        if where == "key":
            terminal.shown("job-00")
            terminal.press(b"s")
        assert terminal.ended() == 1, terminal.out[-2000:]
        terminal.restored()
        assert CANARY.encode() not in terminal.out
        assert b"Traceback" not in terminal.out
        tail = terminal.out[terminal.out.rindex(b"\x1b[?1049l") :].decode()
        assert "token-console met a defect and had to end (ValueError)" in tail
    (report,) = (home / "state").glob(f"crash-*-{terminal.process.pid}.txt")
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text()
    assert CANARY not in text
    assert "ValueError" in text
    report.unlink()


def test_hostile_names_reach_no_terminal(hostile_home) -> None:
    with Terminal(hostile_home, "--act", size=(120, 40)) as terminal:
        terminal.shown("ci-deploy")
        for keys, wait in (
            (b"/evil\r", "1 of 8"),
            (b"\r", "WHAT"),
            (b"\x1b[F", "HISTORY"),
            (b"b", "HEALTH"),
            (b"J", "newest first"),
            (b"?", "HELP"),
        ):
            terminal.press(keys)
            terminal.shown(wait)
        terminal.press(b"q")
        assert terminal.ended() == 0
        # Textual itself sets the shape of the pointer (OSC 22), and nothing else that way.
        text = re.sub(r"\x1b\]22;[a-z-]*\x07", "", terminal.out.decode())
        for character in ("\x1b]", "\x07", "\x9b", "\u202e", "\u2066", "\0"):
            assert character not in text, repr(character)


def test_the_environment_cannot_steer_the_screen(home, tmp_path) -> None:
    steered = {
        "TEXTUAL_PRESS": "q",
        "TEXTUAL_DRIVER": "nowhere.to:Find",
        "TEXTUAL_LOG": str(tmp_path / "log"),
        "TEXTUAL": "devtools,debug",
        "TEXTUAL_SCREENSHOT": "1",
        "TEXTUAL_SCREENSHOT_LOCATION": str(tmp_path),
    }
    with Terminal(home, environ=steered) as terminal:
        terminal.shown("job-00")
        terminal.press(b"b")
        terminal.shown("HEALTH")
        terminal.press(b"q")
        assert terminal.ended() == 0
    assert list(tmp_path.iterdir()) == []


def test_no_mouse_is_asked_for(home) -> None:
    with Terminal(home) as terminal:
        terminal.shown("job-00")
        terminal.press(b"q")
        terminal.ended()
        for mode in (b"1000h", b"1003h", b"1006h"):
            assert mode not in terminal.out


def test_what_a_key_costs_in_bytes(home) -> None:
    """The budget of DESIGN: 700 bytes inside the page, 1,300 on average while scrolling."""
    with Terminal(home, size=(200, 50)) as terminal:
        terminal.shown("job-00")
        terminal.quiet(1.0)
        costs = []
        for _ in range(60):
            terminal.press(b"j")
            costs.append(terminal.quiet(0.2))
        terminal.press(b"q")
        terminal.ended()
    inside = sorted(costs)[len(costs) // 2]
    assert inside <= 700, costs
    assert sum(costs) / len(costs) <= 1_300, costs


def test_a_narrow_locale_gets_ascii(home) -> None:
    with Terminal(home, environ={"LC_ALL": "C"}) as terminal:
        terminal.shown("job-00")
        terminal.press(b"q")
        terminal.ended()
        assert terminal.out.isascii()
