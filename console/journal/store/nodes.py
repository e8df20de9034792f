"""The stored nodes of the tree over the entries, by level and index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.journal.store.base import PAGE, JournalReader, Store, raw

Node = tuple[int, int, bytes]
"""Level, index and hash."""


def of_level(store: JournalReader, level: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Index and hash of a level's nodes below an index, in order; a page at a time."""
    after = -1
    while page := store.rows(
        "SELECT idx, hash FROM node WHERE level = ? AND idx > ? AND idx < ? ORDER BY idx LIMIT ?",
        (level, after, end, PAGE),
    ):
        for index, hash_ in page:
            yield int(index), raw(hash_)
        after = page[-1][0]


def at(store: JournalReader, places: Sequence[tuple[int, int]]) -> dict[int, bytes]:
    """The hashes of some nodes, one a level, by level; those that are missing are not in it."""
    if not places:
        return {}
    either = " OR ".join("(level = ? AND idx = ?)" for _ in places)
    statement = f"SELECT level, hash FROM node WHERE {either}"  # noqa: S608 - no values in it.
    values = [value for place in places for value in place]
    return {level: raw(hash_) for level, hash_ in store.rows(statement, values)}


def add(store: Store, made: Sequence[Node]) -> None:
    """Store nodes. Only inside ``exclusive``."""
    store.insert("INSERT INTO node (level, idx, hash) VALUES (?, ?, ?)", made)


def clear(store: Store) -> None:
    """Remove all nodes. Only inside ``exclusive``."""
    store.insert("DELETE FROM node", [()])
