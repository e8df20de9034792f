"""Where text becomes cells: the one place that hands anything to the terminal.

Every part passes through ``console.text.safe`` here, whoever made it, and becomes plain
segments; no text is ever read as markup. Colours are the terminal's own sixteen, so that
they suit a light and a dark background, and a role always has more than its colour: a
word, a letter or a weight.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from console.text import ascii_only, safe
from console.tui.draw.lines import Line, Role

STYLES: dict[Role, Style] = {
    "": Style(),
    "dim": Style(dim=True),
    "bold": Style(bold=True),
    "title": Style(bold=True),
    "head": Style(dim=True),
    "good": Style(color="green"),
    "warn": Style(color="yellow"),
    "bad": Style(color="red", bold=True),
    "accent": Style(color="cyan"),
    "key": Style(bold=True),
    "cursor": Style(reverse=True),
    "fresh": Style(color="green", bold=True),
    "use": Style(color="bright_blue"),
    "since": Style(color="yellow"),
    "late": Style(color="magenta", bold=True),
    "gap": Style(dim=True),
    "who": Style(color="blue", bold=True),
    "place": Style(color="magenta"),
}
LIMIT = 4096
"""Characters of one part. No terminal has more columns; a field may not cost more time."""


def strip(line: Line, width: int, *, plain_ascii: bool = False) -> Strip:
    """A line as exactly ``width`` cells."""
    segments: list[Segment] = []
    used = 0
    for text, role in line:
        shown = safe(text, LIMIT)
        if plain_ascii and not shown.isascii():
            shown = ascii_only(shown)
        if shown:
            segments.append(Segment(shown, STYLES[role]))
            used += len(shown) if shown.isascii() else cell_len(shown)
    if used < width:
        segments.append(Segment(" " * (width - used), STYLES[""]))
        return Strip(segments, width)
    made = Strip(segments, used)
    return made if used == width else made.crop(0, width).adjust_cell_length(width)


class Lines(Widget):
    """A widget that draws lines, and repaints only the cells that differ.

    Textual repaints whole regions; over SSH every byte counts, so the lines are compared
    with what was drawn before, and only the span that changed is refreshed.
    """

    DEFAULT_CSS = "Lines { height: 1; width: 1fr; }"

    plain_ascii = False
    """Set once at start for terminals that show nothing but ASCII."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own word)
        super().__init__(id=id)
        self._drawn: list[Strip] = []

    def line(self, y: int) -> Line:
        """The line at ``y``, counted from the widget's top."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        """One line of the widget as Textual wants it; what it makes is kept to see what changes."""
        if len(self._drawn) != self.size.height or (
            self._drawn and self._drawn[0].cell_length != self.size.width
        ):
            self._drawn = [self._strip(number) for number in range(self.size.height)]
        return self._drawn[y] if 0 <= y < len(self._drawn) else Strip.blank(self.size.width)

    def _strip(self, y: int) -> Strip:
        return strip(self.line(y), self.size.width, plain_ascii=self.plain_ascii)

    def redraw(self, *rows: int) -> None:
        """Draw these lines again, or all; only what differs reaches the terminal."""
        if len(self._drawn) != self.size.height:
            self._drawn = []
            self.refresh()
            return
        for y in rows or range(len(self._drawn)):
            if 0 <= y < len(self._drawn):
                new = self._strip(y)
                if span := changed(self._drawn[y], new):
                    self._drawn[y] = new
                    self.refresh(Region(span[0], y, span[1] - span[0], 1))

    def notify_style_update(self) -> None:
        """Colours changed, so every cell is painted again."""
        self._drawn = []
        super().notify_style_update()


def changed(old: Strip, new: Strip) -> tuple[int, int] | None:
    """The first cell that differs and the one after the last; None where nothing does."""
    if old == new:
        return None
    width = max(old.cell_length, new.cell_length)
    before, after = cells_of(old), cells_of(new)
    if before is None or after is None or len(before) != len(after):
        return (0, width)
    first = next((x for x, pair in enumerate(zip(before, after, strict=True)) if _differ(pair)), -1)
    if first < 0:
        return None
    last = len(before) - 1
    while before[last] == after[last]:
        last -= 1
    return (first, last + 1)


def _differ(pair: tuple[object, object]) -> bool:
    return pair[0] != pair[1]


def cells_of(line: Strip) -> list[tuple[str, Style | None]] | None:
    """Cell by cell; None where a character takes more or less than one cell."""
    cells: list[tuple[str, Style | None]] = []
    for text, style, _ in line:
        cells += [(character, style) for character in text]
    return cells if len(cells) == line.cell_length else None


class OneLine(Lines):
    """One line that is told what to say."""

    def __init__(self, line: Line = (), *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.said: Line = line

    def say(self, line: Line) -> None:
        """Show this line from now on."""
        if line != self.said:
            self.said = line
            self.redraw()

    def line(self, y: int) -> Line:
        """The one line that there is."""
        return self.said
