"""The pace of a lane: how fast, and how often at once, one backend is asked to change.

A lane is one backend's share of a run. Too many failures halt it alone: the others go on.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from backends.contract import Backend, WhoAmI

SLACK = 0.25
"""Seconds' worth of unused turns that may be made up for at once."""
AT_ONCE = 16
"""Calls and last looks under way at one time."""
MOST_IN_FLIGHT = 128
"""Items of one lane that are worked on at one time, most of them waiting for an effect."""
CHECKED = 30.0
"""Seconds for which the console's own credential counts as checked, among many items."""


class Pace:
    """The pace, the concurrency and the error budget of one backend. One event loop's own.

    ``rate`` is in changing calls a second, 0 for no limit; ``budget`` so many failures
    halt the lane, 0 for no budget.
    """

    def __init__(
        self,
        backend: str,
        rate: float = 0.0,
        budget: int = 0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.backend, self.rate, self.budget = backend, rate, budget
        self.gate = asyncio.Semaphore(AT_ONCE)
        """Held around calls, so that a slow system is not flooded by its own slowness."""
        self.failures = 0
        self.reason = ""
        """What went wrong last, for whoever asks why the lane halted."""
        self._clock, self._sleep = clock, sleep
        self._next = self._called = 0.0
        self._me: WhoAmI | None = None
        self._checked = -math.inf
        self._asking = asyncio.Lock()

    def in_flight(self, patience: float) -> int:
        """How many items may be under way when each may wait so many seconds for its effect."""
        wanted = math.ceil(self.rate * (patience + 1)) + 2 if self.rate else MOST_IN_FLIGHT
        return max(AT_ONCE, min(wanted, MOST_IN_FLIGHT))

    async def turn(self) -> None:
        """Wait for this lane's next turn to change something."""
        if self.rate <= 0:
            return
        now = self._clock()
        at = max(self._next, now - SLACK)
        self._next = at + 1 / self.rate
        if at > now:
            await self._sleep(at - now)

    async def ready(self) -> None:
        """Wait until the call of a turn may really go out.

        Between the two lie a look and a durable intent. Whatever held several of these up lets
        them go at once, and a system counts calls, not turns.
        """
        if self.rate <= 0:
            return
        now = self._clock()
        at = max(self._called, now - SLACK)
        self._called = at + 1 / self.rate
        if at > now:
            await self._sleep(at - now)

    def hold(self, seconds: float) -> None:
        """The system asked for patience: give nobody a turn for so long."""
        self._next = max(self._next, self._clock() + seconds)

    async def me(self, backend: Backend, fresh: bool) -> WhoAmI:
        """The console's own credential there; ``fresh`` asks anew whenever it was asked last.

        Raises whatever the backend does.
        """
        async with self._asking:
            if fresh or self._me is None or self._clock() - self._checked > CHECKED:
                self._me = await backend.whoami()
                self._checked = self._clock()
            return self._me

    def failed(self, why: str) -> bool:
        """Count a failure; whether the budget is used up with it."""
        self.failures += 1
        self.reason = why
        return 0 < self.budget <= self.failures

    def forgive(self) -> None:
        """Begin the count anew, because somebody looked at it and lifted the halt."""
        self.failures, self.reason = 0, ""
