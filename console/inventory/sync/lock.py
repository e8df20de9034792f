"""One syncer for a backend at a time, in this process and in any other."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

POLL = 0.2
"""Seconds between two tries for a lock that somebody else holds."""


class SyncUnderWay(Exception):
    """Somebody else holds the lock."""


@contextlib.asynccontextmanager
async def only_one(store: Path, backend: str, *, wait: bool) -> AsyncIterator[None]:
    """Hold the lock of a backend. The kernel frees it with its process, however that ends.

    Raises:
        Busy: it is held, and ``wait`` is false.
    """
    name = backend if re.fullmatch(r"[a-z0-9._-]{1,32}", backend) else _digest(backend)
    handle = os.open(
        store.with_name(f"{store.name}-sync-{name}.lock"), os.O_CREAT | os.O_RDWR, 0o600
    )
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not wait:
                    raise SyncUnderWay(backend) from None
            await asyncio.sleep(POLL)
        yield
    finally:
        os.close(handle)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
