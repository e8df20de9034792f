"""Checks the chain: every entry's form, the order, and the hash link to the one before."""

from __future__ import annotations

from console.errors import JournalError
from console.journal.format.entry import GENESIS, Body, Kind, SchemaError, link, misuse, parse
from console.journal.store.base import JournalReader, StoreFailed, leaves


class Broken(JournalError):
    """The chain ends here: what follows cannot be judged."""


class ChainWalk:
    """Goes along the chain. It can begin behind an entry that was checked before."""

    def __init__(self, seq: int = 0, prev: str = GENESIS, origin: str = "") -> None:
        self.seq = seq
        """The number of the last entry that was in order."""
        self.prev = prev
        self.origin = origin

    def step(self, seq: int, leaf: bytes) -> Body:
        """The next entry. Raises ``Broken`` when it is not the one that follows."""
        number = self.seq + 1
        if seq != number:
            raise Broken(f"entry {number} is missing")
        try:
            body = parse(leaf)
        except SchemaError as error:
            raise Broken(f"entry {seq} cannot be read: {error}") from None
        if body.seq != seq:
            raise Broken(f"entry {seq} says that it is number {body.seq}")
        if body.prev != self.prev:
            raise Broken(f"entry {seq} does not follow from entry {seq - 1}: one of them changed")
        if (body.type is Kind.LOG_OPEN) != (seq == 1):
            raise Broken(f"entry {seq} is of kind {body.type}")
        if problem := misuse(body):
            raise Broken(f"entry {seq}: {problem}")
        self.origin = self.origin or body.log
        if body.log != self.origin:
            raise Broken(f"entry {seq} belongs to another journal")
        self.seq, self.prev = seq, link(leaf)
        return body


def check(store: JournalReader) -> tuple[bool, str]:
    """Whether the chain is whole, and the first thing that is wrong. Streams; needs no key.

    An entry that was edited, removed from the middle, put in or moved is found. A tail
    that was cut off, or a chain that somebody computed anew to its end, is not: that
    takes the signed checkpoints (``verify``), or one that another machine has seen.
    """
    try:
        if ill := store.damage():
            return False, f"the database is damaged: {ill}"
        walk = ChainWalk()
        for seq, leaf in leaves(store):
            walk.step(seq, leaf)
    except StoreFailed as error:
        return False, f"the database cannot be read: {error}"
    except Broken as error:
        return False, str(error)
    return True, ""
