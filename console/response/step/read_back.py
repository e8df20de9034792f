"""Asking a system whether what was to happen has happened. Reads, never changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple

from backends.contract import NO_SESSIONS, Backend
from backends.errors import BackendError, NotFound
from backends.model import GapKind, Token, TokenRef, TokenState
from backends.words import count
from console.journal.format.words import system_words

PATIENCE = (3.0, 60.0)
"""Seconds: how long at least, and at most, an effect is waited for."""
READ_TIMEOUT = 60.0
"""Seconds that one reading may take in all, with the backend's own repeats."""
_PAUSE = (0.1, 2.0)

SESSION = "session"
"""How a consumer is marked that is an open session."""
GONE = "gone"
"""What a step expects when the system will no longer have the token."""
HELD = "held back"
"""What is expected of a contain by hand: a person may as well have ended the token."""


class ReadBack(NamedTuple):
    """What a look showed. ``holds`` is None when the system could not be asked."""

    holds: bool | None
    words: str
    token: Token | None = None


def holds(expect: str, token: Token | None) -> bool:
    """Whether a token (None: the system has none such) is as a step expects it."""
    if token is None:
        return expect in (GONE, HELD, TokenState.REVOKED.value)
    if expect == HELD:
        return token.state in (TokenState.DISABLED, TokenState.REVOKED)
    if expect == GONE:
        return token.state is TokenState.REVOKED
    return bool(expect) and token.state.value == expect


async def look(backend: Backend, ref: TokenRef, expect: str) -> ReadBack:
    """Read the token once. Raises nothing: what goes wrong is in the answer.

    Where no sessions are expected, what depends on the token is asked for too.
    """
    token: Token | None = None
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            with contextlib.suppress(NotFound):
                token = await backend.read(ref)
            if expect == NO_SESSIONS:
                return await _sessions(backend, ref, token)
    except TimeoutError:
        return ReadBack(None, f"no answer in {READ_TIMEOUT:.0f} s")
    except BackendError as error:
        return ReadBack(None, system_words(error.message, 200))
    except Exception as error:  # noqa: BLE001
        # A backend's defect while reading must not cost the outcome that is owed.
        return ReadBack(None, f"the backend failed with {type(error).__name__}")
    if token is None:
        return ReadBack(holds(expect, None), "the system no longer has it")
    return ReadBack(holds(expect, token), f"the system's record says {token.state.value}", token)


async def _sessions(backend: Backend, ref: TokenRef, token: Token | None) -> ReadBack:
    try:
        found = await backend.dependents(ref)
    except NotFound:
        return ReadBack(True, "the system has neither it nor sessions of it", token)
    open_ = sum(consumer.kind == SESSION for consumer in found.consumers)
    if not open_ and any(gap.kind is GapKind.REFUSED for gap in found.gaps):
        return ReadBack(None, "not every session may be seen", token)
    told = count(open_, "open session") if open_ else "no open sessions"
    return ReadBack(not open_, f"the system tells of {told}", token)


def window(propagation: timedelta | None) -> float:
    """Seconds to wait for an effect, from the time that a backend declares."""
    least, most = PATIENCE
    return min(max(propagation.total_seconds() if propagation else 0.0, least), most)


async def await_effect(
    look: Callable[[], Awaitable[ReadBack]],
    seconds: float,
    enough: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> ReadBack:
    """Look until the effect is seen, the time is over, or ``enough`` is true.

    Looks at least once, with growing pauses in between.
    """
    deadline = time.monotonic() + seconds
    pause, longest = _PAUSE
    while True:
        seen = await look()
        left = deadline - time.monotonic()
        if seen.holds or left <= 0 or enough():
            return seen
        await sleep(min(pause, left))
        pause = min(pause * 2, longest)
