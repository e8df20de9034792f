"""Series of moments and the lanes made of them: quick to count in any window."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

MOST = 200
"""Lanes; those with the fewest events are put together into one."""
OTHERS = "others"


class Series:
    """Sorted moments, or sorted moments with a count at each. Eight bytes a moment (or 16)."""

    __slots__ = ("_sums", "times")

    def __init__(self, times: Iterable[int] = (), counts: Iterable[int] | None = None) -> None:
        self.times = array("q", times)
        self._sums = None if counts is None else array("q", accumulate(counts, initial=0))

    def add(self, at: int) -> None:
        """Put a moment in; they usually come in order."""
        if self._sums is not None:
            raise TypeError("a series of counts is not added to")
        if self.times and at < self.times[-1]:
            self.times.insert(bisect_left(self.times, at), at)
        else:
            self.times.append(at)

    def __len__(self) -> int:
        return len(self.times) if self._sums is None else self._sums[-1]

    def before(self, at: int) -> int:
        """How many there are before a moment."""
        index = bisect_left(self.times, at)
        return index if self._sums is None else self._sums[index]

    def between(self, start: int, end: int) -> int:
        """How many events there are from ``start`` to before ``end``, in unix seconds."""
        return self.before(end) - self.before(start)

    def counts(self, edges: Sequence[int]) -> list[int]:
        """How many there are in each bin."""
        reached = [self.before(edge) for edge in edges]
        return [after - before for before, after in pairwise(reached)]

    @property
    def first(self) -> int | None:
        """The time of the first event; None where there is none."""
        return self.times[0] if self.times else None

    @property
    def last(self) -> int | None:
        """The time of the last event; None where there is none."""
        return self.times[-1] if self.times else None


class TimelineLane(NamedTuple):
    """One row: all that one token, actor, address or action did."""

    key: str
    """What the store calls it; raw, as the log had it."""
    all: Series
    denied: Series
    after: Series
    """Use that was let through after the token was revoked."""


class LaneFrame(NamedTuple):
    """A lane in a window. Each lane has its own scale; ``peak`` is its highest bin."""

    key: str
    counts: list[int]
    denied: list[int]
    after: list[int]
    peak: int
    total: int


def framed(lane: TimelineLane, edges: Sequence[int]) -> LaneFrame:
    """A lane, binned."""
    counts = lane.all.counts(edges)
    return LaneFrame(
        lane.key,
        counts,
        lane.denied.counts(edges) if len(lane.denied) else [0] * len(counts),
        lane.after.counts(edges) if len(lane.after) else [0] * len(counts),
        max(counts, default=0),
        sum(counts),
    )


class Collector:
    """Sorts events into lanes as they are read, in the order of their times."""

    def __init__(self, revoked: int | None) -> None:
        self._lanes: dict[str, TimelineLane] = {}
        self._revoked = revoked
        self.whole = TimelineLane("", Series(), Series(), Series())

    def put(self, key: str, at: int, outcome: str) -> None:
        """Add one event to its lane, which is made where it is missing, and to the whole."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = TimelineLane(key, Series(), Series(), Series())
        denied = outcome == "denied"
        after = outcome == "ok" and self._revoked is not None and at > self._revoked
        for one in (lane, self.whole):
            one.all.add(at)
            if denied:
                one.denied.add(at)
            elif after:
                one.after.add(at)

    def lanes(self, most: int = MOST) -> list[TimelineLane]:
        """The lanes, the busiest first, the rest of them as one."""
        ranked = sorted(self._lanes.values(), key=lambda lane: (-len(lane.all), lane.key))
        if len(ranked) <= most:
            return ranked
        rest = ranked[most - 1 :]
        name = f"{len(rest)} {OTHERS}"
        whole = _together(lane.all for lane in rest)
        denied = _together(lane.denied for lane in rest)
        after = _together(lane.after for lane in rest)
        return [*ranked[: most - 1], TimelineLane(name, whole, denied, after)]


def _together(some: Iterable[Series]) -> Series:
    return Series(sorted(at for series in some for at in series.times))
