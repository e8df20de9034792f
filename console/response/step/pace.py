"""The pace of a lane: how fast, and how often at once, one backend is asked to change.

A lane is one backend's share of a run. Too many failures halt it alone: the others go on.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from backends.contract import Backend, Outcome, OutcomeState, WhoAmI
from backends.traffic import Traffic
from backends.words import count
from console.response.step.gate import Gate
from console.response.step.result import throttled

SLACK = 0.25
"""Seconds' worth of unused turns that may be made up for at once."""
AT_ONCE = 16
"""Calls and last looks under way at one time, at the most."""
TELL = 10.0
"""Seconds at least between two words about how the pace changed."""
PAUSES = (1.0, 30.0)
"""Seconds for which a system that said "too much" is left alone at first, and at the most."""
MOST_IN_FLIGHT = 128
"""Items of one lane that are worked on at one time, most of them waiting for an effect."""
CHECKED = 30.0
"""Seconds for which the console's own credential counts as checked, among many items."""


class Pace:
    """The pace, the concurrency and the error budget of one backend. One event loop's own.

    ``rate`` is the most changing calls a second, 0 for as many as the system answers well:
    ``gate`` finds out how many that is. ``budget`` so many failures halt the lane, 0 for no
    budget. ``start`` calls are under way at one time at first, and with ``grows`` off until
    the canaries are proved.
    """

    def __init__(
        self,
        backend: str,
        rate: float = 0.0,
        budget: int = 0,
        *,
        start: int = AT_ONCE,
        most: int = AT_ONCE,
        grows: bool = True,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.backend, self.rate, self.budget = backend, rate, budget
        self.gate = Gate(start, most, grows=grows, clock=clock)
        """Held around calls, so that a slow system is not flooded by its own slowness."""
        self.traffic = Traffic()
        """The backend's own, once it is open: what all its requests wait for."""
        self.failures = 0
        self.reason = ""
        """What went wrong last, for whoever asks why the lane halted."""
        self._clock, self._sleep = clock, sleep
        self._next = self._called = 0.0
        self._refusals, self._pause = 0, PAUSES[0]
        self._told, self._told_at = (0, ""), -math.inf
        self._me: WhoAmI | None = None
        self._checked = -math.inf
        self._asking = asyncio.Lock()

    def in_flight(self, patience: float) -> int:
        """How many items may be under way when each may wait so many seconds for its effect."""
        wanted = math.ceil(self.rate * (patience + 1)) + 2 if self.rate else MOST_IN_FLIGHT
        return max(AT_ONCE, min(wanted, MOST_IN_FLIGHT))

    async def turn(self) -> None:
        """Wait for this lane's next turn to change something."""
        now = self._clock()
        at, self._next = self._following(self._next, now)
        if at > now:
            await self._sleep(at - now)

    async def ready(self) -> None:
        """Wait until the call of a turn may really go out.

        Between the two lie a look and a durable intent. Whatever held several of these up lets
        them go at once, and a system counts calls, not turns.
        """
        now = self._clock()
        at, self._called = self._following(self._called, now)
        if at > now:
            await self._sleep(at - now)

    def _following(self, due: float, now: float) -> tuple[float, float]:
        """When the next one is due that was due then, and when the one after it."""
        if self.rate <= 0:
            return due, due
        at = max(due, now - SLACK)
        return at, at + 1 / self.rate

    def hold(self, seconds: float) -> None:
        """The system asked for patience: give nobody a turn for so long."""
        until = self._clock() + seconds
        self._next, self._called = max(self._next, until), max(self._called, until)

    def proved(self) -> None:
        """The canaries are proved: the lane may become faster than it began."""
        self.gate.open()

    def answered(self, outcome: Outcome, what: str = "") -> None:
        """Take in what an answer tells of the system; answers to ``what`` are compared."""
        seconds = outcome.elapsed_ms / 1000
        refusals, self._refusals = self.traffic.throttled - self._refusals, self.traffic.throttled
        if throttled(outcome) or outcome.status.startswith("503"):
            self.gate.refused(f"it answered {outcome.status[:40]}", seconds)
            self.hold(self._pause)
            self._pause = min(self._pause * 2, PAUSES[1])
        elif outcome.state is OutcomeState.UNKNOWN:
            self.gate.refused(f"it answered {outcome.status[:40] or 'nothing'}", seconds)
        elif outcome.state is not OutcomeState.NOT_SENT:
            self._pause = PAUSES[0]
            self.gate.answered(seconds, what)
        if refusals and not throttled(outcome):
            # They came since the last answer; those of one second are one refusal.
            self.gate.refused(f"it answered 429 to {count(refusals, 'look')}", 1.0)

    def news(self) -> str:
        """Why the lane became slower, or that it no longer is; empty where it was said. Raw.

        Said at most every ten seconds: what comes in between is said with the next.
        """
        now, state = self._clock(), (self.gate.cuts, self.gate.why)
        if state == self._told or now - self._told_at < TELL:
            return ""
        self._told, self._told_at = state, now
        return self.gate.why or f"up to {self.gate.most} at a time again"

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
