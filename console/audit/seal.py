"""Seals the stored audit events into the journal, and finds those that were changed since.

Now and then what is new of a backend's events is put under one root, and the root into
the journal. Sealing goes on beside the syncs: it never holds one up, and never fails one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from console.audit.batch import seal
from console.audit.check_seals import kept_seals, sealed_events
from console.errors import JournalError
from console.journal import opening
from console.journal.format.entry import Kind, uuid7
from console.journal.format.parts import Seal
from console.journal.write.journal import Journal
from console.settings import Paths
from console.store import reading
from console.store.queries import events as queries
from console.store.write import events
from console.store.writer import StoreWriter

EVERY = 600
"""Seconds between two seals of one backend, so that frequent syncs do not fill the journal."""
MOST = 100_000
"""Events under one seal; what is more waits for the next."""
CLOSING = 10.0
"""Seconds that closing waits for a seal that is under way."""


class Sealer:
    """Seals what one fleet's syncs bring in.

    Only where this console acts, or has a journal already: to look is no reason to begin one.
    """

    def __init__(
        self, store: StoreWriter, paths: Paths, *, act: bool, every: float = EVERY
    ) -> None:
        self._store, self._paths, self._act, self._every = store, paths, act, every
        self._next: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, backend: str) -> None:
        """Seal the backend's new events in the background, unless that was just done."""
        if time.monotonic() < self._next.get(backend, 0.0):
            return
        self._next[backend] = time.monotonic() + self._every
        task = asyncio.create_task(self._quietly(backend))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is under way, for a while."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSING)

    async def _quietly(self, backend: str) -> None:
        # Whatever is wrong with the journal is told where it is needed: at an action.
        with contextlib.suppress(Exception):
            await self.seal(backend)

    async def seal(self, backend: str, *, early: bool = False) -> Seal | None:
        """Put the backend's new events under a seal. None when there are none, or it is early.

        With ``early`` it is never too early, as after reading a large log.

        Raises:
            JournalError: the journal cannot be used.
            StoreError: the inventory cannot be.
        """
        key = opening.base(self._paths).with_suffix(".key")
        if not self._act and not await asyncio.to_thread(key.exists):
            return None
        if not await asyncio.to_thread(self._news, backend):
            return None
        journal = await asyncio.to_thread(opening.journal, self._paths)
        try:
            return await self._seal(backend, journal, 0.0 if early else self._every)
        finally:
            await asyncio.to_thread(journal.close)

    async def _seal(self, backend: str, journal: Journal, every: float) -> Seal | None:
        # Other processes seal too, and remember it nowhere else.
        if await asyncio.to_thread(_age, journal, backend) < every:
            return None
        await self._let_go_of_lost(journal)
        # Marked first: a mark whose entry was never written is taken back; an entry whose
        # marks were lost would be an alarm.
        id_ = uuid7()
        marked = await self._store.write(events.seal, backend, id_, MOST)
        if not marked:
            return None
        try:
            return await asyncio.to_thread(self._write, backend, journal, id_, marked)
        except BaseException:
            # After a failed commit the entry can still be there.
            if await asyncio.to_thread(journal.get, id_) is None:
                await self._store.write(events.unseal, id_)
            raise

    def _news(self, backend: str) -> bool:
        """Whether there are events to seal. It may read them all, so it locks nobody out."""
        store = reading.connect(self._paths.inventory)
        try:
            return queries.unsealed(store, backend)
        finally:
            store.close()

    def _write(self, backend: str, journal: Journal, id_: str, marked: int) -> Seal:
        store = reading.connect(self._paths.inventory)
        try:
            made = seal(backend, sealed_events(store, id_))
        finally:
            store.close()
        if made.count != marked:
            raise JournalError("events were removed while they were sealed")
        journal.append(Kind.AUDIT_SEAL, id=id_, seal=made)
        return made

    async def _let_go_of_lost(self, journal: Journal) -> None:
        """Take back marks without an entry, which a crash between the two leaves."""
        for id_ in await self._store.write(events.seals):
            begun = int(id_.replace("-", "")[:12], 16) / 1000
            if time.time() - begun > EVERY and await asyncio.to_thread(journal.get, id_) is None:
                await self._store.write(events.unseal, id_)


def _age(journal: Journal, backend: str) -> float:
    """Seconds since the backend's last seal."""
    for _, id_, kept in kept_seals(journal):
        if kept.backend == backend:
            entry = journal.get(id_)
            return abs(time.time() - entry.t) if entry is not None else float("inf")
    return float("inf")
