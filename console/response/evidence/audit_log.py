"""What a system's own log says of a run's tokens: the one reader of it while the run goes on.

One reading serves every token of a backend in a run, for the evidence ladder as for a
rotation that waits for its consumers: five thousand of them must not read the log five
thousand times. Only the run's own tokens are kept of it, and of these a bounded part
(``logged_use``), so that a log of any size costs no memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from backends.contract import Backend
from backends.errors import BackendError
from backends.model import AuditEvent, Gap, TokenRef
from console.journal.format.words import system_words
from console.response.evidence.logged_use import LoggedUse, TokenLog
from console.response.plan import tripwires

LOOKBACK = 3600.0
"""Seconds before the plan from which on it is learnt who uses a token."""
CONSUMERS = 7 * 24 * 3600.0
"""The same where every consumer has to be known. Who comes more rarely is not known from it."""
OVERLAP = 120.0
"""Seconds that each reading goes back behind the one before: logs deliver late."""
PAUSE = 5.0
"""Seconds between two readings."""
TIMEOUT = 120.0
NEAR = 2.0
"""Seconds. Clocks of two machines differ by that, and logs keep whole seconds."""
_NOTHING = TokenLog()


class _Reading(NamedTuple):
    """How one reading ended: why it broke off, and the first gap that it told of."""

    trouble: str
    gap: str

    @property
    def whole(self) -> bool:
        """Whether the log was read to its end, with nothing left out."""
        return not self.trouble and not self.gap


class AuditLog:
    """One backend's log as far as it is about a run's tokens. One event loop's own.

    ``refs`` are the run's tokens, ``begins`` when its plan was made, in unix seconds, and
    ``lookback`` from how many seconds before that on lines are wanted.
    """

    def __init__(
        self,
        backend: Backend,
        refs: Iterable[TokenRef],
        begins: float,
        lookback: float = LOOKBACK,
    ) -> None:
        self._backend, self._begins = backend, begins
        self._next = begins - lookback
        """From here on the next reading reads."""
        self._tokens: dict[TokenRef, TokenLog | None] = dict.fromkeys(refs)
        """None for a token without a line: most of a large run's have none."""
        self._holes: list[tuple[float, float]] = []
        """Spans of which a reading said that it has gaps, or that it could not end."""
        self._reached = 0.0
        self._lock = asyncio.Lock()
        self.newest = 0.0
        """The time of the newest line, whomever it is about: so far the log has come."""
        self.names_tokens = False
        """Whether any line at all was about a token, of this run or not."""
        self.trouble = self.gap = ""
        """Why the last reading broke off, and what it told it has not. Safe words."""

    def watch(self, ref: TokenRef, since: float) -> None:
        """Keep a token's lines too, which the run made at ``since`` (unix seconds).

        They are known after the next reading that ``read`` really makes.
        """
        if ref not in self._tokens:
            self._tokens[ref] = None
            self._next = min(self._next, since - OVERLAP)

    async def read(self, now: float, *, skew: float = 0.0, anew: bool = False) -> None:
        """Bring it up to date, unless that was done a moment ago. Raises nothing.

        ``now`` is in unix seconds; ``skew`` is how many seconds the system's clock is ahead
        of ours. ``anew`` reads also if that was done a moment ago.
        """
        async with self._lock:
            if self._reached and now - self._reached < PAUSE and not anew:
                return
            since = self._next + min(skew, 0.0)
            found = await self._take(since)
            self.trouble, self.gap = found.trouble, found.gap
            whole = found.whole
            if not whole and since < self._begins:
                # What was before the run need not be whole: silence begins with the act.
                whole = (await self._take(self._begins)).whole
            if not whole:
                self._hole(max(since, self._begins), now)
            if not found.trouble:
                self._next = min(now, self.newest or now) - OVERLAP
            self._reached = max(self._reached, now)

    async def _take(self, since: float) -> _Reading:
        trouble = gap = ""
        stream = None
        try:
            async with asyncio.timeout(TIMEOUT):
                stream = self._backend.events(moment(since))
                async for found in stream:
                    if isinstance(found, Gap):
                        gap = gap or system_words(found.what, 120) or "a gap"
                        continue
                    self._note(found)
        except TimeoutError:
            trouble = "the log gave no answer"
        except BackendError as error:
            trouble = f"the log cannot be read: {system_words(error.message, 160)}"
        except Exception as error:  # noqa: BLE001
            # A log that cannot be read shows no silence, and that is all it does.
            trouble = f"the backend failed with {type(error).__name__}"
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                with contextlib.suppress(Exception):
                    await close()
        return _Reading(trouble, gap)

    def _note(self, event: AuditEvent) -> None:
        self.newest = max(self.newest, event.at.timestamp())
        ref = event.token
        if ref is None:
            return
        self.names_tokens = True
        if ref in self._tokens:
            found = self._tokens[ref]
            if found is None:
                found = self._tokens[ref] = TokenLog()
            found.add(event)

    def _hole(self, start: float, end: float) -> None:
        """Note a span that was not read whole. Readings overlap, so that most holes grow."""
        if self._holes and self._holes[-1][1] >= start:
            first, last = self._holes.pop()
            start, end = min(first, start), max(last, end)
        self._holes.append((start, end))

    def of(self, ref: TokenRef) -> TokenLog:
        """What is kept of a token's lines; nothing for one that is not watched."""
        found = self._tokens.get(ref)
        return _NOTHING if found is None else found

    def uses(self, ref: TokenRef, probes: Collection[float] = ()) -> list[LoggedUse]:
        """A token's newest uses and refused tries, oldest first, without our own.

        Those are known by what they call themselves or, where the log keeps no agent, by
        one of the times at which we tried the value (``probes``, in unix seconds).
        """
        return sorted(
            use
            for user in self.of(ref).everybody
            for use in user
            if not tripwires.ours(use.agent)
            and not (not use.agent and any(abs(use.at - at) <= NEAR for at in probes))
        )

    def let_before(self, ref: TokenRef, moment_: float) -> set[tuple[str, str, str]]:
        """Who did what with a token before a moment (unix seconds) and was let, but for us."""
        found = (user.let_before(moment_) for user in self.of(ref).everybody)
        return {caller for each in found for caller in each if not tripwires.ours(caller[2])}

    def covers(self, ref: TokenRef, start: float, end: float) -> bool:
        """Whether a use of a token in this span would have been seen by now, as one.

        The log must have no hole there, and must have come past its end: lines arrive
        late, and a log that has stopped is silent about everything. A line that does not say
        what it is may be a use. Times are in unix seconds.
        """
        if self.newest < end or self._reached < end:
            return False
        if self.of(ref).unclear(start, end):
            return False
        return not any(first <= end and last >= start for first, last in self._holes)

    @property
    def broken(self) -> bool:
        """Whether any reading since the run began had gaps."""
        return bool(self._holes)

    @property
    def kept(self) -> int:
        """How many lines are kept in memory, of all tokens together."""
        return sum(len(found) for found in self._tokens.values() if found is not None)


def moment(seconds: float) -> datetime:
    """A time in unix seconds, as a date in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
