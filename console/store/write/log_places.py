"""Logs that are read from files: how far, what they do not tell of, and what they call tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from console.store.database import Connection

EMPTY: dict[str, Any] = {
    "events": 0,
    "bad": 0,
    "ahead_ms": 0,
    "back_ms": 0,
    "error": "",
    "hint": "",
}
"""A source of which nothing was read."""


class NamedToken(NamedTuple):
    """The token that a log means by a name."""

    handle: str
    kind: str
    ref: str


def ensure_source(
    connection: Connection, name: str, backend: str, type_: str, **changing: Any
) -> None:
    """Make a source's row where there is none; ``changing`` columns are set in any case.

    Their names are the caller's own, never anybody's data.
    """
    values = {"name": name, "backend": backend, "type": type_, **EMPTY, **changing}
    again = ", ".join(f"{column} = excluded.{column}" for column in changing)
    connection.execute(
        f"INSERT INTO log_source ({', '.join(values)})"  # noqa: S608
        f" VALUES ({', '.join('?' * len(values))})"
        f" ON CONFLICT (name) DO {f'UPDATE SET {again}' if again else 'NOTHING'}",
        tuple(values.values()),
    )


def positions(connection: Connection, source: str) -> dict[str, bytes]:
    """How far each file of a source was read, in the source's own form."""
    rows = connection.execute("SELECT file, state FROM log_position WHERE source = ?", (source,))
    return dict(rows.fetchall())


def learned(connection: Connection, source: str) -> dict[str, str]:
    """What a source learned from older lines."""
    rows = connection.execute("SELECT key, value FROM log_learned WHERE source = ?", (source,))
    return dict(rows.fetchall())


def set_position(connection: Connection, source: str, file: str, state: bytes) -> None:
    """Keep how far a file was read, in the transaction that keeps what was read."""
    connection.execute(
        "INSERT OR REPLACE INTO log_position (source, file, state) VALUES (?, ?, ?)",
        (source, file, state),
    )


def learn(connection: Connection, source: str, told: Mapping[str, str]) -> None:
    """Keep what a source learned."""
    connection.executemany(
        "INSERT OR REPLACE INTO log_learned (source, key, value) VALUES (?, ?, ?)",
        [(source, key, value) for key, value in told.items()],
    )


def last_at(connection: Connection, source: str) -> int | None:
    """The time of the newest line that was read of a source, in unix seconds."""
    found = connection.execute("SELECT last_at FROM log_source WHERE name = ?", (source,))
    row = found.fetchone()
    return None if row is None else cast("int | None", row[0])


def count_batch(
    connection: Connection,
    source: str,
    *,
    events: int,
    bad: int,
    ahead_ms: int,
    back_ms: int,
    first: int | None,
    last: int | None,
) -> None:
    """Add a batch to a source's figures. ``first`` and ``last`` are its lines' times."""
    connection.execute(
        "UPDATE log_source SET events = events + ?, bad = bad + ?, ahead_ms = max(ahead_ms, ?),"
        " back_ms = max(back_ms, ?), last_at = max(coalesce(last_at, ?), ?),"
        " covers_since = coalesce(covers_since, ?) WHERE name = ?",
        (events, bad, ahead_ms, back_ms, last, last if last is not None else 0, first, source),
    )


def end_reading(
    connection: Connection, source: str, *, error: str, hint: str, at: int, until: int | None
) -> None:
    """Note that a source was read, and up to where; ``until`` is None where it broke off."""
    connection.execute(
        "UPDATE log_source SET error = ?, hint = ?, read_at = ? WHERE name = ?",
        (error, hint, at, source),
    )
    if until is not None:
        # Without a line there is no beginning, and nothing is covered.
        connection.execute(
            "UPDATE log_source SET covers_until = max(coalesce(covers_until, 0), ?)"
            " WHERE name = ? AND covers_since IS NOT NULL",
            (until, source),
        )


def add_hole(
    connection: Connection,
    *,
    source: str,
    backend: str,
    since: int | None,
    until: int | None,
    kind: str,
    what: str,
    hint: str,
    file: str = "",
) -> None:
    """Keep a stretch of time that a log does not tell of: the columns of ``LogHoleRow``."""
    connection.execute(
        "INSERT INTO log_hole (source, backend, since, until, kind, what, hint, file)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (source, backend, since, until, kind, what, hint, file),
    )


def grow_hole(connection: Connection, source: str, what: str, since: int, until: int) -> bool:
    """Make a missing stretch longer that touches this one. False where there is none such."""
    grown = connection.execute(
        "UPDATE log_hole SET since = min(since, ?), until = max(until, ?)"
        " WHERE source = ? AND kind = 'missing' AND what = ? AND since <= ? AND until >= ?",
        (since, until, source, what, until, since),
    )
    return bool(grown.rowcount)


def end_holes(connection: Connection, source: str, at: int) -> None:
    """End what is without an end: the next line that can be read is from ``at``."""
    connection.execute(
        "UPDATE log_hole SET until = max(coalesce(since, ?), ?) WHERE source = ? AND until IS NULL",
        (at, at, source),
    )


def drop_holes(connection: Connection, source: str, file: str) -> None:
    """Forget the holes of a file that can be read now."""
    connection.execute("DELETE FROM log_hole WHERE source = ? AND file = ?", (source, file))


def has_hole(connection: Connection, source: str, file: str) -> bool:
    """Whether a file of a source is known to be one that cannot be read."""
    found = connection.execute(
        "SELECT 1 FROM log_hole WHERE source = ? AND file = ?", (source, file)
    )
    return found.fetchone() is not None


def named(connection: Connection, aliases: Iterable[str]) -> dict[str, NamedToken | None]:
    """The tokens of names: of those that are a token's own handle, and of those looked for before.

    None stands for a name that was looked for in vain.
    """
    some = (json.dumps(list(aliases)),)
    found: dict[str, NamedToken | None] = {}
    for alias, handle, kind, ref in connection.execute(
        "SELECT alias, log_name.handle, token.kind, token.ref FROM log_name"
        " LEFT JOIN token ON token.handle = log_name.handle"
        " WHERE alias IN (SELECT value FROM json_each(?))",
        some,
    ):
        known = handle is not None and kind is not None
        found[alias] = NamedToken(handle, kind, ref) if known else None
    for handle, kind, ref in connection.execute(
        "SELECT handle, kind, ref FROM token WHERE handle IN (SELECT value FROM json_each(?))",
        some,
    ):
        found[handle] = NamedToken(handle, kind, ref)
    return found


def of_name(
    connection: Connection, backend: str, name: str, keys: tuple[str, str]
) -> list[tuple[NamedToken, bool]]:
    """A backend's tokens of a name, and whether each is present. ``keys`` are its folded forms."""
    rows = connection.execute(
        "SELECT handle, kind, ref, gone_at IS NULL FROM token"
        " WHERE backend = ? AND name_key IN (?, ?) AND name = ?",
        (backend, *keys, name),
    )
    return [(NamedToken(*row), bool(present)) for *row, present in rows]


def add_names(
    connection: Connection, rows: Sequence[tuple[str, str, str, str, str | None]]
) -> None:
    """Remember names: alias, backend, kind, name and handle. What is known stays."""
    connection.executemany(
        "INSERT OR IGNORE INTO log_name (alias, backend, kind, name, handle)"
        " VALUES (?, ?, ?, ?, ?)",
        rows,
    )


def set_names(
    connection: Connection, rows: Sequence[tuple[str, str, str, str, str | None]]
) -> None:
    """Remember names like ``add_names``; the handle replaces what was known."""
    connection.executemany(
        "INSERT INTO log_name (alias, backend, kind, name, handle) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (alias) DO UPDATE SET handle = excluded.handle",
        rows,
    )


def unknown_names(connection: Connection, backend: str) -> list[tuple[str, str, str]]:
    """Alias, kind and name of what no token is known for."""
    rows = connection.execute(
        "SELECT alias, kind, name FROM log_name WHERE backend = ? AND handle IS NULL", (backend,)
    )
    return [(alias, kind, name) for alias, kind, name in rows]


def resolve_names(connection: Connection, found: Iterable[tuple[str, str]]) -> None:
    """Note whose names they are: handle and alias each."""
    connection.executemany("UPDATE log_name SET handle = ? WHERE alias = ?", found)


def count_unknown(connection: Connection, backend: str) -> int:
    """How many names there are that no token is known for."""
    found = connection.execute(
        "SELECT count(*) FROM log_name WHERE backend = ? AND handle IS NULL", (backend,)
    )
    return int(found.fetchone()[0])


def nameless(connection: Connection, backend: str, most: int) -> list[tuple[str, str]]:
    """Kind and id of tokens that no name is known for, those first that changed last."""
    rows = connection.execute(
        "SELECT kind, ref FROM token WHERE backend = ? AND NOT EXISTS"
        " (SELECT 1 FROM log_name WHERE log_name.handle = token.handle)"
        " ORDER BY changed_at DESC LIMIT ?",
        (backend, most),
    )
    return [(kind, ref) for kind, ref in rows]
