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
from backends.words import count

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
    first, paths, refused = await asyncio.to_thread(_generations, log.path, since)
    if first is not None and first > since:
        yield Gap(
            str(log.path),
            GapKind.REFUSED if refused else GapKind.LIMITED,
            f"audit events before {first:%Y-%m-%d %H:%M:%S} UTC",
            refused or "The file begins there: older ones were rotated away or never written.",
            until=first,
        )
    torn = _Torn(since)
    for path in paths:
        with path.open("rb") as handle:
            lines = lines_from(handle, lambda line: _reached(line, since - SLACK))
            while batch := await asyncio.to_thread(list, islice(lines, BATCH)):
                for entry in map(entry_of, (line for line in batch if not is_request(line))):
                    torn.see(entry)
                    if entry is not None and _wanted(entry, log, since, until):
                        for event in log.events_of(entry, origin):
                            yield event
                if _past(batch, until):
                    break
    if torn.count:
        yield Gap(
            str(log.path),
            GapKind.FAILED,
            f"{count(torn.count, 'line')} of the audit file: no whole entry",
            "A crash of the server or a full disk may have torn them; look at the file.",
            torn.since,
            torn.until,
        )
    for start, end in log.lost:
        if (end is None or end >= since) and (until is None or start is None or start <= until):
            yield Gap(
                str(log.path),
                GapKind.LIMITED,
                "audit events around a rotation",
                "The file was cut short, or rotated twice between two looks, or its previous "
                "generation cannot be read; keep it readable and uncompressed as NAME.1.",
                start,
                end,
            )


class _Torn:
    """Lines that are no entries, and the stretch of time in which they lie."""

    def __init__(self, since: datetime) -> None:
        self.count = 0
        self.since = self._before = since
        self.until: datetime | None = None

    def see(self, entry: Entry | None) -> None:
        if entry is None:
            if not self.count:
                self.since = self._before
            self.count += 1
            self.until = None
            return
        if self.count and self.until is None:
            self.until = entry.time
        self._before = max(self._before, entry.time)


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


def _generations(path: Path, since: datetime) -> tuple[datetime | None, list[Path], str]:
    """When the log begins, and the files that reach back to ``since``, oldest first.

    Then why the older of them cannot be read, where that is so.
    """
    first = _first(path)
    older = previous(path)
    if older is None or (first is not None and first <= since):
        return first, [path], ""
    try:
        return _first(older) or first, [older, path], ""
    except OSError as error:
        return first, [path], f"{older.name} cannot be read: {error.strerror}."


def _first(path: Path) -> datetime | None:
    with path.open("rb") as handle:
        entries: Iterator[Entry | None] = map(entry_of, islice(handle, 100))
        return next((entry.time for entry in entries if entry is not None), None)
