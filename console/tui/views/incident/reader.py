"""Reads incidents off the event loop: the journal, the runs, the store and the logs."""

from __future__ import annotations

from collections.abc import Callable

from console.incident.assess import Assessment, assess
from console.incident.record import Incident, find, fold
from console.journal.read.view import JournalView
from console.settings import Paths
from console.tui.session.background import Background


class IncidentsReader(Background[bool]):
    """Reads the list. ``on_told`` is called from this thread, with the oldest first."""

    def __init__(
        self,
        open_journal: Callable[[], JournalView],
        on_told: Callable[[list[Incident]], None],
        on_error: Callable[[str], None],
    ) -> None:
        super().__init__("list of incidents", on_error)
        self._open = open_journal
        self._on_told = on_told
        self._view: JournalView | None = None

    def work(self, question: bool) -> None:
        """Read what was decided about incidents."""
        if self._view is None:
            self._view = self._open()
        self._on_told(list(fold(self._view.cases()).values()))


class IncidentReader(Background[bool]):
    """Reads where one incident stands. ``on_told`` is called from this thread."""

    def __init__(
        self,
        id_: str,
        where: Paths,
        open_journal: Callable[[], JournalView],
        now: Callable[[], float],
        on_told: Callable[[Assessment], None],
        on_error: Callable[[str], None],
    ) -> None:
        super().__init__("incident", on_error)
        self._id = id_
        self._where = where
        self._open = open_journal
        self._now = now
        self._on_told = on_told
        self._view: JournalView | None = None

    def work(self, question: bool) -> None:
        """Find out how its tokens stand, and what keeps it open."""
        if self._view is None:
            self._view = self._open()
        incident = find(self._id, fold(self._view.cases()).values())
        self._on_told(assess(incident, self._where, self._view, self._now()))
