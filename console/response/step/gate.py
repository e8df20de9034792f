"""How many calls of one backend may be under way at once: as many as it answers well.

Grows while answers take about as long as the quickest did, shrinks when they take longer, and
is halved by an answer that says "too much" (429, 503) or by none at all. The idea is that of
congestion control: additive increase, multiplicative decrease (RFC 5681), with the answer time
as a signal besides, as in TCP Vegas and in Envoy's and Netflix's adaptive concurrency.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

SLOWER, SLACK = 3.0, 0.05
"""An answer is slow that takes so many times as long as the quickest, and so many seconds more."""
FORGET = 1.02
"""How fast the quickest answer is forgotten: a system that has become slower for good is no
reason to stay slow."""
LESS, HALF = 0.75, 0.5
"""What is left after slow answers, and after a refusal."""
LEAST_ROUND = 4
"""Answers that are judged together at the least."""


class Gate:
    """Lets in as many as the system answers well, first come first served. One loop's own.

    Begins with ``start``, and never lets in more than ``most`` nor fewer than one. One that does
    not grow yet waits for ``open``.
    """

    def __init__(
        self,
        start: int,
        most: int,
        *,
        grows: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = max(1, most)
        self._limit = float(min(max(1, start), self.most))
        self._grows, self._clock = grows, clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._inside = self._peak = 0
        self._quickest: dict[str, float] = {}
        self._slow = self._answers = 0
        self._worst = (0.0, 0.0)
        self._cut = -1.0
        self._doubles = True
        self.cuts = 0
        """How often it became smaller."""
        self.why = ""
        """Why it is as it is, where it became smaller; empty once it is as large as it gets."""

    @property
    def at_once(self) -> int:
        """How many may be inside."""
        return int(self._limit)

    async def __aenter__(self) -> None:
        if not self._waiting and self._inside < self.at_once:
            self._enter()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _enter(self) -> None:
        self._inside += 1
        self._peak = max(self._peak, self._inside)

    def _leave(self) -> None:
        self._inside -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._inside < self.at_once:
            turn = self._waiting.popleft()
            if not turn.done():
                self._enter()
                turn.set_result(None)

    def open(self) -> None:
        """Let it grow: the canaries are proved."""
        self._grows = True

    def answered(self, seconds: float, what: str = "") -> None:
        """A call was answered well after so many seconds; answers to ``what`` are compared."""
        quickest = self._quickest[what] = min(
            seconds, self._quickest.get(what, seconds) * FORGET + 1e-6
        )
        self._answers += 1
        if seconds > quickest * SLOWER + SLACK:
            self._slow += 1
            self._worst = max(self._worst, (seconds, quickest))
        if self._answers < max(self.at_once, LEAST_ROUND):
            return
        if 2 * self._slow > self._answers:
            slow, best = self._worst
            self._shrink(LESS, f"answers take up to {slow:.1f} s, of late {best:.2f} s")
        elif self._grows and self._peak >= self.at_once and self._limit < self.most:
            self._limit = min(self._limit * 2 if self._doubles else self._limit + 1, self.most)
            if self.at_once >= self.most:
                self.why = ""
            self._let_in()
        self._round()

    def refused(self, why: str, seconds: float = 0.0) -> None:
        """A call that took so long was answered with "too much", or not at all.

        What left before the last cut says nothing new.
        """
        if self._clock() - seconds > self._cut:
            self._shrink(HALF, why)
            self._round()

    def _shrink(self, by: float, why: str) -> None:
        before = self.at_once
        self._limit = max(1.0, self._limit * by)
        self._cut, self._doubles = self._clock(), False
        self.cuts += 1
        less = f"from {before} to {self.at_once}" if self.at_once < before else f"{before}"
        self.why = f"{less} at a time: {why}"

    def _round(self) -> None:
        self._slow = self._answers = 0
        self._worst = (0.0, 0.0)
        self._peak = self._inside
