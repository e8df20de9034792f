"""The graph: nodes, links between them with their evidence, and what links were read from.

The whole graph is read at once, a row for each node and link; plain tuples of ``sqlite3``
keep that to a second for a million of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from sqlite3 import Connection
from typing import Any, NamedTuple

_LEADS = """
SELECT 1 FROM node n JOIN link l ON l.a = n.num
WHERE n.side = 'token' AND n.key = ? AND l.kind = ? LIMIT 1
"""
_BELOW = """
WITH RECURSIVE below (num) AS (
    SELECT l.b FROM node n JOIN link l ON l.a = n.num AND l.kind = ?
    WHERE n.side = 'token' AND n.key = ?
    UNION
    SELECT l.b FROM below JOIN link l ON l.a = below.num AND l.kind = ?
)
SELECT t.backend, t.kind, t.ref, coalesce(t.last_seen, b.synced_at, t.first_seen)
FROM below JOIN node n USING (num) JOIN token t ON n.side = 'token' AND t.handle = n.key
LEFT JOIN backend b ON b.name = t.backend
WHERE t.status <> 'gone' AND t.handle <> ? ORDER BY t.ref LIMIT ?
"""


def nodes(connection: Connection) -> Iterator[tuple[Any, ...]]:
    """All nodes: number, side, key, kind, name, place and state.

    A token's are as its row has them now; a person's state is how they left.
    """
    return connection.execute(
        "SELECT n.num, n.side, n.key,"
        " CASE n.side WHEN 'token' THEN coalesce(t.kind, n.kind) ELSE n.kind END,"
        " CASE n.side WHEN 'token' THEN coalesce(t.name, n.name) ELSE n.name END,"
        " coalesce(t.backend, n.place),"
        " CASE n.side WHEN 'token' THEN coalesce(t.status, '')"
        "  WHEN 'who' THEN coalesce((SELECT how FROM departed d WHERE d.key = n.key), '')"
        "  ELSE '' END"
        " FROM node n LEFT JOIN token t ON n.side = 'token' AND t.handle = n.key"
    )


def edges(connection: Connection) -> Iterator[tuple[int, int, str]]:
    """All links: from, to and kind; one for each piece of evidence."""
    return connection.execute("SELECT a, b, kind FROM link ORDER BY a, b, kind")


def node(connection: Connection, side: str, key: str) -> int | None:
    """The number of a node; None where nothing is known of it."""
    row = connection.execute(
        "SELECT num FROM node WHERE side = ? AND key = ?", (side, key)
    ).fetchone()
    return None if row is None else int(row[0])


def evidence(connection: Connection, a: int, b: int) -> Iterator[tuple[Any, ...]]:
    """Why a link is believed, the best reason first.

    Each has kind, source, origin, when it was seen, how often, confidence and detail.
    """
    return connection.execute(
        "SELECT kind, source, origin, seen, times, confidence, detail FROM link"
        " WHERE a = ? AND b = ? ORDER BY confidence DESC, seen DESC",
        (a, b),
    )


def observed(connection: Connection, kind: str) -> dict[tuple[int, int], int]:
    """How often each link of a kind was seen in a log, at most by one of its readers."""
    found = connection.execute(
        "SELECT a, b, max(times) FROM link WHERE kind = ? AND source = 'observed' GROUP BY a, b",
        (kind,),
    )
    return {(a, b): times for a, b, times in found}


def below(
    connection: Connection, kind: str, handle: str, limit: int
) -> Iterator[tuple[str, str, str, int]]:
    """The tokens that are there and that links of a kind lead to from a token, however far.

    Each has its backend, kind and id, and when a look saw it last in unix seconds.
    """
    if connection.execute(_LEADS, (handle, kind)).fetchone() is None:
        # SQLite goes through all tokens to prepare the whole statement, for each that is asked for.
        return iter(())
    return connection.execute(_BELOW, (kind, handle, kind, handle, limit))


def next_to(
    connection: Connection, handle: str, kinds: Collection[str], limit: int
) -> list[tuple[str, str, str, str]]:
    """What links of these kinds lead to from a token in one step.

    Each has the link's kind and the other node's kind, name (its key where it has none) and key.
    """
    marks = ", ".join("?" * len(kinds))
    return connection.execute(
        "SELECT DISTINCT l.kind, n.kind, coalesce(nullif(n.name, ''), n.key), n.key"  # noqa: S608
        " FROM node t JOIN link l ON l.a = t.num JOIN node n ON n.num = l.b"
        f" WHERE t.side = 'token' AND t.key = ? AND l.kind IN ({marks})"
        " ORDER BY l.kind, n.kind, n.name LIMIT ?",
        (handle, *kinds, limit),
    ).fetchall()


class Kept(NamedTuple):
    """A token's value lies in an entry of a store of secrets, as somebody told."""

    handle: str
    backend: str
    name: str


def kept(connection: Connection) -> Iterator[Kept]:
    """Every entry that is known to hold a token's value, each with that token."""
    found = connection.execute(
        "SELECT DISTINCT t.key, n.place, n.name FROM link l"
        " JOIN node t ON t.num = l.a AND t.side = 'token'"
        " JOIN node n ON n.num = l.b AND n.kind = 'entry'"
        " WHERE l.kind = 'kept in' ORDER BY 3, 1"
    )
    return map(Kept._make, found)


def fingerprints(connection: Connection) -> list[tuple[str, str]]:
    """The fingerprints of values that were once in hand, each with a token's handle."""
    return connection.execute("SELECT print, handle FROM fingerprint").fetchall()


def holders(connection: Connection, handle: str) -> Iterator[tuple[str, str, str, str]]:
    """Whom a token's own record names: name, kind, the link's kind, and the backend."""
    return connection.execute(
        "SELECT w.name, w.kind, l.kind, t.backend FROM token t"
        " JOIN node n ON n.side = 'token' AND n.key = t.handle"
        " JOIN link l ON l.b = n.num AND l.origin = 'record ' || t.handle"
        " JOIN node w ON w.num = l.a AND w.side = 'who'"
        " WHERE t.handle = ? ORDER BY l.kind DESC",
        (handle,),
    )


def sources(connection: Connection) -> Iterator[tuple[Any, ...]]:
    """What links were read from, the troubled first.

    Each has its name, kind, when it was read, how many links it had, problem and hint.
    """
    return connection.execute(
        "SELECT name, kind, at, found, problem, hint FROM link_source"
        " ORDER BY problem = '', kind, name"
    )
