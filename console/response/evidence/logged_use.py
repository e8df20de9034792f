"""What is kept of one token's lines in a system's log: by who used it, and bounded.

A log may have millions of lines about a busy token. What the ladder and a rotation ask is
who used it and when last, who was refused, and how long the pauses were: a few lines of each
user answer that.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from backends.model import AuditEvent, EventClass
from console.response.plan import tripwires

KEPT = 32
"""Lines that are kept of each user of a token: so many that let in, so many of the others."""
USERS = 256
"""Users of one token that are told apart. Further ones are kept together, as one."""
ACTIONS = 64
"""Actions of one user whose first time is kept."""
NOTES = 64
"""Lines about a token that are no use of it, of which the time and the detail are kept."""


class LoggedUse(NamedTuple):
    """One line in which a token's value was shown.

    ``at`` is in unix seconds, by the system's clock; ``outcome`` is ok, denied or error.
    """

    at: float
    outcome: str
    action: str
    source: str
    agent: str
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was let in, and did what it wanted."""
        return self.outcome == "ok"

    @property
    def caller(self) -> tuple[str, str, str]:
        """Who did what: the same consumer does it again and again."""
        return self.action, self.source, self.agent


class Newest:
    """The newest lines of a kind, oldest first, and what has to be known of those let go."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, str, LoggedUse]] = []
        self._floor = -math.inf
        """The time of the newest line that was let go."""
        self._pause = 0.0
        self.first = math.inf
        """When the first of all was."""

    def add(self, id_: str, use: LoggedUse) -> None:
        """Take in a line. One that was taken in before changes nothing."""
        self.first = min(self.first, use.at)
        line = (use.at, id_, use)
        place = bisect_left(self._kept, line)
        if use.at <= self._floor or self._kept[place : place + 1] == [line]:
            return
        self._kept.insert(place, line)
        if len(self._kept) > KEPT:
            gone = self._kept.pop(0)[0]
            if self._floor > -math.inf:
                self._pause = max(self._pause, gone - self._floor)
            self._floor = gone

    def __iter__(self) -> Iterator[LoggedUse]:
        return (use for _, _, use in self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def last(self) -> float:
        """When the newest was, in unix seconds; minus infinity where there is none."""
        return self._kept[-1][0] if self._kept else -math.inf

    @property
    def times(self) -> list[float]:
        """When the kept ones were, and the newest of those let go."""
        kept = [at for at, _, _ in self._kept]
        return [self._floor, *kept] if self._floor > -math.inf else kept

    @staticmethod
    def longest_pause(of: Iterable[Newest]) -> float:
        """The longest pause, in seconds, between two lines of several taken together.

        Of those let go it is never too short: the pauses of each are counted for itself.
        """
        series = list(of)
        times = sorted(at for each in series for at in each.times)
        return max(
            [*(each._pause for each in series), *(later - at for at, later in pairwise(times))],
            default=0.0,
        )


class TokenUser:
    """One user of a token, told from others by the address and the program.

    ``source`` and ``agent`` are None for the one that stands for all beyond ``USERS``.
    """

    def __init__(self, source: str | None, agent: str | None) -> None:
        self.source, self.agent = source, agent
        self.let, self.other = Newest(), Newest()
        """What was let in and ended well, and the rest: refusals must not push out uses."""
        self._first_let: dict[tuple[str, str, str], float] = {}

    def add(self, id_: str, use: LoggedUse) -> None:
        """Take in a line."""
        (self.let if use.ok else self.other).add(id_, use)
        if use.ok and (use.caller in self._first_let or len(self._first_let) < ACTIONS):
            self._first_let[use.caller] = min(use.at, self._first_let.get(use.caller, use.at))

    def __iter__(self) -> Iterator[LoggedUse]:
        yield from self.let
        yield from self.other

    def __len__(self) -> int:
        return len(self.let) + len(self.other)

    @property
    def ours(self) -> bool:
        """Whether it is the console itself."""
        return self.agent is not None and tripwires.ours(self.agent)

    @property
    def named(self) -> bool:
        """Whether the log says anything of who it is."""
        return self.source is None or bool(self.source or self.agent)

    @property
    def first(self) -> float:
        """When it was seen first, in unix seconds."""
        return min(self.let.first, self.other.first)

    @property
    def last(self) -> float:
        """When it was seen last, in unix seconds."""
        return max(self.let.last, self.other.last)

    def let_before(self, moment: float) -> set[tuple[str, str, str]]:
        """What it did before a moment and was let do (see ``LoggedUse.caller``)."""
        return {caller for caller, at in self._first_let.items() if at < moment}


class TokenLog:
    """All that is kept of one token's lines."""

    def __init__(self) -> None:
        self._users: dict[tuple[str, str], TokenUser] = {}
        self._rest: TokenUser | None = None
        self._unclear: deque[float] = deque(maxlen=NOTES)
        self._unclear_let_go: tuple[float, float] | None = None
        self._notes: dict[str, tuple[float, str]] = {}
        self.names_programs = False
        """Whether any line about the token says which program made the request."""

    def add(self, event: AuditEvent) -> None:
        """Take in a line about this token, again or for the first time."""
        at = event.at.timestamp()
        self.names_programs = self.names_programs or bool(event.agent)
        if event.settled is EventClass.OTHER:
            self._add_unclear(at)
        if not event.settled.shown:
            # What was done to it is no use of it.
            self._notes[event.id] = at, event.detail
            if len(self._notes) > NOTES:
                del self._notes[next(iter(self._notes))]
            return
        use = LoggedUse(at, event.outcome, event.action, event.source, event.agent, event.detail)
        self._user(event.source, event.agent).add(event.id, use)

    def _user(self, source: str, agent: str) -> TokenUser:
        found = self._users.get((source, agent))
        if found is None and len(self._users) < USERS:
            found = self._users[source, agent] = TokenUser(source, agent)
        if found is None:
            if self._rest is None:
                self._rest = TokenUser(None, None)
            return self._rest
        return found

    def _add_unclear(self, at: float) -> None:
        if at in self._unclear:
            return
        if len(self._unclear) == NOTES:
            gone = self._unclear[0]
            first, last = self._unclear_let_go or (gone, gone)
            self._unclear_let_go = min(first, gone), max(last, gone)
        self._unclear.append(at)

    @property
    def users(self) -> list[TokenUser]:
        """Everybody who used the token or tried to, told apart; ourselves among them."""
        return list(self._users.values())

    @property
    def rest(self) -> TokenUser | None:
        """Those who are not told apart, because there are too many; None where all are."""
        return self._rest

    @property
    def everybody(self) -> list[TokenUser]:
        """``users``, and ``rest`` where there are more."""
        return [*self._users.values(), *([] if self._rest is None else [self._rest])]

    def __len__(self) -> int:
        return sum(map(len, self.everybody)) + len(self._notes) + len(self._unclear)

    def unclear(self, start: float, end: float) -> bool:
        """Whether a line in a span does not say if it was a use. Times in unix seconds."""
        gone = self._unclear_let_go
        if gone is not None and gone[0] <= end and gone[1] >= start:
            return True
        return any(start <= at <= end for at in self._unclear)

    def naming(self, words: str) -> list[float]:
        """When there were lines whose detail has these words, in unix seconds."""
        uses = [(use.at, use.detail) for user in self.everybody for use in user]
        return [at for at, detail in (*self._notes.values(), *uses) if words in detail]
