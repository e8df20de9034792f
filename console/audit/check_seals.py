"""Compares the stored audit events with the seals that the journal holds of them."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from backends.words import count
from console.audit.batch import broken
from console.journal.format.entry import Kind, SchemaError
from console.journal.format.parts import Seal
from console.journal.read.view import JournalView
from console.journal.write.journal import Journal
from console.store import reading
from console.store.queries import events

_PAGE = 1000


class SealProblem(NamedTuple):
    """Stored events that are not as they were sealed. ``seq`` is the seal's entry.

    Not ``altered`` means that all of them are missing, as after the inventory, which is a
    cache, was made anew.
    """

    seq: int
    backend: str
    text: str
    altered: bool = True


def check_seals(
    inventory: Path, journal: Journal | JournalView, days: int, now: float | None = None
) -> list[SealProblem]:
    """Compare the stored events with the journal's seals, oldest seal first.

    Events older than ``days`` are dropped by and by, so a batch with one of them cannot be
    checked any more and is passed over. ``now`` is in seconds of UTC.

    Raises:
        StoreError: there is no inventory, or it cannot be read.
        JournalError: the journal cannot be read.
    """
    horizon = (time.time() if now is None else now) - days * 86_400
    found: list[SealProblem] = []
    store = reading.connect(inventory)
    try:
        for seq, id_, kept in kept_seals(journal):
            if _at(kept.first) <= horizon:
                continue
            there = list(sealed_events(store, id_))
            if not there:
                text = f"none of the {count(kept.count, 'sealed event')} is there any more"
                found.append(SealProblem(seq, kept.backend, text, altered=False))
            elif problem := broken(kept, there):
                found.append(SealProblem(seq, kept.backend, problem))
    except sqlite3.Error as error:
        raise reading.unusable(inventory, error) from None
    finally:
        store.close()
    return found[::-1]


def kept_seals(journal: Journal | JournalView) -> Iterator[tuple[int, str, Seal]]:
    """The seals, newest first: the entry's number and id, and the seal."""
    before = None
    while page := journal.entries(_PAGE, before, Kind.AUDIT_SEAL.value):
        for entry in page:
            with contextlib.suppress(SchemaError):
                if (kept := entry.body.seal) is not None:
                    yield entry.seq, entry.id, kept
        before = page[-1].seq


def sealed_events(store: sqlite3.Connection, id_: str) -> Iterator[tuple[str, bytes]]:
    """The events under a seal: ``time:key``, and all that is stored of each, in RFC 8785 JSON.

    With texts and whole numbers only, and the names in order, that is what msgspec writes.
    """
    encode = msgspec.json.Encoder().encode
    for key, members in events.sealed(store, id_):
        yield f"{members['at']}:{key}", encode(members)


def _at(name: str) -> int:
    try:
        return int(name.partition(":")[0])
    except ValueError:
        return 0
