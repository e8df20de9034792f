"""A picture of a graph as lines of text: where columns stand, rows, and edges between them.

Pure. Labels give way to counts and never the other way round.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len

from console.graph.model import SIDES, TITLES
from console.graph.part import MORE
from console.tui.draw.lines import ELLIPSIS, Line, Part, Role, fit, middle
from console.tui.views.graph.ink import EAST, WEST, Ink
from console.tui.views.graph.scene import Link, Picture, ScenePlace, SceneRow

GUTTER: Final = 3
WIDE_GUTTER: Final = 6
PREFIX: Final = 4
"""A row's mark, its kind's glyph and a blank, and the mark of a folded row."""
TIMES: Final = 5
LEAST: Final = 10
NARROW: Final = 60
"""Columns of a terminal below which there is no room for how often something was used."""
LONGEST: Final = 48
GLYPHS: Final = {
    "person": "@", "team": "&", "service": "%", "on-call": "~", "token": "●", "grant": "◆",
    "workload": "■", "host": "▲", "address": "◇", "session": "○", "entry": "≡", "object": "□",
    "lease": "¤", "file": "¶", MORE: "…",
}  # fmt: skip
PLAIN_GLYPHS: Final = GLYPHS | {
    "token": "*", "grant": "+", "workload": "#", "host": "^", "address": ":", "session": "o",
    "entry": "=", "object": "0", "lease": "$", "file": "f", MORE: "_",
}  # fmt: skip
MARKS: Final = {"up": "↑", "down": "↓", "same": "="}
PLAIN_MARKS: Final = {"up": "^", "down": "v", "same": "="}
SIDE_ROLES: Final[dict[str, Role]] = {
    "who": "who", "token": "warn", "grant": "accent", "use": "good"
}  # fmt: skip


class ChartColumn(NamedTuple):
    """One column of the picture: the cell that it begins at, and its cells."""

    x: int
    width: int

    @property
    def end(self) -> int:
        """The first cell behind it."""
        return self.x + self.width


def glyph(side: str, kind: str, ascii_only: bool = False) -> str:
    """The sign of a node's kind."""
    glyphs = PLAIN_GLYPHS if ascii_only else GLYPHS
    return glyphs.get(kind if side in ("who", "use") or kind == MORE else side, "?")


def role_of(side: str, kind: str) -> Role:
    """The colour's name of a node's kind."""
    return "place" if kind in ("address", "file", "entry", "object") else SIDE_ROLES[side]


class Chart:
    """One frame of a size. ``tops`` are the first rows in sight, by column."""

    def __init__(
        self, picture: Picture, width: int, height: int, tops: Mapping[str, int], ascii_only: bool
    ) -> None:
        self.picture, self.width, self.height = picture, width, height
        self._tops, self._ascii = tops, ascii_only
        self._ink = Ink(ascii_only)
        self._all = picture.wanted.all_edges
        self.columns = self._place()
        self._lanes = self._make_lanes()
        self._rows: dict[str, dict[int, SceneRow]] = {}
        self._notes: dict[tuple[str, int], Part] = {}
        self._y: dict[tuple[str, int], int] = {}
        for side in SIDES:
            self._fill(side)
        self._draw()

    # Where everything stands

    def _place(self) -> dict[str, ChartColumn]:
        naturals = [self._natural(side) for side in SIDES]
        times = TIMES if self.picture.shape.times and self.width >= NARROW else 0
        room = self.width - times
        spare = room - sum(naturals) - GUTTER * (len(SIDES) - 1)
        if spare >= 0:
            most = 26 if self._all else WIDE_GUTTER
            gutter = min(GUTTER + spare // (len(SIDES) - 1), most)
            widths = naturals
        else:
            gutter, widths = (
                GUTTER,
                _shrunk(
                    naturals,
                    [self._least(side) for side in SIDES],
                    room - GUTTER * (len(SIDES) - 1),
                ),
            )
        columns, x = {}, 0
        for side, width in zip(SIDES, widths, strict=True):
            columns[side] = ChartColumn(x, width + (times if side == "use" else 0))
            x += width + gutter
        return columns

    def _natural(self, side: str) -> int:
        longest = min(self.picture.shape.naturals[side], LONGEST) + PREFIX
        return max(longest, len(TITLES[side]) + 8, LEAST)

    def _least(self, side: str) -> int:
        """The width below which a count would be cut, which then reads as another one."""
        share = self.picture.shape.shares[side]
        return share + PREFIX + 2 if share else PREFIX + 1

    def _make_lanes(self) -> dict[str, list[tuple[str, int]]]:
        """The rows that stay free for edges that pass a column, by whose edges they are."""
        lanes: dict[str, list[tuple[str, int]]] = {side: [] for side in SIDES}
        for link in self.picture.links if self._all else ():
            for side in _between(link):
                if link.left not in lanes[side]:
                    lanes[side].append(link.left)
        return {side: sorted(found, key=lambda one: one[1]) for side, found in lanes.items()}

    def lanes(self, side: str) -> int:
        """How many rows of a column stay free."""
        return len(self._lanes[side]) if self._all else int(side in self.picture.shape.skips)

    def room(self, side: str) -> int:
        """Rows of a column that can be in sight."""
        return max(self.height - self.lanes(side), 1)

    def _fill(self, side: str) -> None:
        items, lanes = self.picture.columns[side], self.lanes(side)
        room, top = self.room(side), self._tops.get(side, 0)
        last = min(top + room, len(items))
        first = lanes
        if self._all:
            deepest = max(len(self.picture.columns[one]) + self.lanes(one) for one in SIDES)
            first += max(min(deepest, self.height) - len(items) - lanes, 0) // 2
        rows: dict[int, SceneRow] = {}
        for number in range(top, last):
            y = first + number - top
            rows[y] = items[number]
            self._y[side, number] = y
        more = "^ v" if self._ascii else "▲ ▼"
        if top > 0:
            self._note(side, rows, first, top, f"{more[0]} {top + 1:,} more", items[: top + 1])
        if last < len(items):
            rest = len(items) - last + 1
            self._note(side, rows, first + room - 1, last - 1, f"{more[2]} {rest:,} more",
                       items[last - 1 :])  # fmt: skip
        if not items:
            self._notes[side, lanes] = ("none known", "dim")
        self._rows[side] = rows

    def _note(
        self, side: str, rows: dict[int, SceneRow], y: int, number: int, text: str,
        hidden: Sequence[SceneRow],
    ) -> None:  # fmt: skip
        rows.pop(y, None)
        self._y.pop((side, number), None)
        related = sum(item.related for item in hidden)
        reached = sum(item.reached for item in hidden)
        if self.picture.reach is not None:
            text += f", {reached:,} reached" if reached else ""
        elif 0 < related < len(hidden):
            text += f", {related:,} near"
        self._notes[side, y] = (text, "accent")

    # Edges

    def _draw(self) -> None:
        order = {"": 0, "own": 1, "path": 2}
        links = sorted(self.picture.links, key=lambda link: order[link.role])
        tracks = self._tracks(links)
        for link in links:
            self._route(link, tracks)

    def _tracks(self, links: Sequence[Link]) -> dict[tuple[int, tuple[str, int], bool], int]:
        """A column of its own in each gutter for the edges from one row, where there is room."""
        found: dict[tuple[int, tuple[str, int], bool], int] = {}
        if not self._all:
            return found
        spans: dict[tuple[int, tuple[str, int], bool], list[int]] = {}
        for link in links:
            stops = self._stops(link)
            for (one, y), (_, to) in itertools.pairwise(stops):
                spans.setdefault((one, link.left, bool(link.role)), []).extend((y, to))
        busy: dict[int, list[list[tuple[int, int]]]] = {}
        for key, ys in sorted(spans.items(), key=lambda one: (not one[0][2], min(one[1]))):
            gutter = key[0]
            left = self.columns[SIDES[gutter]].end
            room = max(self.columns[SIDES[gutter + 1]].x - left - 3, 1)
            taken = busy.setdefault(gutter, [[] for _ in range(room)])
            span = (min(ys), max(ys))
            track = next(
                (i for i, spans_ in enumerate(taken)
                 if all(span[1] < a or b < span[0] for a, b in spans_)),
                hash(key) % room,
            )  # fmt: skip
            taken[track].append(span)
            found[key] = self.columns[SIDES[gutter + 1]].x - 3 - track
        return found

    def _stops(self, link: Link) -> list[tuple[int, int]]:
        """The rows of each column that an edge passes; nothing where an end is out of sight."""
        first, last = (self._y.get(end) for end in (link.left, link.right))
        if first is None or last is None:
            return []
        stops = [(SIDES.index(link.left[0]), first)]
        for side in _between(link):
            lane = self._lanes[side].index(link.left) if self._all else 0
            stops.append((SIDES.index(side), lane))
        return [*stops, (SIDES.index(link.right[0]), last)]

    def _route(self, link: Link, tracks: Mapping[tuple[int, tuple[str, int], bool], int]) -> None:
        stops, role, ink = self._stops(link), link.role, self._ink
        for number, ((at, y), (_, to)) in enumerate(itertools.pairwise(stops)):
            left, right = self.columns[SIDES[at]], self.columns[SIDES[at + 1]]
            passing = number > 0
            begin = left.end if passing else left.x + self._length(link.left)
            track = tracks.get((at, link.left, bool(role)), right.x - 2)
            ink.across(begin, track, y, role)
            ink.down(track, y, to, role)
            ink.across(track, right.x - 1, to, role)
            if passing:
                ink.across(left.x - 1, left.end, y, role)
                ink.join(left.x - 1, y, WEST, role)
                ink.join(left.end, y, EAST | WEST, role)
            elif not link.forward:
                ink.arrow(begin, y, False, role)
        if stops and link.forward:
            ink.arrow(self.columns[link.right[0]].x - 1, stops[-1][1], True, role)

    def _length(self, place: tuple[str, int]) -> int:
        """The cells that a row takes, and the blank behind it."""
        side, number = place
        column, item = self.columns[side], self.picture.columns[side][number]
        taken = sum(cell_len(text) for text, _ in self._row(side, item))
        return min(taken + 1, column.width)

    # Lines

    @property
    def deepest(self) -> int:
        """Rows down to the last one that says something."""
        said = [y for rows in self._rows.values() for y in rows]
        return max([*said, *(y for _, y in self._notes)], default=-1) + 1

    def titles(self) -> Line:
        """The line over the columns."""
        line: list[Part] = []
        leaked = self.picture.leaked()
        x = 0
        for side in SIDES:
            column = self.columns[side]
            shown = self.picture.shape.nodes[side]
            text, role = f"{TITLES[side].upper()} {shown:,}", "title"
            if leaked and side != "who":
                text, role = f"{TITLES[side].upper()} {leaked[side]}", "bad"
            line.append((" " * (column.x - x), ""))
            line.append((fit(text, column.width), role))  # type: ignore[arg-type]
            x = column.end
        return line

    def line(self, y: int) -> Line:
        """One row of all columns, with the edges between them."""
        line: list[Part] = []
        x = 0
        for side in SIDES:
            column = self.columns[side]
            line += self._ink.span(x, column.x, y)
            x = column.x
            parts: list[Part] = []
            if column.end > self.width:
                # Half a count would read as another number.
                parts = [] if y else [(ELLIPSIS, "dim")]
            elif (item := self._rows[side].get(y)) is not None:
                parts = self._row(side, item)
            elif (note := self._notes.get((side, y))) is not None:
                parts = [("  " + fit(note[0], column.width - 2).rstrip(" "), note[1])]
            line += parts
            x += sum(cell_len(text) for text, _ in parts)
            line += self._ink.span(x, column.end, y)
            x = max(x, column.end)
        return [*line, *self._ink.span(x, self.width, y)]

    def _is_cursor(self, side: str, item: SceneRow) -> bool:
        cursor = self.picture.cursor
        return cursor is not None and cursor == (side, item.number)

    def _row(self, side: str, item: SceneRow) -> list[Part]:
        row, width = item.row, self.columns[side].width
        leak = self.picture.reach
        leaks = leak is not None and not row.folded and row.members[0] in leak.start
        told = item.reached or leaks
        mark = (PLAIN_MARKS if self._ascii else MARKS).get(item.beside, " ")
        lit = told if leak is not None else item.related
        if leak is not None and told:
            mark = "!"
        elif not lit:
            mark = "." if self._ascii else "·"
        role: Role = role_of(side, row.kind) if lit else "dim"
        if leaks:
            role = "bad"
        fold = ("+" if self._ascii else "▸") if row.folded else ""
        head = f"{glyph(side, row.kind, self._ascii)} {fold}"
        tail = item.share
        times = self.picture.shape.times.get(ScenePlace(side, item.number), 0)
        roomy = self.width >= NARROW
        if (
            times
            and roomy
            and not (row.folded and width < 2 + len(head) + len(row.label) + len(tail) + TIMES)
        ):
            tail += f"{short_count(times):>{TIMES}}"
        label = middle(row.label, max(width - 1 - len(head) - len(tail) - bool(tail), 0))
        if self._is_cursor(side, item):
            return [(fit(f">{head}{label}", width - len(tail)) + tail, "cursor")]
        parts: list[Part] = [(mark, "bad" if mark == "!" else role), (head + label, role)]
        if tail:
            taken = sum(cell_len(text) for text, _ in parts)
            parts.append((" " * (width - taken - len(tail)) + tail, role))
        return parts


def short_count(number: int) -> str:
    """A count in at most four characters."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            whole = number / size
            return f"{whole:.1f}{unit}" if whole < 9.95 else f"{whole:.0f}{unit}"
    return str(number)


def _between(link: Link) -> Sequence[str]:
    return SIDES[SIDES.index(link.left[0]) + 1 : SIDES.index(link.right[0])]


def _shrunk(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The widths with the widest cut down until they fit, but none below its least."""

    def capped(cap: int) -> list[int]:
        return [max(min(width, cap), low) for width, low in zip(widths, least, strict=True)]

    low, high = 1, max(widths)
    while low < high:
        cap = (low + high + 1) // 2
        if sum(capped(cap)) <= room:
            low = cap
        else:
            high = cap - 1
    made = capped(low)
    for number, width in enumerate(widths):
        if sum(made) < room and width > made[number]:
            made[number] += 1
    return made
