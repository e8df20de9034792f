"""A timeline, read from the store: what is drawn, in any window and at any width.

``Timeline`` belongs to one thread, like the connection it holds. ``open`` is quick: it
reads the counts only. ``load`` reads single events into lanes and belongs into a thread.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from backends.words import count
from console.errors import UsageError
from console.journal.read.view import JournalView
from console.store import reading
from console.store.classes import EVERYTHING, SLOT
from console.store.queries import backends, events, logs, rollups
from console.store.queries import tokens as queries
from console.store.queries.events import LANES, Whose
from console.timeline.axis import Window
from console.timeline.coverage import Coverage, UncoveredStretch, coverage, touches
from console.timeline.issuer import LastUse, last_use
from console.timeline.lanes import Collector, LaneFrame, Series, TimelineLane, framed
from console.timeline.marks import Mark, marks, revoked_at

BY = tuple(LANES)
"""What a lane can stand for."""
DAY = 86_400
EVER = Window(-(1 << 53), 1 << 53)
UNCLEAR = 100
"""Stretches of entries without a class that are told one by one."""
MANY_UNCLEAR = "many entries whose class no log tells"
SLACK = 2
"""Seconds after a revocation that are left out: the answer and the log are not one moment."""


class Subject(NamedTuple):
    """Whose timeline it is: of some tokens, or of all of some backends."""

    tokens: tuple[str, ...]
    aliases: dict[str, str]
    """Which token's each name of a log is."""
    backends: tuple[str, ...]
    label: str

    @property
    def handles(self) -> list[str]:
        """The tokens' handles, and those made of the names that logs give them."""
        return list(dict.fromkeys([*self.tokens, *self.aliases]))


class TimelineFrame(NamedTuple):
    """Everything that one drawing needs. Bins are numbered from 0."""

    window: Window
    bins: int
    whole: LaneFrame
    lanes: list[LaneFrame]
    unseen: list[str]
    """For each bin: "" where the logs saw all of it, else the kind of the first hole in it."""
    marks: list[tuple[int, Mark]]
    """The markers in the window, each with its bin."""
    exact: bool
    """Whether single events were counted, or else five minutes at a time."""


class Timeline:
    """One subject's timeline."""

    def __init__(
        self,
        path: Path,
        tokens: Sequence[str] = (),
        *,
        backend: str = "",
        journal: JournalView | None = None,
        leak: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises ``StoreError`` where the store cannot be read. Without tokens it is of all."""
        self.connection = reading.connect(path)
        self._path = path
        self.leak = leak
        self.now = int(clock())
        self.by = "token"
        self.lanes: list[TimelineLane] = []
        self.exact: TimelineLane | None = None
        """The single events that were loaded, all of them together."""
        self.loaded: Window | None = None
        try:
            self.subject = _subject(self.connection, tokens, backend)
            self.coverage: Coverage = coverage(
                self.connection, self.subject.backends, self.subject.tokens
            )
            self.unclear = self._unclear()
            self.issuer: LastUse | None = last_use(self.connection, self.subject.tokens)
            self.marks: list[Mark] = marks(self.connection, self.subject.tokens, journal, leak)
            self.revoked = revoked_at(self.marks) if len(self.subject.tokens) == 1 else None
            self.whole = self._counted()
        except sqlite3.Error as error:
            self.connection.close()
            raise reading.unusable(path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection to the store."""
        self.connection.close()

    @property
    def limits(self) -> Window:
        """From the first thing that is known to now."""
        starts = [self.whole.all.first, *(mark.at for mark in self.marks[:1]), self.leak]
        if self.coverage.since is not None:
            starts.append(self.coverage.since)
        known = [at for at in starts if at is not None and at > 0]
        last = max(self.whole.all.last or 0, self.now)
        return Window.of(min(known, default=self.now - DAY), last + 1)

    @property
    def ended(self) -> int | None:
        """After this moment no use should be let through: the revocation, and the clocks' doubt."""
        return None if self.revoked is None else self.revoked + SLACK + self.coverage.skew

    @property
    def whose(self) -> Whose:
        """Whose events it shows."""
        if self.subject.tokens:
            return Whose(self.subject.handles)
        return Whose((), self.subject.backends)

    def _counted(self) -> TimelineLane:
        handles = self.subject.handles if self.subject.tokens else [EVERYTHING]
        rows = rollups.shown(self.connection, handles, self.subject.backends)
        times = [row[0] for row in rows]
        everything = Series(times, [row[1] for row in rows])
        denied = Series(times, [row[2] for row in rows])
        return TimelineLane(EVERYTHING, everything, denied, Series())

    def _unclear(self) -> list[UncoveredStretch]:
        """The times at which there are entries about the tokens of which nobody told what they
        are. There may have been uses, so they are no silence."""
        if not self.subject.tokens:
            return []
        found: list[UncoveredStretch] = []
        for slot, times in rollups.unclear(self.connection, self.subject.handles):
            what = f"{count(times, 'entry', 'entries')} whose class no log tells"
            hole = UncoveredStretch(slot * SLOT, slot * SLOT + SLOT, "unclear", what, "")
            if found and len(found) >= UNCLEAR:
                hole = found.pop()._replace(until=hole.until, what=MANY_UNCLEAR)
            found.append(hole)
        return found

    def load(self, by: str = "token", window: Window | None = None) -> None:
        """Read single events into one lane each for every token, actor, address or action.

        Those of a window only, where one is given.

        Raises:
            UsageError: lanes cannot be made by that.
            StoreError: the store cannot be read.
        """
        if by not in BY:
            raise UsageError(f"no lanes by {by!r}", f"Known are: {', '.join(BY)}.")
        window = window or EVER
        collector = Collector(self.ended)
        try:
            for at, outcome, key in events.lanes(
                self.connection, self.whose, by, window.start, window.end
            ):
                collector.put(self.subject.aliases.get(key or "", key) or "", at, outcome)
        except sqlite3.Error as error:
            raise reading.unusable(self._path, error) from None
        self.by, self.lanes, self.loaded = by, collector.lanes(), window
        self.exact = collector.whole

    def frame(self, window: Window, bins: int, lanes: int = 50) -> TimelineFrame:
        """A window in so many bins: from the counts, or from single events where those count.

        A bin narrower than five minutes, or a lane, needs the single events of ``load``.
        """
        edges = window.edges(bins)
        single = self.exact if self._complete(window) else None
        found = framed(single or self.whole, edges)
        if single is None and self.exact is not None:
            found = found._replace(after=self.exact.after.counts(edges))
        return TimelineFrame(
            window,
            bins,
            found,
            [framed(lane, edges) for lane in self.lanes[:lanes]],
            self.unseen(window, bins),
            [
                (index, mark)
                for mark in self.marks
                if (index := window.bin_of(mark.at, bins)) is not None
            ],
            single is not None,
        )

    def _complete(self, window: Window) -> bool:
        """Whether all single events of a window are loaded, and none of them was dropped."""
        if self.exact is None or self.loaded is None or window.start < self.loaded.start:
            return False
        if window.end > self.loaded.end and self.loaded.end <= self.now:
            return False
        start = -(-window.start // SLOT) * SLOT
        end = window.end // SLOT * SLOT
        counted = self.whole.all.between(start, end) if end > start else 0
        return counted <= self.exact.all.between(start, end)

    def unseen(self, window: Window, bins: int) -> list[str]:
        """For each bin what kind of hole there is in it; what has not happened yet is none."""
        found = [""] * bins
        for hole in self.holes(window):
            for index in window.bins_of(hole.since, hole.until, bins):
                found[index] = found[index] or hole.kind
        return found

    def holes(self, window: Window) -> list[UncoveredStretch]:
        """The stretches of a window that the logs do not tell of, up to now."""
        end = min(window.end, max(self.now, window.start))
        if end <= window.start:
            return []
        unclear = [hole for hole in self.unclear if touches(hole, window.start, end)]
        return [*self.coverage.holes(window.start, end), *unclear]


def _subject(connection: sqlite3.Connection, tokens: Sequence[str], backend: str) -> Subject:
    if not tokens:
        known = backends.names(connection)
        names = tuple(name for name in known if not backend or name == backend)
        if backend and not names:
            raise UsageError(f"no backend is called {backend!r}", "See: token-console backends")
        return Subject((), {}, names, backend or "all backends")
    rows = queries.named(connection, tokens)
    label = f"{rows[0][1]}/{rows[0][2]}" if len(rows) == 1 else count(len(tokens), "token")
    systems = dict.fromkeys(system for _, system, _ in rows)
    return Subject(tuple(tokens), dict(logs.names(connection, tokens)), tuple(systems), label)
