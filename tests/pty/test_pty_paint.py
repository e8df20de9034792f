"""The terminal shows what the screen drew, although only what differs is sent; and how little."""

from __future__ import annotations

import fcntl
import random
import signal
import struct
import termios
import unicodedata

import pyte
import pytest
import tui_world
from pty_screen import Terminal

from backends.model import ScopeDone
from console.settings import paths

pytestmark = pytest.mark.pty

REDRAW = b"\x0c"
KEYS = (
    b"j", b"j", b"k", b"\x1b[6~", b"\x1b[F", b"\x1b[H", b" ", b"s", b"|", b"/ci\r", b"/evil\r",
    b"\r", b"\r", b"\x1b", b"\x1b", b"\x1b", b"t", b"g", b"J", b"b", b"l", b"M", b"?", b":",
    b"i", b"-", b"x", b"*", b"\t", b"v", b"+", b"W", b"c", b"@", b"1",
)  # fmt: skip
OPENED = (
    ("token", b"\r", "WHAT"), ("graph", b"g", "GRAPH of"), ("timeline", b"t", "own log scales"),
    ("journal", b"J", "newest first"), ("backends", b"b", "HEALTH"), ("runs", b"l", "RUN "),
    ("incidents", b"M", "+ opens one"), ("help", b"?", "HELP"), ("palette", b":", "enter choose"),
)  # fmt: skip
MOST = {(200, 50): 25_000, (80, 24): 12_000}
"""Bytes that opening a view may cost: at 50 kB a second, half a second and less."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Hostile names, names of wide characters, and enough tokens to fill any screen."""
    made = tmp_path_factory.mktemp("paint")
    many = [tui_world.token("vault-prod", f"b{n:03}", f"job-{n:03}") for n in range(150)]
    wide = [tui_world.token("vault-prod", f"w{n}", f"名前-{n}-e\u0301-👩‍💻") for n in range(9)]
    evil = tui_world.token("vault-prod", "evil", tui_world.HOSTILE)
    still = tui_world.Still("vault-prod", [*many, *wide, evil, ScopeDone("root/", 160)])

    tui_world.fill(paths(made), [still, tui_world.aws()])
    return made


class Emulated(Terminal):
    """Fed to an emulator as it comes, so that it can be resized on the way."""

    def __init__(self, *given, size, **more) -> None:
        super().__init__(*given, size=size, **more)
        self.screen = pyte.Screen(*size)
        self.stream = pyte.ByteStream(self.screen)

    def read(self, seconds: float) -> bytes:
        new = super().read(seconds)
        self.stream.feed(new)
        return new

    def resize(self, size) -> None:
        self.size = size
        self.screen.resize(size[1], size[0])
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def drawn_anew(self) -> pyte.Screen:
        """What is shown once the whole screen was sent to an empty terminal."""
        before = len(self.out)
        self.press(REDRAW)
        self.quiet(0.3)
        anew = pyte.Screen(*self.size)
        pyte.ByteStream(anew).feed(b"\x1b[?7l" + self.out[before:])
        return anew


def cells(screen: pyte.Screen) -> list[tuple[object, ...]]:
    """What is seen in each cell; of a blank, only what a blank shows."""
    seen = []
    for y in range(screen.lines):
        for x in range(screen.columns):
            cell = screen.buffer[y][x]
            marks = (cell.bg, cell.reverse, cell.underscore)
            ink = () if cell.data == " " else (cell.fg, cell.bold)
            seen.append((y, x, unicodedata.normalize("NFC", cell.data), *marks, *ink))
    return seen


@pytest.mark.parametrize(("seed", "size"), [(1, (80, 24)), (2, (200, 50)), (3, (100, 30))])
def test_nothing_stale_stays_on_the_screen(home, seed, size) -> None:
    dice = random.Random(seed)
    with Emulated(home, "--act", size=size) as terminal:
        terminal.shown("job-00")
        for _ in range(14):
            pressed = [dice.choice(KEYS) for _ in range(dice.randrange(1, 5))]
            for keys in pressed:
                terminal.press(keys)
                terminal.read(0.05)
            if dice.random() < 0.2:
                terminal.resize((dice.randrange(60, 201), dice.randrange(20, 51)))
            terminal.quiet(0.5)
            was, anew = cells(terminal.screen), cells(terminal.drawn_anew())
            assert was == anew, (pressed, set(was) ^ set(anew))
        terminal.press(b"\x1b\x1b\x1b\x1b\x1bq")
        terminal.quiet(0.3)


def test_what_others_wrote_goes_with_a_redraw_and_with_a_resize(home) -> None:
    with Emulated(home, size=(80, 24)) as terminal:
        terminal.shown("job-00")
        terminal.quiet(0.5)
        for mend in (
            lambda: terminal.press(REDRAW),
            # To the same size: a terminal that was resized there and back shows anything.
            lambda: terminal.process.send_signal(signal.SIGWINCH),
        ):
            terminal.stream.feed(b"\x1b[10;1HBroadcast message: going down\r\nfor good")
            assert "Broadcast" in "\n".join(terminal.screen.display)
            mend()
            terminal.quiet(0.5)
            assert "Broadcast" not in "\n".join(terminal.screen.display)
            assert cells(terminal.screen) == cells(terminal.drawn_anew())


def test_a_redraw_works_under_an_open_bar_and_leaves_it_open(home) -> None:
    with Emulated(home, size=(80, 24)) as terminal:
        terminal.shown("job-00")
        terminal.press(b"/job-1")
        terminal.quiet(0.5)
        assert terminal.drawn_anew().display == terminal.screen.display
        terminal.press(b"23")
        terminal.shown("job-123")


@pytest.mark.parametrize("size", MOST)
def test_what_opening_a_view_costs_in_bytes(home, size) -> None:
    with Terminal(home, "--act", size=size) as terminal:
        terminal.shown("job-00")
        start = terminal.quiet(1.0) + len(terminal.out)
        costs = {"inventory": start}
        for name, keys, there in OPENED:
            terminal.press(keys)
            before = len(terminal.out)
            terminal.shown(there)
            terminal.quiet(0.5)
            costs[name] = len(terminal.out) - before
            terminal.press(b"\x1b")
            costs[f"back from {name}"] = terminal.quiet(0.5)
    assert all(cost <= MOST[size] for cost in costs.values()), costs
    # A list that differs in little from the one before costs little.
    assert costs["palette"] <= MOST[size] / 4, costs
