"""Reads journal entries off the event loop: page by page, the newest first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from console.journal.read.view import Entry, JournalView
from console.tui.session.background import Background, Outdated
from console.tui.views.journal.entry_filter import EntryFilter

PAGE = 500
"""Entries that are read at once, and found ones that are handed over at once."""
BREATH = 0.001
"""Seconds that the interpreter is left to the screen after each page."""


class EntryQuestion(NamedTuple):
    """``want`` is how many found entries are enough; ``before`` the number to go on below."""

    filter: EntryFilter
    kind: str
    want: int = PAGE
    before: int | None = None


class FoundEntries(NamedTuple):
    """What a question found so far; ``entries`` grows from one to the next."""

    question: EntryQuestion
    open: Sequence[Entry]
    """Every open intent, filtered or not."""
    entries: Sequence[Entry]
    upto: int
    """The lowest number that was read; what is below was not looked at."""
    more: bool
    """Whether there may be more below."""
    done: bool


class EntryReader(Background[EntryQuestion]):
    """``on_found`` is called from this thread."""

    def __init__(
        self,
        open_journal: Callable[[], JournalView],
        on_found: Callable[[FoundEntries], None],
        on_error: Callable[[str], None],
    ) -> None:
        super().__init__("journal's reader", on_error)
        self._open = open_journal
        self._on_found = on_found

    def work(self, question: EntryQuestion) -> None:
        """Find entries for the newest question, in pieces that a key can interrupt."""
        with self._open() as journal:
            unresolved = journal.open_intents()
            ids = {entry.id for entry in unresolved}
            found: list[Entry] = []
            before, told = question.before, 0
            while True:
                page = journal.entries(PAGE, before=before, kind=question.kind or None)
                for entry in page:
                    if question.filter.holds(entry, open_intent=entry.id in ids):
                        found.append(entry)
                before = page[-1].seq if page else before
                more = len(page) == PAGE
                done = not more or len(found) >= question.want
                if self.outdated():
                    raise Outdated
                if done or (found and len(found) > told):
                    told = len(found)
                    self._on_found(
                        FoundEntries(question, unresolved, tuple(found), before or 0, more, done)
                    )
                if done:
                    return
                time.sleep(BREATH)
