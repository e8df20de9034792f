"""Counts of events by five minutes, which stay when the events themselves are dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from console.store.classes import EVERYTHING, SLOT, outcome_of
from console.store.database import Connection
from console.store.write import events
from console.store.write.events import Bin, StoredEvent


def count(connection: Connection, backend: str, rows: Iterable[StoredEvent]) -> None:
    """Add events to the counts, in the transaction that keeps the events themselves."""
    counts: Counter[Bin] = Counter()
    for row in rows:
        slot, class_, outcome = row.at // SLOT, row.class_, outcome_of(row.outcome)
        counts[EVERYTHING, backend, slot, class_, outcome] += 1
        if row.handle:
            counts[row.handle, backend, slot, class_, outcome] += 1
    if counts:
        events.count_all(connection, counts)
