"""A page of lines that scrolls, with or without a line under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from console.tui.draw.cells import Lines
from console.tui.draw.lines import Line, plain


class Page(Lines, can_focus=True):
    """Shows lines that fit its width. With ``select`` the cursor moves over the lines."""

    DEFAULT_CSS = "Page { height: 1fr; }"

    class Selected(Message):
        """The cursor is on another line."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class Scrolled(Message):
        """Other lines are in sight, or there are more or fewer of them below."""

    class Resized(Message):
        """The width changed, so that the lines have to be made anew."""

    def __init__(self, *, select: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.lines: Sequence[Line] = ()
        self.select = select
        self.cursor = 0
        self.top = 0
        self.seen = 0
        """How many lines, from the first, have been on the screen since they were shown."""

    def show(self, lines: Sequence[Line], *, keep: bool = True) -> None:
        """Show these lines, from the top unless ``keep`` says to stay where one is."""
        self.lines = lines
        if not keep:
            self.top = self.cursor = 0
            self.seen = 0
        self.cursor = max(min(self.cursor, len(lines) - 1), 0)
        self._keep_in_sight()
        self.redraw()
        self.post_message(self.Scrolled())

    def line(self, y: int) -> Line:
        """One line that is in sight, with the cursor where it is on it."""
        number = self.top + y
        if number >= len(self.lines):
            return ()
        if self.select and number == self.cursor:
            return [(plain(self.lines[number]).ljust(self.size.width), "cursor")]
        return self.lines[number]

    @property
    def seen_end(self) -> bool:
        """Whether the last line has been on the screen."""
        return self.seen >= len(self.lines)

    @property
    def more(self) -> int:
        """How many lines are below what is seen."""
        return max(len(self.lines) - self.top - self.size.height, 0)

    def move(self, what: str) -> None:
        """Move by one of the names of the moving actions."""
        height = max(self.size.height, 1)
        steps = {
            "down": 1, "up": -1, "page_down": height, "page_up": -height,
            "half_down": height // 2, "half_up": -(height // 2),
            "top": -len(self.lines), "bottom": len(self.lines),
        }  # fmt: skip
        before = self.cursor
        if self.select:
            self.cursor = max(min(self.cursor + steps[what], len(self.lines) - 1), 0)
            self._keep_in_sight()
        else:
            self.top += steps[what]
            self._keep_in_sight()
        self.redraw()
        self.post_message(self.Scrolled())
        if self.cursor != before:
            self.post_message(self.Selected(self.cursor))

    def _keep_in_sight(self) -> None:
        height = max(self.size.height, 1)
        if self.select and not self.top <= self.cursor < self.top + height:
            # Half a page at a time: scrolling by one line costs a full repaint per key.
            self.top = self.cursor - height // 2
        self.top = max(min(self.top, len(self.lines) - height), 0)
        if self.size.height:
            self.seen = max(self.seen, min(self.top + self.size.height, len(self.lines)))

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor in sight, and have the lines made for the new width."""
        self._keep_in_sight()
        self.post_message(self.Resized())
