"""Backends: how each stood when it was last looked at, and what that look covered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from console.store.database import Connection


def ensure(connection: Connection, name: str, type_: str) -> None:
    """Make the backend's row where there is none."""
    connection.execute(
        "INSERT OR IGNORE INTO backend (name, type, result, error, hint, tokens, gone)"
        " VALUES (?, ?, 'never', '', '', 0, 0)",
        (name, type_),
    )


def change(connection: Connection, name: str, **values: Any) -> None:
    """Set columns of a backend's row. Their names are the caller's own, never anybody's data."""
    columns = ", ".join(f"{column} = ?" for column in values)
    connection.execute(
        f"UPDATE backend SET {columns} WHERE name = ?",  # noqa: S608
        (*values.values(), name),
    )


def count(connection: Connection, name: str, present: int, gone: int) -> None:
    """Move the backend's counters of tokens, so that nobody has to count rows."""
    connection.execute(
        "UPDATE backend SET tokens = tokens + ?, gone = gone + ? WHERE name = ?",
        (present, gone, name),
    )


def synced_at(connection: Connection, name: str) -> int | None:
    """When the last look came to its end, in unix seconds."""
    row = connection.execute("SELECT synced_at FROM backend WHERE name = ?", (name,)).fetchone()
    return None if row is None else cast("int | None", row[0])


def events_covered(connection: Connection, name: str) -> tuple[int, int] | None:
    """From when and up to when the backend's own log was read, in unix seconds."""
    row = connection.execute(
        "SELECT coalesce(events_since, events_until), events_until FROM backend"
        " WHERE name = ? AND events_until IS NOT NULL",
        (name,),
    ).fetchone()
    return None if row is None else (row[0], row[1])


def note_event(connection: Connection, name: str, at: int) -> None:
    """Note the newest event of a batch."""
    connection.execute(
        "UPDATE backend SET event_at = max(coalesce(event_at, 0), ?) WHERE name = ?", (at, name)
    )


def cover_events(connection: Connection, name: str, since: int, until: int) -> None:
    """Note that the backend's own log was read for a stretch of time."""
    connection.execute(
        "UPDATE backend SET events_until = max(coalesce(events_until, 0), ?),"
        " events_since = min(coalesce(events_since, ?), ?) WHERE name = ?",
        (until, since, since, name),
    )


def still(connection: Connection, name: str, at: int, events: bool) -> None:
    """Note that what is stored of a backend is what there is, at ``at`` in unix seconds.

    Not where a later look failed, or found more. With ``events`` that holds for its log too.
    """
    connection.execute(
        "UPDATE backend SET synced_at = ?, tried_at = ?, events_until = CASE"
        " WHEN ? AND events_until IS NOT NULL THEN max(events_until, ?) ELSE events_until END"
        " WHERE name = ? AND result IN ('ok', 'partial') AND synced_at <= ?",
        (at, at, events, at, name, at),
    )


def gap_scopes(connection: Connection, backend: str) -> set[str]:
    """The scopes that a gap of the last listing names."""
    rows = connection.execute(
        "SELECT scope FROM gap WHERE backend = ? AND part = 'inventory'", (backend,)
    )
    return {scope for (scope,) in rows}


def listed_scopes(connection: Connection, backend: str) -> set[str]:
    """The scopes that were once listed to their end."""
    rows = connection.execute("SELECT scope FROM scope WHERE backend = ?", (backend,))
    return {scope for (scope,) in rows}


def set_listed(
    connection: Connection, backend: str, at: int, seen: Iterable[tuple[str, int]]
) -> None:
    """Note scopes that were listed to their end, and how many tokens were in each."""
    connection.executemany(
        "INSERT OR REPLACE INTO scope (backend, scope, done_at, seen) VALUES (?, ?, ?, ?)",
        [(backend, scope, at, tokens) for scope, tokens in seen],
    )


def replace_gaps(
    connection: Connection, backend: str, part: str, rows: Sequence[dict[str, str]]
) -> None:
    """Put the gaps of a look in the place of those of the look before.

    ``part`` is "inventory" or "events"; a row has scope, kind, what and hint.
    """
    connection.execute("DELETE FROM gap WHERE backend = ? AND part = ?", (backend, part))
    connection.executemany(
        "INSERT INTO gap (backend, part, scope, kind, what, hint)"
        " VALUES (:backend, :part, :scope, :kind, :what, :hint)",
        [{"backend": backend, "part": part, **row} for row in rows],
    )
