"""Where entries are kept: one small interface, and what every database must promise.

The statements themselves are the same on every database; ``?`` stands for a value. Only
the table ``entry`` is authoritative. ``node`` (the tree) and ``checkpoint`` (the signed
roots) follow from it, ``cosigned`` holds checkpoints that came back from witnesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from console.errors import JournalError

PAGE = 2000
"""Rows that are read at once when everything is read, so that memory stays the same."""

LAST = 2**63 - 1
LEAVES = "SELECT seq, leaf FROM entry WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
"""Reads a page of all entries: who reads beside a screen knows by this when to pause."""
_NEWEST = """
SELECT last.seq, last.leaf, signed.note
FROM (SELECT seq, leaf FROM entry ORDER BY seq DESC LIMIT 1) AS last
LEFT JOIN (SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1) AS signed ON 1 = 1
"""


class AlreadyRecorded(JournalError):
    """The journal holds this entry, or another answer to the same intent, already."""


class StoreFailed(JournalError):
    """The database failed. After a write it is not known whether it was kept."""


class Full(StoreFailed):
    """There is no space left for the database."""


class Odd(NamedTuple):
    """Something about the database that is not as we made it.

    ``foreign`` is what somebody else put there and what can change entries as they are
    written or read; else a guard of ours is missing.
    """

    foreign: bool
    text: str
    """For people; the names in it are safe to show."""


class JournalReader(Protocol):
    """One journal's database, open for reading. Safe between threads."""

    @property
    def where(self) -> str:
        """The database for people, without any secret."""

    def rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a SELECT. Raises ``Trouble``."""

    def damage(self) -> str:
        """What the database itself finds wrong with its files; empty if nothing."""

    def guards(self, *, deep: bool = False) -> list[Odd]:
        """What is missing or strange about the tables' triggers, columns and indexes.

        ``deep`` also compares what is derived from the entries with them, as long as that
        takes; not where ``damage`` has found something.
        """

    def close(self) -> None:
        """Let go of the database."""


class Store(JournalReader, Protocol):
    """One journal's database, open for writing too."""

    def exclusive(self) -> AbstractContextManager[None]:
        """A transaction that no other writer's overlaps; durable once the block is left.

        An exception inside takes everything back.

        Raises:
            AlreadyRecorded: one of the database's own rules refused a row.
            Trouble: in doubt; call ``reopen`` and look.
        """

    def insert(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run an INSERT, or in ``rebuild`` a DELETE, for each row. Only inside ``exclusive``."""

    def version(self) -> object:
        """Stays equal while nobody but this connection writes. Only inside ``exclusive``.

        None where the database does not tell: then everything is read anew.
        """

    def add_entry(self, seq: int, leaf: bytes) -> None:
        """Put an entry in. Only inside ``exclusive``."""

    def mend(self) -> list[Odd]:
        """Put back the guards that are missing, and take away what is not ours.

        Returns what was mended. Only inside ``exclusive``. Raises ``Trouble``.
        """

    def reopen(self) -> None:
        """Drop the connection and make a new one. Raises ``Trouble``."""

    def tidy(self) -> None:
        """Housekeeping after an append. Never raises."""


def raw(value: Any) -> bytes:
    """A column's bytes, whatever somebody put there: what is no blob is no entry or note."""
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


def extent(store: JournalReader) -> tuple[int, int]:
    """The number of the last entry and the size of the last checkpoint, at one moment."""
    found = store.rows(
        "SELECT (SELECT coalesce(max(seq), 0) FROM entry),"
        " (SELECT coalesce(max(size), 0) FROM checkpoint)"
    )
    return int(found[0][0]), int(found[0][1])


def leaves(store: JournalReader, after: int = 0, upto: int = LAST) -> Iterator[tuple[int, bytes]]:
    """The entries above a number and up to another, in order: their numbers and bytes."""
    return _paged(store, LEAVES, after, upto)


def checkpoints(
    store: JournalReader, after: int = 0, upto: int = LAST
) -> Iterator[tuple[int, bytes]]:
    """The signed checkpoints above a size and up to another, in order: sizes and notes."""
    statement = (
        "SELECT size, note FROM checkpoint WHERE size > ? AND size <= ? ORDER BY size LIMIT ?"
    )
    return _paged(store, statement, after, upto)


def count_checkpoints(store: JournalReader, after: int, upto: int) -> int:
    """How many signed checkpoints there are above a size and up to another."""
    found = store.rows(
        "SELECT count(*) FROM checkpoint WHERE size > ? AND size <= ?", (after, upto)
    )
    return int(found[0][0])


def newest(store: JournalReader) -> tuple[int, bytes, bytes | None] | None:
    """The last entry's number and bytes, with the newest signed checkpoint; None if empty."""
    found = store.rows(_NEWEST)
    if not found:
        return None
    seq, leaf, signed = found[0]
    return seq, raw(leaf), None if signed is None else raw(signed)


def leaf_at(store: JournalReader, seq: int) -> bytes | None:
    """The bytes of one entry."""
    found = store.rows("SELECT leaf FROM entry WHERE seq = ?", (seq,))
    return raw(found[0][0]) if found else None


def last_checkpoint(store: JournalReader) -> tuple[int, bytes] | None:
    """The newest signed checkpoint, None where there is none."""
    found = store.rows("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
    return (found[0][0], raw(found[0][1])) if found else None


def checkpoints_of(store: JournalReader, size: int) -> list[bytes]:
    """The signed checkpoint of a size; several, where somebody put them there."""
    found = store.rows("SELECT note FROM checkpoint WHERE size = ?", (size,))
    return [raw(note) for (note,) in found]


def add_checkpoint(store: Store, size: int, note: bytes) -> None:
    """Keep a signed checkpoint. Only inside ``exclusive``."""
    store.insert("INSERT INTO checkpoint (size, note) VALUES (?, ?)", [(size, note)])


def drop_checkpoints(store: Store, sizes: Iterable[int]) -> None:
    """Remove the checkpoints of some sizes. Only inside ``exclusive``."""
    store.insert("DELETE FROM checkpoint WHERE size = ?", [(size,) for size in sizes])


def add_cosigned(store: Store, size: int, note: bytes) -> None:
    """Keep a checkpoint that came back from witnesses. Only inside ``exclusive``."""
    store.insert("INSERT INTO cosigned (size, note) VALUES (?, ?)", [(size, note)])


def cosigned(store: JournalReader) -> list[bytes]:
    """The checkpoints that witnesses cosigned, newest first, at most the last hundred."""
    found = store.rows("SELECT note FROM cosigned ORDER BY size DESC LIMIT 100")
    return [raw(note) for (note,) in found]


def _paged(
    store: JournalReader, statement: str, after: int, upto: int
) -> Iterator[tuple[int, bytes]]:
    while page := store.rows(statement, (after, upto, PAGE)):
        for number, data in page:
            yield int(number), raw(data)
        after = page[-1][0]
