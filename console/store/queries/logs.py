"""Logs that are read from files: what of time they cover, where they do not, how they name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from sqlite3 import Connection
from typing import NamedTuple


class LogSource(NamedTuple):
    """A log and what of time it covers, in unix seconds."""

    name: str
    backend: str
    type: str
    since: int | None
    until: int | None
    ahead_ms: int
    back_ms: int
    error: str
    covers: str
    named: int
    """Whether only its backend knows what it calls a token."""


class LogHole(NamedTuple):
    """A stretch of time, in unix seconds, of which a log tells nothing; None has no end."""

    source: str
    since: int | None
    until: int | None
    kind: str
    what: str


def sources(connection: Connection) -> list[LogSource]:
    """All logs, by name."""
    found = connection.execute(
        "SELECT name, backend, type, covers_since, covers_until, ahead_ms, back_ms, error, covers,"
        " named FROM log_source ORDER BY name"
    )
    return [LogSource(*row) for row in found]


def holes(connection: Connection) -> Iterator[LogHole]:
    """Where the logs tell nothing, the oldest first."""
    found = connection.execute(
        "SELECT source, since, until, kind, what FROM log_hole ORDER BY since"
    )
    return map(LogHole._make, found)


def names(connection: Connection, handles: Iterable[str]) -> list[tuple[str, str]]:
    """What logs call tokens: the handle made from that name, and the token's own."""
    return connection.execute(
        "SELECT alias, handle FROM log_name WHERE handle IN (SELECT value FROM json_each(?))",
        (json.dumps(list(handles)),),
    ).fetchall()


def nameless(connection: Connection, handles: Iterable[str]) -> dict[str, int]:
    """How many of the tokens no log has a name of, by backend."""
    found = connection.execute(
        "SELECT backend, count(*) FROM token WHERE handle IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM log_name WHERE log_name.handle = token.handle)"
        " GROUP BY 1",
        (json.dumps(list(handles)),),
    )
    return dict(found.fetchall())
