"""Writes nodes and links. What one reader wrote is replaced by that reader alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from console.graph.model import CONFIDENCE, guess, identity
from console.store.text_fold import encodable

NAME_LIMIT = 1_000
SEPARATOR = "\x1f"


class Fact(NamedTuple):
    """One link to write. The origin is its reader's."""

    a: int
    b: int
    kind: str
    source: str
    seen: int | None = None
    times: int = 1
    detail: str = ""
    confidence: int = 0
    """0 takes the source's own."""


class Nodes:
    """Finds or makes nodes in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._driver = connection.exec_driver_sql
        self._known: dict[tuple[str, str], int] = {}
        self._ranked: dict[int, int] = {}

    def token(self, handle: str) -> int:
        return self._node("token", handle, "token", "", "")

    def who(self, name: str, kind: str = "", rank: int = 0) -> int:
        """A person, team, service or rota; its kind is taken from whoever knows it best."""
        return self._node("who", identity(name), kind or guess(name), name, "", rank)

    def grant(self, backend: str, kind: str, name: str) -> int:
        return self._node("grant", SEPARATOR.join((backend, kind, name)), kind, name, backend)

    def use(self, kind: str, name: str, place: str = "") -> int:
        """A consumer. Workloads, hosts and addresses are the same wherever they are seen."""
        everywhere = kind in ("workload", "host", "address", "file")
        place = "" if everywhere else place
        folded = name.casefold() if everywhere else name
        return self._node("use", SEPARATOR.join((kind, place, folded)), kind, name, place)

    def _node(self, side: str, key: str, kind: str, name: str, place: str, rank: int = 0) -> int:
        key, kind, name = encodable(key), encodable(kind), encodable(name)[:NAME_LIMIT]
        num = self._known.get((side, key))
        if num is None:
            row = self._driver(
                "INSERT INTO node (side, key, kind, kind_rank, name, place)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (side, key) DO UPDATE SET side = side"
                " RETURNING num, kind_rank",
                (side, key, kind, rank, name, place),
            ).one()
            num = int(row[0])
            self._known[side, key] = num
            self._ranked[num] = int(row[1])
        if rank > self._ranked[num]:
            self._driver("UPDATE node SET kind = ?, kind_rank = ? WHERE num = ?", (kind, rank, num))
            self._ranked[num] = rank
        return num


def add(connection: Connection, origin: str, facts: Iterable[Fact]) -> int:
    """Write links of one reader; a link written twice keeps the newest sight."""
    rows = [
        (
            one.a, one.b, one.kind, one.source, origin, one.seen, one.times,
            one.confidence or CONFIDENCE[one.source], encodable(one.detail)[:NAME_LIMIT],
        )
        for one in facts
        if one.a != one.b
    ]  # fmt: skip
    if rows:
        connection.exec_driver_sql(
            "INSERT INTO link (a, b, kind, source, origin, seen, times, confidence, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (a, b, kind, source, origin) DO UPDATE SET"
            " seen = max(coalesce(seen, 0), coalesce(excluded.seen, 0)),"
            " times = excluded.times, confidence = max(confidence, excluded.confidence),"
            " detail = excluded.detail",
            rows,
        )
    return len(rows)


def clear(connection: Connection, origin: str) -> None:
    """Drop what a reader wrote before."""
    connection.exec_driver_sql("DELETE FROM link WHERE origin = ?", (origin,))


def note(
    connection: Connection,
    name: str,
    kind: str,
    at: int,
    found: int,
    problem: str = "",
    hint: str = "",
    mark: str = "",
) -> None:
    """Remember that a source was read, and what went wrong."""
    connection.exec_driver_sql(
        "INSERT OR REPLACE INTO link_source (name, kind, at, found, problem, hint, mark)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (encodable(name), kind, at, found, encodable(problem), encodable(hint), mark),
    )
