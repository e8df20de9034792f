"""The arithmetic of a window of time: bins, zoom, pan and brush. Whole seconds, UTC."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, Self

SHORTEST = 10
"""Seconds; a window is never zoomed in further. Events are kept to the second."""
STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
    86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000,
)  # fmt: skip
"""Distances at which an axis may have its ticks."""


class Window(NamedTuple):
    """From ``start`` to before ``end``."""

    start: int
    end: int

    @classmethod
    def of(cls, start: float, end: float) -> Self:
        """The window between two moments in either order, never shorter than it may be."""
        low, high = sorted((int(start), int(end)))
        return cls(low, max(high, low + SHORTEST))

    @property
    def span(self) -> int:
        """Its length in seconds."""
        return self.end - self.start

    def edges(self, bins: int) -> list[int]:
        """Where bins begin, and where the last one ends: ``bins + 1`` moments.

        Widths differ by a second at most; where there are more bins than seconds, some are
        empty.
        """
        return [self.start + self.span * i // bins for i in range(bins + 1)]

    def bin_of(self, at: int, bins: int) -> int | None:
        """The bin that a moment falls into; None outside of the window."""
        if not self.start <= at < self.end:
            return None
        guess = (at - self.start) * bins // self.span
        # The edges are rounded down, so the guess may be one too low.
        while guess + 1 < bins and self.start + self.span * (guess + 1) // bins <= at:
            guess += 1
        return guess

    def bins_of(self, since: int | None, until: int | None, bins: int) -> range:
        """The bins that a stretch of time touches; None stands for without end."""
        low = self.start if since is None else max(since, self.start)
        high = self.end if until is None else min(until, self.end - 1)
        if low >= self.end or high < self.start or high < low:
            return range(0)
        first, last = self.bin_of(low, bins), self.bin_of(min(high, self.end - 1), bins)
        return range(0) if first is None or last is None else range(first, last + 1)

    def zoom(self, factor: float, at: int | None = None) -> Window:
        """Closer (``factor`` below 1) or further, with the moment ``at`` kept in its place."""
        at = (self.start + self.end) // 2 if at is None else min(max(at, self.start), self.end)
        span = max(SHORTEST, round(self.span * factor))
        before = (at - self.start) * span // self.span
        return Window(at - before, at - before + span)

    def pan(self, seconds: int) -> Window:
        """The window moved by so many seconds; below 0 goes back."""
        return Window(self.start + seconds, self.end + seconds)

    def brush(self, first: int, last: int, bins: int) -> Window:
        """The window of the bins from ``first`` to ``last``, both included, in either order."""
        low, high = sorted((min(max(first, 0), bins - 1), min(max(last, 0), bins - 1)))
        edges = self.edges(bins)
        return Window.of(edges[low], edges[high + 1])

    def within(self, limits: Window) -> Window:
        """The window moved, and if need be cut, so that it lies in ``limits``."""
        if self.span >= limits.span:
            return limits
        start = min(max(self.start, limits.start), limits.end - self.span)
        return Window(start, start + self.span)

    def ticks(self, most: int) -> list[int]:
        """Round moments for an axis, at most so many."""
        step = next((one for one in STEPS if self.span / one <= max(most, 1)), STEPS[-1])
        first = -(-self.start // step) * step
        return list(range(first, self.end, step))


def bursts(counts: list[int]) -> list[int]:
    """The bins at which something begins: use after silence, or much more than is usual.

    Much is three times the middle one of the bins that have any.
    """
    busy = sorted(count for count in counts if count)
    if not busy:
        return []
    usual = busy[len(busy) // 2]
    found = [0] if counts[0] else []
    for index, (before, count) in enumerate(pairwise(counts), 1):
        if count and (not before or (count >= 3 * usual and before < 3 * usual)):
            found.append(index)
    return found


def next_burst(counts: list[int], at: int, *, back: bool = False) -> int | None:
    """The bin of the next burst after a bin, or of the one before it."""
    found = bursts(counts)
    if back:
        return max((one for one in found if one < at), default=None)
    return min((one for one in found if one > at), default=None)
