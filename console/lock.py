"""An exclusive lock on a file, freed by the kernel when its process ends in any way."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path


class LockHeld(Exception):
    """Another process holds the lock."""


def open_lock(path: Path) -> int:
    """A descriptor to lock with. Child processes do not inherit it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def locked(descriptor: int, patience: float) -> Iterator[None]:
    """Hold the lock during the block. Waits at most ``patience`` seconds.

    Raises:
        Busy: it was not to be had in that time.
    """
    deadline = time.monotonic() + patience
    pause = 0.0002
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockHeld from None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05, max(deadline - time.monotonic(), 0.0002))
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextlib.contextmanager
def only_one(path: Path, patience: float = 0.0) -> Iterator[None]:
    """Be the only process inside the block. Raises ``Busy``."""
    descriptor = open_lock(path)
    try:
        with locked(descriptor, patience):
            yield
    finally:
        os.close(descriptor)
