"""The graph in a real terminal: in sixteen colours, in ASCII, and few bytes for each key."""

import re

import pytest
from pty_screen import Terminal

from console.settings import paths

pytestmark = pytest.mark.pty
WIDE = re.compile(rb"\x1b\[[0-9;]*[34]8[;:][25][;:]")
"""A colour beyond the sixteen that every terminal has."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    import tui_graph_scene

    made = tmp_path_factory.mktemp("graph")
    tui_graph_scene.build(paths(made))
    return made


def opened(terminal: Terminal) -> None:
    terminal.shown("tok_live")
    terminal.press(b"/tok_live\r")
    terminal.shown("1 of")
    terminal.press(b"g")
    terminal.shown("USED BY 21")


def test_sixteen_colours_are_enough(home) -> None:
    with Terminal(home, environ={"TERM": "xterm"}) as terminal:
        opened(terminal)
        terminal.press(b"L")
        terminal.shown("! LEAK of tok_live")
        terminal.press(b"\x1b[C\x1b[Cj")
        terminal.shown("reached: ")
        terminal.press(b"\x1b[D\x1b[D")
        terminal.shown("LEAK")
        terminal.press(b"*")
        terminal.shown("�]52;c")
        assert not WIDE.search(terminal.out)
        assert b"\x1b]52" not in terminal.out
        terminal.press(b"x")
        terminal.shown("XRAY")
        terminal.press(b"\x1b\x1b\x1b\x1b")
        terminal.press(b"q")
        assert terminal.ended() == 0
        terminal.restored()


def test_a_narrow_locale_gets_edges_in_ascii(home) -> None:
    with Terminal(home, environ={"LC_ALL": "C"}) as terminal:
        opened(terminal)
        terminal.shown("+> + ecr:pull")
        terminal.press(b"q")
        terminal.ended()
        assert terminal.out.isascii()


@pytest.mark.parametrize(("size", "most"), [((80, 24), 1_000), ((250, 60), 1_200)])
def test_a_key_repaints_what_changed_and_idling_nothing(home, size, most) -> None:
    with Terminal(home, size=size) as terminal:
        opened(terminal)
        terminal.press(b"\x1b[C\x1b[C")
        terminal.quiet(0.6)
        costs = []
        for _ in range(8):
            terminal.press(b"j")
            costs.append(terminal.quiet(0.3))
        assert sorted(costs)[len(costs) // 2] <= most, costs
        assert terminal.quiet(1.5) == 0
        terminal.press(b"q")
        assert terminal.ended() == 0
