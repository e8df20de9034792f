"""Audit events, how many there were, and which of them stand under a seal.

Events come by the hundred thousand, so each statement takes a whole batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from console.store.classes import EVERYTHING, SLOT, USE
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
_INCOMING = (
    f"CREATE TEMP TABLE IF NOT EXISTS incoming (key INTEGER PRIMARY KEY, {', '.join(COLUMNS[1:])})"
)
_INSERT = f"INSERT OR REPLACE INTO incoming VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_BINS = (
    f"backend, at / {SLOT}, class, CASE WHEN outcome IN ('ok', 'denied') THEN outcome ELSE 'error'"
    " END, count(*) FROM incoming"
)
_ADD = (
    " GROUP BY 1, 2, 3, 4, 5 ON CONFLICT (handle, backend, slot, class, outcome)"
    " DO UPDATE SET uses = uses + excluded.uses"
)
_COUNTS = (
    # By five minutes: of each token, and of all. These stay when the events are dropped.
    f"INSERT INTO rollup SELECT handle, {_BINS} WHERE handle <> ''{_ADD}",
    f"INSERT INTO rollup SELECT '{EVERYTHING}', {_BINS} WHERE true{_ADD}",
    # By the hour, uses alone.
    f"INSERT INTO use_hour SELECT handle, at / 3600, count(*) FROM incoming"  # noqa: S608
    f" WHERE handle <> '' AND class = '{USE}' GROUP BY 1, 2"
    " ON CONFLICT (handle, hour) DO UPDATE SET uses = uses + excluded.uses",
)
"""What is counted of the events that came in."""
_LET_IN = (
    f"SELECT DISTINCT handle FROM incoming WHERE handle <> '' AND class = '{USE}'"  # noqa: S608
    " AND outcome = 'ok'"
)


def take_in(connection: Connection, rows: Iterable[StoredEvent]) -> int:
    """Keep the events that are not there yet, and count them. Returns how many those are.

    They lie in the connection's memory meanwhile, where SQLite sorts and counts them: in Python
    that took as long as keeping them does.
    """
    connection.execute(_INCOMING)
    connection.executemany(_INSERT, rows)
    connection.execute(
        "DELETE FROM incoming WHERE EXISTS (SELECT 1 FROM event WHERE event.key = incoming.key)"
    )
    taken = connection.execute("INSERT INTO event SELECT * FROM incoming").rowcount
    if taken:
        for statement in _COUNTS:
            connection.execute(statement)
        marks.note_used(connection, {handle for (handle,) in connection.execute(_LET_IN)})
    connection.execute("DELETE FROM incoming")
    return taken


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
