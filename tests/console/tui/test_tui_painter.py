"""What is sent to a terminal makes it show the frame, and is no more than what differs."""

from __future__ import annotations

import random
import unicodedata

import pyte
import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from console.tui.draw.painter import Painter

SIZE = (40, 6)
STYLES = (
    Style(), Style(dim=True), Style(bold=True), Style(color="green"), Style(reverse=True),
    Style(color="red", bold=True), Style(bgcolor="blue"), Style(underline=True),
    Style.parse("default on default"), Style.parse("#102030 on #a0b0c0"),
)  # fmt: skip
WORDS = ("a", "token", " ", "    ", "▁▂▃█", "…", "·", "日本", "e\u0301", "\u05d0\u05d1", "─", "ж")


class Shown:
    """A terminal as an emulator shows it, and the painter that it gets everything from."""

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        self.size = size
        self.painter = Painter()
        self.screen = pyte.Screen(*size)
        self.stream = pyte.Stream(self.screen)
        self.stream.feed("\x1b[?7l")

    def paint(self, *patches: tuple[int, int, Strip]) -> str:
        """Send what these pieces come to."""
        sent = self.painter.paint(patches, self.size, (0, 0), ColorSystem.TRUECOLOR)
        self.stream.feed(sent)
        return sent

    def cells(self) -> list[list[tuple[object, ...]]]:
        """What is seen in each cell: of a blank, only what a blank shows."""
        return [[_seen(self.screen.buffer[y][x]) for x in range(self.size[0])]
                for y in range(self.size[1])]  # fmt: skip


def _seen(cell: pyte.screens.Char) -> tuple[object, ...]:
    marks = (cell.bg, cell.reverse, cell.underscore)
    if cell.data == " ":
        return (" ", *marks, *((cell.fg,) if cell.reverse or cell.underscore else ()))
    return (unicodedata.normalize("NFC", cell.data), cell.fg, cell.bold, *marks)


def line(dice: random.Random, width: int, words: tuple[str, ...] = WORDS) -> Strip:
    """A line of just so many cells, of words and styles by chance."""
    segments, used = [], 0
    while used < width:
        segment = Segment(dice.choice(words) * dice.randrange(1, 4), dice.choice(STYLES))
        segments.append(segment)
        used += segment.cell_length
    return Strip(segments).crop(0, width)


def whole(lines: list[Strip]) -> list[tuple[int, int, Strip]]:
    return [(y, 0, strip) for y, strip in enumerate(lines)]


@pytest.mark.parametrize("seed", range(40))
def test_what_was_painted_bit_by_bit_is_what_is_painted_at_once(seed) -> None:
    dice = random.Random(seed)
    shown, width, height = Shown(), *SIZE
    lines = [line(dice, width) for _ in range(height)]
    shown.paint(*whole(lines))
    for _ in range(30):
        y = dice.randrange(height)
        if dice.random() < 0.4:
            lines[y] = line(dice, width)
            shown.paint((y, 0, lines[y]))
        elif dice.random() < 0.3:
            # As the end of a line, or all of it, becomes empty.
            kept = dice.randrange(width)
            blank = Segment(" " * (width - kept), dice.choice(STYLES))
            lines[y] = Strip.join([lines[y].crop(0, kept), Strip([blank])])
            shown.paint((y, kept, lines[y].crop(kept, width)))
        else:
            start = dice.randrange(width - 1)
            stop = dice.randrange(start + 1, width + 1)
            piece = line(dice, stop - start)
            head, tail = lines[y].crop(0, start), lines[y].crop(stop, width)
            lines[y] = Strip.join([head, piece, tail])
            shown.paint((y, start, piece))
        anew = Shown()
        anew.paint(*whole(lines))
        assert shown.cells() == anew.cells()


def test_what_is_shown_already_is_not_sent_again() -> None:
    dice = random.Random(1)
    shown = Shown()
    lines = [line(dice, SIZE[0]) for _ in range(SIZE[1])]
    assert shown.paint(*whole(lines))
    assert shown.paint(*whole(lines)) == ""
    assert shown.paint((2, 7, lines[2].crop(7, 20))) == ""


def test_only_the_cells_that_differ_are_sent() -> None:
    shown = Shown((200, 3))
    text = "payments-deploy-bot  vault-prod  service_token  2024-05-06".ljust(200)
    shown.paint((0, 0, Strip([Segment(text)])))
    other = Strip([Segment(text.replace("2024", "2025"))])
    assert shown.paint((0, 0, other)) == "\x1b[1;52H5\x1b[H"
    assert shown.screen.display[0] == text.replace("2024", "2025")


def test_a_line_becomes_empty_by_erasing_and_a_coloured_one_by_writing() -> None:
    """Terminals differ in the colour that they erase in; only their own is sure."""
    shown = Shown((200, 3))
    shown.paint((0, 0, Strip([Segment("x" * 200)])))
    assert len(shown.paint((0, 0, Strip.blank(200)))) < 16
    assert shown.screen.display[0].strip() == ""
    on_blue = Strip([Segment(" " * 200, Style(bgcolor="blue"))])
    assert "\x1b[K" not in shown.paint((0, 0, on_blue))
    assert {shown.screen.buffer[0][x].bg for x in range(200)} == {"blue"}


def test_blanks_need_no_style_of_their_own() -> None:
    shown = Shown((80, 2))
    dim = Style(dim=True)
    pieces = [Segment("AGE", dim), Segment("   "), Segment("USED", dim), Segment(" " * 70)]
    assert shown.paint((0, 0, Strip(pieces))).count("\x1b[2m") == 1


def test_a_line_of_unsure_widths_is_sent_whole() -> None:
    shown = Shown()
    shown.paint((0, 0, Strip([Segment("日本 token".ljust(38))])))
    sent = shown.paint((0, 0, Strip([Segment("日本 taken".ljust(38))])))
    assert "日本 taken" in sent
    assert sent.startswith("\x1b[H\x1b[K")


def test_after_forgetting_all_is_sent_whatever_stands_there() -> None:
    shown = Shown()
    lines = [Strip([Segment(f"line {y}".ljust(SIZE[0]))]) for y in range(SIZE[1])]
    shown.paint(*whole(lines))
    shown.stream.feed("\x1b[3;1HBroadcast message from root: going down")
    shown.painter.forget()
    shown.paint(*whole(lines))
    assert [row.rstrip() for row in shown.screen.display] == [f"line {y}" for y in range(SIZE[1])]


def test_beside_what_is_not_known_a_piece_is_written_as_it_is() -> None:
    """Between a resize and the frame that follows it, Textual may paint pieces of the old one."""
    shown = Shown()
    shown.stream.feed("\x1b[2;1Hleft over")
    shown.paint((1, 5, Strip([Segment("NEW ")])))
    assert shown.screen.display[1].startswith("left NEW ")
    dice = random.Random(3)
    lines = [line(dice, SIZE[0]) for _ in range(SIZE[1])]
    shown.paint(*whole(lines))
    anew = Shown()
    anew.paint(*whole(lines))
    assert shown.cells() == anew.cells()
