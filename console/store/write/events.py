"""Audit events, how many there were, and which of them stand under a seal.

Events come by the hundred thousand, so each statement takes a whole batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from console.store.classes import USE
from console.store.database import Connection
from console.store.write import marks


class StoredEvent(NamedTuple):
    """A row of ``event``, in the order of its columns. ``key`` is a hash of backend and id."""

    key: int
    backend: str
    event_id: str
    at: int
    action: str
    outcome: str
    handle: str | None
    ref_kind: str | None
    ref_id: str | None
    actor: str
    target: str
    source: str
    agent: str
    origin: str
    detail: str
    class_: str
    effect: str


COLUMNS = tuple(name.rstrip("_") for name in StoredEvent._fields)
"""The columns of an event."""
_INSERT = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608

Bin = tuple[str, str, int, str, str]
"""What is counted together: handle, backend, slot, class and outcome."""


def there(connection: Connection, keys: Iterable[int]) -> list[int]:
    """Those of the keys that an event has already."""
    rows = connection.execute(
        "SELECT key FROM event WHERE key IN (SELECT value FROM json_each(?))",
        (json.dumps(list(keys)),),
    )
    return [key for (key,) in rows]


def add(connection: Connection, rows: Iterable[StoredEvent]) -> None:
    """Insert events. In the order of their keys they go in faster."""
    some = list(rows)
    connection.executemany(_INSERT, some)
    marks.note_used(
        connection,
        {one.handle for one in some if one.handle and one.class_ == USE and one.outcome == "ok"},
    )


def count_uses(connection: Connection, hours: Mapping[tuple[str, int], int]) -> None:
    """Add to the hourly counts of uses: by handle and hour since 1970, how many more."""
    connection.executemany(
        "INSERT INTO use_hour (handle, hour, uses) VALUES (?, ?, ?)"
        " ON CONFLICT (handle, hour) DO UPDATE SET uses = uses + excluded.uses",
        sorted((handle, hour, uses) for (handle, hour), uses in hours.items()),
    )


def count_all(connection: Connection, bins: Mapping[Bin, int]) -> None:
    """Add to the counts by five minutes, which stay when the events are dropped."""
    connection.executemany(
        "INSERT INTO rollup (handle, backend, slot, class, outcome, uses)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (handle, backend, slot, class, outcome)"
        " DO UPDATE SET uses = uses + excluded.uses",
        # In the order in which they lie on the disk.
        sorted((*key, uses) for key, uses in bins.items()),
    )


def prune(connection: Connection, oldest: int, most: int) -> int:
    """Drop events from before ``oldest`` (unix seconds), at most so many. Returns how many went.

    Their counts by five minutes stay. Where events are sealed into the journal, one that is
    not yet sealed is kept until it is.
    """
    sealing = connection.execute("SELECT 1 FROM mark WHERE name = 'sealing'").fetchone()
    only = " AND EXISTS (SELECT 1 FROM sealed WHERE sealed.key = event.key)" if sealing else ""
    found = connection.execute(
        f"SELECT key FROM event WHERE at < ?{only} ORDER BY at, key LIMIT ?",  # noqa: S608
        (oldest, most),
    )
    keys = [key for (key,) in found]
    some = (json.dumps(keys),)
    handles = connection.execute(
        "SELECT DISTINCT handle FROM event WHERE handle IS NOT NULL"
        " AND key IN (SELECT value FROM json_each(?))",
        some,
    )
    marks.note_used(connection, [handle for (handle,) in handles])
    connection.execute("DELETE FROM sealed WHERE key IN (SELECT value FROM json_each(?))", some)
    gone = connection.execute(
        "DELETE FROM event WHERE key IN (SELECT value FROM json_each(?))", some
    ).rowcount
    if gone:
        connection.execute("DELETE FROM use_hour WHERE hour < ?", (oldest // 3600,))
    return gone


def seal(connection: Connection, backend: str, seal: str, most: int) -> int:
    """Put a backend's unsealed events under a seal, at most so many. Returns how many.

    ``seal`` is the id of the journal's entry. From now on, no event is dropped unsealed.
    """
    connection.execute("INSERT OR IGNORE INTO mark (name, value) VALUES ('sealing', 1)")
    return connection.execute(
        "INSERT INTO sealed (key, seal) SELECT key, ? FROM event WHERE backend = ?"
        " AND NOT EXISTS (SELECT 1 FROM sealed WHERE sealed.key = event.key) LIMIT ?",
        (seal, backend, most),
    ).rowcount


def unseal(connection: Connection, seal: str) -> None:
    """Take a seal back whose entry was never written."""
    connection.execute("DELETE FROM sealed WHERE seal = ?", (seal,))


def seals(connection: Connection) -> list[str]:
    """The ids of all seals."""
    return [seal for (seal,) in connection.execute("SELECT DISTINCT seal FROM sealed")]
