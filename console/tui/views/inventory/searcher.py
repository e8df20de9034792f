"""Searches the store off the event loop, and only for the newest question.

A keystroke must never wait for a count over a million rows: a thread of its own looks
first for the rows to show, then counts up to a limit, and then reads the order into memory
for the next key; a newer question interrupts all three.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from console import ownership
from console.errors import ConsoleError
from console.inventory.search.inventory import Interrupted, Inventory, Row, Sort
from console.inventory.search.query import Query

MARGIN = 40
"""Rows to have ready above and below what is seen."""
MOST = 10_000
"""Matches that are counted, unless somebody asks for more."""
LARGE = 50_000
"""Tokens from which on an order is worth being kept in memory while somebody filters."""


class RowQuestion(NamedTuple):
    """``follow`` is the handle of the token that the cursor should stay on. ``exact``: count
    all matches, however many they are."""

    query: Query
    sort: Sort
    start: int
    size: int
    now: int
    follow: str | None = None
    exact: bool = False


class FoundRows(NamedTuple):
    """``total`` is None until it is known; the rows come first. ``position`` is where the
    followed token stands now, None where it is not among the matches. ``more_than`` is said
    where there are more than were counted."""

    question: RowQuestion
    start: int
    rows: Sequence[Row]
    uses: Mapping[int, Sequence[int]]
    total: int | None
    position: int | None
    more_than: int | None = None


class Searcher(threading.Thread):
    """``on_found`` and ``on_error`` are called from this thread."""

    def __init__(
        self,
        open_inventory: Callable[[], Inventory],
        on_found: Callable[[FoundRows], None],
        on_error: Callable[[str], None],
    ) -> None:
        super().__init__(name="searcher", daemon=True)
        self._open = open_inventory
        self._on_found = on_found
        self._on_error = on_error
        self._changed = threading.Condition()
        self._next: RowQuestion | None = None
        self._busy: Inventory | None = None
        self._ending = False

    def ask(self, question: RowQuestion) -> None:
        """Search for this; forget whatever was asked before."""
        with self._changed:
            self._next = question
            if self._busy is not None:
                self._busy.interrupt()
            self._changed.notify()

    def end(self) -> None:
        """Stop, without waiting for a query that is slow to notice."""
        with self._changed:
            self._ending = True
            if self._busy is not None:
                self._busy.interrupt()
            self._changed.notify()

    def run(self) -> None:
        """Answer the newest question, one after the other, until the list is left."""
        try:
            inventory = self._open()
        except ConsoleError as error:
            self._on_error(str(error))
            return
        try:
            while (question := self._take(inventory)) is not None:
                try:
                    self._search(inventory, question)
                except Interrupted:
                    # The call that ended the question before may end this one as well.
                    self._again(question)
                except (sqlite3.Error, ConsoleError) as error:
                    if not self._outdated():
                        self._on_error(str(error))
                except Exception as error:  # noqa: BLE001
                    # A thread that ends takes the list with it; the next key gets its try.
                    told = f"a defect in the search ({type(error).__name__})"
                    self._on_error(ownership.hint(error) or told)
        finally:
            with self._changed:
                self._busy = None
            inventory.close()

    def _take(self, inventory: Inventory) -> RowQuestion | None:
        with self._changed:
            self._busy = None
            while self._next is None and not self._ending:
                self._changed.wait()
            question, self._next = self._next, None
            self._busy = inventory
            return None if self._ending else question

    def _again(self, question: RowQuestion) -> None:
        with self._changed:
            if self._next is None:
                self._next = question

    def _outdated(self) -> bool:
        with self._changed:
            return self._next is not None or self._ending

    def _search(self, inventory: Inventory, question: RowQuestion) -> None:
        query, sort, start, size, now, follow, exact = question
        position = None
        if follow is not None:
            position = inventory.position(query, sort, follow)
            if position is not None and not start <= position < start + size:
                start = max(position - size // 2, 0)
        rows = inventory.window(query, sort, start, size)
        if not rows and start:
            start = 0
            rows = inventory.window(query, sort, start, size)
        uses = inventory.uses([row.rowid for row in rows], now)
        # A list that ends inside the window has been counted by reading it.
        total = start + len(rows) if len(rows) < size else None
        if self._outdated():
            return
        self._on_found(FoundRows(question, start, rows, uses, total, position))
        if total is None:
            total = inventory.count(query, None if exact else MOST, sort)
            more_than = MOST if not exact and query.terms and total > MOST else None
            if more_than is not None:
                total = None
            if not self._outdated():
                self._on_found(FoundRows(question, start, rows, uses, total, position, more_than))
        if query.terms and inventory.total() >= LARGE:
            inventory.warm(sort, self._outdated)
