"""The timeline in a real terminal of sixteen colours, by keys, and how much it writes."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pty_screen import Terminal

from console.settings import paths

pytestmark = pytest.mark.pty

SIXTEEN = {"TERM": "xterm", "TEXTUAL_COLOR_SYSTEM": "standard"}
LEFT = b"\x1b[D"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import timeline_scene
    import tui_world

    made = tmp_path_factory.mktemp("timeline")
    tui_world.fill(paths(made), [timeline_scene.busy(hostile=True)])
    return made


def opened(terminal: Terminal) -> None:
    terminal.shown("ci-deploy")
    terminal.press(b"t")
    terminal.shown("own log scales")
    terminal.shown("203.0.113.7")
    terminal.quiet()


def test_what_it_did_since_the_leak_in_sixteen_colours(place: Path) -> None:
    import tui_world

    with Terminal(place, environ=SIXTEEN) as terminal:
        opened(terminal)
        leak = (tui_world.NOW - timedelta(hours=20)).strftime("%Y-%m-%dT%H:%MZ")
        terminal.press(b"@" + leak.encode() + b"\r")
        terminal.shown("Used 338 times since the leak")
        terminal.shown("AFTER REVOKE")
        terminal.press(b"(")
        terminal.shown("! the leak, as given")
        # A timeline that a terminal of sixteen colours can show: no other colour is asked for.
        assert not re.search(rb"\x1b\[[0-9;]*[34]8;[25];", terminal.out)
        terminal.press(b"q")
        assert terminal.ended() == 0
        terminal.restored()


@pytest.mark.parametrize(("size", "most"), [((80, 24), 1_200), ((250, 60), 3_500)])
def test_a_key_repaints_what_it_changes_only(place: Path, size: Any, most: int) -> None:
    with Terminal(place, size=size, environ=SIXTEEN) as terminal:
        opened(terminal)
        told = []
        for _ in range(6):
            terminal.press(LEFT)
            told.append(terminal.quiet())
        assert all(told), told
        assert sum(told) / len(told) < most, told
        terminal.press(b"q")
        assert terminal.ended() == 0


def test_hostile_names_never_reach_the_terminal_as_commands(place: Path) -> None:
    with Terminal(place) as terminal:
        opened(terminal)
        for _ in range(3):
            terminal.press(b"\t")
            terminal.quiet()
        terminal.press(b"\x1b[H\r")
        terminal.quiet()
        terminal.press(b"q")
        assert terminal.ended() == 0
        assert b"\x1b]52" not in terminal.out
        assert "\x9b" not in terminal.out.decode()
