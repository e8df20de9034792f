"""Reading the journal: for the screen, the command line, and recovery. Loads no cryptography."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from console.errors import JournalError
from console.journal.format.entry import Kind
from console.journal.format.sentence import Entry as Entry
from console.journal.format.sentence import entry_of
from console.journal.read import chain
from console.journal.store import entries
from console.journal.store.base import JournalReader
from console.journal.store.sqlite import SqliteReader


def select(
    store: JournalReader,
    *,
    limit: int,
    before: int | None = None,
    kind: str | None = None,
    ref: str | None = None,
    plan: str | None = None,
    handle: str | None = None,
    id: str | None = None,  # noqa: A002
    fp: str | None = None,
) -> list[Entry]:
    """Entries, newest first, that meet every condition given. See :class:`JournalView`."""
    found = entries.matching(
        store, limit=limit, before=before, plan=plan,
        kind=kind, ref=ref, handle=handle, id=id, fp=fp,
    )  # fmt: skip
    return _entries(found)


def of_plan(
    store: JournalReader, plan: str, after: int = 0, known: Container[int] = ()
) -> list[Entry]:
    """A plan's approval and what belongs to it, above a number. See :class:`JournalView`.

    What has one of the ``known`` numbers is left out, and its bytes are not parsed.
    """
    found = entries.of_plan(store, plan, after)
    return _entries(each for each in found if each[0] not in known)


def of_incident(store: JournalReader, incident: str) -> list[Entry]:
    """Every entry that belongs to an incident, oldest first. See :class:`JournalView`."""
    named = _entries(entries.naming_incidents(store, 0))
    found = {entry.seq: entry for entry in named if entry.incident == incident}
    plans = {entry.plan or entry.id for entry in found.values() if entry.kind in _PLANS}
    for plan in plans:
        found |= {entry.seq: entry for entry in of_plan(store, plan)}
    return [found[seq] for seq in sorted(found)]


def cases(store: JournalReader, after: int = 0) -> list[Entry]:
    """What was decided about all incidents, above a number, oldest first."""
    return _entries(entries.cases(store, after))


def open_intents(store: JournalReader) -> list[Entry]:
    """Intents of which nobody knows what became, oldest first."""
    return _entries(entries.open_intents(store))


_PLANS = (Kind.PLAN_MADE, Kind.PLAN)


def _entries(found: Iterable[tuple[int, bytes]]) -> list[Entry]:
    return [entry_of(seq, leaf) for seq, leaf in found]


class JournalView:
    """A read-only look at a journal that other processes write to. One per thread.

    ``where`` is the journal's file, or a store of another kind. A journal that does not
    exist yet is empty. Every method raises ``JournalError`` when it cannot be read.
    """

    def __init__(self, where: Path | JournalReader) -> None:
        self._path = where if isinstance(where, Path) else None
        self._store = None if isinstance(where, Path) else where

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
        """Close the journal. Reading again opens it again."""
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def store(self) -> JournalReader | None:
        """What is read from, for ``verify`` and ``prove``; None when there is no journal yet."""
        if self._store is None and self._path is not None:
            self._store = SqliteReader.at(self._path)
        return self._store

    def entries(
        self,
        limit: int = 200,
        before: int | None = None,
        kind: str | None = None,
        ref: str | None = None,
        *,
        plan: str | None = None,
        handle: str | None = None,
    ) -> list[Entry]:
        """Entries, newest first.

        ``before`` is the ``seq`` to go on below. ``ref`` gives what answers an entry,
        ``plan`` everything that belongs to a plan with the plan itself, ``handle``
        everything about a token.
        """
        store = self.store
        if store is None:
            return []
        return select(
            store, limit=limit, before=before, kind=kind, ref=ref, plan=plan, handle=handle
        )

    def of_plan(self, plan: str, after: int = 0) -> list[Entry]:
        """A plan's approval, and what belongs to its run, oldest first.

        ``after`` is the ``seq`` of the newest entry that the caller has seen of it: with 0
        everything comes, with that only what is new.
        """
        store = self.store
        return of_plan(store, plan, after) if store else []

    def of_incident(self, incident: str) -> list[Entry]:
        """Every entry that belongs to an incident, oldest first.

        That is what names it, and all that belongs to a plan which names it.
        """
        store = self.store
        return of_incident(store, incident) if store else []

    def cases(self, after: int = 0) -> list[Entry]:
        """What was decided about all incidents, above a number, oldest first."""
        store = self.store
        return cases(store, after) if store else []

    def get(self, id_: str) -> Entry | None:
        """The entry with an id."""
        store = self.store
        found = select(store, limit=1, id=id_) if store else []
        return found[0] if found else None

    def count(self) -> int:
        """How many entries there are."""
        return self.stamp()

    def stamp(self) -> int:
        """Changes when something was appended. Cheap: the number of the newest entry."""
        store = self.store
        return 0 if store is None else entries.last_number(store)

    def open_intents(self) -> list[Entry]:
        """Intents of which nobody knows yet what became, oldest first."""
        store = self.store
        return open_intents(store) if store else []

    def check(self) -> tuple[bool, str]:
        """Whether the chain is whole, and the first thing that is wrong with it."""
        try:
            store = self.store
        except JournalError as error:
            return False, str(error)
        return chain.check(store) if store else (True, "")
