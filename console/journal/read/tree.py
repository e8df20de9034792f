"""The Merkle tree over the entries: grown by one, read back, and made anew.

Stored are the full nodes above the leaves (RFC 6962, and ``tlog.merkle``). They never
change, and can be computed again from the entries at any time.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from console.journal.store import nodes as rows
from console.journal.store.base import JournalReader, Store, leaf_at, leaves
from console.tlog.merkle import EMPTY, Nodes, leaf_hash, node_hash

_BATCH = 10_000


class Frontier:
    """The tree of some size by its full subtrees alone, the largest first."""

    def __init__(self, size: int = 0, peaks: list[bytes] | None = None) -> None:
        self.size = size
        self._peaks = peaks or []

    def push(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Append an entry; the nodes above it (level, index, hash) that are full now."""
        made: list[tuple[int, int, bytes]] = []
        top, index = leaf_hash(leaf), self.size
        while index & 1:
            top = node_hash(self._peaks.pop(), top)
            index >>= 1
            made.append((len(made) + 1, index, top))
        self._peaks.append(top)
        self.size += 1
        return made

    def root(self) -> bytes:
        """The root over all entries so far."""
        if not self._peaks:
            return EMPTY
        top = self._peaks[-1]
        for left in reversed(self._peaks[:-1]):
            top = node_hash(left, top)
        return top


class Digests:
    """The nodes of a tree as they ought to be, in constant memory: one hash for each level."""

    def __init__(self) -> None:
        self._levels: list[Any] = []

    def add(self, made: list[tuple[int, int, bytes]]) -> None:
        """Take in what ``Frontier.push`` made, in order."""
        for level, index, hash_ in made:
            while len(self._levels) < level:
                self._levels.append(hashlib.sha256())
            self._levels[level - 1].update(index.to_bytes(8, "big") + hash_)

    def same(self, store: JournalReader, size: int) -> bool:
        """Whether the stored nodes of the first ``size`` entries are these and no others."""
        for level, expected in enumerate(self._levels, 1):
            found = hashlib.sha256()
            for index, hash_ in rows.of_level(store, level, size >> level):
                found.update(index.to_bytes(8, "big", signed=True) + hash_)
            if found.digest() != expected.digest():
                return False
        return True


def body_of(origin: str, frontier: Frontier) -> str:
    """The text of the checkpoint for a tree (c2sp.org/tlog-checkpoint)."""
    root = base64.b64encode(frontier.root()).decode("ascii")
    return f"{origin}\n{frontier.size}\n{root}\n"


def frontier(store: JournalReader, size: int, last: bytes) -> Frontier | None:
    """The stored tree of ``size``, whose last leaf is ``last``; None if nodes are missing."""
    wanted = [level for level in reversed(range(1, size.bit_length())) if size >> level & 1]
    places = [(level, (size >> level) - 1) for level in wanted]
    found = rows.at(store, places)
    if len(found) < len(wanted):
        return None
    peaks = [found[level] for level in wanted]
    return Frontier(size, [*peaks, leaf_hash(last)] if size & 1 else peaks)


def nodes(store: JournalReader) -> Nodes:
    """The stored nodes as the functions of ``tlog.merkle`` ask for them."""

    def get(level: int, index: int) -> bytes:
        if level == 0:
            leaf = leaf_at(store, index + 1)
            if leaf is not None:
                return leaf_hash(leaf)
        else:
            found = rows.at(store, [(level, index)])
            if found:
                return found[level]
        raise LookupError(f"the tree lacks node {index} of level {level}")

    return get


def replant(store: Store) -> Frontier:
    """Make all nodes anew from the entries. Only inside ``exclusive``."""
    rows.clear(store)
    whole = Frontier()
    made: list[tuple[int, int, bytes]] = []
    for _, leaf in leaves(store):
        made += whole.push(leaf)
        if len(made) >= _BATCH:
            rows.add(store, made)
            made.clear()
    rows.add(store, made)
    return whole
