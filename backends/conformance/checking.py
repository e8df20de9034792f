"""What every check runs under: a time limit, and a watch over whose fault an error is."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import signal
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Any, cast
from unittest import SkipTest

from backends.conformance.fixture import Failure, Fixture, FixtureFault, ThrowAway
from backends.contract import Backend
from backends.model import Secret, TokenRef

Check = Callable[[Fixture], None]

GRACE = 5.0
"""Seconds between asking a check to stop and stopping one that does not listen."""


class _Hung(BaseException):
    """Raised into a check that runs on after its cancellation; nobody's ``except`` holds it."""


def check(body: Callable[[Fixture], Awaitable[None]]) -> Check:
    """A check out of a coroutine function: with a time limit, and a fixture that is watched.

    The check raises :class:`Failure` where the backend breaks the contract or does not come
    to an end within ``Fixture.limit`` seconds, and :class:`FixtureFault` where the fixture
    itself raises or gives something that it must not.
    """

    @functools.wraps(body)
    def run(fixture: Fixture) -> None:
        watched = cast(Fixture, _Watched(fixture))
        name = getattr(body, "__name__", "check")
        try:
            with _alarm(fixture.limit + GRACE):
                asyncio.run(_within(fixture.limit, name, body(watched)))
        except _Hung as hung:
            raise Failure(_words(name, fixture.limit + GRACE, hung)) from None

    # functools.wraps also takes over that it is a coroutine function, which it is not.
    run.__dict__.pop("__wrapped__", None)
    return run


async def _within(limit: float, name: str, body: Awaitable[None]) -> None:
    span = asyncio.timeout(limit)
    try:
        async with span:
            await body
    except TimeoutError as error:
        if not span.expired():
            raise
        raise Failure(_words(name, limit, error.__cause__ or error)) from None


def _words(name: str, limit: float, error: BaseException) -> str:
    """Says that a check hung, and in which line of the backend."""
    ours = {__file__, asyncio.__file__}
    places = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in ours and "/asyncio/" not in frame.filename
    ]
    where = f" It was in {places[-1].name}(), line {places[-1].lineno}." if places else ""
    return (
        f"{name} had not ended after {limit:g} s.{where} A list without end becomes a Gap "
        "(LIMITED), and every wait has a time limit of its own"
    )


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Stop the block by a signal, and again every second, for a loop that never awaits.

    Signals reach the main thread only; elsewhere, and where there are none, the block has
    no more than its own time limit.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "setitimer"
    ):
        yield
        return

    def stop(_: int, __: FrameType | None) -> None:
        raise _Hung

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Watched:
    """A fixture whose errors and wrong answers are said to be the fixture's."""

    def __init__(self, fixture: Fixture) -> None:
        self._fixture = fixture

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._fixture, name)
        if not inspect.ismethod(found):
            return found

        @functools.wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                answer = found(*args, **kwargs)
            except (Failure, SkipTest):
                raise
            except Exception as error:
                also = " (or the backend's __init__)" if name == "backend" else ""
                raise FixtureFault(
                    f"Fixture.{name}() raised {type(error).__name__}: {error}. Mend the "
                    f"fixture{also}; nothing is said of the backend yet"
                ) from error
            wrong = _wrong(name, answer)
            if wrong:
                raise FixtureFault(f"Fixture.{name}() gave {wrong}")
            return answer

        return call


def _wrong(name: str, answer: object) -> str:
    """What is wrong with what a fixture's method gave; empty where nothing is."""
    if name in ("backend", "unreachable", "powerless"):
        fine = isinstance(answer, Backend) or (name != "backend" and answer is None)
        return "" if fine else f"a {type(answer).__name__}, which is no Backend"
    if name == "accepts":
        return "" if isinstance(answer, bool) else f"{answer!r}; it must be True or False"
    if name in ("make", "make_for", "successor"):
        return _wrong_made(answer)
    if name == "make_many" and isinstance(answer, list):
        return next(filter(None, map(_wrong_made, answer)), "")
    return ""


def _wrong_made(made: object) -> str:
    if not isinstance(made, ThrowAway):
        return f"a {type(made).__name__}; it must be ThrowAway(ref, secret, name, owner)"
    ref: object = made.ref
    secret: object = made.secret
    if not isinstance(ref, TokenRef) or not isinstance(secret, Secret):
        return "a ThrowAway without a TokenRef and a Secret"
    return "" if secret else "a ThrowAway with an empty secret: nobody could tell where it is shown"
