"""Seals over stored audit events: a later change to one of them is then found.

The journal keeps the RFC 6962 root over a batch, computed from the events' own bytes in
the order in which they were stored.
"""

from __future__ import annotations

from collections.abc import Iterable

from backends.words import count
from console.journal.parts import Seal
from console.journal.tree import Frontier


def seal(backend: str, events: Iterable[tuple[str, bytes]]) -> Seal:
    """The seal over a batch: the events' names and bytes, in order. At least one.

    Raises:
        ValueError: there is no event.
    """
    tree = Frontier()
    first = last = ""
    for last, data in events:
        first = first if tree.size else last
        tree.push(data)
    if not tree.size:
        raise ValueError("a batch without events needs no seal")
    return Seal(backend=backend, first=first, last=last, count=tree.size, root=tree.root().hex())


def broken(kept: Seal, events: Iterable[tuple[str, bytes]]) -> str:
    """What is wrong with the events that a seal covers, as they are stored today; or empty."""
    events = list(events)
    if len(events) != kept.count:
        return f"{count(kept.count, 'event was', 'events were')} sealed and {len(events):,} found"
    if seal(kept.backend, events) != kept:
        return f"the events {kept.first} to {kept.last} are not those that were sealed"
    return ""
