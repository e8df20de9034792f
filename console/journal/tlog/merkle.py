"""The Merkle tree of RFC 6962, section 2.1: root, proofs, and their verification.

A tree of n leaves is described by its *full* nodes alone: node (level, index) is the
hash over leaves ``index * 2**level`` up to ``(index + 1) * 2**level``, and exists once
all of these leaves do. Such a node never changes again, so it can be stored; roots and
proofs of any size up to the present one are computed from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from console.errors import ConsoleError

HASH = 32
"""Bytes of a hash (SHA-256)."""
EMPTY = hashlib.sha256(b"").digest()
"""The root of the tree without leaves."""
MAX_SIZE = 2**63 - 1
"""The largest tree that is read: a proof then has at most 63 hashes."""

Nodes = Callable[[int, int], bytes]
"""Called with (level, index): the hash of a full node. Level 0 holds the leaf hashes."""
Node = tuple[int, int, bytes]
"""Level, index, hash."""


class ProofError(ConsoleError):
    """A proof does not show what it was meant to show."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one entry, from the entry's exact bytes."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node above two others."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes, computed from scratch, without stored nodes."""
    stack: list[bytes] = []
    for index, each in enumerate(leaf_hashes):
        top = each
        while index & 1:
            top = node_hash(stack.pop(), top)
            index >>= 1
        stack.append(top)
    return _join(stack)


def new_nodes(size: int, leaf: bytes, get: Nodes) -> list[Node]:
    """The nodes that become full when entry ``leaf`` is appended to a tree of ``size``.

    The first of them is the leaf's own. ``get`` is asked only for nodes that were full
    before, one on each level that carries over.
    """
    top = leaf_hash(leaf)
    index = size
    nodes = [(0, index, top)]
    while index & 1:
        level = len(nodes)
        top = node_hash(get(level - 1, index - 1), top)
        index >>= 1
        nodes.append((level, index, top))
    return nodes


def root_from(size: int, get: Nodes) -> bytes:
    """The root of the tree of this size, from its full nodes."""
    return _over(0, size, get)


def inclusion(index: int, size: int, get: Nodes) -> list[bytes]:
    """The proof that leaf ``index`` is in the tree of ``size`` (RFC 6962, 2.1.1).

    Raises:
        ProofError: there is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of size {size} has no entry {index}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_over(middle, end, get))
            end = middle
        else:
            proof.append(_over(start, middle, get))
            start = middle
    return proof[::-1]


def consistency(old: int, new: int, get: Nodes) -> list[bytes]:
    """The proof that the tree of ``new`` begins with the tree of ``old`` (RFC 6962, 2.1.2).

    Empty when the older tree is empty or both are the same.

    Raises:
        ProofError: the sizes are not in that order.
    """
    if not 0 <= old <= new:
        raise ProofError(f"a tree of size {new} cannot follow from one of {old}")
    if old in (0, new):
        return []
    proof: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_over(middle, end, get))
            end = middle
        else:
            proof.append(_over(start, middle, get))
            start = middle
    if start:  # Otherwise the older root is this hash, and the verifier has it.
        proof.append(_over(start, end, get))
    return proof[::-1]


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that the leaf with hash ``leaf`` is number ``index`` under ``root``.

    Follows RFC 9162, 2.1.3.2, which holds for the trees of RFC 6962 as well.

    Raises:
        ProofError: it is not, or the proof has another form.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"a tree of size {size} has no entry {index}")
    _must_be_hashes(leaf, root, *proof)
    position, last, top = index, size - 1, leaf
    for each in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if position & 1 or position == last:
            top = node_hash(each, top)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            top = node_hash(top, each)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofError("the inclusion proof is too short")
    if top != root:
        raise ProofError(f"entry {index} is not in the tree of size {size} with this root")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree with ``new_root`` begins with the whole tree with ``old_root``.

    Follows RFC 9162, 2.1.4.2, and the two cases that it leaves out: the empty tree comes
    before every tree, and a tree comes before itself; both take an empty proof.

    Raises:
        ProofError: it does not, or the proof has another form.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise ProofError(f"a tree of size {new} cannot follow from one of {old}")
    _must_be_hashes(old_root, new_root, *proof)
    if old == new and old_root != new_root:
        raise ProofError(f"two trees of size {old} have different roots: the log was forked")
    if (old == 0 and old_root != EMPTY) or (new == 0 and new_root != EMPTY):
        raise ProofError("the root given for an empty tree is not that of an empty tree")
    if old in (0, new):
        if proof:
            raise ProofError("the consistency proof must be empty here")
        return
    # A full older tree is itself the first node of the path, so the proof leaves it out.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise ProofError("the consistency proof is too short")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    was = now = path[0]
    for each in path[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if position & 1 or position == last:
            was, now = node_hash(each, was), node_hash(each, now)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            now = node_hash(now, each)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofError("the consistency proof is too short")
    if was != old_root or now != new_root:
        raise ProofError(f"the tree of size {new} does not begin with the tree of {old}")


def _split(width: int) -> int:
    """The largest power of two below ``width``, which is at least 2."""
    return 1 << ((width - 1).bit_length() - 1)


def _over(start: int, end: int, get: Nodes) -> bytes:
    """The hash over leaves ``start`` up to ``end``, as RFC 6962 splits a range.

    ``start`` is 0 or a multiple of a power of two not below the width, so the range is
    made of full nodes: one for each bit of the width, the largest first.
    """
    parts: list[bytes] = []
    for level in reversed(range((end - start).bit_length())):
        if (end - start) >> level & 1:
            parts.append(get(level, start >> level))
            start += 1 << level
    return _join(parts)


def _join(parts: list[bytes]) -> bytes:
    """One hash over full nodes that get smaller from left to right."""
    if not parts:
        return EMPTY
    top = parts[-1]
    for left in reversed(parts[:-1]):
        top = node_hash(left, top)
    return top


def _must_be_hashes(*values: bytes) -> None:
    if any(len(value) != HASH for value in values):
        raise ProofError(f"a hash in the proof does not have {HASH} bytes")
