"""Counts of events by five minutes, which stay when the events themselves are dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from console.store.classes import EVERYTHING, SLOT, outcome_of
from console.store.write import events
from console.store.write.events import Bin


def count(connection: Connection, backend: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add events to the counts, in the transaction that keeps the events themselves."""
    counts: Counter[Bin] = Counter()
    for row in rows:
        tail = backend, row["at"] // SLOT, row["class"], outcome_of(row["outcome"])
        counts[EVERYTHING, *tail] += 1
        if row["handle"]:
            counts[row["handle"], *tail] += 1
    if counts:
        events.count_all(connection, counts)
