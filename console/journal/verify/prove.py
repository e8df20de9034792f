"""Proofs for others: that one entry is in the journal, in a file that needs nothing of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from console.errors import JournalError, UsageError
from console.journal.format.advice import REBUILD
from console.journal.read.tree import nodes
from console.journal.read.view import select
from console.journal.store.base import JournalReader, cosigned, last_checkpoint
from console.tlog import note, policy
from console.tlog.checkpoint import Checkpoint
from console.tlog.merkle import ProofError, consistency, inclusion
from console.tlog.note import NoteError
from console.tlog.policy import Policy
from console.tlog.proof import Proof


def prove(store: JournalReader, id_: str, trusted: str = "") -> tuple[bytes, bytes]:
    """The entry with an id, byte for byte, and a C2SP tlog-proof of it.

    With a policy, the proof ends in the newest checkpoint that its witnesses cosigned and
    that covers the entry; without one, in the newest checkpoint.

    Raises:
        UsageError: there is no such entry, or the policy cannot be read.
        JournalError: no fitting checkpoint covers it, or the tree is damaged.
    """
    found = select(store, limit=1, id=id_)
    if not found:
        raise UsageError(f"the journal has no entry {id_}", "See: token-console journal list.")
    entry = found[0]
    signed = _checkpoint(store, entry.seq, policy.parse(trusted.encode()) if trusted else None)
    return entry.raw, next(prove_each(store, [entry.seq], signed)).write()


def prove_each(store: JournalReader, numbers: Iterable[int], signed: bytes) -> Iterator[Proof]:
    """The proofs that the entries of these numbers are under one signed checkpoint.

    Each node of the tree is read once.

    Raises:
        JournalError: the checkpoint does not cover one, or the tree is damaged.
    """
    size = Checkpoint.parse(note.parse(signed)[0]).size
    known: dict[tuple[int, int], bytes] = {}
    read = nodes(store)

    def node(level: int, index: int) -> bytes:
        place = (level, index)
        if place not in known:
            known[place] = read(level, index)
        return known[place]

    for number in numbers:
        if number > size:
            raise JournalError("no signed checkpoint covers the entry")
        try:
            hashes = inclusion(number - 1, size, node)
        except (LookupError, ProofError) as error:
            raise JournalError(
                f"the tree cannot prove it: {error}", f"Make the tree anew: {REBUILD}."
            ) from None
        yield Proof(number - 1, tuple(hashes), signed)


def extend(store: JournalReader, old: int, new: int) -> list[bytes]:
    """The proof, for a witness, that the tree of ``new`` begins with the tree of ``old``.

    Raises:
        JournalError: the tree is damaged, or not that large.
    """
    try:
        return consistency(old, new, nodes(store))
    except (LookupError, ProofError) as error:
        raise JournalError(
            f"the tree cannot prove it: {error}", f"Make the tree anew: {REBUILD}."
        ) from None


def _checkpoint(store: JournalReader, seq: int, trusted: Policy | None) -> bytes:
    if trusted is None or trusted.quorum == policy.NONE:
        found = last_checkpoint(store)
        if found is None or found[0] < seq:
            raise JournalError("no signed checkpoint covers the entry")
        return found[1]
    for signed in cosigned(store):
        try:
            if trusted.check(signed).checkpoint.size >= seq:
                return signed
        except NoteError:
            continue
    raise JournalError(
        "the witnesses of the policy have not cosigned the entry yet",
        "Ask them: token-console journal witness.",
    )
