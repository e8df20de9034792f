"""An exclusive lock on a file, freed by the kernel when its process ends in any way.

The one place of the console that locks a file: who needs only one process, or one thread,
at a time uses what is here.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

_PAUSES = ((0.001, 0.0005), (0.002, 0.0002), (0.05, 0.00003), (1.0, 0.002), (math.inf, 0.05))
"""Up to how many seconds of waiting, and how many lie between two tries then.

Who has waited for a while asks more often than who has just come: else one writer that comes
again at once keeps the others out. A wait that is long all the same is for something else than
a commit, and asks seldom.
"""


class LockHeld(Exception):
    """Another process holds the lock."""


def open_lock(path: Path) -> int:
    """A descriptor to lock with. Child processes do not inherit it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_once(descriptor: int) -> bool:
    """Take the lock if nobody holds it; whether it was taken. Closing the descriptor frees it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold(path: Path, patience: float | None) -> int:
    """A descriptor that holds the lock until its last copy, in any process, is closed.

    ``patience`` is for how many seconds it is waited for; None: for as long as it takes.

    Raises:
        LockHeld: it was not to be had in that time.
    """
    descriptor = open_lock(path)
    try:
        _take(descriptor, patience)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def locked(descriptor: int, patience: float | None) -> Iterator[None]:
    """Hold the lock during the block. ``patience`` is in seconds, as for ``hold``.

    Raises:
        LockHeld: it was not to be had in that time.
    """
    _take(descriptor, patience)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextlib.contextmanager
def only_one(path: Path, patience: float | None = 0.0) -> Iterator[None]:
    """Be the only one inside the block, among processes and threads alike.

    Each call opens the file by itself, so that the threads of one process wait for each
    other too. ``patience`` is in seconds, as for ``hold``.

    Raises:
        LockHeld: it was not to be had in that time.
    """
    descriptor = open_lock(path)
    try:
        with locked(descriptor, patience):
            yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, patience: float | None) -> None:
    if patience is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    began = time.monotonic()
    while not try_once(descriptor):
        waited = time.monotonic() - began
        if waited >= patience:
            raise LockHeld
        pause = next(pause for upto, pause in _PAUSES if waited < upto)
        time.sleep(min(pause, patience - waited))
