"""Which token a log means by a name: a role's name, an account, an HMAC of an accessor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from backends.model import TokenRef
from console.store.text_fold import KEY, encodable, fold, name_key

ASK = 5_000
"""Tokens whose names in the log a backend is asked for in one go."""


def resolve(connection: Connection, backend: str, rows: Sequence[dict[str, Any]]) -> None:
    """Put the right token into events that name theirs in the log's own way.

    One that nobody knows keeps the log's name, which is remembered: when it becomes known
    whose it is, the events are found under the token too, and what was sealed stays as it was.
    """
    wanted = {row["handle"]: row for row in rows if row["handle"]}
    if not wanted:
        return
    known = _known(connection, wanted)
    fresh: list[tuple[str, str, str, str, str | None]] = []
    for alias in wanted.keys() - known.keys():
        row = wanted[alias]
        found = _by_name(connection, backend, row["ref_kind"], row["ref_id"])
        known[alias] = found
        fresh.append((alias, backend, row["ref_kind"], row["ref_id"], found and found[0]))
    if fresh:
        connection.exec_driver_sql(
            "INSERT OR IGNORE INTO log_name (alias, backend, kind, name, handle)"
            " VALUES (?, ?, ?, ?, ?)",
            fresh,
        )
    for row in rows:
        token = known.get(row["handle"])
        if token is not None:
            row["handle"], row["ref_kind"], row["ref_id"] = token


def try_again(connection: Connection, backend: str) -> int:
    """Look once more for the tokens behind names that nobody knew. Returns how many are found."""
    rows = connection.exec_driver_sql(
        "SELECT alias, kind, name FROM log_name WHERE backend = ? AND handle IS NULL", (backend,)
    ).fetchall()
    found = [
        (token[0], alias)
        for alias, kind, name in rows
        if (token := _by_name(connection, backend, kind, name)) is not None
    ]
    if found:
        connection.exec_driver_sql("UPDATE log_name SET handle = ? WHERE alias = ?", found)
    return len(found)


def nameless(connection: Connection, backend: str) -> list[TokenRef]:
    """Tokens of which nobody has asked yet what the log calls them."""
    rows = connection.exec_driver_sql(
        "SELECT kind, ref FROM token WHERE backend = ?"
        " AND NOT EXISTS (SELECT 1 FROM log_name WHERE log_name.handle = token.handle)"
        " ORDER BY changed_at DESC LIMIT ?",
        (backend, ASK),
    )
    return [TokenRef(backend, kind, ref) for kind, ref in rows]


def keep(connection: Connection, backend: str, kind: str, names: Mapping[str, TokenRef]) -> None:
    """Keep what a backend told of its log's names. ``kind`` is what a source calls such tokens."""
    rows = [
        (TokenRef(backend, kind, name).handle, backend, kind, encodable(name), ref.handle)
        for name, ref in names.items()
    ]
    if rows:
        connection.exec_driver_sql(
            "INSERT INTO log_name (alias, backend, kind, name, handle) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (alias) DO UPDATE SET handle = excluded.handle",
            rows,
        )


def _known(connection: Connection, wanted: Iterable[str]) -> dict[str, tuple[str, str, str] | None]:
    """Names that are a token's own id, and names that were looked for before."""
    some = (json.dumps(list(wanted)),)
    found: dict[str, tuple[str, str, str] | None] = {}
    for alias, handle, kind, ref in connection.exec_driver_sql(
        "SELECT alias, log_name.handle, token.kind, token.ref FROM log_name"
        " LEFT JOIN token ON token.handle = log_name.handle"
        " WHERE alias IN (SELECT value FROM json_each(?))",
        some,
    ):
        found[alias] = (handle, kind, ref) if handle is not None and kind is not None else None
    for handle, kind, ref in connection.exec_driver_sql(
        "SELECT handle, kind, ref FROM token WHERE handle IN (SELECT value FROM json_each(?))",
        some,
    ):
        found[handle] = (handle, kind, ref)
    return found


def _by_name(
    connection: Connection, backend: str, kind: str, name: str
) -> tuple[str, str, str] | None:
    """The token of that name or id, where exactly one has it; those that are there go first."""
    rows = connection.exec_driver_sql(
        "SELECT handle, kind, ref, gone_at IS NULL FROM token"
        " WHERE backend = ? AND name_key IN (?, ?) AND name = ?",
        (backend, name_key(name), fold(name, KEY), name),
    ).fetchall()
    of_kind = [row for row in rows if row[1] == kind] or rows
    present = [row for row in of_kind if row[3]] or of_kind
    return tuple(present[0][:3]) if len(present) == 1 else None
