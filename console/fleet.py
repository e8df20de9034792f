"""All configured backends together: opened when needed, synced side by side.

One that cannot be configured, opened or read is written down with its error, keeps its
rows as they were, and never stops the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from backends import memory, registry
from backends.contract import Backend, Match
from backends.errors import BackendError, BrokenPlugin, TimedOut, Unreachable, Unsupported
from backends.model import Dependents, Progress, Secret, TokenRef
from backends.permissions import Answer, Permissions
from console import contact, faults
from console.errors import ConsoleError, UsageError
from console.settings import BackendTable, Paths, Settings

if TYPE_CHECKING:
    from console.audit.ingest import IngestReport
    from console.audit.seal import Sealer
    from console.inventory.sync.sync import Syncer, SyncReport
    from console.store.database import Engine

T = TypeVar("T")

OPEN_TIMEOUT = 60.0
"""Seconds that a backend may take to become ready, credential commands included."""

CLOSE_TIMEOUT = 3.0
"""Seconds that a backend may take to give back what it holds; a hung one is left behind."""

IDENTIFY_TIMEOUT = 30.0
"""Seconds that one backend may take to tell whose a secret is; the others' answers wait."""

LINK_EVERY = 30.0
"""Seconds from one bringing up of the links to the next while backends are looked at for the first
time: each goes through all events that are there."""

RIGHTS_TIMEOUT = 45.0
"""Seconds that a backend may take to open a token's grants."""

ProgressCallback = Callable[[str, int, int | None], None]
"""Called with the backend's name, how many tokens were seen, and of how many if known."""

LogCallback = Callable[[str, int, float | None], None]
"""Called with the backend's name while its log is read as far back as it never was: how many
events were read, and from when on all of them were, in unix seconds."""


class Fleet:
    """The backends of one configuration, and the store that their answers go to.

    With ``act`` the credentials to act with are looked up too. The store is opened, and what
    writes it is loaded, when something is to be written: who only asks does not pay for it.
    """

    def __init__(self, settings: Settings, paths: Paths, *, act: bool = False) -> None:
        self.settings = settings
        self.paths = paths
        self.act = act
        self._tables = {table.name: table for table in settings.backends}
        self._opened: dict[str, Backend] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        paths.make()
        self._logs_read: set[str] = set()
        """Backends whose own log was read to its end by the last look."""
        self._linked: set[str] = set()
        self._linked_at = time.monotonic()
        self._first_reading: set[str] = set()
        """Backends that are being looked at for the first time in this process."""
        self._unlinked = False
        self._linking = asyncio.Lock()

    @cached_property
    def engine(self) -> Engine:
        """The store, open to write; made or migrated where it has to be.

        Raises:
            StoreError: it cannot be written.
        """
        from console.store.database import open_for_writing

        return open_for_writing(self.paths.inventory)

    @cached_property
    def syncer(self) -> Syncer:
        """What brings the store up to what the backends say. Raises as ``engine``."""
        from console.inventory.sync.sync import Syncer

        return Syncer(self.engine)

    @cached_property
    def _sealer(self) -> Sealer:
        from console.audit.seal import Sealer

        return Sealer(self.syncer, self.paths, act=self.act)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Of what was never used there is nothing to give back.
        if "_sealer" in self.__dict__:
            await self._sealer.close()
        for name in list(self._opened):
            await self._drop(name)
        if "engine" in self.__dict__:
            self.engine.dispose()

    @property
    def names(self) -> list[str]:
        """The configured backends, in the order of the file."""
        return list(self._tables)

    def chosen(self, wanted: Iterable[str]) -> list[str]:
        """The wanted backends, all of them where none is named.

        Raises:
            UsageError: for a name that the configuration does not have.
        """
        names = list(wanted) or self.names
        for name in names:
            if name not in self._tables:
                known = ", ".join(self.names) or "none"
                raise UsageError(f"no backend is called {name!r}", f"Configured are: {known}.")
        return names

    async def backend(self, name: str) -> Backend:
        """The opened backend.

        Raises:
            BackendError: it cannot be configured or opened; the next call tries again.
                ``BrokenPlugin`` where that is the fault of who wrote it.
            UsageError: it is not in the configuration.
        """
        (name,) = self.chosen([name])
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name not in self._opened:
                table = self._tables[name].table
                # A credential command may wait for a person, so it must not hold the loop.
                made = await asyncio.to_thread(registry.configure, name, table, act=self.act)
                try:
                    async with asyncio.timeout(OPEN_TIMEOUT):
                        await made.open()
                except TimeoutError:
                    await _quietly(made)
                    raise TimedOut(f"{name} was not ready in {OPEN_TIMEOUT:.0f} s") from None
                except (Exception, SystemExit) as error:  # noqa: BLE001
                    await _quietly(made)
                    raise self._fault(name, error) from None
                except BaseException:
                    await _quietly(made)
                    raise
                self._opened[name] = made
            return self._opened[name]

    def type_of(self, name: str) -> str:
        """The type that the configuration gives a backend."""
        return table_type(self._tables[name])

    def opened(self, name: str) -> Backend | None:
        """The backend as it is open now, if it is."""
        return self._opened.get(name)

    def _fault(self, name: str, error: BaseException) -> BackendError:
        """An error of any kind as one that may be shown, and says whom to tell."""
        if isinstance(error, BackendError):
            return error
        return BrokenPlugin(*faults.words(error, self.type_of(name)))

    async def sync(
        self,
        name: str,
        on_progress: ProgressCallback | None = None,
        on_log: LogCallback | None = None,
        *,
        wait: bool = False,
        ready: Callable[[Backend], Awaitable[None]] | None = None,
    ) -> SyncReport:
        """Read one backend's inventory and events into the store. A failure is its report.

        With ``wait``, another process's look at the same backend is waited for. ``ready`` is
        called with the opened backend before anything is read, and raises nothing.
        """
        try:
            backend = await self.backend(name)
        except BackendError as error:
            return await self._failed(name, error)

        def progress(made: Progress) -> None:
            if on_progress is not None:
                on_progress(name, made.done, made.total)

        def log(seen: int, back_to: datetime | None) -> None:
            if on_log is not None:
                on_log(name, seen, None if back_to is None else back_to.timestamp())

        if ready is not None:
            await ready(backend)
        self._logs_read.discard(name)
        if name not in self._linked:
            self._first_reading.add(name)
        try:
            report = await self.syncer.sync(backend, progress, wait=wait)
            if report.result not in ("failed", "busy"):
                await self._take_in(backend, log)
        except ConsoleError:
            raise
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            # Somebody else's backend may raise anything anywhere; the others go on. A
            # cancellation that nobody asked for is one of these.
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            await self._drop(name)
            return await self._failed(name, error)
        finally:
            self._first_reading.discard(name)
        if report.result == "failed":
            await self._drop(name)
        elif report.result != "busy":
            await self._followed(report)
        return report

    async def follow(self, name: str, refs: Iterable[TokenRef]) -> SyncReport | None:
        """Read only those tokens again, and the log's news. None where that did not work.

        For a backend that told which tokens changed. What is wrong is not told: a sync finds it.
        """
        backend = self.opened(name)
        if backend is None:
            return None
        try:
            report = await self.syncer.refresh_some(backend, refs)
            if not await self._take_in(backend):
                return None
        except ConsoleError:
            raise
        except Exception:  # noqa: BLE001
            # As in ``sync``; and it is asked again at once, for everything.
            return None
        await self._followed(report)
        return report

    async def rest(self) -> None:
        """Give back the memory that reading took, where nothing more is to be read for a while."""

        def let_go() -> None:
            from console.store.database import forget_pages

            with contextlib.suppress(sqlite3.Error):
                forget_pages(self.engine)
            memory.give_back()

        await asyncio.to_thread(let_go)

    async def still(self, name: str) -> None:
        """Note that nothing changed since a backend was read, as its system says."""
        await self.syncer.still(name, events=name in self._logs_read)

    async def _take_in(
        self, backend: Backend, log: Callable[[int, datetime | None], None] | None = None
    ) -> bool:
        """Take in what is new of a backend's own log; whether it was read to its end."""
        from console.audit import intake

        told = await intake.take_in(
            self.syncer,
            backend,
            days=self.settings.events,
            skew=self.syncer.skew(backend.name),
            progress=log,
        )
        if told.message:
            self._logs_read.discard(backend.name)
        else:
            self._logs_read.add(backend.name)
        return not told.message

    async def _followed(self, report: SyncReport) -> None:
        """Seal what came in, and bring the links up to date where tokens changed."""
        self._sealer.begin(report.backend)
        different = report.new or report.changed or report.gone or report.back
        if different or self._unlinked or report.backend not in self._linked:
            self._linked.add(report.backend)
            await self._link()

    async def _failed(self, name: str, error: BaseException) -> SyncReport:
        """Write down that a backend could not be looked at at all."""
        from console.inventory.sync.sync import SyncReport

        known = self._fault(name, error)
        await self.syncer.record_failure(name, self.type_of(name), known)
        lost = isinstance(known, Unreachable)
        return SyncReport(name, "failed", message=str(known), hint=known.hint, unreachable=lost)

    async def _link(self) -> None:
        """Bring owners and links up to date. They are a cache: no trouble ends a sync."""
        self._unlinked = True
        if self._first_reading and time.monotonic() - self._linked_at < LINK_EVERY:
            # The last of them does it for all.
            return
        async with self._linking:
            if not self._unlinked:
                # Whoever held the lock after this one asked for it has done it for both.
                return
            self._unlinked, self._linked_at = False, time.monotonic()
            # Only here: a look that finds nothing different needs none of it.
            from console.graph.collect.refresh import refresh

            with contextlib.suppress(ConsoleError, sqlite3.Error):
                await asyncio.to_thread(refresh, self.engine, self.paths, self.settings.graph)

    async def ingest(
        self,
        wanted: Iterable[str] = (),
        on_progress: Callable[[str, int], None] | None = None,
        *,
        seal_all: bool = False,
    ) -> list[IngestReport]:
        """Read the log sources, all of them where none is named. A failure is its report.

        Their events are sealed as those of a sync are; with ``seal_all`` now, and to the last.

        Raises:
            UsageError: for a source that the configuration does not have.
        """
        from console.audit.ingest import Ingester

        ingester = Ingester(self.syncer, self.settings, self.backend)
        reports = []
        for name in ingester.chosen(list(wanted)):
            reports.append(await ingester.ingest(name, on_progress))
            self._sealer.begin(reports[-1].backend)
        for backend in {report.backend for report in reports} if seal_all else ():
            await self._sealer.close()
            while await self._sealer.seal(backend, early=True):
                pass
        return reports

    async def refresh(self, ref: TokenRef) -> None:
        """Read one token again."""
        await self.syncer.refresh(await self.backend(ref.backend), ref)

    async def dependents(self, ref: TokenRef) -> Dependents:
        """What would break without a token, asked now; the answer is kept for the graph.

        Raises:
            BackendError: the system cannot be asked.
        """
        found = await (await self.backend(ref.backend)).dependents(ref)
        from console.graph.collect import collect

        with contextlib.suppress(sqlite3.Error):
            await asyncio.to_thread(collect.answered, self.engine, ref, found)
        return found

    async def permissions(self, ref: TokenRef) -> Permissions:
        """What a token's grants let it do, opened anew; kept nowhere.

        Raises:
            BackendError: its system cannot be asked, or has no such token any more.
        """
        return (await self._rights(ref))[1]

    async def may(self, ref: TokenRef, action: str, resource: str) -> tuple[Permissions, Answer]:
        """Whether a token may do one thing, and the rights that the answer is made from.

        Raises:
            BackendError: its system cannot be asked, or has no such token any more.
        """
        backend, found = await self._rights(ref)
        try:
            return found, backend.permits(found, action, resource)
        except Exception as error:  # noqa: BLE001
            raise self._fault(ref.backend, error) from None

    async def _rights(self, ref: TokenRef) -> tuple[Backend, Permissions]:
        async def ask(backend: Backend) -> Permissions:
            # What the store has of its grants may be hours old.
            return await backend.permissions(await backend.read(ref))

        try:
            return await self._asked(ref.backend, ask, RIGHTS_TIMEOUT)
        except ConsoleError:
            raise
        except Exception as error:  # noqa: BLE001
            raise self._fault(ref.backend, error) from None

    async def _asked(
        self, name: str, question: Callable[[Backend], Awaitable[T]], seconds: float
    ) -> tuple[Backend, T]:
        """A backend's answer, and the backend that gave it; asked anew if it was closed meanwhile.

        A look that failed closes a backend under the question: what it said then is no word on
        what was asked, and no defect.
        """
        for _ in range(2):
            backend = await self.backend(name)
            try:
                return backend, await contact.within(question(backend), seconds)
            except Exception:
                if self.opened(name) is backend:
                    raise
        raise Unreachable(f"{name} was closed while it was asked", "Try again in a moment.")

    async def identify(
        self, secret: Secret, wanted: Iterable[str] = ()
    ) -> tuple[list[Match], list[tuple[str, str]]]:
        """Ask every backend whose token a secret is: the matches, and who could not answer."""

        async def ask(name: str) -> tuple[Match, ...]:
            return (await self._asked(name, lambda one: one.identify(secret), IDENTIFY_TIMEOUT))[1]

        names = self.chosen(wanted)
        answers = await asyncio.gather(*map(ask, names), return_exceptions=True)
        matches: list[Match] = []
        silent: list[tuple[str, str]] = []
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, tuple):
                matches += answer
            elif isinstance(answer, Unsupported):
                silent.append((name, "it cannot tell"))
            elif isinstance(answer, BackendError | ConsoleError):
                silent.append((name, str(answer)))
            elif isinstance(answer, Exception):
                # A defect's own text could quote the secret that it was handed.
                silent.append((name, f"a defect in the backend ({type(answer).__name__})"))
            else:
                raise answer
        return matches, silent

    async def _drop(self, name: str) -> None:
        if backend := self._opened.pop(name, None):
            await _quietly(backend)


async def _quietly(backend: Backend) -> None:
    """Close a backend that may be broken already, or hang."""
    with contextlib.suppress(Exception, SystemExit):
        await contact.within(backend.close(), CLOSE_TIMEOUT)


def table_type(table: BackendTable) -> str:
    """The type that a table names, for a backend that could not be made from it."""
    return str(table.table.get("type", ""))
