"""The list of tokens: draws what is in sight and owns no rows.

It holds a window of rows around what is seen. Whatever lies outside is fetched when it
comes into sight, so a list of a million costs no more than a list of a hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from textual import events
from textual.message import Message

from console.inventory.search.inventory import Row
from console.tui.draw import columns
from console.tui.draw.cells import Lines
from console.tui.draw.lines import Line
from console.tui.views.inventory.findings import CHANGE_GLYPHS, findings
from console.tui.views.inventory.searcher import MARGIN, FoundRows

FRESH_FOR = 60
"""Seconds for which a change stays marked."""

Fetch = Callable[[int, int], tuple[Sequence[Row], Mapping[int, Sequence[int]]]]
"""Rows from a position on, and their uses by hour."""


class RowWindow(NamedTuple):
    """Rows of the list that are at hand, from ``start`` on, and the uses of each for its bars."""

    start: int
    rows: Sequence[Row]
    uses: Mapping[int, Sequence[int]]


EMPTY = RowWindow(0, (), {})


class TokenTable(Lines, can_focus=True):
    """Line 0 has the titles, the others the rows from ``top`` on."""

    DEFAULT_CSS = "TokenTable { height: 1fr; }"

    class Moved(Message):
        """The cursor is on another token."""

    class Wanted(Message):
        """The table's size or place needs another search."""

    def __init__(
        self, fetch: Fetch, now: Callable[[], float], *, ascii_only: bool, seen: int
    ) -> None:
        super().__init__()
        self._fetch = fetch
        self._now = now
        self._ascii = ascii_only
        self._seen = seen
        self._window = EMPTY
        self.total = 0
        """Rows in the list as far as it is known; at least what has been seen of it."""
        self.top = 0
        self.cursor = 0
        self.marks: set[str] = set()
        self.range_from = 0
        """Where a range of marks begins."""
        self.chosen: Sequence[str] = columns.DEFAULT
        self.sort, self.descending = "name", False
        self.empty = ""
        """What to say where there is no row."""

    # What is shown

    def say_empty(self, text: str) -> None:
        """What to say where there is no row."""
        if text != self.empty:
            self.empty = text
            if not self.total:
                self.redraw()

    @property
    def page(self) -> int:
        """Rows that are seen at once."""
        return max(self.size.height - 1, 1)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self._row(self.cursor)

    def show(self, found: FoundRows, *, fresh: bool) -> None:
        """Take a search's result. With ``fresh`` it is another list: begin at its top."""
        first_time = self._window is EMPTY
        position = None if fresh else self._where(found)
        self._window = RowWindow(found.start, found.rows, found.uses)
        if found.total is not None:
            self.total = found.total
        else:
            reached = max(found.start + len(found.rows), (found.more_than or -1) + 1)
            self.total = reached if fresh else max(self.total, reached)
        if fresh:
            self.cursor = self.top = 0
        elif position is not None:
            # The token stays where it was on the screen while the list moves under it.
            self.top += position - self.cursor
            self.cursor = position
        self._clamp()
        self.redraw()
        if first_time or fresh or found.total is not None or found.more_than is not None:
            self.post_message(self.Moved())

    def _where(self, found: FoundRows) -> int | None:
        """Where the token under the cursor stands now. The cursor may have moved on while
        the search was under way, so the search's own answer is for one token only."""
        row = self.row
        if row is None:
            return None
        for number, other in enumerate(found.rows, found.start):
            if other.handle == row.handle:
                return number
        return found.position if found.question.follow == row.handle else None

    def line(self, y: int) -> Line:
        """The titles, or one token's row."""
        if y == 0:
            return columns.heads(self._placed(), self.sort, self.descending)
        number = self.top + y - 1
        row = self._row(number)
        if row is None:
            return [(self.empty, "dim")] if y == 2 and not self.total else ()
        now = self._now()
        fresh = self.fresh(row, now)
        mark = CHANGE_GLYPHS.get(row.change, "~") if fresh else " "
        if row.handle in self.marks:
            mark = "*"
        noticed = findings(row, now)
        return columns.row_parts(
            row,
            self._placed(),
            now=now,
            uses=self._window.uses.get(row.rowid, ()),
            cursor=number == self.cursor,
            mark=mark,
            finding=noticed[0].glyph if noticed else " ",
            fresh=fresh,
            ascii_only=self._ascii,
        )

    def fresh(self, row: Row, now: float) -> bool:
        """Whether the row changed since the list was last looked at, and just now.

        A first look at a system changes nothing: its rows say no change.
        """
        return row.change != "" and row.changed_at > self._seen and now - row.changed_at < FRESH_FOR

    def _placed(self) -> list[columns.Placed]:
        return columns.layout(self.size.width, self.chosen)

    def _row(self, number: int) -> Row | None:
        if not 0 <= number < self.total:
            return None
        at = number - self._window.start
        if not 0 <= at < len(self._window.rows):
            self._load(number)
            at = number - self._window.start
        return self._window.rows[at] if 0 <= at < len(self._window.rows) else None

    def _load(self, number: int) -> None:
        start = max(min(number, self.top) - MARGIN, 0)
        rows, uses = self._fetch(start, self.page + 2 * MARGIN)
        self._window = RowWindow(start, rows, uses)
        if start + len(rows) < self.total and len(rows) < self.page + 2 * MARGIN:
            # The list has become shorter than it was counted to be.
            self.total = start + len(rows)

    # Moving and marking

    def move(self, what: str) -> None:
        """Move by one of the names of the moving actions."""
        steps = {
            "down": 1, "up": -1, "page_down": self.page, "page_up": -self.page,
            "half_down": self.page // 2, "half_up": -(self.page // 2),
            "top": -self.total, "bottom": self.total,
        }  # fmt: skip
        self.go(self.cursor + steps[what], whole="page" in what)

    def go(self, number: int, *, whole: bool = False) -> None:
        """Put the cursor on a row. ``whole`` scrolls as far as the cursor moved."""
        before, top = self.cursor, self.top
        self.cursor = max(min(number, self.total - 1), 0)
        if not self.top <= self.cursor < self.top + self.page:
            if whole:
                self.top += self.cursor - before
            else:
                # Half a page at a time: scrolling row by row repaints everything per key.
                self.top = self.cursor - self.page // 2
        self._clamp()
        if self.top == top:
            self.redraw(before - top + 1, self.cursor - top + 1)
        else:
            self.redraw()
        if self.cursor != before:
            self.post_message(self.Moved())

    def mark(self) -> None:
        """Mark the row under the cursor or take its mark away, and go on to the next."""
        if (row := self.row) is not None:
            self.marks ^= {row.handle}
            self.range_from = self.cursor
            self.redraw(self.cursor - self.top + 1)
            self.go(self.cursor + 1)

    def mark_all(self, handles: Sequence[str]) -> None:
        """Mark all of these as well."""
        self.marks |= set(handles)
        self.redraw()

    def unmark(self) -> None:
        """Take all marks away."""
        self.marks = set()
        self.redraw()

    def _clamp(self) -> None:
        self.cursor = max(min(self.cursor, self.total - 1), 0)
        self.top = max(min(self.top, self.total - self.page), 0)
        if not self.top <= self.cursor < self.top + self.page:
            self.top = max(min(self.cursor - self.page // 2, self.total - self.page), 0)

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor in sight, and ask for rows that came into it."""
        self._clamp()
        if self._window.rows:
            self.redraw()
        self.post_message(self.Wanted())

    def on_mouse_scroll_down(self) -> None:
        """Half a page down."""
        self.move("half_down")

    def on_mouse_scroll_up(self) -> None:
        """Half a page up."""
        self.move("half_up")

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row that was clicked."""
        if event.y > 0:
            self.go(self.top + event.y - 1)
