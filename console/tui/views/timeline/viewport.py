"""Where a timeline is looked at: the window, the cursor, the brush, and the way back."""

from __future__ import annotations

from console.timeline.axis import Window
from console.timeline.view import Timeline

DAY = 86_400
EDGE = 4
"""A cursor that leaves the window moves it by one part in so many."""


def usual(timeline: Timeline) -> Window:
    """The window to begin with: all that was used and the leak, and a little before that.

    A token may be years older than its first event; years of blank would say nothing.
    """
    limits = timeline.limits
    first = timeline.whole.all.first
    starts = [at for at in (first, timeline.leak) if at is not None and at > 0]
    start = min(starts, default=limits.end - DAY)
    # The end of the first bars' five minutes, not the middle of them.
    margin = max((limits.end - start) // 25, 300)
    return Window.of(start - margin, limits.end)


class Eye:
    """Pure arithmetic; ``bins`` is how many the chart has room for."""

    def __init__(self) -> None:
        self.window = Window(0, DAY)
        self.limits = self.window
        self.usual = self.window
        self.bins = 1
        self.cursor = 0
        self.anchor: int | None = None
        """The bin where the brush began."""
        self.follow = False
        self._before: list[Window] = []
        self._begun = False
        self._first_at: int | None = None
        """The last event that is known, on whose bin the cursor rests at first."""
        self._rest: int | None = None
        """The moment of the bin where it was put; None once it was moved by hand."""

    def look(self, timeline: Timeline) -> None:
        """Take a timeline that was read anew; what is looked at stays, or moves on with it."""
        begins = usual(timeline)
        low = min(timeline.limits.start, begins.start)
        self.limits = Window.of(low, timeline.limits.end)
        unmoved = self.window == self.usual
        self.usual = begins
        if not self._begun or (unmoved and self.anchor is None):
            last = self._last_use(timeline)
            resting = not self._begun or self.at == self._rest
            self._go(self.usual, last if resting else self.at)
            self._rest = self.at if resting else None
            self._begun = True
        if self.follow:
            self._to_end()

    def fit(self, bins: int) -> None:
        """The chart has another width."""
        if bins != self.bins and bins > 0:
            resting = self.at == self._rest
            at = self._first_at if resting and self._first_at is not None else self.at
            self.bins, self.anchor = bins, None
            self._put(at)
            self._rest = self.at if resting else None

    def _last_use(self, timeline: Timeline) -> int | None:
        """Where the cursor rests before it is moved: on the last event that is known, since an
        empty bin at the end says nothing."""
        self._first_at = timeline.whole.all.last
        return self._first_at

    @property
    def at(self) -> int:
        """The moment at which the cursor's bin begins."""
        return self.window.edges(self.bins)[self.cursor]

    @property
    def bin(self) -> Window:
        """The cursor's bin, or all of the brush."""
        edges = self.window.edges(self.bins)
        some = self.brush or range(self.cursor, self.cursor + 1)
        return Window(edges[some.start], max(edges[some.stop], edges[some.start] + 1))

    @property
    def brush(self) -> range | None:
        """The bins under the brush."""
        if self.anchor is None:
            return None
        low, high = sorted((self.anchor, self.cursor))
        return range(low, high + 1)

    def move(self, step: int) -> None:
        """Move the cursor by bins; where the window ends it moves along."""
        wanted = self.cursor + step
        if 0 <= wanted < self.bins:
            self.cursor = wanted
            return
        edge = self.bins - 1 if wanted >= self.bins else 0
        if self.anchor is not None:
            # A brush has no end outside of what is seen.
            self.cursor = edge
            return
        at = self.window.start + wanted * self.window.span // self.bins
        far = max(self.window.span // EDGE, 1) * (1 if wanted > 0 else -1)
        moved = self.window.pan(far).within(self.limits)
        if moved == self.window or (moved.start > self.window.start) != (wanted > 0):
            self.cursor = edge
            return
        self._go(moved, at)

    def jump(self, at: int) -> None:
        """To a moment, wherever it is."""
        if self.window.bin_of(at, self.bins) is None:
            half = self.window.span // 2
            moved = Window(at - half, at - half + self.window.span)
            self._go(moved.within(self.limits), at)
        else:
            self._put(at)
        self.follow = False

    def put(self, index: int) -> None:
        """To a bin of the window."""
        self.cursor = min(max(index, 0), self.bins - 1)

    def start_brush(self) -> None:
        """Begin a brush at the cursor, or take it away."""
        self.anchor = self.cursor if self.anchor is None else None

    def zoom(self) -> bool:
        """Look at what is under the brush only; False where there is none."""
        brush = self.brush
        if brush is None:
            return False
        self._before.append(self.window)
        self._go(self.window.brush(brush.start, brush.stop - 1, self.bins), None)
        return True

    def out(self) -> bool:
        """Back to the window before; from the first one to twice as much, up to everything."""
        if self._before:
            at = self.at
            self._go(self._before.pop(), at)
            return True
        if self.window.span >= self.limits.span:
            return False
        at = self.at
        self._go(self.window.zoom(2, at).within(self.limits), at)
        return True

    def reset(self) -> None:
        """The window that one began with."""
        self._before = []
        self._go(self.usual, None)

    def toggle_follow(self) -> None:
        """Stay at the newest, or do not."""
        self.follow = not self.follow
        if self.follow:
            self._to_end()

    def _to_end(self) -> None:
        if self.window != self.usual:
            self._go(self.window.pan(self.limits.end - self.window.end), None)
        self.cursor = self.bins - 1

    def _go(self, window: Window, at: int | None) -> None:
        self.window, self.anchor = window, None
        self._put(window.end - 1 if at is None else at)

    def _put(self, at: int) -> None:
        at = min(max(at, self.window.start), self.window.end - 1)
        self.cursor = self.window.bin_of(at, self.bins) or 0
