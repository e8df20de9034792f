"""What a backend's system says by itself has changed, so that not everything is read again."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from backends.contract import Backend
from backends.errors import Unsupported
from backends.model import TokenRef

BEGIN = 2.0
"""Seconds that a look waits until nothing that changes from then on is missed."""
MANY = 200
"""Changed tokens from which on reading everything is no more work than reading them."""


class Watched:
    """Collects what one backend pushes. Most push nothing; then all is read each time."""

    def __init__(self) -> None:
        self._backend: Backend | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._changed: set[TokenRef] = set()
        self._whole = False
        self._never: Backend | None = None
        """The one that said that it pushes nothing."""

    @property
    def on(self) -> bool:
        """Whether nothing is missed that changes now."""
        return self._begun.is_set() and self._task is not None and not self._task.done()

    async def begin(self, backend: Backend) -> None:
        """Watch this backend from now on, before a look at all of it. Raises nothing."""
        if backend is self._never:
            return
        if backend is not self._backend or self._task is None or self._task.done():
            self.end()
            self._backend = backend
            self._begun.clear()
            self._task = asyncio.create_task(self._follow(backend))
        begun = asyncio.ensure_future(self._begun.wait())
        await asyncio.wait({begun, self._task}, timeout=BEGIN, return_when="FIRST_COMPLETED")
        begun.cancel()
        # The look that follows reads all of this.
        self._changed, self._whole = set(), False

    def take(self) -> set[TokenRef] | None:
        """What changed since this was asked last; None where everything is to be read."""
        if not self.on or self._whole or len(self._changed) > MANY:
            return None
        changed, self._changed = self._changed, set()
        return changed

    def end(self) -> None:
        """Watch no more."""
        if self._task is not None:
            self._task.cancel()
        self._task = None

    async def _follow(self, backend: Backend) -> None:
        stream: Any = None
        try:
            stream = backend.watch()
            async for found in stream:
                if not self._begun.is_set():
                    self._begun.set()
                elif isinstance(found, TokenRef) and found.backend == backend.name:
                    self._changed.add(found)
                else:
                    self._whole = True
        except Unsupported:
            self._never = backend
        except Exception:  # noqa: BLE001
            # Whatever is wrong with a third party's backend, a look finds it and tells.
            self._whole = True
        finally:
            with contextlib.suppress(Exception):
                await stream.aclose()
