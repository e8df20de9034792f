"""The lines of one file of a log from a point in time on, read again whenever they are asked for.

What is only wanted once, as it comes, is for :mod:`backends.logs.tail`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import IO

CHUNK = 1 << 20
"""Bytes that are read to their end, rather than divided any more to find a place in them."""


def whole_lines(handle: IO[bytes]) -> Iterator[bytes]:
    """The lines from where a handle stands, each with its end.

    A torn last one is left out: the server is still writing it.
    """
    for line in handle:
        if line.endswith(b"\n"):
            yield line


def lines_from(handle: IO[bytes], reached: Callable[[bytes], bool | None]) -> Iterator[bytes]:
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
    for line in whole_lines(handle):
        started = started or reached(line) is True
        if started:
            yield line


def _ahead(handle: IO[bytes], reached: Callable[[bytes], bool | None]) -> bool:
    for _ in range(100):
        line = handle.readline()
        verdict = reached(line) if line else True
        if verdict is not None:
            return verdict
    # Nothing to go by: reading too much is slow, reading too little would lose events.
    return True
