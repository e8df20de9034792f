"""Reads a timeline off the event loop: first its counts, then its single events."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from console.errors import ConsoleError
from console.journal.read.view import JournalView
from console.store.queries import tokens
from console.timeline import events
from console.timeline.axis import Window
from console.timeline.events import ShownEvent
from console.timeline.lanes import OTHERS
from console.timeline.since import Since, since
from console.timeline.view import Timeline
from console.tui.session.background import Background, Outdated
from console.tui.session.worker_link import sentences

RESTRAINT = 5
"""What took long to read is not read again before this many times as long."""


class Load(NamedTuple):
    """Whose timeline, by what its lanes, and since when it may be in wrong hands."""

    tokens: tuple[str, ...]
    by: str
    leak: int | None


class Loaded(NamedTuple):
    """``whole`` says whether the single events are there too. Frames of it may be made on the
    loop: they read nothing."""

    load: Load
    timeline: Timeline
    answer: Since | None
    names: Mapping[str, str]
    """What to call a lane, by its key."""
    whole: bool


class EventsWanted(NamedTuple):
    """The events of a stretch of time; ``slot`` tells who asked."""

    slot: str
    window: Window
    lane: str | None
    limit: int
    skip: int = 0


class FoundEvents(NamedTuple):
    """Some of the events that were asked for, oldest first."""

    listing: EventsWanted
    events: Sequence[ShownEvent]


class WholeEvent(NamedTuple):
    """An event whole."""

    event: ShownEvent
    facts: Sequence[tuple[str, str]]


class TimelineWanted(NamedTuple):
    """What is to be done; what is None is not."""

    load: Load | None = None
    preview: EventsWanted | None = None
    page: EventsWanted | None = None
    whole: ShownEvent | None = None


class TimelineReader(Background[TimelineWanted]):
    """``on_loaded``, ``on_listed`` and ``on_told`` are called from this thread."""

    def __init__(
        self,
        path: Path,
        open_journal: Callable[[], JournalView],
        clock: Callable[[], float],
        on_error: Callable[[str], None],
        *,
        on_loaded: Callable[[Loaded], None],
        on_listed: Callable[[FoundEvents], None],
        on_told: Callable[[WholeEvent], None],
    ) -> None:
        super().__init__("timeline's reader", on_error)
        self._path = path
        self._open_journal = open_journal
        self._clock = clock
        self._on_loaded = on_loaded
        self._on_listed = on_listed
        self._on_told = on_told
        self._timeline: Timeline | None = None
        self._loaded: Load | None = None
        self.rests_until = 0.0
        """Before this moment of the machine's clock nobody should ask to read it again."""

    def load(self, load: Load) -> None:
        """Read a timeline, or read it again."""
        self.ask(TimelineWanted(load))

    def preview(self, listing: EventsWanted) -> None:
        """Read the events to show below the picture."""
        self.ask(TimelineWanted(preview=listing))

    def page(self, listing: EventsWanted) -> None:
        """Read some of a list of events."""
        self.ask(TimelineWanted(page=listing))

    def whole(self, event: ShownEvent) -> None:
        """Read all that is known of an event."""
        self.ask(TimelineWanted(whole=event))

    def merged(self, waiting: TimelineWanted, question: TimelineWanted) -> TimelineWanted:
        """One question with what both want; of the same kind, the newer."""
        return TimelineWanted(
            question.load or waiting.load,
            question.preview or waiting.preview,
            question.page or waiting.page,
            question.whole or waiting.whole,
        )

    def run(self) -> None:
        """Answer until the view is left, and close what was opened for it."""
        super().run()
        if self._timeline is not None:
            self._timeline.close()

    def work(self, question: TimelineWanted) -> None:
        """Read the timeline, a list of events, or one event whole, whatever was asked for."""
        if question.load is not None:
            self._load(question.load)
        timeline = self._timeline
        if timeline is None:
            return
        if question.preview is not None:
            self._list(timeline, question.preview)
        if question.page is not None:
            self._list(timeline, question.page)
        if question.whole is not None:
            self._on_told(WholeEvent(question.whole, events.facts(timeline, question.whole)))

    def _list(self, timeline: Timeline, listing: EventsWanted) -> None:
        lane = listing.lane
        found: list[ShownEvent] = []
        if lane is None or not lane.endswith(f" {OTHERS}"):
            found = events.within(
                timeline, listing.window.start, listing.window.end,
                lane=lane, limit=listing.limit, skip=listing.skip,
            )  # fmt: skip
        self._on_listed(FoundEvents(listing, found))

    def _load(self, load: Load) -> None:
        began = time.monotonic()
        with self._journal() as journal:
            if self._loaded is None or self._loaded.tokens != load.tokens:
                # What is counted already is on the screen while single events are read.
                with self._opened(load, journal) as counted:
                    self._on_loaded(Loaded(load, counted, None, {}, False))
                self._loaded = load
            timeline = self._opened(load, journal)
        try:
            timeline.load(load.by)
            answer = None
            if load.leak is not None and load.tokens:
                answer = since(timeline, load.leak)
            names = self._names(timeline)
        except BaseException:
            timeline.close()
            raise
        if self._timeline is not None:
            self._timeline.close()
        self._timeline, self._loaded = timeline, load
        self.rests_until = time.monotonic() + RESTRAINT * (time.monotonic() - began)
        if self.ending:
            raise Outdated
        self._on_loaded(Loaded(load, timeline, answer, names, True))

    def _opened(self, load: Load, journal: JournalView | None) -> Timeline:
        return Timeline(
            self._path, load.tokens, journal=journal, leak=load.leak, clock=self._clock
        )  # fmt: skip

    @contextlib.contextmanager
    def _journal(self) -> Iterator[JournalView | None]:
        try:
            view = self._open_journal()
        except (ConsoleError, sqlite3.Error) as error:
            said = sentences(str(error), getattr(error, "hint", ""))
            self._on_error(f"without our own entries: {said}")
            yield None
            return
        with view:
            yield view

    def _names(self, timeline: Timeline) -> dict[str, str]:
        if timeline.by != "token":
            return {}
        found = tokens.named(timeline.connection, [lane.key for lane in timeline.lanes])
        return {handle: name for handle, _, name in found if name}
