"""The columns of a graph on the screen; redraws the cells that differ."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from console.tui.draw.cells import Lines
from console.tui.draw.lines import Line
from console.tui.views.graph.chart import Chart
from console.tui.views.graph.scene import Picture, ScenePlace


class GraphMap(Lines, can_focus=True):
    """Line 0 has the titles. What is not known stands below the columns, where there is room."""

    DEFAULT_CSS = "GraphMap { height: 1fr; }"

    class Resized(Message):
        """The size changed, so that other things may fit."""

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__()
        self._ascii = ascii_only
        self._chart: Chart | None = None
        self._tops: dict[str, int] = {}
        self.picture: Picture | None = None
        self.below: Sequence[Line] = ()

    @property
    def rows(self) -> int:
        """Rows that are seen at once."""
        return max(self.size.height - 1, 1)

    def show(self, picture: Picture, below: Sequence[Line]) -> None:
        """Show a picture, and these lines below it."""
        before, self.picture, self.below = self.picture, picture, below
        if before is None or before.view is not picture.view:
            self._tops = {}
        elif picture.cursor is not None:
            # The other columns have what is near on top.
            side = picture.cursor.side
            self._tops = {side: self._tops.get(side, 0)}
        self._make()
        self.redraw()

    def step(self, what: str, at: ScenePlace | int | None) -> ScenePlace | None:
        """Where one of the moving actions leads, from where the cursor was last sent."""
        picture = self.picture
        if picture is None or picture.cursor is None:
            return None
        rows = self.rows
        here = picture.sent(at)
        side = here.side
        column = picture.columns[side]
        steps = {
            "down": 1, "up": -1, "page_down": rows, "page_up": -rows, "half_down": rows // 2,
            "half_up": -(rows // 2), "top": -len(column), "bottom": len(column),
        }  # fmt: skip
        spot = max(min(picture.spot(here) + steps[what], len(column) - 1), 0)
        return ScenePlace(side, column[spot].number)

    def _make(self) -> None:
        picture = self.picture
        if picture is None or not self.size.width:
            return
        tops = self._tops
        chart = Chart(picture, self.size.width, self.rows, tops, self._ascii)
        if picture.cursor is not None:
            side = picture.cursor.side
            top = self._top(chart, side, len(picture.columns[side]), picture.shown_at)
            if top != tops.get(side, 0):
                self._tops = tops | {side: top}
                chart = Chart(picture, self.size.width, self.rows, self._tops, self._ascii)
        self._chart = chart

    def _top(self, chart: Chart, side: str, count: int, at: int) -> int:
        """The first row of the cursor's column: half a page on where the cursor left the page,
        and never a cursor on the lines that say how many more there are."""
        room, top = chart.room(side), self._tops.get(side, 0)
        first = top + (1 if top else 0)
        last = top + room - (1 if top + room < count else 0)
        if not first <= at < last:
            top = at - room // 2
        return max(min(top, count - room), 0)

    def line(self, y: int) -> Line:
        """One line of the picture, or of what is said below it."""
        chart = self._chart
        if chart is None:
            return ()
        if self.picture is not None and self.picture.cursor is None:
            return self.below[y] if y < len(self.below) else ()
        if y == 0:
            return chart.titles()
        under = y - 1 - chart.deepest - 1
        fits = chart.deepest + 1 + len(self.below) <= self.rows
        if fits and 0 <= under < len(self.below):
            return self.below[under]
        return chart.line(y - 1)

    def on_resize(self, event: events.Resize) -> None:
        """Lay the picture out for the size that there is now."""
        self._make()
        self.redraw()
        self.post_message(self.Resized())
