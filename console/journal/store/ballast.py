"""Space set aside on the journal's disk: given up so that an outcome that is owed fits."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

SIZE = 4 * 1024 * 1024
"""Bytes. Some thousand entries with their tree and checkpoints."""
ROOM = 16 * SIZE
"""Free bytes on the disk below which no ballast is taken on."""


def fill(path: Path) -> None:
    """Set the space aside if there is room for it. Never raises: without it things go on.

    Where it is there already that costs one look at the file, so it is asked for before every
    commit: the next full disk must find it again.
    """
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size >= SIZE:
                return
        disk = os.statvfs(path.parent)
        if disk.f_bavail * disk.f_frsize < ROOM:
            return
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        finally:
            os.close(descriptor)


def release(path: Path) -> bool:
    """Give the space back. Whether there was any."""
    try:
        path.unlink()
    except OSError:
        return False
    return True
