"""Removes a backend from the store, batch by batch."""

from __future__ import annotations

import json

from sqlalchemy import Connection

from console.inventory.sync.write_tokens import FTS_DELETE
from console.store.database import touch
from console.store.writer import StoreWriter

BATCH = 1_000


async def forget(store: StoreWriter, backend: str) -> int:
    """Remove everything that the store has of a backend. Returns the tokens removed."""
    removed = 0
    while some := await store.write(_some, backend):
        removed += some
    await store.write(_rest, backend)
    return removed


def _some(connection: Connection, backend: str) -> int:
    rows = connection.exec_driver_sql(
        "SELECT num, hay, grant_text, handle FROM token WHERE backend = ? LIMIT ?",
        (backend, BATCH),
    ).fetchall()
    if not rows:
        return 0
    connection.exec_driver_sql(FTS_DELETE, [tuple(row[:3]) for row in rows])
    numbers = json.dumps([row[0] for row in rows])
    handles = json.dumps([row[3] for row in rows])
    for statement, these in (
        ("DELETE FROM use_hour WHERE handle IN (SELECT value FROM json_each(?))", handles),
        ("DELETE FROM change WHERE token IN (SELECT value FROM json_each(?))", numbers),
        ("DELETE FROM document WHERE num IN (SELECT value FROM json_each(?))", numbers),
        ("DELETE FROM token WHERE num IN (SELECT value FROM json_each(?))", numbers),
    ):
        connection.exec_driver_sql(statement, (these,))
    touch(connection)
    return len(rows)


def _rest(connection: Connection, backend: str) -> None:
    for statement in (
        "DELETE FROM sealed WHERE key IN (SELECT key FROM event WHERE backend = ?)",
        "DELETE FROM event WHERE backend = ?",
        "DELETE FROM gap WHERE backend = ?",
        "DELETE FROM rollup WHERE backend = ?",
        "DELETE FROM log_hole WHERE backend = ?",
        "DELETE FROM log_name WHERE backend = ?",
        "DELETE FROM log_position WHERE source IN (SELECT name FROM log_source WHERE backend = ?)",
        "DELETE FROM log_learned WHERE source IN (SELECT name FROM log_source WHERE backend = ?)",
        "DELETE FROM log_source WHERE backend = ?",
        "DELETE FROM scope WHERE backend = ?",
        "DELETE FROM backend WHERE name = ?",
    ):
        connection.exec_driver_sql(statement, (backend,))
    touch(connection)
