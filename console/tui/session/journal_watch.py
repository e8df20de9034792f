"""Verifies the journal off the event loop: all of it at start and when asked, else what is new."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.journal.read.view import JournalView
from console.journal.store.base import LEAVES, JournalReader, Odd
from console.tui.session.background import Background, Outdated
from console.tui.session.journal_state import BROKEN, UNREADABLE, JournalState, JournalTrouble

if TYPE_CHECKING:
    from console.journal.own_files import Own
    from console.journal.verify.verify import Progress, Report

WHOLE = 4000
"""Entries up to which everything is checked each time: less than a tenth of a second."""
TELL_EVERY = 0.5
"""Seconds between two words about how far a check is."""
BREATH = 0.002
"""Seconds that the check leaves the interpreter to the screen after each page."""
ASK_EVERY = 5.0
"""Seconds between two questions to a database elsewhere."""
NEVER = (0, 0, 0)

Signature = tuple[tuple[int, int, int], ...]


def signature(path: Path) -> Signature:
    """Changes when the journal's file, or the log beside it, was written to or replaced."""
    made = []
    for each in (path, path.with_name(path.name + "-wal")):
        try:
            stat = each.stat()
            made.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        except OSError:
            made.append(NEVER)
    return tuple(made)


class JournalWatch(Background[bool]):
    """Asked with True to check everything. ``on_standing`` is called from this thread.

    The verdict is that of ``assess``, as on the command line; here it is only kept fresh.
    """

    def __init__(
        self,
        open_journal: Callable[[], JournalView],
        own: Own,
        now: Callable[[], float],
        on_standing: Callable[[JournalState], None],
    ) -> None:
        super().__init__("check of the journal", self._unreadable)
        self._open = open_journal
        self._own = own
        self.places = (own.base.parent,)
        self._remote = own.asked.url is not None
        self._now = now
        self._on_standing = on_standing
        self._seen: Signature = ()
        self._good: Report | None = None
        self._pin = b""
        self._looked = 0.0
        self._standing = JournalState()

    def look(self) -> None:
        """Check again if the files changed since the last time; cheap.

        A database elsewhere is asked now and then.
        """
        if self._remote:
            if time.monotonic() - self._looked >= ASK_EVERY:
                self._looked = time.monotonic()
                self.ask(False)
            return
        if (seen := signature(self._own.base)) != self._seen:
            self._seen = seen
            self.ask(False)

    def merged(self, waiting: bool, question: bool) -> bool:
        """A check that somebody asked for is not lost to one that is merely due."""
        return waiting or question

    def work(self, question: bool) -> None:
        """Check what is new in the journal, or all of it; ``question`` says that all is wanted."""
        with self._open() as journal:
            if journal.store is None:
                self._no_journal()
                return
            entries = journal.count()
            nothing_new = self._good is not None and entries == self._good.entries
            if self._remote and nothing_new and not question:
                return
            opened = len(journal.open_intents())
            self._tell(entries=entries, open=opened)
            report = self._verified(journal, entries, question)
        self._conclude(report)

    # Verifying

    def _verified(self, view: JournalView, entries: int, full: bool) -> Report:
        """What was found, by the rule of ``journal verify``: all of it, or what is new."""
        from console.audit import journal_verdict

        store = view.store
        watched = Watched(store, lambda: self.ending) if store else None
        known = journal_verdict.known(self._own)
        before = None if full else self._good
        if before is None and self._pin:
            known = known._replace(pins=(*known.pins, self._pin))
        return journal_verdict.assess(
            view, known, self._own, before=before, whole=entries <= WHOLE, again=full,
            store=watched, progress=self._progress(),
        )  # fmt: skip

    def _conclude(self, report: Report) -> None:
        from console.journal.verify.verify import Code

        grave = [each for each in report.findings if each.grave]
        found = tuple(JournalTrouble(each.what, each.text, each.grave) for each in report.findings)
        unusable = bool(grave) and all(each.code is Code.UNUSABLE for each in grave)
        now = self._now()
        if grave:
            # From here on only a check of everything can say that it is in order again.
            self._good = None
        elif report.newest and report.key:
            self._good, self._pin = report, report.newest
        self._tell(
            word=(UNREADABLE if unusable else BROKEN) if grave else "",
            code=int(report.code),
            found=found,
            checking="",
            witnessed=report.witnessed,
            checked_at=now if report.whole else self._standing.checked_at,
            since_at=now,
            checkpoints=report.checkpoints,
            checked=report.checked,
            skipped=report.skipped,
            skipped_since=report.skipped_since,
            signatures=report.signatures,
            unsigned=report.unsigned,
            key=report.key or self._standing.key,
            root=report.root.hex(),
            entries=max(self._standing.entries, report.entries) if not grave else None,
        )

    def _no_journal(self) -> None:
        """None is there: as it should be on a new machine, and only there."""
        from console.audit import journal_verdict

        now = self._now()
        self._good = None
        with self._open() as journal:
            report = journal_verdict.assess(journal, journal_verdict.known(self._own), self._own)
        if report.findings:
            self._tell(entries=0, open=0)
            self._conclude(report)
        else:
            self._standing = JournalState()
            self._tell(checked_at=now, since_at=now)

    def _unreadable(self, message: str) -> None:
        trouble = JournalTrouble("unreadable", message.rstrip("."), True)
        self._tell(word=UNREADABLE, found=(trouble,), checking="")

    # Telling

    def _progress(self) -> Progress:
        told = time.monotonic()

        def progress(what: str, done: int, of: int) -> None:
            nonlocal told
            if time.monotonic() - told >= TELL_EVERY:
                told = time.monotonic()
                are = {"entries": "are in order", "signatures": "hold"}[what]
                self._tell(checking=f"checking: {done:,} of {of:,} {what} {are} …")

        return progress

    def _tell(self, **changes: Any) -> None:
        kept = {name: value for name, value in changes.items() if value is not None}
        self._standing = self._standing._replace(**kept)
        self._on_standing(self._standing)


class Watched:
    """A store that leaves the screen its turn between pages, and ends when the screen does."""

    def __init__(self, store: JournalReader, ending: Callable[[], bool]) -> None:
        self._store = store
        self._ending = ending

    @property
    def where(self) -> str:
        """Where the store is, for people."""
        return self._store.where

    def rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Read. Raises ``Outdated`` once the screen ends."""
        if self._ending():
            raise Outdated
        found = self._store.rows(statement, values)
        if len(found) > 1 and statement == LEAVES:
            time.sleep(BREATH)
        return found

    def damage(self) -> str:
        """What the store itself says is broken in it; empty for nothing."""
        return self._store.damage()

    def guards(self, *, deep: bool = False) -> list[Odd]:
        """What guards the store against changes and is not as it should be."""
        return self._store.guards(deep=deep)

    def close(self) -> None:
        """Give the store back."""
        self._store.close()
