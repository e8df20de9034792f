"""The audit log as a stream of events, from any point in time, without holding the file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from backends.model import AuditEvent, Gap, GapKind
from backends.openbao.audit import AuditLog
from backends.openbao.entry import Entry, entry_of, is_request
from backends.openbao.logfile import lines_from, previous

BATCH = 2000
"""Lines that a thread reads at a time."""

SLACK = timedelta(seconds=10)
"""Entries of requests under way at the same time may stand out of order by so much."""


async def stream(
    log: AuditLog, since: datetime, until: datetime | None
) -> AsyncIterator[AuditEvent | Gap]:
    """Events between two points in time, in the log's own order, then what is missing.

    What the console itself read is left out: it would drown everything else. ``log``
    must have been scanned just before.

    Raises:
        OSError: the file is not there or cannot be read.
    """
    origin = f"audit file {log.path.name}"
    first, paths = await asyncio.to_thread(_generations, log.path, since)
    if first is not None and first > since:
        yield Gap(
            str(log.path),
            GapKind.LIMITED,
            f"audit events before {first:%Y-%m-%d %H:%M:%S} UTC",
            "The file begins there: older ones were rotated away or never written.",
            until=first,
        )
    bad = 0
    for path in paths:
        with path.open("rb") as handle:
            lines = lines_from(handle, lambda line: _reached(line, since - SLACK))
            while batch := await asyncio.to_thread(list, islice(lines, BATCH)):
                for entry in map(entry_of, (line for line in batch if not is_request(line))):
                    if entry is None:
                        bad += 1
                    elif _wanted(entry, log, since, until):
                        for event in log.events_of(entry, origin):
                            yield event
                if _past(batch, until):
                    break
    if bad:
        yield Gap(
            str(log.path),
            GapKind.FAILED,
            f"{bad} lines of the audit file are not whole entries",
            "A crash of the server or a full disk may have torn them; look at the file.",
        )
    if log.holes:
        yield Gap(
            str(log.path),
            GapKind.LIMITED,
            "audit events around a rotation",
            "The file was cut short, or rotated twice between two looks; "
            "keep the last generation uncompressed as NAME.1.",
        )


def _wanted(entry: Entry, log: AuditLog, since: datetime, until: datetime | None) -> bool:
    if entry.type == "request" or entry.time < since:
        return False
    return (until is None or entry.time <= until) and not log.is_own(entry)


def _past(batch: list[bytes], until: datetime | None) -> bool:
    if until is None:
        return False
    last = entry_of(batch[-1])
    return last is not None and last.time > until + SLACK


def _reached(line: bytes, since: datetime) -> bool | None:
    entry = entry_of(line)
    return None if entry is None else entry.time >= since


def _generations(path: Path, since: datetime) -> tuple[datetime | None, list[Path]]:
    """When the log begins, and the files that reach back to ``since``, oldest first."""
    first = _first(path)
    older = previous(path)
    if older is None or (first is not None and first <= since):
        return first, [path]
    return _first(older) or first, [older, path]


def _first(path: Path) -> datetime | None:
    with path.open("rb") as handle:
        entries: Iterator[Entry | None] = map(entry_of, islice(handle, 100))
        return next((entry.time for entry in entries if entry is not None), None)
