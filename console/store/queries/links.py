"""The graph: nodes, links between them with their evidence, and what links were read from.

Neighbours are read as they are asked for, each by an index; who needs the whole graph reads
a row for each node and link. Links are told by their evidence, so that one comes as often as
there is evidence for it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
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


_NODES = (
    "SELECT n.num, n.side, n.key,"
    " CASE n.side WHEN 'token' THEN coalesce(t.kind, n.kind) ELSE n.kind END,"
    " CASE n.side WHEN 'token' THEN coalesce(t.name, n.name) ELSE n.name END,"
    " coalesce(t.backend, n.place),"
    " CASE n.side WHEN 'token' THEN coalesce(t.status, '')"
    "  WHEN 'who' THEN coalesce((SELECT how FROM departed d WHERE d.key = n.key), '')"
    "  ELSE '' END"
    " FROM node n LEFT JOIN token t ON n.side = 'token' AND t.handle = n.key"
)
_SOME = "(SELECT value FROM json_each(?))"


def nodes(connection: Connection) -> Iterator[tuple[Any, ...]]:
    """All nodes: number, side, key, kind, name, place and state.

    A token's are as its row has them now; a person's state is how they left.
    """
    return connection.execute(_NODES)


def nodes_of(connection: Connection, nums: Iterable[int]) -> Iterator[tuple[Any, ...]]:
    """Some nodes by their numbers, as ``nodes`` has them."""
    return connection.execute(f"{_NODES} WHERE n.num IN {_SOME}", (json.dumps(list(nums)),))


def last_node(connection: Connection) -> int:
    """The highest number that a node has; 0 where there is none."""
    return int(connection.execute("SELECT coalesce(max(num), 0) FROM node").fetchone()[0])


def sides(connection: Connection) -> Iterator[tuple[int, str]]:
    """All nodes: number and side."""
    return connection.execute("SELECT num, side FROM node")


def edges(connection: Connection) -> Iterator[tuple[int, int, str]]:
    """All links: from, to and kind, in that order."""
    return connection.execute("SELECT a, b, kind FROM link ORDER BY a, b, kind")


def edges_from(connection: Connection, nums: Iterable[int]) -> Iterator[tuple[int, int, str]]:
    """The links that begin at some nodes, in the order of ``edges``."""
    return connection.execute(
        f"SELECT a, b, kind FROM link WHERE a IN {_SOME} ORDER BY a, b, kind",  # noqa: S608
        (json.dumps(list(nums)),),
    )


def edges_to(connection: Connection, nums: Iterable[int]) -> Iterator[tuple[int, int, str]]:
    """The links that end at some nodes: from, to and kind, in the order of to, from and kind."""
    return connection.execute(
        f"SELECT a, b, kind FROM link WHERE b IN {_SOME} ORDER BY b, a, kind",  # noqa: S608
        (json.dumps(list(nums)),),
    )


def edges_into(
    connection: Connection, a: int, nums: Iterable[int]
) -> Iterator[tuple[int, int, str]]:
    """The links from one node to some others, in the order of ``edges``; one look-up for each."""
    return connection.execute(
        f"SELECT a, b, kind FROM link WHERE a = ? AND b IN {_SOME} ORDER BY b, kind",  # noqa: S608
        (a, json.dumps(list(nums))),
    )


def is_hub(connection: Connection, num: int, back: bool, most: int) -> bool:
    """Whether a node may have more neighbours than that in one direction.

    Reads so many rows of its evidence at most, so that it never says no too early.
    """
    near = "b" if back else "a"
    found = connection.execute(
        f"SELECT 1 FROM link WHERE {near} = ? LIMIT 1 OFFSET ?",  # noqa: S608
        (num, most),
    )
    return found.fetchone() is not None


def neighbours(
    connection: Connection, num: int, back: bool, kinds: Collection[str], most: int, first: int
) -> tuple[int, list[int]]:
    """How many nodes links of some kinds lead to, or with ``back`` come from; the first of them.

    Counted in an index up to ``most``, without reading a node.
    """
    here, there = ("b", "a") if back else ("a", "b")
    some = (
        f"SELECT DISTINCT {there} AS num FROM link WHERE {here} = ? AND {there} <> {here}"  # noqa: S608
        f" AND kind IN {_SOME} ORDER BY {there} LIMIT ?"
    )
    given = (num, json.dumps(list(kinds)))
    counted = connection.execute(f"SELECT count(*) FROM ({some})", (*given, most))  # noqa: S608
    shown = connection.execute(some, (*given, first)) if first else ()
    return int(counted.fetchone()[0]), [one for (one,) in shown]


def read_by(connection: Connection, grants: Iterable[int] | None) -> Iterator[tuple[int, int, int]]:
    """The tokens whose values grants can read: grant, store entry and token, in that order.

    Of all grants where it is None.
    """
    only = "" if grants is None else f" AND o.a IN {_SOME}"
    return connection.execute(
        "SELECT DISTINCT o.a, o.b, k.a FROM link o"  # noqa: S608
        " JOIN link k ON k.b = o.b AND k.kind = 'kept in'"
        f" WHERE o.kind = 'opens'{only} ORDER BY o.a, o.b, k.a",
        () if grants is None else (json.dumps(list(grants)),),
    )


def readers_of(connection: Connection, tokens: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """The grants that can read tokens' values: grant, store entry and token, in that order."""
    return connection.execute(
        "SELECT DISTINCT o.a, o.b, k.a FROM link k"  # noqa: S608
        " JOIN link o ON o.b = k.b AND o.kind = 'opens'"
        f" WHERE k.kind = 'kept in' AND k.a IN {_SOME} ORDER BY o.a, o.b, k.a",
        (json.dumps(list(tokens)),),
    )


def totals(connection: Connection) -> list[tuple[str, int]]:
    """How many nodes of each side there are."""
    return connection.execute("SELECT side, count(*) FROM node GROUP BY side").fetchall()


def node(connection: Connection, side: str, key: str) -> int | None:
    """The number of a node; None where nothing is known of it."""
    row = connection.execute(
        "SELECT num FROM node WHERE side = ? AND key = ?", (side, key)
    ).fetchone()
    return None if row is None else int(row[0])


def holding(connection: Connection, text: str, with_place: bool, most: int) -> list[int]:
    """Nodes whose name has a folded text in it: at most so many tokens, then others.

    Tokens are looked through in an index of their folded names. Of the others letters beyond
    ASCII are found in their keys, which are folded, where their kind has one by its name.
    """
    place = "backend || '/' || " if with_place else ""
    found = connection.execute(
        "SELECT n.num FROM (SELECT num FROM token"  # noqa: S608
        f" WHERE instr({place}ltrim(name_key, '~'), ?) LIMIT ?) s JOIN token t USING (num)"
        " JOIN node n ON n.side = 'token' AND n.key = t.handle",
        (text, most),
    ).fetchall()
    place = "place || '/' || " if with_place else ""
    found += connection.execute(
        "SELECT num FROM node WHERE side IN ('who', 'grant', 'use')"  # noqa: S608
        f" AND (instr({place}lower(name), ?) OR instr(key, ?)) LIMIT ?",
        (text, text, most),
    ).fetchall()
    return [num for (num,) in found]


def tokens_of(connection: Connection, backend: str) -> list[int]:
    """The nodes of a backend's tokens, by number."""
    found = connection.execute(
        "SELECT n.num FROM token t JOIN node n ON n.side = 'token' AND n.key = t.handle"
        " WHERE t.backend = ? ORDER BY n.num",
        (backend,),
    )
    return [num for (num,) in found]


def evidence(connection: Connection, a: int, b: int) -> Iterator[tuple[Any, ...]]:
    """Why a link is believed, the best reason first.

    Each has kind, source, origin, when it was seen, how often, confidence and detail.
    """
    return connection.execute(
        "SELECT kind, source, origin, seen, times, confidence, detail FROM link"
        " WHERE a = ? AND b = ? ORDER BY confidence DESC, seen DESC",
        (a, b),
    )


def observed(
    connection: Connection, kind: str, tokens: Iterable[int] | None = None
) -> dict[int, int]:
    """How often what links of a kind lead to was seen in a log: by one reader for each link.

    With ``tokens`` only by these.
    """
    only = ""
    given: tuple[str, ...] = (kind,)
    if tokens is not None:
        only, given = f" AND a IN {_SOME}", (kind, json.dumps(list(tokens)))
    found = connection.execute(
        "SELECT b, sum(most) FROM (SELECT b, max(times) AS most FROM link"  # noqa: S608
        f" WHERE kind = ? AND source = 'observed'{only} GROUP BY a, b) GROUP BY b",
        given,
    )
    return dict(found.fetchall())


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
