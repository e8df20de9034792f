"""Signatures are checked on all cores: a page of them at a time, answered in their order.

Threads are enough for that: the library lets go of the interpreter while it computes. So
nothing has to be handed to another process, and a screen goes on meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

FEW = 64
"""Checks that are made at once in this thread, some thousandths of a second of work."""
_SHARES = 4
"""Pieces for each thread, so that none waits long for one that was held up."""

Given = TypeVar("Given")
Told = TypeVar("Told")


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Crew:
    """Threads that are begun when they are needed: ``with Crew() as crew``."""

    def __init__(self) -> None:
        self.size = cores()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def map(self, check: Callable[[Given], Told], many: Sequence[Given]) -> list[Told]:
        """What ``check`` says of each, in order. It is called from several threads at once."""
        if self.size == 1 or len(many) <= FEW:
            return [check(each) for each in many]
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self.size, thread_name_prefix="signatures")
        share = -(-len(many) // (self.size * _SHARES))
        pieces = [many[at : at + share] for at in range(0, len(many), share)]
        told = self._pool.map(lambda piece: [check(each) for each in piece], pieces)
        return [each for piece in told for each in piece]
