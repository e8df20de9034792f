"""One store, written: each piece of work is a transaction of its own, off the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from console.store import database, reading
from console.store.database import Engine

T = TypeVar("T")


class StoreWriter:
    """Writes to one store. ``clock`` gives unix seconds.

    Its methods raise ``StoreError`` when the store cannot be written, and nothing else.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._path = engine.path
        self._clock = clock

    async def write(self, work: Callable[..., T], *args: object, news: bool = True) -> T:
        """Run ``work(connection, *args)`` in one transaction, off the event loop.

        Readers take what it writes for ``news`` and read again. Say False only where nothing
        changed but how long ago that was known.
        """
        return await off_loop(lambda: self.write_now(work, *args, news=news))

    def write_now(self, work: Callable[..., T], *args: object, news: bool = True) -> T:
        """Run ``work(connection, *args)`` in one transaction, in this thread."""
        try:
            with self._engine.begin() as connection:
                written, generation = database.told(connection)
                done = work(connection, *args)
                after = database.told(connection)
                if news and after[0] != written and after[1] == generation:
                    database.touch(connection)
                return done
        except sqlite3.Error as error:
            raise reading.unusable(self._path, error) from None

    @property
    def path(self) -> Path:
        """The store's file."""
        return self._path

    def time(self) -> int:
        """Now, in unix seconds."""
        return int(self._clock())


async def off_loop(work: Callable[[], T]) -> T:
    """Run blocking work in a thread. A cancelled caller still waits for the work to end.

    Without that, a transaction would go on behind the back of whoever cancelled it.
    """
    running = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
