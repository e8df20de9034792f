"""A growing file of lines, read a piece at a time and across a rotation.

The file audit device appends, and on SIGHUP opens the path anew, so that a rotation is a
rename followed by a new file. Where lines may have been lost between two looks, the
reader says so instead of going on as if nothing had happened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 20
MAX_LINE = 32 << 20
"""Bytes; a longer line cannot be an audit entry and is passed over as a bad one."""

TOO_LONG = b"\0"
"""Stands for a line that was passed over. No decoder takes it for an entry."""


class AuditFileTail:
    """The lines of a file since the last look. Starts with the previous generation, ``NAME.1``.

    ``holes`` counts the times when lines may have been lost: the file was cut short, or
    rotated more than once between two looks, or its previous generation cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.holes = 0
        self._handle: BinaryIO | None = None
        self._rest = b""

    def lines(self) -> Iterator[bytes]:
        """Every whole line that was not given before. A torn last line waits for its end.

        Raises:
            OSError: the file is not there or cannot be read.
        """
        if self._handle is None:
            handle = self.path.open("rb")
            older = previous(self.path)
            if older is not None:
                try:
                    with older.open("rb") as old:
                        yield from _whole(old)
                except OSError:
                    # The live file is read all the same; what was before it is not known.
                    self.holes += 1
            self._handle = handle
        yield from self._drain(self._handle)
        while self._replaced(self._handle):
            # The server may have written to the old file until it opened the new one.
            yield from self._drain(self._handle)
            self._follow(self._handle)
            yield from self._drain(self._handle)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None
        self._rest = b""

    def _replaced(self, handle: BinaryIO) -> bool:
        try:
            now = self.path.stat()
        except FileNotFoundError:
            # Renamed away, and the server has not opened its new file yet.
            return False
        ours = os.fstat(handle.fileno())
        if now.st_ino != ours.st_ino or now.st_dev != ours.st_dev:
            return True
        return now.st_size < handle.tell()

    def _follow(self, handle: BinaryIO) -> None:
        ours = os.fstat(handle.fileno())
        older = previous(self.path)
        if older is None or older.stat().st_ino != ours.st_ino:
            self.holes += 1
        new = self.path.open("rb")
        handle.close()
        self._handle = new
        self._rest = b""

    def _drain(self, handle: BinaryIO) -> Iterator[bytes]:
        while chunk := handle.read(CHUNK):
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            if len(self._rest) > MAX_LINE:
                self._rest = TOO_LONG
            yield from whole


def previous(path: Path) -> Path | None:
    """The generation before this one, where it is there and was not compressed."""
    older = path.with_name(path.name + ".1")
    return older if older.is_file() else None


def _whole(handle: BinaryIO) -> Iterator[bytes]:
    for line in handle:
        if line.endswith(b"\n"):
            yield line[:-1]


def lines_from(handle: BinaryIO, reached: Callable[[bytes], bool | None]) -> Iterator[bytes]:
    """The whole lines of a file from the first one for which ``reached`` is true.

    The lines are taken to be in order, so that a few reads find the place in any size of
    file. ``reached`` is false for the lines before it, true from there on, and None for a
    line that does not say.
    """
    low, high = 0, os.fstat(handle.fileno()).st_size
    while high - low > CHUNK:
        middle = (low + high) // 2
        handle.seek(middle)
        handle.readline()
        if _ahead(handle, reached):
            high = middle
        else:
            low = middle
    handle.seek(low)
    if low:
        handle.readline()
    started = False
    for line in _whole(handle):
        started = started or reached(line) is True
        if started:
            yield line


def _ahead(handle: BinaryIO, reached: Callable[[bytes], bool | None]) -> bool:
    for _ in range(100):
        line = handle.readline()
        verdict = reached(line) if line else True
        if verdict is not None:
            return verdict
    # Nothing to go by: reading too much is slow, reading too little would lose events.
    return True
