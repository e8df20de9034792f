"""Takes log sources in: each batch with its place in one transaction, so each event once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from backends.contract import Backend
from backends.errors import BackendError
from backends.logs import registry
from backends.logs.source import BEGINNING, Batch, Hole, Source
from backends.words import count
from console.audit import intake, names
from console.errors import UsageError
from console.inventory.sync.coverage import clean, trouble
from console.inventory.sync.lock import SyncUnderWay, only_one
from console.inventory.sync.validate import Garbage, seconds
from console.settings import Settings
from console.store.database import Connection, touch
from console.store.hash_key import hash_key
from console.store.write import backends, log_places
from console.store.write.events import StoredEvent
from console.store.writer import StoreWriter, off_loop

Opened = Callable[[str], Awaitable[Backend]]
"""Gives the opened backend of a name, as ``Fleet.backend`` does."""
Progress = Callable[[str, int], None]
"""Called with a source's name and the events taken in so far."""


class IngestReport(NamedTuple):
    """What reading a source gave. ``message`` is set when it could not be read to its end."""

    source: str
    backend: str
    taken: int = 0
    lines: int = 0
    bad: int = 0
    holes: int = 0
    unknown: int = 0
    """Names of tokens in it that belong to no token that is known."""
    message: str = ""
    hint: str = ""
    busy: bool = False


class Ingester:
    """Reads the configured sources into a store."""

    def __init__(
        self, store: StoreWriter, settings: Settings, opened: Opened | None = None
    ) -> None:
        self._store = store
        self._settings = settings
        self._opened = opened

    def chosen(self, wanted: tuple[str, ...] | list[str]) -> list[str]:
        """The wanted sources, all of them where none is named.

        Raises:
            UsageError: the configuration has none of that name.
        """
        known = list(self._settings.sources)
        for name in wanted:
            if name not in known:
                raise UsageError(
                    f"no source is called {name!r}",
                    f"Configured are: {', '.join(known) or 'none'}.",
                )
        return list(wanted) or known

    async def ingest(self, name: str, progress: Progress | None = None) -> IngestReport:
        """Read one source to its end. What went wrong is in the report, and in the store."""
        table = self._settings.sources[name].table
        backend = str(table.get("backend", ""))
        try:
            source = await asyncio.to_thread(registry.configure, name, table)
        except BackendError as error:
            report = IngestReport(name, backend, message=error.message, hint=error.hint)
            await self._store.write(_failed, name, backend, str(table.get("type")), report)
            return report
        return await self.take(source, progress)

    async def take(self, source: Source, progress: Progress | None = None) -> IngestReport:
        """Read a source to its end, and then say which of its names are not known."""
        try:
            async with only_one(self._store.path, f"source {source.name}", wait=False):
                return await self._take(source, progress or (lambda name, taken: None))
        except SyncUnderWay:
            return IngestReport(source.name, source.backend, busy=True)
        finally:
            source.close()

    async def _take(self, source: Source, progress: Progress) -> IngestReport:
        write = self._store.write
        began = self._store.time()
        places, learned = await write(_begin, source)
        if source.by_name:
            await self._ask_names(source)
        source.key = await asyncio.to_thread(hash_key, self._store.path)
        source.latest = datetime.fromtimestamp(began, UTC) + intake.FUTURE
        stream = source.read(places, learned)
        taken = lines = bad = holes = 0
        message = hint = ""
        while True:
            try:
                batch = await off_loop(lambda: next(stream, None))
            except (Exception, SystemExit) as error:  # noqa: BLE001
                # A log may hold anything; what was read so far counts.
                why = trouble(registry.TYPES.fault(source.type_name, error))
                message, hint = why.message, why.hint
                break
            if batch is None:
                break
            taken += await write(_keep, source, batch, self._store.time())
            lines, bad = lines + batch.lines, bad + batch.bad
            holes += len(batch.holes)
            progress(source.name, taken)
        report = IngestReport(
            source.name, source.backend, taken, lines, bad, holes, message=message, hint=hint
        )
        until = None if message else began - int(source.delay.total_seconds())
        unknown = await write(_end, source, report, until, began)
        oldest = began - self._settings.events * 86_400
        while await write(intake.prune, oldest):
            pass
        return report._replace(unknown=unknown)

    async def _ask_names(self, source: Source) -> None:
        """Ask the backend what its log calls the tokens. It may be away: then later."""
        await self._store.write(names.try_again, source.backend)
        if self._opened is None:
            return
        try:
            backend = await self._opened(source.backend)
            if type(backend).log_names is Backend.log_names:
                return
            refs = await self._store.write(names.nameless, source.backend)
            told = await backend.log_names(refs)
        except Exception:  # noqa: BLE001
            # Whatever is wrong with the backend is told on its own row; the log is read all the
            # same.
            return
        await self._store.write(names.keep, source.backend, source.kind, told)


def _begin(connection: Connection, source: Source) -> tuple[dict[str, bytes], dict[str, str]]:
    backends.ensure(connection, source.backend, "")
    log_places.ensure_source(
        connection, source.name, source.backend, source.type_name,
        covers=source.covers.value, named=int(source.asks),
    )  # fmt: skip
    positions = log_places.positions(connection, source.name)
    return positions, log_places.learned(connection, source.name)


def _keep(connection: Connection, source: Source, batch: Batch, now: int) -> int:
    """Keep a batch: its events, their counts, its holes, and how far the log is read now."""
    latest = datetime.fromtimestamp(now, UTC) + intake.FUTURE
    rows: list[StoredEvent] = []
    garbage: Counter[str] = Counter()
    for event in batch.events:
        try:
            rows.append(intake.row_of(event, source.backend, latest, source.key))
        except (Garbage, OverflowError) as error:
            garbage[str(error)] += 1
    if source.by_name:
        names.resolve(connection, source.backend, rows)
    taken = intake.write(connection, source.backend, rows) if rows else 0
    last_at = log_places.last_at(connection, source.name)
    first = None if batch.first is None else seconds(batch.first)
    _keep_holes(connection, source, batch, garbage, last_at, first)
    if batch.learned:
        log_places.learn(connection, source.name, batch.learned)
    if batch.state:
        log_places.set_position(connection, source.name, batch.file, batch.state)
    last = None if batch.last is None else min(seconds(batch.last), seconds(latest))
    log_places.count_batch(
        connection,
        source.name,
        events=taken,
        bad=batch.bad + garbage.total(),
        ahead_ms=0 if last is None else max(0, last - now) * 1000,
        back_ms=int(batch.back.total_seconds() * 1000),
        first=first,
        last=last,
    )
    return taken


def _keep_holes(
    connection: Connection,
    source: Source,
    batch: Batch,
    garbage: Mapping[str, int],
    last_at: int | None,
    first: int | None,
) -> None:
    def put(hole: Hole, since: int | None, until: int | None) -> None:
        if since is not None and until is not None:
            until = max(since, until)
        log_places.add_hole(
            connection, source=source.name, backend=source.backend, since=since, until=until,
            kind=hole.kind, what=clean(hole.what), hint=hole.hint,
            file=clean(hole.file or batch.file),
        )  # fmt: skip

    for name in [*batch.mended, *([batch.file] if batch.file else [])]:
        log_places.drop_holes(connection, source.name, clean(name))
    if first is not None and not batch.file:
        # The next line that can be read ends what could not.
        log_places.end_holes(connection, source.name, first)
    for hole in batch.holes:
        since = last_at if hole.since is None else seconds(hole.since)
        if hole.since == BEGINNING:
            since = None
        if batch.file:
            put(hole, since, None if hole.until is None else seconds(hole.until))
            continue
        if hole.file and _told_before(connection, source, hole, last_at):
            continue
        if hole.until is not None:
            until: int | None = seconds(hole.until)
        else:
            until = first if hole.since is None else None
        put(hole, since, until)
    end = None if batch.last is None else seconds(batch.last)
    for what, times in garbage.items():
        put(Hole("unreadable", f"{what} ({count(times, 'time')})"), first, end)


def _told_before(connection: Connection, source: Source, hole: Hole, last_at: int | None) -> bool:
    """Whether a file of a growing log that cannot be read was told of, or was read before."""
    if hole.until is not None and last_at is not None and seconds(hole.until) <= last_at:
        # It was last written before the newest line that was read: it was read in its time.
        return True
    return log_places.has_hole(connection, source.name, clean(hole.file))


def _end(
    connection: Connection, source: Source, report: IngestReport, until: int | None, now: int
) -> int:
    log_places.end_reading(
        connection, source.name,
        error=clean(report.message), hint=clean(report.hint), at=now, until=until,
    )  # fmt: skip
    touch(connection)
    if source.by_name:
        names.try_again(connection, source.backend)
    return log_places.count_unknown(connection, source.backend)


def _failed(
    connection: Connection, name: str, backend: str, type_: str, report: IngestReport
) -> None:
    log_places.ensure_source(
        connection, name, backend, clean(type_),
        error=clean(report.message), hint=clean(report.hint),
    )  # fmt: skip
    touch(connection)
