"""How often one system is asked: the limits that it tells of, kept for every request.

A system counts requests, reads as well as changes, so that all connections of a backend
share one ``Traffic``. What it knows of a limit comes from the backend (quotas that can be
read), from the headers of answers, or, where nothing tells, from an answer with 429: then
the pace at which that came is not reached again soon.

Waits, and changes nothing: which call is made is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar

import msgspec

from backends import rate_headers
from backends.errors import RateLimited
from backends.words import count

SHARE = 0.3
"""The part of a limit that is used. The limit is the host's or the token's, and a screen that
reads, a run that acts and other programs may be at it at the same time."""
RUNNING = 0.6
"""The part that a run uses."""
PATIENCE = 30.0
"""Seconds that a request waits at most for its turn, before it is given up unsent."""
HELD = 60.0
"""Seconds at most for which one answer makes everybody wait."""
LEFT_OVER = 0.2
"""The part of what a header says is left that is left to others."""
LEARNED = 0.8
"""What is kept of the pace at which a system that tells of no limit answered with 429."""
CALM = 30.0
"""Seconds without another 429 after which a learned pace may grow, by a tenth."""
_FIRST_PAUSE = 1.05
"""Seconds after a 429 that says nothing more: most limits are counted by the second."""
_STRAGGLE = 0.01
"""Seconds by which a window is taken for longer, as two clocks are never quite the same."""
_SHORT = 2.0
"""Seconds of a window that is taken for used up at first: an earlier process may have."""


_BEHIND_PAUSE = 0.05
_behind: ContextVar[bool] = ContextVar("token_console_behind", default=False)


@contextlib.contextmanager
def behind() -> Iterator[None]:
    """Let the requests made while the block runs wait for all others: nobody waits for them."""
    mark = _behind.set(True)
    try:
        yield
    finally:
        _behind.reset(mark)


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """So many requests in so many seconds, for paths with a prefix.

    ``source`` says in words who told so. ``more`` says that a limit with a shorter prefix
    counts the same requests too; else the longest one alone does. ``block`` is for how many
    seconds the system shuts out who exceeded it. ``learned`` says that it was found out, for
    this process alone, and is no published one.
    """

    requests: float
    source: str
    seconds: float = 1.0
    prefix: str = ""
    more: bool = False
    block: float = 0.0
    learned: bool = False

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def words(self) -> str:
        """The limit and its source, raw."""
        every = "a second" if self.seconds == 1 else f"in {self.seconds:g} s"
        return f"{count(round(self.requests), 'request')} {every} ({self.source})"


class Limits(msgspec.Struct, frozen=True):
    """What a system tells of its limits; ``words`` says why that is not all, empty if it is."""

    known: tuple[Limit, ...] = ()
    words: str = ""


class Window:
    """Never more requests in a limit's seconds than its size, at the system's own clock.

    A request counts from its sending until one window after its answer: whenever in between
    the system took it, all that it takes in one of its windows are counted here at once.
    """

    def __init__(
        self,
        limit: Limit,
        size: int,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.limit, self.size = limit, max(1, size)
        self._clock, self._sleep = clock, sleep
        self._open = 0
        self._ends: deque[float] = deque()
        self._turns = asyncio.Lock()
        self._news = asyncio.Event()
        self._waiting = 0

    @property
    def calm(self) -> bool:
        """Whether there is room, and nobody who waits for it."""
        return not self._waiting and self._room()

    def fill(self) -> None:
        """Count as if all had just been used."""
        self._ends.extend([self._clock() + self.limit.seconds] * self.size)

    async def take(self, patience: float) -> None:
        """Wait for room, and take it. Raises ``RateLimited`` where that would take too long."""
        self._waiting += 1
        try:
            await self._take(patience)
        finally:
            self._waiting -= 1

    async def _take(self, patience: float) -> None:
        async with self._turns:
            while not self._room():
                if not self._ends:
                    self._news.clear()
                    await self._news.wait()
                    continue
                wait = self._ends[0] - self._clock()
                if wait > patience:
                    raise RateLimited(
                        f"{self.limit.words} are used up for {wait:.0f} s", retry_after=wait
                    )
                await self._sleep(max(wait, 0.001))
            self._open += 1

    def answered(self) -> None:
        """A request that was counted has its answer, or never will have."""
        self._open -= 1
        self._ends.append(self._clock() + self.limit.seconds + _STRAGGLE)
        self._news.set()

    def _room(self) -> bool:
        now = self._clock()
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
        return self._open + len(self._ends) < self.size


class Traffic:
    """All requests of one backend. One event loop's own.

    ``share`` is the part of a published limit that this process uses.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.share = SHARE
        self.limits: tuple[Limit, ...] = ()
        self.throttled = 0
        """Answers that said that it was too much."""
        self.under_way = 0
        self._clock, self._sleep = clock, sleep
        self._windows: list[Window] = []
        self._kept: tuple[tuple[Limit, ...], float] = ((), SHARE)
        self._learned: Window | None = None
        self._until = self._changed = 0.0
        self._pause = _FIRST_PAUSE
        self._good: deque[float] = deque(maxlen=4096)
        self._took: deque[float] = deque(maxlen=512)
        self._rooms: dict[float, tuple[float, float]] = {}
        """By the limit that a header told: requests that are left, and until when."""

    def keep(self, limits: Iterable[Limit], share: float | None = None) -> None:
        """Keep to these from now on, instead of those that were kept to."""
        limits, self.share = tuple(limits), self.share if share is None else share
        if self._kept == (limits, self.share):
            return
        self._kept, self.limits = (limits, self.share), limits
        ordered = sorted(limits, key=lambda limit: -len(limit.prefix))
        self._windows = [
            Window(limit, int(limit.requests * self.share), self._clock, self._sleep)
            for limit in ordered
        ]
        for window in self._windows:
            if window.limit.seconds <= _SHORT:
                window.fill()

    @property
    def answer_time(self) -> float | None:
        """The seconds that an answer took of late, the median; None before the first."""
        return statistics.median(self._took) if self._took else None

    def strictest(self, paths: Iterable[str]) -> Limit | None:
        """The limit that leaves least to requests of these paths; None where none is known."""
        found = [window.limit for path in paths for window in self._of(path)]
        return min(found, key=lambda limit: limit.per_second, default=None)

    def _of(self, path: str) -> list[Window]:
        """The windows in which a request counts: that of the longest prefix, and what it adds."""
        found = []
        for window in self._windows:
            if path.startswith(window.limit.prefix):
                found.append(window)
                if not window.limit.more:
                    break
        if self._learned is not None:
            found.append(self._learned)
        return found

    @contextlib.asynccontextmanager
    async def turn(self, path: str, patience: float = PATIENCE) -> AsyncIterator[None]:
        """Wait until a request may leave, and count it while the block runs.

        Raises:
            RateLimited: nothing may leave for longer than ``patience`` seconds.
        """
        windows = self._of(path)
        taken: list[Window] = []
        try:
            await self.free(patience)
            for window in windows:
                await window.take(patience)
                taken.append(window)
            self._rooms = {limit: (left - 1, at) for limit, (left, at) in self._rooms.items()}
            self.under_way += 1
            began = self._clock()
            try:
                yield
                self._took.append(self._clock() - began)
            finally:
                self.under_way -= 1
        finally:
            for window in taken:
                window.answered()

    async def aside(self, path: str) -> None:
        """Have a request that is ``behind`` wait until no other one waits for its turn."""
        while _behind.get() and not all(window.calm for window in self._of(path)):
            await self._sleep(_BEHIND_PAUSE)

    async def free(self, patience: float = HELD) -> None:
        """Wait while the system asked everybody for patience. Raises ``RateLimited``."""
        while (wait := self._wait()) > 0:
            if wait > patience:
                raise RateLimited(f"the system asks for {wait:.0f} s of patience", "", wait)
            await self._sleep(wait)

    def _wait(self) -> float:
        now = self._clock()
        wait = self._until - now
        if self._windows:
            return wait
        for limit, (left, until) in list(self._rooms.items()):
            if now >= until:
                self._rooms[limit] = (limit, now + 1.0)
            elif left <= limit * LEFT_OVER:
                wait = max(wait, until - now)
        return wait

    def hold(self, seconds: float) -> None:
        """Let nobody ask for so long."""
        self._until = max(self._until, self._clock() + min(seconds, HELD))

    def seen(self, status: int, headers: Mapping[str, str], *, busy: bool = False) -> None:
        """Take in what an answer tells. ``busy`` says that it means 429 under another number."""
        now = self._clock()
        told = rate_headers.read(headers, time.time())
        if told.limit and told.left is not None:
            # Those under way may be in that number, or not yet.
            left = told.left - max(self.under_way - 1, 0)
            self._rooms[told.limit] = (left, now + (told.reset or 0.0) + 1.0)
        if status == 429 or busy:
            self._refused(now, told.after)
            return
        if told.after and status >= 500:
            self.hold(told.after)
        self._good.append(now)
        learned = self._learned
        if learned is not None and now - self._changed > CALM:
            learned.size = max(learned.size + 1, int(learned.size * 1.1))
            self._changed, self._pause = now, _FIRST_PAUSE

    def _refused(self, now: float, after: float | None) -> None:
        self.throttled += 1
        block = max((limit.block for limit in self.limits), default=0.0)
        if now < self._until:
            self.hold(after or 0.0)
            return
        self.hold(max(after or 0.0, block, self._pause))
        self._pause = min(self._pause * 2, HELD)
        self._changed = now
        if self._learned is not None:
            self._learned.size = max(1, int(self._learned.size * LEARNED))
        else:
            pace = int(sum(at > now - 1.0 for at in self._good) * LEARNED)
            if pace < 1:
                return
            source = "as it answered with 429 above that"
            limit = Limit(requests=pace, source=source, learned=True)
            self._learned = Window(limit, pace, self._clock, self._sleep)
