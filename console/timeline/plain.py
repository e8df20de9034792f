"""A timeline as lines of text, for a pipe, a ticket, or a terminal that draws nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from backends.words import count as counted
from console.text import ascii_only, safe
from console.timeline.axis import Window
from console.timeline.coverage import and_more, moment, words
from console.timeline.lanes import OTHERS
from console.timeline.view import Timeline, TimelineFrame

BLOCKS = " ▁▂▃▄▅▆▇█"
PLAIN = " .:-=+*#@"
"""Nothing, and eight heights. What is not nothing is never drawn as nothing."""
GAP, ASCII_GAP = "╱", "/"
LABEL = 22
Clean = Callable[[str], str]
ROWS = 4
"""Lines of the picture of all events; a lane has one."""


def draw(
    timeline: Timeline, window: Window, *, width: int = 80, lanes: int = 12, ascii_: bool = False
) -> Iterator[str]:
    """The picture: density, what was denied, the lanes, the markers, and what is not known."""
    bins = max(10, width - LABEL - 2)
    frame = timeline.frame(window, bins, lanes)
    clean = ascii_only if ascii_ else safe
    gap = ASCII_GAP if ascii_ else GAP
    shades = PLAIN if ascii_ else BLOCKS
    rows = _tower(frame, shades, gap)
    for number, row in enumerate(rows):
        label = f"all, most {frame.whole.peak:,}" if number == 0 else ""
        yield f"{label:<{LABEL}} {row}".rstrip()
    for name, counts in (("denied", frame.whole.denied), ("after revoke", frame.whole.after)):
        if any(counts):
            yield _lane(f"{name}, {sum(counts):,}", counts, frame, shades, gap)
    yield f"{'':<{LABEL}} {_axis(frame)}".rstrip()
    yield from _marked(frame, clean)
    if timeline.lanes:
        yield f"by {timeline.by} (each with its own scale, logarithmic):"
    for lane in frame.lanes:
        if not lane.total:
            continue
        denied = f" {sum(lane.denied):,} denied" if any(lane.denied) else ""
        late = f" {sum(lane.after):,} AFTER REVOKE" if any(lane.after) else ""
        name = clean(lane.key) if lane.key else "(none)"
        label = f"{name[: LABEL - 8]:<{LABEL - 8}} {lane.total:>7,}"
        yield f"{label} {_bar(lane.counts, frame, shades, gap)}".rstrip() + denied + late
    hidden = len(timeline.lanes) - len(frame.lanes)
    if hidden > 0:
        yield f"and {counted(hidden, 'more lane')} ({OTHERS} put together where there are many)"
    yield from _unknown(timeline, frame, clean, gap)


def level(count: int, peak: int, steps: int) -> int:
    """How high a bar is, of ``steps``: logarithmic, 0 for nothing only, ``steps`` for the peak."""
    if count <= 0:
        return 0
    if peak <= 1:
        return steps
    return max(1, round(math.log1p(count) / math.log1p(peak) * steps))


def _bar(counts: list[int], frame: TimelineFrame, shades: str, gap: str) -> str:
    peak = max(counts, default=0)
    return "".join(
        shades[level(count, peak, 8)] if count or not frame.unseen[index] else gap
        for index, count in enumerate(counts)
    )


def _tower(frame: TimelineFrame, shades: str, gap: str) -> list[str]:
    heights = [level(count, frame.whole.peak, 8 * ROWS) for count in frame.whole.counts]
    return [
        "".join(
            shades[min(8, max(0, height - 8 * row))] if height or not frame.unseen[index] else gap
            for index, height in enumerate(heights)
        )
        for row in range(ROWS - 1, -1, -1)
    ]


def _lane(label: str, counts: list[int], frame: TimelineFrame, shades: str, gap: str) -> str:
    return f"{label:<{LABEL}} {_bar(counts, frame, shades, gap)}".rstrip()


def _axis(frame: TimelineFrame) -> str:
    cells = [" "] * frame.bins
    day = frame.window.span > 2 * 86_400
    for at in frame.window.ticks(max(1, frame.bins // 12)):
        index = frame.window.bin_of(at, frame.bins)
        text = _tick(at, day=day)
        if index is not None and index + len(text) <= frame.bins:
            if any(cell != " " for cell in cells[max(0, index - 1) : index + len(text)]):
                continue
            cells[index : index + len(text)] = text
    return "".join(cells)


def _tick(at: int, *, day: bool) -> str:
    shape = "|%m-%d" if day else "|%H:%M"
    try:
        return datetime.fromtimestamp(at, UTC).strftime(shape)
    except (ValueError, OverflowError, OSError):
        return "|"


def _marked(frame: TimelineFrame, clean: Clean) -> Iterator[str]:
    """The markers: their signs on a line, then what each means."""
    if not frame.marks:
        return
    cells = [" "] * frame.bins
    for index, mark in frame.marks:
        cells[index] = mark.sign if cells[index] in (" ", mark.sign) else "*"
    yield f"{'marks':<{LABEL}} {''.join(cells)}".rstrip()
    shown = frame.marks[-12:]
    for _, mark in shown:
        text = clean(mark.text.removeprefix(f"{mark.kind}: "))[:160]
        told = f"{mark.kind}: {text} ({mark.source})"
        yield f"  {mark.sign} {moment(mark.at)} {told}"
    if len(frame.marks) > len(shown):
        yield f"  and {counted(len(frame.marks) - len(shown), 'marker')} before these"


def _unknown(timeline: Timeline, frame: TimelineFrame, clean: Clean, gap: str) -> Iterator[str]:
    holes = timeline.holes(frame.window)
    if holes:
        yield f"not known ({gap}):"
    for hole in holes[:12]:
        yield f"  {clean(words(hole))}"
    if len(holes) > 12:
        yield f"  {and_more(len(holes) - 12)}"
    if not frame.exact:
        yield "counted by five minutes; single events of all that time are not kept or not read"
