"""Audit events, how many there were, and which of them stand under a seal.

Written in SQL: events come by the hundred thousand, and a statement by typed columns takes
0.7 ms before SQLite has seen it, 30 times as long.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from console.store.tables import table

COLUMNS = tuple(column.name for column in table("event").columns)
"""The columns of an event, in the order in which ``add`` takes them."""
_INSERT = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608

Bin = tuple[str, str, int, str, str]
"""What is counted together: handle, backend, slot, class and outcome."""


def there(connection: Connection, keys: Iterable[int]) -> list[int]:
    """Those of the keys that an event has already."""
    rows = connection.exec_driver_sql(
        "SELECT key FROM event WHERE key IN (SELECT value FROM json_each(?))",
        (json.dumps(list(keys)),),
    )
    return [key for (key,) in rows]


def add(connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
    """Insert events, each with its values in the order of ``COLUMNS``."""
    connection.exec_driver_sql(_INSERT, [tuple(row) for row in rows])


def count_uses(connection: Connection, hours: Mapping[tuple[str, int], int]) -> None:
    """Add to the hourly counts of uses: by handle and hour since 1970, how many more."""
    connection.exec_driver_sql(
        "INSERT INTO use_hour (handle, hour, uses) VALUES (?, ?, ?)"
        " ON CONFLICT (handle, hour) DO UPDATE SET uses = uses + excluded.uses",
        [(handle, hour, uses) for (handle, hour), uses in hours.items()],
    )


def count_all(connection: Connection, bins: Mapping[Bin, int]) -> None:
    """Add to the counts by five minutes, which stay when the events are dropped."""
    connection.exec_driver_sql(
        "INSERT INTO rollup (handle, backend, slot, class, outcome, uses)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (handle, backend, slot, class, outcome)"
        " DO UPDATE SET uses = uses + excluded.uses",
        [(*key, uses) for key, uses in bins.items()],
    )


def prune(connection: Connection, oldest: int, most: int) -> int:
    """Drop events from before ``oldest`` (unix seconds), at most so many. Returns how many went.

    Their counts by five minutes stay. Where events are sealed into the journal, one that is
    not yet sealed is kept until it is.
    """
    sealing = connection.exec_driver_sql("SELECT 1 FROM mark WHERE name = 'sealing'").first()
    only = " AND EXISTS (SELECT 1 FROM sealed WHERE sealed.key = event.key)" if sealing else ""
    found = connection.exec_driver_sql(
        f"SELECT key FROM event WHERE at < ?{only} ORDER BY at, key LIMIT ?",  # noqa: S608
        (oldest, most),
    )
    some = (json.dumps([key for (key,) in found]),)
    connection.exec_driver_sql(
        "DELETE FROM sealed WHERE key IN (SELECT value FROM json_each(?))", some
    )
    gone = connection.exec_driver_sql(
        "DELETE FROM event WHERE key IN (SELECT value FROM json_each(?))", some
    ).rowcount
    if gone:
        connection.exec_driver_sql("DELETE FROM use_hour WHERE hour < ?", (oldest // 3600,))
    return gone


def seal(connection: Connection, backend: str, seal: str, most: int) -> int:
    """Put a backend's unsealed events under a seal, at most so many. Returns how many.

    ``seal`` is the id of the journal's entry. From now on, no event is dropped unsealed.
    """
    connection.exec_driver_sql("INSERT OR IGNORE INTO mark (name, value) VALUES ('sealing', 1)")
    return connection.exec_driver_sql(
        "INSERT INTO sealed (key, seal) SELECT key, ? FROM event WHERE backend = ?"
        " AND NOT EXISTS (SELECT 1 FROM sealed WHERE sealed.key = event.key) LIMIT ?",
        (seal, backend, most),
    ).rowcount


def unseal(connection: Connection, seal: str) -> None:
    """Take a seal back whose entry was never written."""
    connection.exec_driver_sql("DELETE FROM sealed WHERE seal = ?", (seal,))


def seals(connection: Connection) -> list[str]:
    """The ids of all seals."""
    return [seal for (seal,) in connection.exec_driver_sql("SELECT DISTINCT seal FROM sealed")]
