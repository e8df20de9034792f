"""An incident's timeline as one picture: lanes of what happened, lines for what matters most.

A row that stands for many is drawn from its first moment to its last, and never spread over
bars that nobody counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from console.incident.assess import Assessment
from console.incident.papers.names import Names
from console.incident.papers.story import (
    CALL,
    DECISION,
    DENIED,
    EVIDENCE,
    EXPOSED,
    MARK,
    MILESTONE,
    NOTE,
    USE,
    Story,
    StoryRow,
)
from console.incident.words import moment

WIDTH, LEFT, RIGHT = 1060, 130, 20
LEVELS = 6
"""Rows of a lane that can lie over each other; more of one moment share the last."""
THICK = 12
TOP = 64
_LANES = (
    ("uses let through", (USE,), "use"),
    ("uses refused", (DENIED,), "denied"),
    ("our calls", (CALL,), "call"),
    ("evidence", (EVIDENCE,), "evidence"),
    ("decisions, notes", (DECISION, NOTE), "decision"),
    ("records changed", (MARK,), "mark"),
)
_STEPS = (60, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000,
          7776000, 31536000)  # fmt: skip
TICKS = 9


class _Scale(NamedTuple):
    start: float
    end: float

    def x(self, at: float) -> float:
        """Where a moment is."""
        share = (at - self.start) / max(self.end - self.start, 1.0)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def drawn(found: Assessment, story: Story, names: Names) -> str:
    """The picture as an SVG element for a page; empty where there is nothing to draw."""
    rows = [row for row in story.rows if row.kind not in (MILESTONE, EXPOSED)]
    if not rows:
        return ""
    starts = [row.at for row in rows]
    if found.times.exposed:
        starts.append(found.times.exposed)
    end = max([found.now, *starts])
    pad = (end - min(starts)) * 0.01
    scale = _Scale(min(starts) - pad, end + pad)
    parts: list[str] = []
    y = float(TOP)
    for title, kinds, class_ in _LANES:
        lane = [row for row in rows if row.kind in kinds]
        levels = _packed(lane, scale)
        height = (max(levels, default=0) + 1) * (THICK + 3) + 12
        number = sum(row.times for row in lane)
        parts.append(f'<line class="rule" x1="0" x2="{WIDTH}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="lane" x="0" y="{y + 15}">{title}</text>')
        parts.append(f'<text class="small" x="0" y="{y + 28}">{number:,}</text>' if lane else
                     f'<text class="small" x="0" y="{y + 28}">none</text>')  # fmt: skip
        height = max(height, 36)
        for row, level in zip(lane, levels, strict=True):
            parts.append(_bar(row, level, y + 8, scale, class_, names))
        y += height
    ticks = "".join(_ticks(scale, y))
    lines = "".join(_moments(found, scale, y))
    height = int(y + 26)
    return (
        f'<svg class="timeline" role="img" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}"><title>What happened, and when</title>'
        f"{ticks}{''.join(parts)}{lines}</svg>"
    )


def _packed(lane: Sequence[StoryRow], scale: _Scale) -> list[int]:
    """On which level of its lane each row lies, so that they do not hide each other."""
    ends = [float("-inf")] * LEVELS
    levels = []
    for row in lane:
        x = scale.x(row.at)
        level = next((n for n, end in enumerate(ends) if end <= x), LEVELS - 1)
        ends[level] = max(scale.x(row.until or row.at), x + THICK)
        levels.append(level)
    return levels


def _bar(row: StoryRow, level: int, y: float, scale: _Scale, class_: str, names: Names) -> str:
    x, until = scale.x(row.at), scale.x(min(max(row.until, row.at), scale.end))
    told = f"{moment(row.at)}: {names.sentence(row.words, row.bare)}"
    top = y + level * (THICK + 3)
    width = max(until - x - 1, THICK)
    number = f"{row.times:,}" if width > 30 else ""
    return (
        f'<rect class="{class_}" x="{x}" y="{top}" width="{width:.1f}"'
        f' height="{THICK}" rx="{THICK / 2}"><title>{escape(told[:400])}</title></rect>'
        + (f'<text class="times" x="{x + 7}" y="{top + 9.5}">{number}</text>' if number else "")
    )


def _ticks(scale: _Scale, bottom: float) -> Iterator[str]:
    span = scale.end - scale.start
    step = next((step for step in _STEPS if span / step <= TICKS), _STEPS[-1])
    at = -(-scale.start // step) * step
    while at < scale.end:
        x = scale.x(at)
        form = "%d %b %H:%M" if step < 86400 else "%d %b %Y"
        told = datetime.fromtimestamp(at, UTC).strftime(form)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}"/>'
        if x < WIDTH - 40:
            yield f'<text class="tick" x="{x}" y="{bottom + 16}">{told}</text>'
        at += step


def _moments(found: Assessment, scale: _Scale, bottom: float) -> Iterator[str]:
    """The moments that everybody asks for, each with its name above the lanes."""
    times = found.times
    told = [
        (times.exposed, "exposed", "bad"),
        (times.found, "found", "plain"),
        (times.contained, "contained", "good"),
        (times.ended, "ended", "good"),
        (times.dead, "dead", "good"),
        (float(times.bad_use.at) if times.bad_use else 0.0, "last bad use", "bad"),
        (times.closed, "closed", "plain"),
        (found.incident.deadline, "deadline", "plain"),
        (found.now, "as of", "plain"),
    ]
    ends = [float("-inf")] * 4
    for at, label, class_ in sorted(told):
        if not scale.start <= at <= scale.end:
            continue
        x, width = scale.x(at), 7.0 * len(label) + 12
        left = min(x + 4, WIDTH - width)
        row = next((n for n, end in enumerate(ends) if end <= left), len(ends) - 1)
        ends[row] = left + width
        y = 12 + row * 14
        yield f'<line class="moment {class_}" x1="{x}" x2="{x}" y1="{y - 9}" y2="{bottom}"/>'
        yield f'<text class="label {class_}" x="{left}" y="{y}">{label}</text>'
