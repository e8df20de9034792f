"""The graph: nodes, links between them, and the sources that they were read from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from console.store.database import Connection
from console.store.queries.marks import beyond


class StoredLink(NamedTuple):
    """A row of ``link``, in the order of its columns."""

    a: int
    b: int
    kind: str
    source: str
    origin: str
    seen: int | None
    times: int
    confidence: int
    detail: str


class SeenUse(NamedTuple):
    """From where, or by which program, a token was used."""

    handle: str
    told: str
    seen: int
    times: int
    origin: str
    agents: str | None


def node(
    connection: Connection, side: str, key: str, kind: str, rank: int, name: str, place: str
) -> tuple[int, int]:
    """The number of a node, which is made where it is missing, and how well its kind is known."""
    row = connection.execute(
        "INSERT INTO node (side, key, kind, kind_rank, name, place)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (side, key) DO UPDATE SET side = side"
        " RETURNING num, kind_rank",
        (side, key, kind, rank, name, place),
    ).fetchone()
    return int(row[0]), int(row[1])


def set_kind(connection: Connection, num: int, kind: str, rank: int) -> None:
    """Note a node's kind from somebody who knows it better."""
    connection.execute("UPDATE node SET kind = ?, kind_rank = ? WHERE num = ?", (kind, rank, num))


def nodes_named(connection: Connection, side: str, name: str, place: str = "") -> list[int]:
    """The nodes of a side that have a name; of every place where none is given."""
    rows = connection.execute(
        "SELECT num FROM node WHERE side = ? AND name = ? AND ? IN ('', place)",
        (side, name, place),
    )
    return [num for (num,) in rows]


def entries(connection: Connection) -> list[tuple[int, str, str]]:
    """The entries of secret stores: number, name and place."""
    rows = connection.execute(
        "SELECT num, name, place FROM node WHERE side = 'use' AND kind = 'entry'"
    )
    return [(num, name, place) for num, name, place in rows]


def grant_paths(connection: Connection, kind: str) -> list[tuple[int, str, str]]:
    """Grants that links of a kind limit to a path: number, backend, and what follows "on "."""
    rows = connection.execute(
        "SELECT DISTINCT l.b, n.place, substr(l.detail, 4) FROM link l JOIN node n ON n.num = l.b"
        " WHERE l.kind = ? AND l.detail LIKE 'on %'",
        (kind,),
    )
    return [(num, place, path) for num, place, path in rows]


def add(connection: Connection, rows: Sequence[StoredLink]) -> None:
    """Insert links; one that is there keeps the newest sight and the best confidence."""
    connection.executemany(
        "INSERT INTO link (a, b, kind, source, origin, seen, times, confidence, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (a, b, kind, source, origin) DO UPDATE SET"
        " seen = max(coalesce(seen, 0), coalesce(excluded.seen, 0)),"
        " times = excluded.times, confidence = max(confidence, excluded.confidence),"
        " detail = excluded.detail",
        rows,
    )


def clear(connection: Connection, origin: str) -> None:
    """Drop the links of a reader."""
    connection.execute("DELETE FROM link WHERE origin = ?", (origin,))


def clear_but(connection: Connection, origin: str, kind: str, end: int) -> None:
    """Drop the links of a reader, but for those of a kind that end at a node."""
    connection.execute(
        "DELETE FROM link WHERE origin = ? AND NOT (kind = ? AND b = ?)", (origin, kind, end)
    )


def clear_from(connection: Connection, *prefixes: str) -> None:
    """Drop the links of readers whose names begin with one of these."""
    for prefix in prefixes:
        connection.execute(
            "DELETE FROM link WHERE origin >= ? AND origin < ?", (prefix, beyond(prefix))
        )


def clear_seen(connection: Connection, token: int, name: str) -> None:
    """Drop what the log knew of a token's consumer that its system has named itself."""
    connection.execute(
        "DELETE FROM link WHERE origin = 'audit log' AND a = ? AND b IN"
        " (SELECT num FROM node WHERE side = 'use' AND name = ?)",
        (token, name),
    )


def details(connection: Connection, like: str) -> list[tuple[int, str]]:
    """Token and detail of links of readers whose name is like this."""
    rows = connection.execute(
        "SELECT a, detail FROM link WHERE origin LIKE ? AND detail <> ''", (like,)
    )
    return [(num, detail) for num, detail in rows]


def clear_uses(connection: Connection, tokens: Iterable[int]) -> None:
    """Drop what the log knew of who uses some tokens."""
    connection.executemany(
        "DELETE FROM link WHERE origin = 'audit log' AND a = ?", [(num,) for num in tokens]
    )


def details_of(connection: Connection, origins: Iterable[str]) -> list[tuple[int, str]]:
    """Token and detail of links of some readers."""
    rows = connection.execute(
        "SELECT a, detail FROM link WHERE origin IN (SELECT value FROM json_each(?))"
        " AND detail <> ''",
        (json.dumps(list(origins)),),
    )
    return [(num, detail) for num, detail in rows]


def count_of(connection: Connection, origin: str) -> int:
    """How many links a reader has."""
    found = connection.execute("SELECT count(*) FROM link WHERE origin = ?", (origin,))
    return int(found.fetchone()[0])


def unlinked(
    connection: Connection, most: int, above: int, numbers: Iterable[int] | None = None
) -> list[tuple[int, str, bytes, bytes]]:
    """Tokens whose record is not the one their links are from: number, handle, digest, record.

    In the order of their numbers, from behind ``above`` on. With ``numbers`` only those of
    these tokens.
    """
    only = "" if numbers is None else " AND t.num IN (SELECT value FROM json_each(?))"
    given = (above, most) if numbers is None else (above, json.dumps(list(numbers)), most)
    rows = connection.execute(
        "SELECT t.num, t.handle, t.digest, d.doc FROM token t JOIN document d USING (num)"  # noqa: S608
        f" LEFT JOIN linked l USING (num) WHERE l.digest IS NOT t.digest AND t.num > ?{only}"
        " ORDER BY t.num LIMIT ?",
        given,
    )
    return [(num, handle, digest, doc) for num, handle, digest, doc in rows]


def held_by(connection: Connection, origin: str, kind: str) -> list[str]:
    """The keys of those whom a reader's links of a kind come from."""
    rows = connection.execute(
        "SELECT n.key FROM link l JOIN node n ON n.num = l.a WHERE l.origin = ? AND l.kind = ?",
        (origin, kind),
    )
    return [key for (key,) in rows]


def note_linked(connection: Connection, rows: Iterable[tuple[int, bytes]]) -> None:
    """Note from which record a token's links are: number and digest each."""
    connection.executemany("INSERT OR REPLACE INTO linked (num, digest) VALUES (?, ?)", rows)


def drop_lost(connection: Connection) -> None:
    """Drop the links of tokens that are not in the store any more."""
    connection.execute("DELETE FROM linked WHERE num NOT IN (SELECT num FROM token)")
    connection.execute(
        "DELETE FROM link WHERE (origin LIKE 'record %' OR origin LIKE 'asked %')"
        " AND substr(origin, instr(origin, ' ') + 1) NOT IN (SELECT handle FROM token)"
    )


def seen_addresses(
    connection: Connection, use: str, handles: Sequence[str] | None = None
) -> list[SeenUse]:
    """From which addresses tokens were used; ``use`` is the class of events that counts.

    With ``handles`` only of these tokens, each by an index; else of all, of whose events there
    may be millions.
    """
    return _seen(connection, "source", "source <> ''", use, handles)


def seen_programs(
    connection: Connection, use: str, handles: Sequence[str] | None = None
) -> list[SeenUse]:
    """Which programs used tokens from where no address is known."""
    return _seen(connection, "agent", "source = '' AND agent <> ''", use, handles)


def _seen(
    connection: Connection, told: str, where: str, use: str, handles: Sequence[str] | None
) -> list[SeenUse]:
    only = "handle IS NOT NULL"
    given: tuple[str, ...] = (use,)
    if handles is not None:
        only, given = "handle IN (SELECT value FROM json_each(?))", (json.dumps(handles), use)
    rows = connection.execute(
        f"SELECT handle, {told}, max(at), count(*), max(origin),"  # noqa: S608
        f" group_concat(DISTINCT nullif(agent, '')) FROM event WHERE {only}"
        f" AND {where} AND outcome = 'ok' AND class = ? GROUP BY 1, 2",
        given,
    )
    return [SeenUse(*row) for row in rows]


def child(connection: Connection, backend: str, parent: str, name: str, id_: str) -> str | None:
    """The handle of a token that is told by a name or an id, where just one can be meant."""
    rows = connection.execute(
        "SELECT handle FROM token WHERE backend = ? AND (ref = ? OR ref = ? OR name = ?)"
        " AND handle <> ? ORDER BY ref = ? DESC LIMIT 2",
        (backend, id_, id_.removeprefix("child "), name, parent, id_),
    ).fetchall()
    return str(rows[0][0]) if len(rows) == 1 else None


def note_source(
    connection: Connection,
    name: str,
    kind: str,
    at: int,
    found: int,
    problem: str,
    hint: str,
    mark: str,
) -> None:
    """Note that links were read from a source, how many, and what went wrong."""
    connection.execute(
        "INSERT OR REPLACE INTO link_source (name, kind, at, found, problem, hint, mark)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (name, kind, at, found, problem, hint, mark),
    )


def drop_sources(connection: Connection, kinds: Iterable[str]) -> None:
    """Forget the sources of these kinds."""
    connection.executemany("DELETE FROM link_source WHERE kind = ?", [(kind,) for kind in kinds])


def learn(connection: Connection, prints: Iterable[tuple[str, str]], origin: str, at: int) -> None:
    """Keep fingerprints of values: the fingerprint and the handle of its token each."""
    rows = [(one, handle, origin, at) for one, handle in prints if one]
    if rows:
        connection.executemany(
            "INSERT OR IGNORE INTO fingerprint (print, handle, origin, at) VALUES (?, ?, ?, ?)",
            rows,
        )


def fingerprints(connection: Connection) -> dict[str, str]:
    """All fingerprints, each with the handle of a token that has it."""
    return dict(connection.execute("SELECT print, handle FROM fingerprint").fetchall())


def same_prints(connection: Connection) -> list[str]:
    """The handles that have a fingerprint in common, as JSON arrays."""
    rows = connection.execute(
        "SELECT json_group_array(handle) FROM fingerprint GROUP BY print HAVING count(*) > 1"
    )
    return [together for (together,) in rows]
