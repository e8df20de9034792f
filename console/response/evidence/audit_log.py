"""What a system's own log says of tokens that are to be dead: used, refused, or silent.

One reading serves every token of a backend in a run: five thousand of them must not read
the log five thousand times. Only the run's own tokens are kept of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple

from backends.contract import Backend
from backends.model import AuditEvent, EventClass, Gap
from console.response.plan import tripwires

LOOKBACK = 3600.0
"""Seconds before the plan from which on the consumers of a token are learnt."""
OVERLAP = 120.0
"""How far each reading goes back behind the one before: logs deliver late."""
PAUSE = 5.0
"""Seconds between two readings."""
TIMEOUT = 120.0
KEPT = 2_000
"""Lines that are kept of one token."""
NEAR = 2.0
"""Seconds. Clocks of two machines differ by that, and logs keep whole seconds."""


class LoggedUse(NamedTuple):
    """One line in which a token's value was shown. ``at`` is in unix seconds, by the system's
    clock."""

    at: float
    ok: bool
    action: str
    source: str
    agent: str
    detail: str = ""

    @property
    def caller(self) -> tuple[str, str, str]:
        """Who did what: the same consumer does it again and again."""
        return self.action, self.source, self.agent


class AuditLog:
    """One backend's log as far as it is about a run's tokens. One event loop's own.

    ``handles`` are the run's tokens, ``begins`` when its plan was made, in unix seconds.
    """

    def __init__(self, backend: Backend, handles: Collection[str], begins: float) -> None:
        self._backend, self._handles, self._begins = backend, frozenset(handles), begins
        self._uses: dict[str, deque[LoggedUse]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._unclear: dict[str, list[float]] = defaultdict(list)
        """When there were lines about a token that do not say whether it was used."""
        self._seen: set[str] = set()
        self._holes: list[tuple[float, float]] = []
        """Spans of which a reading said that it has gaps, or that it could not end."""
        self._reached = 0.0
        self._lock = asyncio.Lock()
        self.newest = 0.0
        """The time of the newest line, whomever it is about: so far the log has come."""

    async def read(self, now: float) -> None:
        """Bring it up to date, unless that was done a moment ago. Raises nothing."""
        async with self._lock:
            if not self._reached:
                await self._take(self._begins - LOOKBACK, self._begins)
                # What was before the run need not be whole: silence begins with the act.
                self._holes.clear()
                await self._take(self._begins, None, now)
            elif now - self._reached >= PAUSE:
                await self._take(max(self._begins, self._reached - OVERLAP), None, now)

    async def _take(self, since: float, until: float | None, now: float = 0.0) -> None:
        whole = False
        stream = None
        try:
            async with asyncio.timeout(TIMEOUT):
                end = None if until is None else moment(until)
                stream = self._backend.events(moment(since), end)
                whole = True
                async for found in stream:
                    if isinstance(found, Gap):
                        whole = False
                    else:
                        self._note(found)
        except Exception:  # noqa: BLE001
            # A log that cannot be read shows no silence, and that is all it does.
            whole = False
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                with contextlib.suppress(Exception):
                    await close()
        if until is None:
            if not whole:
                self._holes.append((since, now))
            self._reached = max(self._reached, now)

    def _note(self, event: AuditEvent) -> None:
        at = event.at.timestamp()
        self.newest = max(self.newest, at)
        if event.token is None or event.token.handle not in self._handles:
            return
        if event.id in self._seen:
            return
        self._seen.add(event.id)
        handle = event.token.handle
        if event.settled is EventClass.OTHER:
            self._unclear[handle].append(at)
        if not event.settled.shown:
            # What was done to it is no use of it.
            return
        ok = event.outcome == "ok"
        use = LoggedUse(at, ok, event.action, event.source, event.agent, event.detail)
        self._uses[handle].append(use)

    def uses(self, handle: str, probes: Collection[float] = ()) -> list[LoggedUse]:
        """A token's uses and refused tries, oldest first, without our own.

        Those are known by what they call themselves or, where the log keeps no agent, by
        one of the times at which we tried the value.
        """
        return sorted(
            use
            for use in self._uses.get(handle, ())
            if not tripwires.ours(use.agent)
            and not (not use.agent and any(abs(use.at - at) <= NEAR for at in probes))
        )

    def covers(self, handle: str, start: float, end: float) -> bool:
        """Whether a use of a token in this span would have been seen by now, as one.

        The log must have no hole there, and must have come past its end: lines arrive
        late, and a log that has stopped is silent about everything. A line that does not say
        what it is may be a use.
        """
        if self.newest < end or self._reached < end:
            return False
        if any(start <= at <= end for at in self._unclear.get(handle, ())):
            return False
        return not any(first <= end and last >= start for first, last in self._holes)

    @property
    def broken(self) -> bool:
        """Whether any reading since the run began had gaps."""
        return bool(self._holes)


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
