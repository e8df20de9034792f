"""Takes in audit events: the history of use, and the hourly counts of the sparklines."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, insert

from backends.contract import Backend
from backends.model import AuditEvent, Gap, GapKind, TokenRef
from console.inventory import coverage
from console.inventory.coverage import Gaps, clean, trouble
from console.inventory.folding import encodable
from console.inventory.shape import Garbage, seconds
from console.store.database import touch
from console.store.tables import table

if TYPE_CHECKING:
    from console.inventory.sync import Syncer

EVENT = table("event")
RETENTION_DAYS = 30
BATCH = 1_000
OVERLAP = timedelta(minutes=15)
"""How far each reading goes back behind the one before: logs deliver late."""
FUTURE = timedelta(days=1)
"""An event further ahead of our clock than this is not believed."""
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
    syncer: Syncer, backend: Backend, since: datetime | None, until: datetime | None, days: int
) -> EventReport:
    """See :meth:`console.inventory.sync.Syncer.sync_events`."""
    name = backend.name
    started = syncer.time()
    now = datetime.fromtimestamp(started, UTC)
    oldest = now - timedelta(days=days)
    before = await syncer.write(_covered_until, backend)
    if since is None:
        since = datetime.fromtimestamp(before, UTC) - OVERLAP if before is not None else oldest
    since = max(since, oldest)
    gaps = Gaps()
    garbage: Counter[str] = Counter()
    taken = 0
    why = None
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
                why = trouble(error)
                break
            if isinstance(found, Gap):
                gaps.add(found.scope, found.kind, found.what, found.hint)
                continue
            try:
                rows.append(_row(found, name, now + FUTURE))
            except Garbage as error:
                garbage[str(error)] += 1
            if len(rows) >= BATCH:
                batch, rows = rows, []
                taken += await syncer.write(_write, name, batch)
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            with contextlib.suppress(Exception):
                await close()
    taken += await syncer.write(_write, name, rows)
    for what, times in garbage.items():
        gaps.add(name, GapKind.FAILED, f"{what} ({times} times)", coverage.FAULT_HINT)
    if why is not None:
        gaps.add(name, why.kind, f"audit events: {why.message}", why.hint)
    found_gaps = gaps.all(name)
    reached = started if until is None else min(started, seconds(until))
    unread = any(gap.kind is GapKind.UNLISTABLE for gap in found_gaps) and not taken
    covered = None if why is not None or (unread and before is None) else (seconds(since), reached)
    await syncer.write(_end, name, found_gaps, covered)
    while await syncer.write(_prune, seconds(oldest)):
        pass
    message, hint = (why.message, why.hint) if why is not None else ("", "")
    return EventReport(name, taken, len(found_gaps), message, hint)


def _covered_until(connection: Connection, backend: Backend) -> int | None:
    coverage.ensure(connection, backend.name, clean(backend.type_name))
    found = connection.exec_driver_sql(
        "SELECT events_until FROM backend WHERE name = ?", (backend.name,)
    ).scalar()
    return None if found is None else int(found)


def _row(found: object, backend: str, latest: datetime) -> dict[str, Any]:
    if not isinstance(found, AuditEvent):
        raise Garbage(f"an event of type {type(found).__name__}")
    at: object = found.at
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise Garbage("an event without a time and its zone")
    if at > latest:
        raise Garbage("an event from the future")
    ref: object = found.token
    if ref is not None and not isinstance(ref, TokenRef):
        raise Garbage("an event with a wrong reference")
    if isinstance(ref, TokenRef):
        # As in `shape`: the token is stored under the escaped form of a wrong text.
        ref = TokenRef(*(encodable(part) for part in (ref.backend, ref.kind, ref.id)))
    digest = hashlib.blake2b(
        f"{backend}\0{found.id}".encode("utf-8", "surrogatepass"), digest_size=8
    )
    return {
        "key": int.from_bytes(digest.digest(), "big") >> 1,
        "backend": backend,
        "event_id": clean(found.id),
        "at": seconds(at),
        "action": clean(found.action),
        "outcome": clean(found.outcome),
        "handle": ref.handle if isinstance(ref, TokenRef) else None,
        "ref_kind": ref.kind if isinstance(ref, TokenRef) else None,
        "ref_id": ref.id if isinstance(ref, TokenRef) else None,
        "actor": clean(found.actor),
        "target": clean(found.target),
        "source": clean(found.source),
        "agent": clean(found.agent),
        "origin": clean(found.origin),
        "detail": clean(found.detail),
    }


def _write(connection: Connection, backend: str, rows: list[dict[str, Any]]) -> int:
    """Write the events that are not there yet, and count them by hour."""
    fresh = {row["key"]: row for row in rows}
    there = connection.exec_driver_sql(
        "SELECT key FROM event WHERE key IN (SELECT value FROM json_each(?))",
        (json.dumps(list(fresh)),),
    )
    for (key,) in there.fetchall():
        del fresh[key]
    if not fresh:
        return 0
    connection.execute(insert(EVENT), list(fresh.values()))
    hours: Counter[tuple[str, int]] = Counter(
        (row["handle"], row["at"] // 3600) for row in fresh.values() if row["handle"]
    )
    if hours:
        connection.exec_driver_sql(
            "INSERT INTO use_hour (handle, hour, uses) VALUES (?, ?, ?)"
            " ON CONFLICT (handle, hour) DO UPDATE SET uses = uses + excluded.uses",
            [(handle, hour, uses) for (handle, hour), uses in hours.items()],
        )
    newest = max(row["at"] for row in fresh.values())
    connection.exec_driver_sql(
        "UPDATE backend SET event_at = max(coalesce(event_at, 0), ?) WHERE name = ?",
        (newest, backend),
    )
    touch(connection)
    return len(fresh)


def _end(
    connection: Connection, backend: str, gaps: list[Gap], covered: tuple[int, int] | None
) -> None:
    coverage.replace_gaps(connection, backend, "events", gaps)
    if covered is not None:
        connection.exec_driver_sql(
            "UPDATE backend SET events_until = max(coalesce(events_until, 0), ?),"
            " events_since = min(coalesce(events_since, ?), ?) WHERE name = ?",
            (covered[1], covered[0], covered[0], backend),
        )
    touch(connection)


def _prune(connection: Connection, oldest: int) -> int:
    """Drop some of what is too old. Returns how many events went."""
    some = "(SELECT key FROM event WHERE at < ? ORDER BY at, key LIMIT ?)"
    connection.exec_driver_sql(
        f"DELETE FROM sealed WHERE key IN {some}",  # noqa: S608 - built from constants only.
        (oldest, PRUNE),
    )
    gone = connection.exec_driver_sql(
        f"DELETE FROM event WHERE key IN {some}",  # noqa: S608 - built from constants only.
        (oldest, PRUNE),
    ).rowcount
    if gone:
        connection.exec_driver_sql("DELETE FROM use_hour WHERE hour < ?", (oldest // 3600,))
    return gone
