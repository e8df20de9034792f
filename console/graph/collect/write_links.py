"""Writes nodes and links. What one reader wrote is replaced by that reader alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from console.graph.model import CONFIDENCE, SEPARATOR, guess, identity, use_key
from console.store.database import Connection
from console.store.text_fold import encodable
from console.store.write import links
from console.store.write.links import StoredLink

NAME_LIMIT = 1_000


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
        self._connection = connection
        self._known: dict[tuple[str, str], int] = {}
        self._ranked: dict[int, int] = {}

    def token(self, handle: str) -> int:
        """A token, by its handle."""
        return self._node("token", handle, "token", "", "")

    def who(self, name: str, kind: str = "", rank: int = 0) -> int:
        """A person, team, service or rota; its kind is taken from whoever knows it best."""
        return self._node("who", identity(name), kind or guess(name), name, "", rank)

    def grant(self, backend: str, kind: str, name: str) -> int:
        """A policy, role or scope of a backend."""
        return self._node("grant", SEPARATOR.join((backend, kind, name)), kind, name, backend)

    def use(self, kind: str, name: str, place: str = "") -> int:
        """A consumer. Workloads, hosts and addresses are the same wherever they are seen."""
        everywhere = kind in ("workload", "host", "address", "file")
        place = "" if everywhere else place
        folded = name.casefold() if everywhere else name
        return self._node("use", use_key(kind, place, folded), kind, name, place)

    def _node(self, side: str, key: str, kind: str, name: str, place: str, rank: int = 0) -> int:
        key, kind, name = encodable(key), encodable(kind), encodable(name)[:NAME_LIMIT]
        num = self._known.get((side, key))
        if num is None:
            num, known = links.node(self._connection, side, key, kind, rank, name, place)
            self._known[side, key] = num
            self._ranked[num] = known
        if rank > self._ranked[num]:
            links.set_kind(self._connection, num, kind, rank)
            self._ranked[num] = rank
        return num


def add(connection: Connection, origin: str, facts: Iterable[Fact]) -> int:
    """Write links of one reader; a link written twice keeps the newest sight."""
    rows = [
        StoredLink(
            one.a, one.b, one.kind, one.source, origin, one.seen, one.times,
            one.confidence or CONFIDENCE[one.source], encodable(one.detail)[:NAME_LIMIT],
        )
        for one in facts
        if one.a != one.b
    ]  # fmt: skip
    if rows:
        links.add(connection, rows)
    return len(rows)


def clear(connection: Connection, origin: str) -> None:
    """Drop what a reader wrote before."""
    links.clear(connection, origin)


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
    links.note_source(
        connection, encodable(name), kind, at, found, encodable(problem), encodable(hint), mark
    )
