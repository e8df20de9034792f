"""Takes in audit events: the history of use, and the hourly counts of the sparklines."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from backends.contract import Backend
from backends.hiding import has_form, hidden, keyed
from backends.logs import source
from backends.model import AuditEvent, EventClass, Gap, GapKind, TokenRef
from backends.words import count
from console.audit import rollups
from console.inventory.sync import coverage
from console.inventory.sync.coverage import Gaps, clean, trouble
from console.inventory.sync.validate import Garbage, seconds
from console.store.classes import OTHER, USE
from console.store.database import touch
from console.store.hash_key import hash_key
from console.store.text_fold import encodable
from console.store.write import backends, events, log_places
from console.store.writer import StoreWriter

RETENTION_DAYS = 30
BATCH = 1_000
OVERLAP = timedelta(minutes=15)
"""How far each reading goes back behind the one before: logs deliver late."""
FUTURE = timedelta(days=1)
"""An event further ahead of our clock than this is not believed."""
EARLIEST = source.EARLIEST
"""Nor one from before this."""
PRUNE = 5_000
"""Old events that one transaction drops."""


class EventReport(NamedTuple):
    """What came of it. ``message`` and ``hint`` are set when it went wrong on the way."""

    backend: str
    taken: int
    gaps: int
    message: str = ""
    hint: str = ""


async def take_in(
    store: StoreWriter,
    backend: Backend,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    days: int = RETENTION_DAYS,
    skew: int | None = None,
) -> EventReport:
    """Take in audit events: from ``since``, else from where the last time ended.

    Events older than ``days`` are dropped, and read at first sight of a backend. ``skew``
    are the milliseconds by which the system's clock is ahead of ours, None where unknown.

    Raises:
        StoreError: the store cannot be written. A backend's errors are told in the report.
    """
    name = backend.name
    started = store.time()
    now = datetime.fromtimestamp(started, UTC)
    oldest = now - timedelta(days=days)
    key = await asyncio.to_thread(hash_key, store.path)
    before = await store.write(_covered_until, backend)
    if since is None:
        since = datetime.fromtimestamp(before, UTC) - OVERLAP if before is not None else oldest
    since = max(since, oldest)
    gaps = Gaps()
    garbage: Counter[str] = Counter()
    taken = 0
    why = None
    holes: list[Gap] = []
    if before is not None and seconds(since) > before:
        what = "the console did not read the log for longer than events are kept"
        holes.append(Gap(name, GapKind.LIMITED, what, "", _moment(before), since))
    rows: list[dict[str, Any]] = []
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
                why = trouble(error, backend)
                break
            if isinstance(found, Gap):
                gaps.add(found.scope, found.kind, found.what, found.hint)
                # One without a time of its own is about all that was asked for.
                holes.append(found)
                continue
            try:
                rows.append(row_of(found, name, now + FUTURE, key))
            except Garbage as error:
                garbage[str(error)] += 1
            if len(rows) >= BATCH:
                batch, rows = rows, []
                taken += await store.write(write, name, batch)
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            with contextlib.suppress(Exception):
                await close()
    taken += await store.write(write, name, rows)
    for what, times in garbage.items():
        gaps.add(name, GapKind.FAILED, f"{what} ({count(times, 'time')})", coverage.FAULT_HINT)
        # What cannot be placed in time may have been at any.
        holes.append(Gap(name, GapKind.FAILED, what, coverage.FAULT_HINT))
    if why is not None:
        gaps.add(name, why.kind, f"audit events: {why.message}", why.hint)
    found_gaps = gaps.all(name)
    reached = started if until is None else min(started, seconds(until))
    unread = any(gap.kind is GapKind.UNLISTABLE for gap in found_gaps) and not taken
    covered = None if why is not None or (unread and before is None) else (seconds(since), reached)
    await store.write(_end, name, found_gaps, covered)
    await store.write(coverage.note_skew, name, skew)
    if covered is not None:
        await store.write(_keep_holes, name, holes, covered)
    while await store.write(prune, seconds(oldest)):
        pass
    message, hint = (why.message, why.hint) if why is not None else ("", "")
    return EventReport(name, taken, len(found_gaps), message, hint)


def _covered_until(connection: Connection, backend: Backend) -> int | None:
    backends.ensure(connection, backend.name, clean(backend.type_name))
    return backends.events_until(connection, backend.name)


def row_of(found: object, backend: str, latest: datetime, key: bytes) -> dict[str, Any]:
    """An event as it is stored, without what looks like a secret: in the order of its columns.

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
    return {
        "key": int.from_bytes(digest.digest(), "big") >> 1,
        "backend": backend,
        "event_id": clean(name),
        "at": seconds(at),
        "action": _word(found.action),
        "outcome": _word(found.outcome),
        "handle": handle,
        "ref_kind": kind,
        "ref_id": id_,
        "actor": _word(found.actor),
        "target": hidden(clean(found.target)) if found.target else "",
        "source": _word(found.source),
        "agent": _word(found.agent),
        "origin": _word(found.origin),
        "detail": hidden(clean(found.detail)) if found.detail else "",
        "class": _class(found),
        "effect": _word(found.effect),
    }


def _class(found: AuditEvent) -> str:
    # A third party's backend may put anything here too.
    sort: object = found.sort
    return found.settled.value if isinstance(sort, EventClass) else OTHER


def _word(text: object) -> str:
    # A third party's backend may put anything here.
    return _often(text) if type(text) is str else hidden(clean(text))


@lru_cache(maxsize=4096)
def _often(text: str) -> str:
    """The same for texts that stand in many events."""
    return hidden(clean(text))


def _name(id_: str, key: bytes) -> str:
    """A name as it is kept: a hash of it, where somebody's log has a value for a name."""
    return keyed(id_, key) if has_form(id_) else id_


@lru_cache(maxsize=4096)
def _named(ref: TokenRef, key: bytes) -> tuple[str, str, str]:
    # As in `shape`: the token is stored under the escaped form of a wrong text.
    parts = ref.backend, ref.kind, _name(ref.id, key)
    known = TokenRef(*(encodable(part) for part in parts))
    return known.handle, known.kind, known.id


def write(connection: Connection, backend: str, rows: list[dict[str, Any]]) -> int:
    """Write the events that are not there yet, and count them. Returns how many those are."""
    fresh = {row["key"]: row for row in rows}
    for key in events.there(connection, fresh):
        del fresh[key]
    if not fresh:
        return 0
    events.add(connection, [tuple(row.values()) for row in fresh.values()])
    rollups.count(connection, backend, fresh.values())
    hours: Counter[tuple[str, int]] = Counter(
        (row["handle"], row["at"] // 3600)
        for row in fresh.values()
        if row["handle"] and row["class"] == USE
    )
    if hours:
        events.count_uses(connection, hours)
    backends.note_event(connection, backend, max(row["at"] for row in fresh.values()))
    touch(connection)
    return len(fresh)


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
