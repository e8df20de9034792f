"""Takes in audit events: the history of use, and the hourly counts of the sparklines."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from backends.contract import Backend
from backends.hiding import has_form, hidden, keyed
from backends.logs import source
from backends.model import AuditEvent, Effect, EventClass, Gap, GapKind, TokenRef, settled
from backends.words import count
from console.inventory.sync import coverage
from console.inventory.sync.coverage import Gaps, Trouble, clean, trouble
from console.inventory.sync.validate import Garbage, seconds
from console.store.classes import OTHER
from console.store.database import Connection, touch
from console.store.hash_key import hash_key
from console.store.text_fold import encodable
from console.store.write import backends, events, log_places
from console.store.write.events import StoredEvent
from console.store.writer import StoreWriter

RETENTION_DAYS = 30
BATCH = 20_000
"""Events in one transaction, and at most in memory."""
OVERLAP = timedelta(minutes=15)
"""How far each reading goes back behind the one before: logs deliver late."""
STRETCHES = (timedelta(hours=25), timedelta(days=7))
"""How far back from now the stretches of a first reading end, but for the last.

The newest is what a responder asks for first, and what the sparklines show: the hours of a day.
"""
FUTURE = timedelta(days=1)
"""An event further ahead of our clock than this is not believed."""
EARLIEST = source.EARLIEST
"""Nor one from before this."""
PRUNE = 5_000
"""Old events that one transaction drops."""

Progress = Callable[[int, datetime | None], None]
"""Called while a log is read that was not read as far back yet: with the events read so far,
and from when on all of it was read; None before that is known of any."""
TELL = 1_000
"""Events from one such call to the next."""


class EventReport(NamedTuple):
    """What came of it. ``message`` and ``hint`` are set when it went wrong on the way."""

    backend: str
    taken: int
    gaps: int
    message: str = ""
    hint: str = ""


class _Reading:
    """What one reading of a backend's log finds, while it goes on."""

    def __init__(self, backend: str, now: datetime, key: bytes) -> None:
        self.backend, self.now, self.key = backend, now, key
        self.progress: Progress = _untold
        self.seen = self.taken = 0
        self.gaps = Gaps()
        self.holes: list[Gap] = []
        """Of what was read and is not noted as covered yet."""
        self.unlistable = False
        self.why: Trouble | None = None
        """Why it broke off."""
        self.reached: datetime | None = None
        """From here on everything has been read."""


def _untold(seen: int, back_to: datetime | None) -> None:
    """Nobody asked, or there is nothing that was not read before."""


async def take_in(
    store: StoreWriter,
    backend: Backend,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    days: int = RETENTION_DAYS,
    skew: int | None = None,
    progress: Progress | None = None,
) -> EventReport:
    """Take in audit events: from ``since``, else from where the last time ended.

    Events older than ``days`` are dropped, and read at first sight of a backend. Where the
    backend's log can be asked stretch by stretch, the newest are read first, and what a
    stretch covers is noted at its end: one that was interrupted is gone on with from there.
    ``skew`` are the milliseconds by which the system's clock is ahead of ours, None where
    unknown.

    Raises:
        StoreError: the store cannot be written. A backend's errors are told in the report.
    """
    name = backend.name
    started = store.time()
    now = datetime.fromtimestamp(started, UTC)
    oldest = now - timedelta(days=days)
    key = await asyncio.to_thread(hash_key, store.path)
    covered = await store.write(_covered, backend)
    read = _Reading(name, now, key)
    end = started if until is None else min(started, seconds(until))
    if since is not None:
        stretches = [(max(since, oldest), until)]
    else:
        stretches = _stretches(now, oldest, until, covered, backend.log_by_stretch)
    if progress is not None and (covered is None or len(stretches) > 1):
        read.progress = progress
        progress(0, None)
    if covered is not None and seconds(stretches[0][0]) > covered[1]:
        what = "the console did not read the log for longer than events are kept"
        gap = Gap(name, GapKind.LIMITED, what, "", _moment(covered[1]), stretches[0][0])
        read.holes.append(gap)
    upper: int | None = None
    for begin, until in stretches:
        if upper is None:
            upper = end if until is None else min(end, seconds(until))
        await _read(store, backend, read, begin, until)
        unread = read.unlistable and not read.taken
        done = None if read.why is not None or (unread and covered is None) else seconds(begin)
        await store.write(_end, name, read.gaps.all(name), None if done is None else (done, end))
        if done is not None:
            await store.write(_keep_holes, name, read.holes, (done, upper))
            read.holes, read.reached, upper = [], begin, None
            read.progress(read.seen, begin)
        if read.why is not None:
            break
    await store.write(coverage.note_skew, name, skew)
    while await store.write(prune, seconds(oldest)):
        pass
    message, hint = (read.why.message, read.why.hint) if read.why is not None else ("", "")
    return EventReport(name, read.taken, len(read.gaps.all(name)), message, hint)


def _stretches(
    now: datetime,
    oldest: datetime,
    until: datetime | None,
    covered: tuple[int, int] | None,
    by_stretch: bool,
) -> list[tuple[datetime, datetime | None]]:
    """What to read, in order: the new, then back to ``oldest`` what was not read yet."""
    found: list[tuple[datetime, datetime | None]] = []
    upper = until
    if covered is not None:
        found.append((max(_moment(covered[1]) - OVERLAP, oldest), until))
        upper = _moment(covered[0])
        if not by_stretch or upper <= oldest:
            return found
    elif not by_stretch:
        return [(oldest, until)]
    for back in (*(now - each for each in STRETCHES), oldest):
        begin = max(back, oldest)
        if upper is None or begin < upper:
            found.append((begin, upper))
            upper = begin
    return found


async def _read(
    store: StoreWriter, backend: Backend, read: _Reading, since: datetime, until: datetime | None
) -> None:
    """Take in one stretch of a log, batch by batch."""
    name, latest, key = backend.name, read.now + FUTURE, read.key
    garbage: Counter[str] = Counter()
    rows: list[StoredEvent] = []
    stream = None
    try:
        while True:
            try:
                stream = stream or backend.events(since, until)
                found = await anext(stream)
            except StopAsyncIteration:
                break
            except Exception as error:  # noqa: BLE001
                # A third party's backend may fail in any way; what it gave so far counts.
                read.why = trouble(error, backend)
                break
            if isinstance(found, Gap):
                read.gaps.add(found.scope, found.kind, found.what, found.hint)
                read.unlistable = read.unlistable or found.kind is GapKind.UNLISTABLE
                # One without a time of its own is about all that was asked for.
                read.holes.append(found)
                continue
            try:
                rows.append(row_of(found, name, latest, key))
                read.seen += 1
                if not read.seen % TELL:
                    read.progress(read.seen, read.reached)
            except Garbage as error:
                garbage[str(error)] += 1
            if len(rows) >= BATCH:
                batch, rows = rows, []
                read.taken += await store.write(write, name, batch)
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            with contextlib.suppress(Exception):
                await close()
    read.taken += await store.write(write, name, rows)
    for what, times in garbage.items():
        told = f"{what} ({count(times, 'time')})"
        read.gaps.add(name, GapKind.FAILED, told, coverage.FAULT_HINT)
        # What cannot be placed in time may have been at any.
        read.holes.append(Gap(name, GapKind.FAILED, what, coverage.FAULT_HINT))
    if read.why is not None:
        what = f"audit events: {read.why.message}"
        read.gaps.add(name, read.why.kind, what, read.why.hint)


def _covered(connection: Connection, backend: Backend) -> tuple[int, int] | None:
    backends.ensure(connection, backend.name, clean(backend.type_name))
    return backends.events_covered(connection, backend.name)


def row_of(found: object, backend: str, latest: datetime, key: bytes) -> StoredEvent:
    """An event as it is stored, without what looks like a secret.

    ``key`` is for the hash that stands for one where it names a token or a line.

    Raises:
        Garbage: it is none, or from after ``latest``.
    """
    if not isinstance(found, AuditEvent):
        raise Garbage(f"an event of type {type(found).__name__}")
    at: object = found.at
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise Garbage("an event without a time and its zone")
    if at > latest:
        raise Garbage("an event from the future")
    if at < EARLIEST:
        raise Garbage("an event from before there were such logs")
    ref: object = found.token
    if ref is not None and not isinstance(ref, TokenRef):
        raise Garbage("an event with a wrong reference")
    handle, kind, id_ = (None, None, None) if ref is None else _named(ref, key)
    name = _name(str(found.id), key)
    digest = hashlib.blake2b(f"{backend}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8)
    action, outcome, actor, target = found.action, found.outcome, found.actor, found.target
    from_, agent, origin, detail = found.source, found.agent, found.origin, found.detail
    effect, sort, word = found.effect, found.sort, _often
    # A third party's backend may put anything here. What is no text goes the long way.
    return StoredEvent(
        int.from_bytes(digest.digest(), "big") >> 1,
        backend,
        clean(name),
        int(at.timestamp()),
        word(action) if type(action) is str else _word(action),
        word(outcome) if type(outcome) is str else _word(outcome),
        handle,
        kind,
        id_,
        word(actor) if type(actor) is str else _word(actor),
        word(target) if type(target) is str else _word(target or ""),
        word(from_) if type(from_) is str else _word(from_),
        word(agent) if type(agent) is str else _word(agent),
        word(origin) if type(origin) is str else _word(origin),
        word(detail) if type(detail) is str else _word(detail or ""),
        settled(sort, outcome).value if type(sort) is EventClass else OTHER,
        word(effect) if type(effect) is Effect else _word(effect),
    )


def _word(text: object) -> str:
    return hidden(clean(text))


@lru_cache(maxsize=8192)
def _often(text: str) -> str:
    """The same for texts that stand in many events."""
    return hidden(clean(text))


def _name(id_: str, key: bytes) -> str:
    """A name as it is kept: a hash of it, where somebody's log has a value for a name."""
    return keyed(id_, key) if has_form(id_) else id_


@lru_cache(maxsize=8192)
def _named(ref: TokenRef, key: bytes) -> tuple[str, str, str]:
    # As in `shape`: the token is stored under the escaped form of a wrong text.
    parts = ref.backend, ref.kind, _name(ref.id, key)
    known = TokenRef(*(encodable(part) for part in parts))
    return known.handle, known.kind, known.id


def write(connection: Connection, backend: str, rows: list[StoredEvent]) -> int:
    """Write the events that are not there yet, and count them. Returns how many those are."""
    taken = events.take_in(connection, rows)
    if taken:
        backends.note_event(connection, backend, max(row.at for row in rows))
        touch(connection)
    return taken


def _end(
    connection: Connection, backend: str, gaps: list[Gap], covered: tuple[int, int] | None
) -> None:
    coverage.replace_gaps(connection, backend, "events", gaps)
    if covered is not None:
        backends.cover_events(connection, backend, *covered)
    touch(connection)


def _keep_holes(
    connection: Connection, backend: str, holes: list[Gap], covered: tuple[int, int]
) -> None:
    """Keep the stretches of time that the system's own log does not tell of, each once.

    One that goes on from look to look is one that grows.
    """
    for gap in holes:
        start = covered[0] if gap.since is None else seconds(gap.since)
        until = covered[1] if gap.until is None else seconds(gap.until)
        if until <= start and gap.until is not None:
            # It is about a time before what was read here.
            continue
        what, hint = clean(gap.what), clean(gap.hint)
        if not log_places.grow_hole(connection, backend, what, start, until):
            log_places.add_hole(
                connection, source=backend, backend=backend, since=start, until=until,
                kind="missing", what=what, hint=hint,
            )  # fmt: skip


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def prune(connection: Connection, oldest: int) -> int:
    """Drop some of what is too old; their counts stay. Returns how many events went.

    Where events are sealed into the journal, one that is not yet sealed is kept until it is.
    """
    return events.prune(connection, oldest, PRUNE)
