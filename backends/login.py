"""A login that is got first, and got anew: sessions in exchange for a credential.

Some systems take no credential with each call. One logs in, and a header of the answer (a
token, a cookie) or a member of its body is what every further call carries, for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from backends.model import Secret

SPARE = 30.0
"""Seconds before its end at which a login is got anew, so that no call meets the end."""


class Session(NamedTuple):
    """What a login gave: the headers of every further call, each value a secret.

    ``lives`` is for how many seconds it is good, None where the system does not say.
    """

    headers: Mapping[str, Secret]
    lives: float | None = None


class Login:
    """Keeps one session of one system, and gets it when it is first needed. One event loop's own.

    ``enter`` logs in; it may raise any of ``backends.errors``. The client asks for the headers
    before each call. A read that is answered with 401 drops the session and is made once more
    with a new one. A change is never made twice: its session is made sure of before the permit
    is spent, and where it is refused all the same, the next call logs in anew.
    """

    def __init__(
        self,
        enter: Callable[[], Awaitable[Session]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._enter, self._clock = enter, clock
        self._session: Session | None = None
        self._ends = float("inf")
        self._one = asyncio.Lock()

    async def session(self) -> Session:
        """The session in use, got anew where there is none or its time is nearly over.

        Raises whatever logging in does.
        """
        async with self._one:
            if self._session is None or self._clock() >= self._ends:
                self._session = None
                found = await self._enter()
                lives = float("inf") if found.lives is None else max(0.0, found.lives - SPARE)
                self._session, self._ends = found, self._clock() + lives
            return self._session

    def drop(self, session: Session) -> None:
        """Forget a session that the system no longer takes. One got since is kept."""
        if self._session is session:
            self._session = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the session in use, revealed for a call; none without a session."""
        if self._session is None:
            return {}
        return {name: value.reveal() for name, value in self._session.headers.items()}
