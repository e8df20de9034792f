"""Keeps what is in a process's memory out of core dumps and from other processes' reach, and
gives back what is no longer needed.

Every process of ours may hold a credential, a new value or a session's key. A crash must not
write it to a disk, where nobody looks for it and nobody deletes it.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4
"""From Linux's ``sys/prctl.h``. Undumpable, a process cannot be traced by its own user's others
either, and its files below /proc belong to root: what this program reads there of itself
(``loginuid``, ``stat``, ``mountinfo``) anybody may read."""
_M_ARENA_MAX = -8
"""From glibc's ``malloc.h``."""


def keep_small() -> None:
    """Have all threads share one heap, for a process that lives long and has much at times.

    Each thread would keep the most that it ever held for itself. Never raises; where there is
    no glibc it does nothing.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give what was freed back to the system. Takes milliseconds. Never raises."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def keep_private() -> None:
    """Switch core dumps off for this process, and for those it starts. Never raises.

    ``RLIMIT_CORE`` covers a file in the working directory and is inherited; the kernel asks
    it not where dumps go to a program (``kernel.core_pattern`` with a pipe), hence the
    second. That one ends with ``exec``, so each program of ours asks for it itself.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
