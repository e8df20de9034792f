"""What the terminal shows, cell by cell, so that only what differs is sent to it.

Textual paints whole regions: a view that is opened sends every cell, and again each time
that some of its data arrives. Over a slow link the bytes are what one waits for. Here each
frame is compared with the one before, as curses does, and the shorter way from one line to
the next is taken: single stretches of it, or erasing its rest and writing that anew.

Erasing is only done in the terminal's own background, since not every terminal erases in
another. A line with characters of which terminals disagree how wide they are is always sent
whole: where a later cell of it stands, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from rich.cells import split_graphemes
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

SKIP = 4
"""Unchanged cells between two changed ones that are sent along: a move costs as much."""
SHORT = 24
"""Bytes of a changed line below which no other way to it is tried."""
PLAIN = "\0"
"""The style of a cell without any; each style that was seen has such a character."""
SURE = frozenset(
    chr(number)
    for first, last in (
        (0x20, 0x7E), (0xA0, 0xAC), (0xAE, 0x2FF), (0x370, 0x482), (0x2010, 0x2015),
        (0x2018, 0x201F), (0x2022, 0x2022), (0x2026, 0x2026), (0x2190, 0x2193),
        (0x2500, 0x25FC), (0x2800, 0x28FF), (0xFFFD, 0xFFFD),
    )
    for number in range(first, last + 1)
)  # fmt: skip
"""Characters that take one cell in every terminal."""

Patch = tuple[int, int, Strip]
"""A piece of a frame: its line and its first column, from 0, and what stands there."""


class Row(NamedTuple):
    """A line of the terminal. Each cell has a text; the second cell of a wide character has "".

    Where every character is in ``SURE`` the texts are one string, else a list.
    """

    texts: str | list[str]
    styles: str

    @property
    def sure(self) -> bool:
        """Whether it is known where in the terminal each of its cells is."""
        return isinstance(self.texts, str)


class Painter:
    """Remembers what was sent to one terminal, and says what to send for the next frame."""

    def __init__(self) -> None:
        self._rows: list[Row | None] = []
        self._size = (0, 0)
        self._cursor = (-1, -1)
        self._styles: list[str] = [""]
        """The SGR parameters of each style, by the number of its character."""
        self._blanks: list[str] = [PLAIN]
        """The style in which a blank looks the same."""
        self._known = {"": PLAIN}

    def forget(self) -> None:
        """Take nothing for known: the terminal was resized, reset, or written to by others."""
        self._size = (0, 0)

    def paint(
        self,
        patches: Iterable[Patch],
        size: tuple[int, int],
        cursor: tuple[int, int],
        colors: ColorSystem,
    ) -> str:
        """What to send so that the terminal shows these pieces; empty where it does already.

        ``size`` is in columns and lines. The cursor, which is not seen, ends up at ``cursor``,
        its column and line from 0.
        """
        width, height = size
        sent = _Sent(self._styles, self._blanks)
        if size != self._size:
            self._size, self._cursor = size, (-1, -1)
            self._rows = [None] * height
        rows: dict[int, Row | None] = {}
        for y, x, strip in patches:
            if not (0 <= y < height and 0 <= x < width):
                continue
            piece = self._row(strip.crop(0, width - x), colors)
            if len(piece.styles) == width:
                rows[y] = piece
                continue
            before = rows.get(y, self._rows[y])
            if before is None:
                # What stands beside the piece is not known, and so neither is the line after.
                sent.all(y, x, piece)
                rows[y] = None
            else:
                rows[y] = _joined(before, x, piece)
        for y, row in sorted(rows.items()):
            if row is not None:
                sent.line(y, self._rows[y], row)
            self._rows[y] = row
        if not sent.out and cursor == self._cursor:
            return ""
        self._cursor = cursor
        return sent.end(cursor)

    def _row(self, strip: Strip, colors: ColorSystem) -> Row:
        segments: list[Segment] = [one for one in strip if not one.control]
        styles: list[str] = []
        texts = "".join([one.text for one in segments])
        if texts.isascii() or SURE.issuperset(texts):
            for text, style, _ in segments:
                styles.append(self._style(style, colors) * len(text))
            return Row(texts, "".join(styles))
        cells: list[str] = []
        for text, style, _ in segments:
            mark = self._style(style, colors)
            for first, last, wide in split_graphemes(text)[0]:
                if wide:
                    cells += [text[first:last], *([""] * (wide - 1))]
                    styles.append(mark * wide)
                elif cells:
                    cells[-1] += text[first:last]
        return Row(cells, "".join(styles))

    def _style(self, style: Style | None, colors: ColorSystem) -> str:
        if style is None:
            return PLAIN
        codes = style._ansi
        if codes is None:
            codes = Strip.render_ansi(style, colors)
        mark = self._known.get(codes)
        if mark is None:
            told = _told(codes)
            mark = self._known[codes] = self._known.get(told) or self._new(told)
        return mark

    def _new(self, codes: str) -> str:
        mark = self._known[codes] = chr(len(self._styles))
        self._styles.append(codes)
        self._blanks.append(PLAIN)
        blank = _of_a_blank(codes)
        self._blanks[ord(mark)] = mark if blank == codes else (
            self._known.get(blank) or self._new(blank)
        )  # fmt: skip
        return mark


class _Sent:
    """What is sent for one frame, and where that leaves the terminal."""

    def __init__(self, styles: Sequence[str], blanks: Sequence[str]) -> None:
        self.out: list[str] = []
        self._styles = styles
        self._blanks = blanks
        self._style = PLAIN
        self._at = (-1, -1)

    def end(self, cursor: tuple[int, int]) -> str:
        """All of it, with the cursor where it is to be."""
        self._wear(PLAIN)
        self._go(cursor[1], cursor[0])
        return "".join(self.out)

    def line(self, y: int, before: Row | None, row: Row) -> None:
        """What makes one line into another, in the shorter of two ways."""
        if before == row:
            return
        if before is None and row.sure:
            self._erase(y, 0)
            self._spans(y, row, _gathered(self._inked(row)))
            return
        if before is None or not (before.sure and row.sure):
            self._erase(y, 0)
            self.all(y, 0, row)
            return
        changed = self._changed(before, row)
        if not changed:
            return
        mark, style, at = len(self.out), self._style, self._at
        self._spans(y, row, _gathered(changed), changed[-1])
        short = self.out[mark:]
        if (cost := _bytes(short)) <= SHORT:
            return
        ended = self._style, self._at
        del self.out[mark:]
        self._style, self._at = style, at
        first = changed[0]
        self._erase(y, first)
        self._spans(y, row, _gathered([x for x in self._inked(row) if x >= first]))
        if _bytes(self.out[mark:]) >= cost:
            self.out[mark:] = short
            self._style, self._at = ended

    def all(self, y: int, x: int, row: Row) -> None:
        """Every cell of a piece of a line, up to the blanks at its end."""
        inked = self._inked(row) if x == 0 else list(range(len(row.styles)))
        if inked:
            self._go(y, x)
            self._write(row, 0, inked[-1] + 1)
        if not row.sure:
            self._at = (-1, -1)

    def _changed(self, before: Row, row: Row) -> list[int]:
        """The columns of the cells that look different."""
        old, new, blanks = before.styles, row.styles, self._blanks
        if before.texts == row.texts:
            cells = enumerate(zip(old, new, row.texts, strict=True))
            return [
                x for x, (a, b, text) in cells
                if a != b and (text != " " or blanks[ord(a)] != blanks[ord(b)])
            ]  # fmt: skip
        return [
            x for x, (was, text, a, b) in enumerate(
                zip(before.texts, row.texts, old, new, strict=True)
            )
            if was != text
            or (a != b and (text != " " or blanks[ord(a)] != blanks[ord(b)]))
        ]  # fmt: skip

    def _inked(self, row: Row) -> list[int]:
        """The columns of the cells that are not the terminal's own empty ones."""
        blanks = self._blanks
        return [
            x for x, (text, mark) in enumerate(zip(row.texts, row.styles, strict=True))
            if text != " " or blanks[ord(mark)] != PLAIN
        ]  # fmt: skip

    def _spans(self, y: int, row: Row, spans: Iterable[tuple[int, int]], last: int = -1) -> None:
        """Write stretches of a line; ``last`` is where the last difference is."""
        end = len(row.styles)
        if last >= 0 and (inked := self._inked(row)):
            end = inked[-1] + 1
        elif last >= 0:
            end = 0
        for start, stop in spans:
            if last - end >= SKIP and stop > end:
                # All from here on becomes empty.
                if start < end:
                    self._go(y, start)
                    self._write(row, start, end)
                self._erase(y, max(start, end))
                return
            self._go(y, start)
            self._write(row, start, stop)

    def _erase(self, y: int, x: int) -> None:
        self._wear(PLAIN)
        self._go(y, x)
        self.out.append("\x1b[K")

    def _go(self, y: int, x: int) -> None:
        if self._at == (x, y):
            return
        if self._at[1] == y and 0 <= self._at[0] < x:
            far = x - self._at[0]
            self.out.append("\x1b[C" if far == 1 else f"\x1b[{far}C")
        elif x == 0:
            self.out.append(f"\x1b[{y + 1}H" if y else "\x1b[H")
        else:
            self.out.append(f"\x1b[{y + 1};{x + 1}H")
        self._at = (x, y)

    def _write(self, row: Row, start: int, stop: int) -> None:
        texts, styles, blanks = row.texts, row.styles, self._blanks
        x = start
        for mark, same in groupby(styles[start:stop]):
            count = len(list(same))
            text = "".join(texts[x : x + count])
            x += count
            if mark == self._style:
                self.out.append(text)
                continue
            worn, seen = blanks[ord(self._style)], blanks[ord(mark)]
            if worn == seen:
                # Blanks look alike in both styles: the change can wait for what is seen.
                inked = text.lstrip(" ")
                if len(inked) < len(text):
                    self.out.append(" " * (len(text) - len(inked)))
                if not inked:
                    continue
                text = inked
            self._wear(mark)
            self.out.append(text)
        y = self._at[1]
        # At the right edge terminals differ in where the cursor is.
        self._at = (stop, y) if stop < len(styles) and row.sure else (-1, -1)

    def _wear(self, mark: str) -> None:
        if mark == self._style:
            return
        codes = self._styles[ord(mark)]
        if not codes:
            self.out.append("\x1b[m")
        elif self._style == PLAIN:
            self.out.append(f"\x1b[{codes}m")
        else:
            self.out.append(f"\x1b[0;{codes}m")
        self._style = mark


def _gathered(columns: Sequence[int]) -> list[tuple[int, int]]:
    """Columns in order as stretches, each from its first column to before its end."""
    spans: list[tuple[int, int]] = []
    start = last = -1
    for x in columns:
        if start < 0:
            start = x
        elif x - last > SKIP:
            spans.append((start, last + 1))
            start = x
        last = x
    if start >= 0:
        spans.append((start, last + 1))
    return spans


def _joined(row: Row, x: int, piece: Row) -> Row:
    """A line with a piece of it replaced."""
    end = x + len(piece.styles)
    styles = row.styles[:x] + piece.styles + row.styles[end:]
    if isinstance(row.texts, str) and isinstance(piece.texts, str):
        return Row(row.texts[:x] + piece.texts + row.texts[end:], styles)
    texts = [*row.texts[:x], *piece.texts, *row.texts[end:]]
    if x > 0 and texts[x] != "" and row.texts[x] == "":
        # The other half of a wide character went.
        texts[x - 1] = " "
    if end < len(texts) and texts[end] == "":
        texts[end] = " "
    whole = "".join(texts)
    return Row(whole if len(whole) == len(texts) and SURE.issuperset(whole) else texts, styles)


def _bytes(pieces: Iterable[str]) -> int:
    return sum(len(piece) if piece.isascii() else len(piece.encode()) for piece in pieces)


@lru_cache(maxsize=1024)
def _parts(codes: str) -> tuple[str, ...]:
    """The single attributes in SGR parameters; a colour of several numbers is one."""
    parts: list[str] = []
    numbers = iter(codes.split(";")) if codes else iter(())
    for number in numbers:
        if number in ("38", "48"):
            kind = next(numbers, "")
            more = [next(numbers, "") for _ in range(1 if kind == "5" else 3)]
            number = ";".join([number, kind, *more])
        parts.append(number)
    return tuple(parts)


def _told(codes: str) -> str:
    """SGR parameters without the terminal's own colours, which it has without being told."""
    return ";".join(part for part in _parts(codes) if part not in ("39", "49"))


def _of_a_blank(codes: str) -> str:
    """What of SGR parameters is seen where there is no character."""
    parts = _parts(codes)
    if any(part in ("4", "5", "6", "7", "9", "21", "53") for part in parts):
        return codes
    grounds = {*map(str, range(40, 48)), *map(str, range(100, 108))}
    return ";".join(part for part in parts if part in grounds or part.startswith("48;"))
