"""A log in memory for the tests of the transparency log: nodes, keys and checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from console.tlog import checkpoint as checkpoints
from console.tlog import merkle
from console.tlog.checkpoint import Checkpoint
from console.tlog.note import Ed25519Signer

ORIGIN = "bastion.example/journal"


def key(number: int) -> Ed25519PrivateKey:
    """The same key each time."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


LOG = Ed25519Signer(ORIGIN, key(1))


def leaves(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


class Tree:
    """Full nodes in memory, grown one leaf at a time."""

    def __init__(self, leaves: Sequence[bytes] = ()) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.size = 0
        for leaf in leaves:
            self.append(leaf)

    def get(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def append(self, leaf: bytes) -> None:
        for level, index, hashed in merkle.new_nodes(self.size, leaf, self.get):
            assert (level, index) not in self.nodes, "a full node never changes"
            self.nodes[level, index] = hashed
        self.size += 1

    def root(self, size: int) -> bytes:
        return merkle.root_from(size, self.get)

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = self.size if size is None else size
        return Checkpoint(ORIGIN, size, self.root(size))

    def signed(self, size: int | None = None, signer: Ed25519Signer = LOG) -> bytes:
        return checkpoints.sign(self.checkpoint(size), signer)

    def proof(self, old: int, new: int) -> list[bytes]:
        return merkle.consistency(old, new, self.get)
