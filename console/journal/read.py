"""Reading the journal: for the screen, the command line, and recovery. Only the stdlib."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from console.errors import JournalError
from console.journal import chain
from console.journal.database import connect_to_read
from console.journal.describe import Entry as Entry
from console.journal.describe import entry_of

SETTLED = ("applied", "already", "rejected", "not_sent", "not_applied")
"""The states after which nothing is left to find out about an intent."""

_OPEN = f"""
SELECT seq, leaf FROM entry AS intent WHERE kind = 'intent' AND NOT EXISTS (
  SELECT 1 FROM entry AS answer WHERE answer.ref = intent.id
    AND answer.kind IN ('outcome', 'recovery') AND answer.state IN {SETTLED}
) ORDER BY seq
"""  # noqa: S608 - built from constants only.


def select(
    connection: sqlite3.Connection,
    *,
    limit: int,
    before: int | None = None,
    kind: str | None = None,
    ref: str | None = None,
    plan: str | None = None,
    handle: str | None = None,
    id: str | None = None,  # noqa: A002
) -> list[Entry]:
    """Entries, newest first, that meet every condition given. See :class:`JournalView`."""
    tests: list[str] = []
    values: list[Any] = []
    if before is not None:
        tests.append("seq < ?")
        values.append(before)
    if plan is not None:
        tests.append("(plan = ? OR id = ?)")
        values += [plan, plan]
    for column, value in (("kind", kind), ("ref", ref), ("handle", handle), ("id", id)):
        if value is not None:
            tests.append(f"{column} = ?")
            values.append(str(value))
    where = f"WHERE {' AND '.join(tests)}" if tests else ""
    # Columns come from the list above; every value is bound.
    statement = f"SELECT seq, leaf FROM entry {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608
    return _entries(connection.execute(statement, [*values, limit]))


def open_intents(connection: sqlite3.Connection) -> list[Entry]:
    """Intents of which nobody knows what became, oldest first."""
    return _entries(connection.execute(_OPEN))


def _entries(rows: Iterable[tuple[int, bytes]]) -> list[Entry]:
    return [entry_of(seq, leaf) for seq, leaf in rows]


class JournalView:
    """A read-only look at a journal that other processes write to. One per thread.

    A journal that does not exist yet is empty. Every method raises ``JournalError`` when
    the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

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
        if self._connection is not None:
            self._connection.close()
            self._connection = None

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
        with _Reading(self._path):
            connection = self._open()
            if connection is None:
                return []
            return select(
                connection,
                limit=limit,
                before=before,
                kind=kind,
                ref=ref,
                plan=plan,
                handle=handle,
            )

    def get(self, id_: str) -> Entry | None:
        """The entry with an id."""
        with _Reading(self._path):
            connection = self._open()
            found = select(connection, limit=1, id=id_) if connection else []
            return found[0] if found else None

    def count(self) -> int:
        """How many entries there are."""
        return self.stamp()

    def stamp(self) -> int:
        """Changes when something was appended. Cheap: the number of the newest entry."""
        with _Reading(self._path):
            connection = self._open()
            if connection is None:
                return 0
            return int(connection.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0])

    def open_intents(self) -> list[Entry]:
        """Intents of which nobody knows yet what became, oldest first."""
        with _Reading(self._path):
            connection = self._open()
            return open_intents(connection) if connection else []

    def check(self) -> tuple[bool, str]:
        """Whether the journal is whole, and the first thing that is wrong with it."""
        try:
            connection = self._open()
        except JournalError as error:
            return False, str(error)
        return chain.check(connection) if connection else (True, "")

    def _open(self) -> sqlite3.Connection | None:
        if self._connection is None:
            self._connection = connect_to_read(self._path)
        return self._connection


class _Reading:
    """Turns SQLite's errors into one that tells the responder what to do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, sqlite3.Error):
            raise JournalError(
                f"cannot read the journal {self._path}: {error}",
                "Check it: token-console journal verify.",
            ) from None
