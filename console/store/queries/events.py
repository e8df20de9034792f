"""Audit events, as they are shown, counted since a moment, and read to be sealed and checked.

A token may have been used a million times: what is counted is grouped by SQLite, and what is
listed comes as plain tuples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from sqlite3 import Connection
from typing import Any, Final, NamedTuple

from console.store.classes import ABOUT, SHOWN, USE

SEALED_COLUMNS = (
    "action", "actor", "agent", "at", "backend", "class", "detail", "effect", "event_id", "handle",
    "origin", "outcome", "ref_id", "ref_kind", "source", "target",
)  # fmt: skip
"""What a seal covers of an event, besides its key, in the order of the letters."""
LANES: Final = {"token": "handle", "actor": "actor", "address": "source", "action": "action"}
"""What events can be told apart by, and the column that has it."""
_SHOWN_COLUMNS = (
    "key, at, action, class, outcome, actor, target, source, agent, origin, detail, handle, backend"
)


class Whose(NamedTuple):
    """Whose events: those of handles, or where there is none all of some backends."""

    handles: Sequence[str]
    backends: Sequence[str] = ()

    @property
    def column(self) -> str:
        """The column that tells it."""
        return "handle" if self.handles else "backend"

    @property
    def values(self) -> list[str]:
        """What stands in it."""
        return list(self.handles or self.backends)


class UsesFrom(NamedTuple):
    """The uses of tokens that ended one way and came from one address."""

    outcome: str
    source: str
    times: int
    newest: int
    """In unix seconds."""
    whole: int
    """Those from the moment on from which single events were to be counted."""


class UsesByClient(NamedTuple):
    """The uses of a token from one address by one program."""

    handle: str
    source: str
    agent: str
    times: int


def uses_by_client(connection: Connection, since: int) -> Iterator[UsesByClient]:
    """How often each token was shown since a moment, by address and program; log's names resolved.

    The handle is the token's own also where its log calls it by another name.
    """
    found = connection.execute(
        "SELECT coalesce((SELECT log_name.handle FROM log_name WHERE log_name.alias ="  # noqa: S608
        " event.handle), event.handle), source, agent, count(*) FROM event"
        f" WHERE event.handle IS NOT NULL AND at >= ? AND class IN {SHOWN} GROUP BY 1, 2, 3",
        (since,),
    )
    return map(UsesByClient._make, found)


def of_token(
    connection: Connection, handle: str, limit: int, *, uses: bool
) -> Iterator[tuple[Any, ...]]:
    """A token's events, newest first; with ``uses`` those left out that were done to it.

    Each is as ``console.inventory.records.Event`` has it.
    """
    which = f" AND class NOT IN {ABOUT}" if uses else ""
    return connection.execute(
        "SELECT at, action, outcome, actor, target, source, agent, origin, detail, class"  # noqa: S608
        f" FROM event WHERE handle = ?{which} ORDER BY at DESC, key LIMIT ?",
        (handle, limit),
    )


def within(
    connection: Connection,
    whose: Whose,
    start: int,
    end: int,
    *,
    by: str,
    keys: Sequence[str] | None,
    limit: int,
    skip: int,
) -> Iterator[tuple[Any, ...]]:
    """Events from one moment to before another, oldest first; of some lanes if ``keys`` has them.

    Each is as ``console.timeline.events.ShownEvent`` has it.
    """
    marks = ", ".join("?" * len(whose.values)) or "NULL"
    args: list[object] = [*whose.values, start, end]
    narrowed = ""
    if keys is not None:
        narrowed = f" AND coalesce({LANES[by]}, '') IN ({', '.join('?' * len(keys))})"
        args += keys
    return connection.execute(
        f"SELECT {_SHOWN_COLUMNS} FROM event WHERE {whose.column} IN ({marks})"  # noqa: S608
        f" AND at >= ? AND at < ?{narrowed} ORDER BY at, key LIMIT ? OFFSET ?",
        (*args, limit, skip),
    )


def one(connection: Connection, key: int) -> tuple[Any, ...] | None:
    """One event, as ``within`` gives them; None when it was dropped in the meantime."""
    found: tuple[Any, ...] | None = connection.execute(
        f"SELECT {_SHOWN_COLUMNS} FROM event WHERE key = ?",  # noqa: S608
        (key,),
    ).fetchone()
    return found


def lanes(
    connection: Connection, whose: Whose, by: str, start: int, end: int
) -> Iterator[tuple[int, str, str | None]]:
    """When a value was shown, how that ended, and the lane's key; oldest first."""
    return connection.execute(
        f"SELECT at, outcome, {LANES[by]} FROM event"  # noqa: S608
        f" WHERE {whose.column} IN (SELECT value FROM json_each(?))"
        f" AND at >= ? AND at < ? AND class IN {SHOWN} ORDER BY at",
        (json.dumps(whose.values), start, end),
    )


def about(
    connection: Connection, handle: str, start: int, end: int
) -> Iterator[tuple[int, str, str, str, str, str]]:
    """What was done to a token from one moment to before another.

    Each has its time, action, actor, target, class and effect.
    """
    return connection.execute(
        f"SELECT at, action, actor, target, class, effect FROM event WHERE class IN {ABOUT}"  # noqa: S608
        " AND handle = ? AND at >= ? AND at < ? AND outcome = 'ok'",
        (handle, start, end),
    )


def uses_since(
    connection: Connection, handles: Sequence[str], since: int, whole: int
) -> Iterator[UsesFrom]:
    """How often values were shown since a moment, by how it ended and from where.

    ``whole`` is the moment from which on ``UsesFrom.whole`` counts.
    """
    found = connection.execute(
        f"SELECT outcome, source, count(*), max(at), sum(at >= ?) {_from(handles)} AND at >= ?"
        f" AND class IN {SHOWN} GROUP BY 1, 2",
        (whole, *handles, since),
    )
    return map(UsesFrom._make, found)


class UseSpan(NamedTuple):
    """The uses of one name of a token that ended one way and came from one address."""

    handle: str
    outcome: str
    source: str
    times: int
    first: int
    """In unix seconds, as ``last``."""
    last: int


def spans_since(connection: Connection, handles: Sequence[str], since: int) -> Iterator[UseSpan]:
    """From when to when values were shown since a moment, by token, outcome and address."""
    found = connection.execute(
        "SELECT handle, outcome, source, count(*), min(at), max(at) FROM event"  # noqa: S608
        " WHERE handle IN (SELECT value FROM json_each(?)) AND at >= ?"
        f" AND class IN {SHOWN} GROUP BY 1, 2, 3 ORDER BY 5",
        (json.dumps(list(handles)), since),
    )
    return map(UseSpan._make, found)


def let_in_after(connection: Connection, handles: Sequence[str], moment: int) -> int | None:
    """The newest use later than a moment that was not refused; None where there is none."""
    found = connection.execute(
        f"SELECT max(at) {_from(handles)} AND at > ? AND class = ? AND outcome <> 'denied'",
        (*handles, moment, USE),
    ).fetchone()
    return None if found is None or found[0] is None else int(found[0])


def addresses_before(connection: Connection, handles: Sequence[str], moment: int) -> set[str]:
    """The addresses from which values were shown before a moment."""
    found = connection.execute(
        f"SELECT DISTINCT source {_from(handles)} AND at < ? AND class IN {SHOWN}",
        (*handles, moment),
    )
    return {source for (source,) in found}


def count_since(
    connection: Connection,
    handles: Sequence[str],
    since: int,
    class_: str,
    *,
    let_in: bool = False,
) -> int:
    """How many events of a class there are since a moment; only those let through, if asked."""
    only = " AND outcome = 'ok'" if let_in else ""
    (times,) = connection.execute(
        f"SELECT count(*) {_from(handles)} AND at >= ?{only} AND class = ?",
        (*handles, since, class_),
    ).fetchone()
    return int(times)


def seal_of(connection: Connection, key: int) -> str | None:
    """The journal's entry under whose seal an event stands; None where there is none yet."""
    found = connection.execute("SELECT seal FROM sealed WHERE key = ?", (key,)).fetchone()
    return None if found is None else str(found[0])


def unsealed(connection: Connection, backend: str) -> bool:
    """Whether a backend has events under no seal. It may go through all of them."""
    found = connection.execute(
        "SELECT 1 FROM event WHERE backend = ?"
        " AND NOT EXISTS (SELECT 1 FROM sealed WHERE sealed.key = event.key) LIMIT 1",
        (backend,),
    )
    return found.fetchone() is not None


def sealed(connection: Connection, seal: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The events under a seal, oldest first: each one's key, and its columns by name.

    The names are in the order of their letters.
    """
    rows = connection.execute(
        f"SELECT event.key, {', '.join(SEALED_COLUMNS)} FROM sealed"  # noqa: S608
        " JOIN event ON event.key = sealed.key WHERE sealed.seal = ? ORDER BY event.at, event.key",
        (seal,),
    )
    for key, *values in rows:
        yield key, dict(zip(SEALED_COLUMNS, values, strict=True))


def _from(handles: Sequence[str]) -> str:
    """The table, narrowed to the events of so many handles."""
    return f"FROM event WHERE handle IN ({', '.join('?' * len(handles))})"
