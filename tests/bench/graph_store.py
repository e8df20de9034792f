"""Puts links between the tokens of a store of ``make_store``, for the benches of the graph.

    python tests/bench/graph_store.py PATH

What the records name (owner, principal, creator, parent, grants) becomes links as a sync makes
them. Beside it: addresses and workloads that were seen using tokens, and a store's entries
that hold tokens' values. As estates are, there are hubs: one creator of everything, owners of
a fifth of all tokens, grants on a tenth, one parent of a hundredth, and one grant that opens
every entry.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from console.graph import model

ENTRIES = 50
"""Tokens for each that lies in an entry."""
SEP = "\x1f"
OPENER = "root"
"""The grant that opens every entry of its backend."""
_LINK = (
    "INSERT OR IGNORE INTO link (a, b, kind, source, origin, seen, times, confidence, detail)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_TOKENS = (
    "SELECT t.num, t.handle, t.backend, t.owner, t.principal, t.used_from, t.used_at, t.grant_text,"
    " t.name FROM token t ORDER BY t.num"
)


def use_key(kind: str, place: str, name: str) -> str:
    """The key of a consumer's node; written here, so that older code can have such a store."""
    return SEP.join((kind, place, name))


class _Numbers:
    """Numbers for nodes; the tokens' are those of their rows."""

    def __init__(self, connection: sqlite3.Connection, first: int) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], int] = {}
        self._next = first
        self._rows: list[tuple[Any, ...]] = []

    def __call__(self, side: str, key: str, kind: str, name: str, place: str = "") -> int:
        num = self._known.get((side, key))
        if num is None:
            num = self._known[side, key] = self._next
            self._next += 1
            self._rows.append((num, side, key, kind, 0, name, place))
        return num

    def write(self) -> None:
        self._connection.executemany(
            "INSERT INTO node (num, side, key, kind, kind_rank, name, place)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._rows,
        )


def link(path: Path) -> None:
    """Fill the tables of the graph anew."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN IMMEDIATE")
    for table in ("node", "link", "linked", "link_source"):
        connection.execute(f"DELETE FROM {table}")
    (last,) = connection.execute("SELECT max(num) FROM token").fetchone()
    connection.execute(
        "INSERT INTO node (num, side, key, kind, kind_rank, name, place)"
        " SELECT num, 'token', handle, 'token', 0, '', '' FROM token"
    )
    numbers = _Numbers(connection, last + 1)
    rows = connection.execute(_TOKENS).fetchall()
    connection.executemany(_LINK, _links(rows, numbers))
    numbers.write()
    connection.execute("INSERT INTO linked (num, digest) SELECT num, digest FROM token")
    now = int(time.time())
    for name in ("audit log", "bench owners.toml", "bench consumers.toml", "bench configs"):
        kind = name.split()[-1].split(".")[0].replace("log", "events")
        connection.execute(
            "INSERT INTO link_source (name, kind, at, found, problem, hint, mark)"
            " VALUES (?, ?, ?, 1, '', '', '')",
            (name, kind, now),
        )
    _note_made(connection)
    connection.execute("ANALYZE")
    connection.execute("UPDATE mark SET value = value + 1 WHERE name = 'generation'")
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _note_made(connection: sqlite3.Connection) -> None:
    """Note that links are up to date, for code that asks; older code makes them each time."""
    try:
        from console.graph.freshness import files_mark
        from console.settings import GraphSettings
    except ImportError:
        return
    for name, value in (("linked", files_mark(GraphSettings(), None)), ("linked prints", 0)):
        connection.execute("INSERT OR REPLACE INTO mark (name, value) VALUES (?, ?)", (name, value))


def _links(rows: Iterable[tuple[Any, ...]], node: _Numbers) -> Iterator[tuple[Any, ...]]:
    newest: dict[str, int] = {}
    entries: dict[str, list[int]] = {}
    for num, handle, backend, owner, principal, address, used_at, grants, name in rows:
        record = f"record {handle}"

        def told(a: int, b: int, kind: str, confidence: int = 95, origin: str = record):
            return (a, b, kind, "configured", origin, None, 1, confidence, backend)  # noqa: B023

        if owner:
            yield told(node("who", model.identity(owner), "team", owner), num, model.OWNS)
        if principal:
            who = node("who", model.identity(principal), "service", principal)
            yield told(who, num, model.SPEAKS)
        yield told(node("who", "terraform", "team", "terraform"), num, model.MADE, 60)
        for grant in filter(None, grants.split("\n")):
            key = SEP.join((backend, "policy", grant))
            yield told(num, node("grant", key, "policy", grant, backend), model.CARRIES)
        if num % 20 == 0 and backend in newest:
            yield told(newest[backend], num, model.PARENT)
        elif num % 100 == 7:
            yield told(1, num, model.PARENT)
        else:
            newest[backend] = num
        if address:
            use = node("use", use_key("address", "", address), "address", address)
            yield (num, use, model.USED_BY, "observed", "audit log", used_at, 3, 90, backend)
        if num % 2:
            work = name.rpartition("-")[0]
            use = node("use", use_key("workload", "", work), "workload", work)
            yield (num, use, model.USED_BY, "declared", "file c.toml", used_at, 1, 80, "")
        if num % ENTRIES == 0:
            path = f"secret/{name}"
            entry = node("use", use_key("entry", backend, path), "entry", path, backend)
            yield told(num, entry, model.KEPT_IN, 80, "file c.toml")
            entries.setdefault(backend, []).append(entry)
    for backend, kept in entries.items():
        opener = node("grant", SEP.join((backend, "policy", OPENER)), "policy", OPENER, backend)
        reader = node("grant", SEP.join((backend, "policy", "read")), "policy", "read", backend)
        for number, entry in enumerate(kept):
            yield (opener, entry, model.OPENS, "configured", "grant paths", None, 1, 95, "secret/*")
            if number < 5:
                yield (reader, entry, model.OPENS, "declared", "file c.toml", None, 1, 80, "")


if __name__ == "__main__":
    began = time.perf_counter()
    link(Path(sys.argv[1]))
    print(f"linked in {time.perf_counter() - began:.1f} s")
