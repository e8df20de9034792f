"""Counts over time as rows of cells: bars, lanes, and the axis below them.

Zero is a blank, and what is not zero is never less than the lowest block. What no log saw
is hatched, so that it cannot be taken for silence. What was denied, and what was let
through after the revocation, has a glyph of its own as well as a colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

from console.timeline.axis import Window
from console.timeline.lanes import LaneFrame
from console.timeline.marks import Mark
from console.timeline.view import TimelineFrame
from console.tui.draw.lines import Part, Role

Cell = tuple[str, Role]
BLANK: Cell = (" ", "")
DAY = 86_400


FEW = 5
"""The least number of events that fills a bar: one alone must not look like a flood."""


class Glyphs(NamedTuple):
    """``ramp`` and ``denied`` from low to high; ``tall`` the ramp of bars of several rows."""

    ramp: str
    tall: str
    denied: str
    late: str
    gap: str
    axis: str
    tick: str
    brush: str
    cursor: str
    now: str
    line: str


BLOCKS = Glyphs("▁▂▃▄▅▆▇█", "▁▂▃▄▅▆▇█", "░▒▓", "A", "╱", "─", "┬", "━", "▲", "●", "│")
PLAIN = Glyphs(".:-=+*#@", "....::::", "xX", "A", "/", "-", "+", "=", "^", "N", "|")

LINED = {"leak": "warn", "contained": "accent", "revoked": "good", "gone": "good"}
"""Markers that are drawn through the bars, and their roles."""
RANK = (
    "leak", "revoked", "contained", "gone", "rotated", "scope", "owner", "restored", "disconnected",
    "created", "back", "state", "planned", "proof",
)  # fmt: skip
GAP_WORDS = {"unread": "not read", "missing": "log missing", "unreadable": "log not readable"}
"""What stands in a hatched stretch, where the kind of the hole is no word for it."""


def mark_role(kind: str) -> Role:
    """The role of a marker's sign."""
    match kind:
        case "leak" | "scope":
            return "warn"
        case "revoked" | "gone" | "restored":
            return "good"
        case _:
            return "accent"


def level(count: int, peak: int, steps: int, *, log: bool) -> int:
    """How high a count is, of ``steps``; nothing only for zero."""
    if count <= 0:
        return 0
    peak = max(peak, FEW)
    share = math.log1p(count) / math.log1p(peak) if log else count / peak
    return min(max(1, round(share * steps)), steps)


def _of(ramp: str, height: int) -> str:
    return ramp[min((height * len(ramp) - 1) // 8, len(ramp) - 1)]


def tower(
    frame: TimelineFrame, lane: LaneFrame, rows: int, glyphs: Glyphs, *, log: bool, leak: int | None
) -> list[list[Cell]]:
    """Bars of several rows, the topmost first. ``leak`` is the bin from which on use is since
    the leak."""
    lines = _lines(frame)
    columns: list[list[Cell]] = []
    for index, count in enumerate(lane.counts):
        above: Cell = (glyphs.gap, "gap") if frame.unseen[index] else BLANK
        if index in lines:
            above = (glyphs.line, lines[index])
        column = [above] * rows
        height = level(count, lane.peak, rows * 8, log=log)
        # The share is rounded: a few denied ones among many do not make a red row.
        denied = round(height * lane.denied[index] / count) if count else 0
        use: Role = "since" if leak is not None and index >= leak else "use"
        for row in range((height + 7) // 8):
            filled = min(height - row * 8, 8)
            refused = row * 8 + filled / 2 < denied
            glyph = _of(glyphs.denied if refused else glyphs.tall, filled)
            column[row] = (glyph, "bad" if refused else use)
        if lane.after[index]:
            column[0] = (glyphs.late, "late")
        columns.append(column)
    drawn = [[column[row] for column in columns] for row in range(rows - 1, -1, -1)]
    _name_gaps(frame, drawn[rows // 2], glyphs)
    if not lane.total and not any(frame.unseen):
        word = "no event in this window; the logs cover all of it"[: frame.bins]
        first = (frame.bins - len(word)) // 2
        drawn[rows // 2][first : first + len(word)] = [(character, "dim") for character in word]
    return drawn


def _lines(frame: TimelineFrame) -> dict[int, Role]:
    found: dict[int, Role] = {}
    for index, mark in frame.marks:
        if mark.kind in LINED and found.get(index) != "warn":
            found[index] = mark_role(mark.kind)
    return found


def _name_gaps(frame: TimelineFrame, row: list[Cell], glyphs: Glyphs) -> None:
    """Write into each hatched stretch that is wide enough what it is."""
    start = 0
    for kind, group in groupby(frame.unseen):
        size = len(list(group))
        inside = [x for x in range(start, start + size) if row[x][0] == glyphs.gap]
        start += size
        words = (f" {GAP_WORDS.get(kind, kind)} ", " log gap ", "gap")
        word = next((word for word in words if len(word) + 2 <= len(inside)), "")
        if not kind or not word:
            continue
        first = inside[0] + (len(inside) - len(word)) // 2
        place = range(first, first + len(word))
        if all(row[x][0] == glyphs.gap for x in place):
            for x, character in zip(place, word, strict=True):
                row[x] = (character, "bold")


def lane_row(
    lane: LaneFrame, frame: TimelineFrame, glyphs: Glyphs, *, leak: int | None
) -> list[Cell]:
    """A lane in one row: logarithmic, and full at the lane's own highest bin."""
    row: list[Cell] = []
    for index, count in enumerate(lane.counts):
        if not count:
            row.append((glyphs.gap, "gap") if frame.unseen[index] else BLANK)
        elif lane.after[index]:
            row.append((glyphs.late, "late"))
        else:
            height = level(count, lane.peak, 8, log=True)
            if lane.denied[index] * 2 > count:
                row.append((_of(glyphs.denied, height), "bad"))
            else:
                since = leak is not None and index >= leak
                row.append((_of(glyphs.ramp, height), "since" if since else "use"))
    return row


def denied_lane(whole: LaneFrame) -> LaneFrame:
    """What was denied, as a lane with a scale of its own."""
    return LaneFrame(
        "denied", whole.denied, whole.denied, [0] * len(whole.denied),
        max(whole.denied, default=0), sum(whole.denied),
    )  # fmt: skip


def axis(
    frame: TimelineFrame, glyphs: Glyphs, now: int, cursor: int, brush: range | None
) -> tuple[list[Cell], list[Cell]]:
    """The line below the bars with every marker's sign, and the times below that."""
    cells: list[Cell] = [(glyphs.axis, "dim")] * frame.bins
    ticks: list[Cell] = [BLANK] * frame.bins
    room = 0
    for at in frame.window.ticks(max(1, frame.bins // 11)):
        index = frame.window.bin_of(at, frame.bins)
        if index is None:
            continue
        cells[index] = (glyphs.tick, "dim")
        text = tick(at, frame.window)
        first = min(max(index - len(text) // 2, 0), frame.bins - len(text))
        if first >= room:
            ticks[first : first + len(text)] = [(character, "dim") for character in text]
            room = first + len(text) + 1
    for index in brush or ():
        cells[index] = (glyphs.brush, "accent")
    if (index := frame.window.bin_of(now, frame.bins)) is not None:
        cells[index] = (glyphs.now, "bold")
    signs: dict[int, list[Mark]] = {}
    for index, mark in frame.marks:
        signs.setdefault(index, []).append(mark)
    for index, some in signs.items():
        first_mark = min(some, key=rank)
        cells[index] = (first_mark.sign, mark_role(first_mark.kind))
    if 0 <= cursor < frame.bins:
        cells[cursor] = (glyphs.cursor, "bold")
    return cells, ticks


def rank(mark: Mark) -> int:
    """What matters most among markers in one place comes first."""
    return RANK.index(mark.kind) if mark.kind in RANK else len(RANK)


def tick(at: int, window: Window) -> str:
    """A moment as short as its axis allows."""
    if at % DAY == 0 or window.span > 9 * DAY:
        return clock(at, "%Y-%m-%d" if window.span > 400 * DAY else "%b %d")
    return clock(at, "%H:%M" if window.span > 600 else "%H:%M:%S")


def clock(at: int, shape: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A moment in UTC; its number, where no clock can have meant it."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime(shape)
    except (ValueError, OverflowError, OSError):
        return f"{at} s"


def parts(cells: Sequence[Cell], cursor: int = -1) -> list[Part]:
    """Cells as parts, with the column of the cursor made to stand out."""
    if 0 <= cursor < len(cells):
        cells = list(cells)
        character, role = cells[cursor]
        cells[cursor] = (character, "bold" if role in ("use", "since", "gap", "") else role)
    return [
        ("".join(character for character, _ in group), role)
        for role, group in groupby(cells, key=_role)
    ]


def _role(cell: Cell) -> Role:
    return cell[1]


def short_count(number: int) -> str:
    """A count in at most five cells."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size * (10 if unit == "k" else 1):
            value = number / size
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return f"{number:,}"


def legend(found: Iterable[tuple[int, Mark]], window: Window) -> list[list[Part]]:
    """Every kind of marker in the window with its sign and time, what matters most first."""
    kinds: dict[str, list[Mark]] = {}
    for _, mark in found:
        kinds.setdefault(mark.kind, []).append(mark)
    shape = "%b %d %H:%M" if window.span > DAY // 2 else "%H:%M:%S"
    told: list[list[Part]] = []
    for some in sorted(kinds.values(), key=lambda some: rank(some[0])):
        last = some[-1]
        times = f" x{len(some)}, last" if len(some) > 1 else ""
        told.append(
            [
                (last.sign, mark_role(last.kind)),
                (f" {last.kind}", "bold" if last.kind in LINED else ""),
                (f"{times} {clock(last.at, shape)}", "dim"),
            ]
        )
    return told
