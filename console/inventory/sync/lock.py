"""One syncer for a backend at a time, in this process and in any other."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

from console.lock import open_lock, try_once

POLL = 0.2
"""Seconds between two tries for a lock that somebody else holds."""


class SyncUnderWay(Exception):
    """Somebody else holds the lock."""


@contextlib.asynccontextmanager
async def only_one(store: Path, backend: str, *, wait: bool) -> AsyncIterator[None]:
    """Hold the lock of a backend. The kernel frees it with its process, however that ends.

    Raises:
        SyncUnderWay: it is held, and ``wait`` is false.
    """
    name = backend if re.fullmatch(r"[a-z0-9._-]{1,32}", backend) else _digest(backend)
    handle = open_lock(store.with_name(f"{store.name}-sync-{name}.lock"))
    try:
        while not try_once(handle):
            if not wait:
                raise SyncUnderWay(backend)
            # Asked again and again, since the event loop has others to serve meanwhile.
            await asyncio.sleep(POLL)
        yield
    finally:
        os.close(handle)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
