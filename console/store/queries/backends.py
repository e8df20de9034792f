"""Backends as they were when they were last looked at, and what those looks did not see."""

from __future__ import annotations

from collections.abc import Iterator
from sqlite3 import Connection
from typing import NamedTuple


class StoredBackend(NamedTuple):
    """A backend. All times are unix seconds."""

    name: str
    type: str
    result: str
    """Of the last look that ended."""
    synced_at: int | None
    tried_at: int | None
    tokens: int
    gone: int
    error: str
    hint: str
    capabilities: bytes | None
    events_since: int | None
    events_until: int | None
    event_at: int | None
    running_pid: int | None


class StoredGap(NamedTuple):
    """Something that a look at a backend did not see."""

    backend: str
    scope: str
    kind: str
    what: str
    hint: str


class BackendLog(NamedTuple):
    """What of time a backend's own audit log was read for, in unix seconds."""

    name: str
    type: str
    since: int | None
    until: int | None
    """None where it was never read."""
    skew_ms: int | None
    capabilities: bytes | None


def every(connection: Connection) -> list[StoredBackend]:
    """All backends that were ever looked at, by name."""
    found = connection.execute(
        "SELECT name, type, result, synced_at, tried_at, tokens, gone, error, hint, capabilities,"
        " events_since, events_until, event_at, running_pid FROM backend ORDER BY name"
    )
    return [StoredBackend(*row) for row in found.fetchall()]


def gaps(connection: Connection) -> Iterator[StoredGap]:
    """What the last look at each backend did not see, in the order in which it was met."""
    found = connection.execute("SELECT backend, scope, kind, what, hint FROM gap ORDER BY id")
    return map(StoredGap._make, found)


def names(connection: Connection) -> list[str]:
    """The names of all backends that were ever looked at, in order."""
    return [name for (name,) in connection.execute("SELECT name FROM backend ORDER BY name")]


def logs(connection: Connection) -> list[BackendLog]:
    """What is known of the backends' own audit logs, by the backends' names."""
    found = connection.execute(
        "SELECT name, type, events_since, events_until, skew_ms, capabilities FROM backend"
        " ORDER BY name"
    )
    return [BackendLog(*row) for row in found]


def token_count(connection: Connection) -> int:
    """How many tokens there are, gone ones too. Does not count them: each look has."""
    found = connection.execute("SELECT coalesce(sum(tokens + gone), 0) FROM backend")
    return int(found.fetchone()[0])
