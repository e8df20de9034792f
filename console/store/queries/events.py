"""Audit events, as they are read to be sealed and checked."""

from __future__ import annotations

from collections.abc import Iterator
from sqlite3 import Connection

SEALED_COLUMNS = (
    "backend", "event_id", "at", "action", "outcome", "handle", "ref_kind", "ref_id", "actor",
    "target", "source", "agent", "origin", "detail", "class", "effect",
)  # fmt: skip
"""What a seal covers of an event, besides its key."""


def unsealed(connection: Connection, backend: str) -> bool:
    """Whether a backend has events under no seal. It may go through all of them."""
    found = connection.execute(
        "SELECT 1 FROM event WHERE backend = ?"
        " AND NOT EXISTS (SELECT 1 FROM sealed WHERE sealed.key = event.key) LIMIT 1",
        (backend,),
    )
    return found.fetchone() is not None


def sealed(connection: Connection, seal: str) -> Iterator[tuple[int, dict[str, str | int | None]]]:
    """The events under a seal, oldest first: each one's key, and its columns by name."""
    rows = connection.execute(
        f"SELECT event.key, {', '.join(SEALED_COLUMNS)} FROM sealed"  # noqa: S608
        " JOIN event ON event.key = sealed.key WHERE sealed.seal = ? ORDER BY event.at, event.key",
        (seal,),
    )
    for key, *values in rows:
        yield key, dict(zip(SEALED_COLUMNS, values, strict=True))
