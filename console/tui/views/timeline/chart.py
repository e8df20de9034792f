"""The picture of a timeline: bars, axis, markers and lanes, and a line about the cursor.

Draws frames that were made elsewhere. A key moves the cursor by repainting two columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.style import Style
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from console.timeline.lanes import LaneFrame
from console.timeline.view import TimelineFrame
from console.tui.draw.cells import Lines, cells_of
from console.tui.draw.lines import Line, Part, clip, spread, width_of
from console.tui.views.timeline import density
from console.tui.views.timeline.density import BLOCKS, PLAIN, Cell
from console.tui.views.timeline.page import info, lane_label
from console.tui.views.timeline.viewport import Eye

BRUSHED = Style(bgcolor="bright_black")
APART = 10
"""Cells that two changes may lie apart to be painted as one: going there costs as much."""
FIXED = 5
"""Lines that are neither bars nor lanes: axis, times, markers, signs, and the cursor's."""
WIDE = 110
"""Columns from which lanes have longer names."""


LEAST_BARS, MOST_BARS = 4, 16
MOST_LANES = 14
MOST_BELOW = 10
"""Events of the cursor's bin; each costs bytes with every key."""


class Shares(NamedTuple):
    """How many lines each part has; ``rows`` is for lanes."""

    bars: int
    rows: int
    below: int


def shared(height: int, lanes: int) -> Shares:
    """The lines that the picture and the events below it may take, shared out."""
    room = max(height - FIXED, LEAST_BARS + 2)
    rows = min(lanes + 1, MOST_LANES, max(room * 40 // 100, 2))
    below = min(room - rows - LEAST_BARS, max(room // 4, 1))
    bars = min(room - rows - below, MOST_BARS)
    return Shares(bars, rows, min(room - bars - rows, MOST_BELOW))


class Scene(NamedTuple):
    """What is drawn. ``lanes`` are those from ``first`` on; ``chosen`` counts from there, and
    -1 stands for all of them together."""

    frame: TimelineFrame
    names: Mapping[str, str]
    by: str
    now: int
    leak: int | None
    log: bool
    first: int = 0
    total: int = 0
    chosen: int = -1
    whole: bool = True
    """Whether single events were read."""


class TimelineChart(Lines, can_focus=True):
    """Its height is ``bars`` and ``rows`` of lanes and what is fixed."""

    class Resized(Message):
        """There is room for more bins, or for fewer."""

    def __init__(self, eye: Eye, *, ascii_only: bool) -> None:
        super().__init__()
        self._eye = eye
        self._glyphs = PLAIN if ascii_only else BLOCKS
        self._scene: Scene | None = None
        self._tower: list[list[Cell]] = []
        self._lanes: list[list[Cell]] = []
        self.bars = 6
        self.rows = 4
        """Lines for lanes; the first of them is for what was denied."""

    @property
    def margin_left(self) -> int:
        """Columns for the names of lanes."""
        return 30 if self.size.width >= WIDE else 17

    @property
    def bins(self) -> int:
        """Bins that there is room for."""
        return max(self.size.width - self.margin_left - 1, 1)

    def show(self, scene: Scene) -> None:
        """Draw this from now on."""
        self._scene = scene
        frame, leak = scene.frame, None
        if scene.leak is not None:
            if scene.leak < frame.window.start:
                leak = 0
            else:
                leak = frame.window.bin_of(scene.leak, frame.bins)
        lane = self.lane
        self._tower = density.tower(
            frame, lane, self.bars, self._glyphs, log=scene.log, leak=leak
        )  # fmt: skip
        denied = density.denied_lane(frame.whole)
        lanes = frame.lanes[scene.first :]
        self._lanes = [
            density.lane_row(one, frame, self._glyphs, leak=leak) for one in [denied, *lanes]
        ]
        self.redraw()

    def moved(self) -> None:
        """The cursor or the brush is elsewhere."""
        self.redraw()

    @property
    def lane(self) -> LaneFrame:
        """The lane that the bars are of: the chosen one, or all together."""
        scene = self._scene
        if scene is None:
            return LaneFrame("", [], [], [], 0, 0)
        place = scene.first + scene.chosen
        if scene.chosen < 0 or place >= len(scene.frame.lanes):
            return scene.frame.whole
        return scene.frame.lanes[place]

    def name_of(self, lane: LaneFrame) -> str:
        """What a lane is called."""
        names: Mapping[str, str] = self._scene.names if self._scene is not None else {}
        return names.get(lane.key, lane.key) or "(none)"

    # Lines

    def line(self, y: int) -> Line:
        """One line of bars, of the axis, or of a lane."""
        scene = self._scene
        if scene is None or self._eye.bins != scene.frame.bins:
            return ()
        eye, frame = self._eye, scene.frame
        cursor = eye.cursor
        if y < self.bars:
            row = self._tower[y] if y < len(self._tower) else []
            if 0 <= cursor < len(row) and row[cursor][0] == " ":
                row = [*row]
                row[cursor] = (self._glyphs.line, "dim")
            return [*self._margin(y), *density.parts(row, cursor)]
        y -= self.bars
        gutter = " " * (self.margin_left + 1)
        if y < 2:
            both = density.axis(frame, self._glyphs, scene.now, cursor, eye.brush)
            return [(gutter, ""), *density.parts(both[y])]
        if y == 2:
            return self._legend(scene)
        if y == 3:
            return self._signs(scene)
        y -= 4
        if y < self.rows:
            return self._lane(y, scene)
        chosen = self.name_of(self.lane) if scene.chosen >= 0 else ""
        return info(frame, self.lane, chosen, eye, self.size.width)

    def _margin(self, y: int) -> list[Part]:
        """What stands left of the bars: the scale, and that they are of everything."""
        scene, width = self._scene, self.margin_left
        if scene is None:
            return []
        lane = self.lane
        if y == self.bars - 1:
            name = self.name_of(lane) if scene.chosen >= 0 else "all"
            return [*lane_label(name, lane.total, width, here=scene.chosen < 0), (" ", "")]
        text, top = "", max(lane.peak, density.FEW)
        if y == 0:
            text = f"{top:,}" if lane.peak else ""
        elif y == self.bars // 2 and lane.peak and not scene.log:
            text = f"{top // 2:,}"
        elif y == 1 and scene.log and lane.peak:
            text = "log scale"
        return [(text.rjust(width) + " ", "dim")]

    def _legend(self, scene: Scene) -> Line:
        """Every marker's sign with its word and time; how many more where they do not fit."""
        told = density.legend(scene.frame.marks, scene.frame.window)
        if not told:
            return [(" no marker in this window", "dim")]
        line: list[Part] = [(" ", "")]
        for number, some in enumerate(told):
            rest = len(told) - number - 1
            if number and width_of(line) + width_of(some) + (10 if rest else 0) > self.size.width:
                line.append((f"+{rest + 1} more", "dim"))
                break
            line += [*some, ("   ", "")]
        return clip(line, self.size.width)

    def _signs(self, scene: Scene) -> Line:
        glyphs = self._glyphs
        left: list[Part] = [(f" by {scene.by}", "bold")]
        if scene.total > self.rows - 1:
            last = min(scene.first + self.rows - 1, scene.total)
            left.append((f" {scene.first + 1}-{last}/{scene.total}", ""))
        left.append((", own log scales", "dim"))
        if not scene.frame.exact:
            left.append((" (5-minute counts)", "dim"))
        right: list[Part] = [
            (glyphs.ramp[4], "use"), (" ok ", "dim"),
            (glyphs.denied[-1], "bad"), (" denied ", "dim"),
            (glyphs.late, "late"), (" after revoke ", "dim"),
            (glyphs.gap, "gap"), (" log gap ", "dim"),
        ]  # fmt: skip
        if scene.leak is not None and self.size.width >= WIDE:
            right[2:2] = [(glyphs.ramp[4], "since"), (" since the leak ", "dim")]
        return spread(left, right, self.size.width)

    def _lane(self, y: int, scene: Scene) -> Line:
        if y >= len(self._lanes):
            reading = not scene.whole and y == 1
            return [("  reading single events …", "dim")] if reading else ()
        if y == 0:
            total = sum(scene.frame.whole.denied)
            label = lane_label("denied", total, self.margin_left, here=False)
        else:
            lane = scene.frame.lanes[scene.first + y - 1]
            label = lane_label(
                self.name_of(lane), lane.total, self.margin_left, here=y - 1 == scene.chosen
            )  # fmt: skip
        return [*label, (" ", ""), *density.parts(self._lanes[y], self._eye.cursor)]

    # Cells

    def _strip(self, y: int) -> Strip:
        made = super()._strip(y)
        brush = self._eye.brush
        if brush is None or not self._is_plot(y):
            return made
        start = self.margin_left + 1 + brush.start
        end = min(self.margin_left + 1 + brush.stop, made.cell_length)
        return Strip.join(
            [
                made.crop(0, start),
                made.crop(start, end).apply_style(BRUSHED),
                made.crop(end, made.cell_length),
            ]
        )

    def _is_plot(self, y: int) -> bool:
        return y < self.bars or self.bars + 4 <= y < self.bars + 4 + self.rows

    def redraw(self, *rows: int) -> None:
        """As for all lines, but a line's changes are painted apart where they lie apart."""
        if len(self._drawn) != self.size.height or not self._drawn:
            super().redraw()
            return
        for y in rows or range(len(self._drawn)):
            old, new = self._drawn[y], self._strip(y)
            if old == new:
                continue
            self._drawn[y] = new
            for start, end in spans(old, new):
                self.refresh(Region(start, y, end - start, 1))

    def on_resize(self) -> None:
        """Tell the view that there is another number of bins."""
        self.post_message(self.Resized())


def spans(old: Strip, new: Strip) -> Sequence[tuple[int, int]]:
    """The stretches of cells that differ."""
    before, after = cells_of(old), cells_of(new)
    if before is None or after is None or len(before) != len(after):
        return [(0, max(old.cell_length, new.cell_length))]
    found: list[tuple[int, int]] = []
    for x, (one, other) in enumerate(zip(before, after, strict=True)):
        if one == other:
            continue
        if found and x - found[-1][1] < APART:
            found[-1] = (found[-1][0], x + 1)
        else:
            found.append((x, x + 1))
    return found
