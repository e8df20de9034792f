"""The audit log as a stream of events, from any point in time, without holding the file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from backends.logs import generations
from backends.logs.since import lines_from
from backends.model import AuditEvent, Gap, GapKind
from backends.openbao.audit import FILES, AuditIndex
from backends.openbao.entry import AuditLine, entry_of, is_request
from backends.words import count

BATCH = 2000
"""Lines that a thread reads at a time."""

SLACK = timedelta(seconds=10)
"""Entries of requests under way at the same time may stand out of order by so much."""


async def stream(
    log: AuditIndex, since: datetime, until: datetime | None
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
        try:
            async for entry in _entries(path, since, until):
                torn.see(entry)
                if entry is not None and _wanted(entry, log, since, until):
                    for event in log.events_of(entry, origin):
                        yield event
        except generations.BROKEN as error:
            if path == paths[-1]:
                raise
            what = f"audit events in the rest of {path.name}: it cannot be read"
            why = f"{type(error).__name__}: look at the file."
            yield Gap(str(log.path), GapKind.FAILED, what, why, torn.reached)
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
                "generation cannot be read; keep it readable beside the file.",
                start,
                end,
            )


async def _entries(
    path: Path, since: datetime, until: datetime | None
) -> AsyncIterator[AuditLine | None]:
    """The entries of one file between two points in time; None for a line that is none."""
    with generations.opened(path) as handle:
        lines = lines_from(handle, lambda line: _reached(line, since - SLACK))
        while batch := await asyncio.to_thread(list, islice(lines, BATCH)):
            for line in batch:
                if not is_request(line):
                    yield entry_of(line)
            if _past(batch, until):
                break


class _Torn:
    """Lines that are no entries, and the stretch of time in which they lie."""

    def __init__(self, since: datetime) -> None:
        self.count = 0
        self.since = self._before = since
        self.until: datetime | None = None

    @property
    def reached(self) -> datetime:
        """The time of the newest entry so far."""
        return self._before

    def see(self, entry: AuditLine | None) -> None:
        """Take in the next line's entry, None for a line that is none."""
        if entry is None:
            if not self.count:
                self.since = self._before
            self.count += 1
            self.until = None
            return
        if self.count and self.until is None:
            self.until = entry.time
        self._before = max(self._before, entry.time)


def _wanted(entry: AuditLine, log: AuditIndex, since: datetime, until: datetime | None) -> bool:
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
    older = [one for one, _ in generations.generations(path)[-FILES:] if one != path][-1:]
    if not older or (first is not None and first <= since):
        return first, [path], ""
    try:
        return _first(older[0]) or first, [*older, path], ""
    except generations.BROKEN as error:
        why = getattr(error, "strerror", None) or "it is damaged"
        return first, [path], f"{older[0].name} cannot be read: {why}."


def _first(path: Path) -> datetime | None:
    with generations.opened(path) as handle:
        entries: Iterator[AuditLine | None] = map(entry_of, islice(handle, 100))
        return next((entry.time for entry in entries if entry is not None), None)
