"""Group commit: many lanes append at once, and one flush of the disk serves all that wait.

A commit costs a flush, whatever is in it. While one is under way, what else comes is
collected, and goes into the next one together: one transaction with one signed checkpoint,
on a thread of its own, so that the event loop never waits for a disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from types import TracebackType
from typing import Any, NamedTuple, Self

from console.errors import JournalError
from console.journal.format.entry import Kind
from console.journal.format.sentence import Entry
from console.journal.write.journal import Journal
from console.journal.write.writer import Draft

MOST = 256
"""Entries of one commit. More of them would keep other processes from the journal for long."""


class _Waiting(NamedTuple):
    draft: Draft
    told: asyncio.Future[Entry] | None
    """Who waits for it; None where nobody does."""


class GroupCommit:
    """Appends to a journal from one event loop: ``async with Group(journal) as group``.

    Leaving the block waits until everything that was given is written. The journal stays
    open, and can be used beside it.
    """

    def __init__(self, journal: Journal, most: int = MOST) -> None:
        self.journal = journal
        self._most = most
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        # Not a daemon: a process does not end before what was given is written.
        self._thread = threading.Thread(target=self._write, name="journal")
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        thread, self._closed = self._thread, True
        self._queue.put(None)
        if thread is not None:
            await asyncio.shield(asyncio.to_thread(thread.join))
            if left := self._left():
                await asyncio.shield(asyncio.to_thread(self._commit, left))

    async def append(self, kind: Kind | str, *, waits: bool = True, **fields: Any) -> Entry:
        """Write one entry; returns once it is on the disk. The fields are ``Journal.append``'s.

        Where ``sign`` is given it is asked on another thread, as it may wait for a person;
        not ``waits`` says that it does not.
        An intent whose caller was cancelled meanwhile is closed as not sent.

        Raises:
            JournalError: as ``Journal.append``, for this entry alone where it was refused;
                for all of its commit where that is in doubt.
        """
        if fields.get("sign") is None or not waits:
            draft = self.journal.draft(kind, **fields)
        else:
            draft = await asyncio.to_thread(self.journal.draft, kind, **fields)
        if self._loop is None or self._closed:
            raise JournalError("nobody writes this journal any more", "Nothing was sent.")
        told: asyncio.Future[Entry] = self._loop.create_future()
        self._queue.put(_Waiting(draft, told))
        try:
            return await told
        except asyncio.CancelledError:
            # It can come when the entry is written, and its caller has not gone on yet.
            if told.done() and not told.cancelled() and told.exception() is None:
                self._not_sent([draft])
            raise

    def _write(self) -> None:
        """The thread: takes what there is, at least one, and writes it in one commit."""
        ending = False
        while not ending:
            batch: list[_Waiting] = []
            given = self._queue.get()
            while given is not None:
                batch.append(given)
                if len(batch) >= self._most:
                    break
                try:
                    given = self._queue.get_nowait()
                except queue.Empty:
                    break
            ending = given is None
            # Whoever was cancelled before the commit began has nothing written.
            batch = [each for each in batch if each.told is None or not each.told.cancelled()]
            if batch:
                self._commit(batch)

    def _left(self) -> list[_Waiting]:
        """What was put in after the end: the closing of intents that nobody heard of."""
        left: list[_Waiting] = []
        with contextlib.suppress(queue.Empty):
            while True:
                given = self._queue.get_nowait()
                left += [given] if given is not None else []
        return left

    def _commit(self, batch: list[_Waiting]) -> None:
        results: list[Entry | Exception]
        try:
            results = [*self.journal.append_each([each.draft for each in batch])]
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody is left waiting.
            results = [error] * len(batch)
        unheard: list[Draft] = []
        loop = self._loop
        for waiting, result in zip(batch, results, strict=True):
            told = waiting.told
            if told is None:
                continue
            if told.cancelled() and isinstance(result, Entry):
                unheard.append(waiting.draft)
            elif loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._tell, waiting, result)
        self._not_sent(unheard)

    def _tell(self, waiting: _Waiting, result: Entry | Exception) -> None:
        """On the loop: the caller gets its own entry, or its own error."""
        told = waiting.told
        if told is None:
            return
        if not told.cancelled():
            if isinstance(result, Entry):
                told.set_result(result)
            else:
                told.set_exception(result)
        elif isinstance(result, Entry):
            self._not_sent([waiting.draft])

    def _not_sent(self, drafts: list[Draft]) -> None:
        """Close intents that nobody will act on: else they would be looked into as if sent."""
        for draft in drafts:
            if draft.body.type is Kind.INTENT:
                detail = "its caller was cancelled before the intent was durable"
                self._queue.put(_Waiting(self.journal.closing(draft, detail), None))
