"""How a backend answers *this* process, with the credentials that this process has.

Another console, or a ``sync`` out of a timer, has other credentials and another clock: it
may act where we may not, and the other way round. So none of this is kept in the shared
inventory. The screen gets it from its own worker, a command asks for itself.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from backends.contract import Backend, Health, WhoAmI
from backends.errors import BrokenPlugin, Forbidden, TimedOut, Unreachable
from console import faults
from console.text import age

T = TypeVar("T")

ANSWER = 10.0
"""Seconds after which a system that was asked how it is counts as silent."""
OPENING = 75.0
"""Seconds that a backend may take to be made ready; a credential command may ask a person."""
NOTICED = 2
"""Seconds of waiting from which on it is said that something is waited for."""

OK, FAILED, SILENT = "ok", "failed", "silent"


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking a backend how it is. Times are unix seconds, 0 for none."""

    state: str = ""
    """ok, failed or silent; empty before the first answer."""
    waiting_since: float = 0
    """When the first question was asked that got no answer yet."""
    answered_at: float = 0
    error: str = ""
    hint: str = ""
    latency_ms: int | None = None
    version: str = ""
    skew_ms: int | None = None
    notes: tuple[str, ...] = ()
    name: str = ""
    """Who the console is there."""
    can_act: bool | None = None
    """Whether this process may act there; None while nobody knows."""
    own: tuple[str, ...] = ()
    """The handles of the console's own tokens there."""

    def waited(self, now: float) -> int:
        """Seconds that an answer has been waited for; 0 where none is, or not for long."""
        if not self.waiting_since:
            return 0
        waited = int(now - self.waiting_since)
        return waited if waited >= NOTICED or self.state == SILENT else 0


UNKNOWN = Contact()
"""Of a backend that this process has not heard of."""


def silence(seconds: float) -> str:
    """That a system says nothing, in words."""
    return f"no answer for {age(seconds)}"


async def ask(
    open_backend: Callable[[], Awaitable[Backend]], type_: object, patience: float = ANSWER
) -> Contact:
    """Ask a backend how it is and who we are there. Never raises, whoever wrote the backend.

    The question is given up after ``patience`` seconds, the making ready before it (which
    may run a command that asks a person) after ``OPENING``. ``type_`` is its type in the
    configuration, for whom to tell of its faults.
    """
    asked = time.time()
    try:
        backend = await within(open_backend(), OPENING)
        health, who, wrong = await within(_answers(backend, type_), patience)
        return _told(health, who, wrong, type_)
    except TimedOut as error:
        return Contact(state=SILENT, waiting_since=asked, error=error.message, hint=error.hint)
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001
        # A third party's backend, and whatever it hands over, can fail in any way.
        message, hint = faults.words(error, type_)
        answered = 0 if isinstance(error, Unreachable) else time.time()
        return Contact(state=FAILED, answered_at=answered, error=message, hint=hint)


async def _answers(
    backend: Backend, type_: object
) -> tuple[Health | None, WhoAmI | None, Exception | None]:
    """Health and own credential, asked side by side; a system may forbid one of them."""
    asked = [asyncio.ensure_future(_one(backend, what, type_)) for what in ("health", "whoami")]
    try:
        for first in asyncio.as_completed(asked):
            # Where one finds nobody there, so does the other, after as many attempts.
            if isinstance(nobody := await first, Unreachable):
                raise nobody
        health, who = [await each for each in asked]
    finally:
        for each in asked:
            each.cancel()
    wrong = [each for each in (health, who) if isinstance(each, Exception)]
    grave = [each for each in wrong if isinstance(each, TimedOut | Unreachable)]
    if grave or len(wrong) == 2:
        raise (grave or wrong)[0]
    return (
        None if isinstance(health, Exception) else health,
        None if isinstance(who, Exception) else who,
        wrong[0] if wrong else None,
    )


async def _one(backend: Backend, name: str, type_: object) -> Any:
    """One answer, or the error in its place; none of its errors may end the others' work."""
    try:
        # Called inside the task, so that a method that is none fails here, too.
        return await getattr(backend, name)()
    except Exception as error:  # noqa: BLE001
        return error
    except (SystemExit, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        return BrokenPlugin(*faults.words(error, type_))


def _told(
    health: Health | None, who: WhoAmI | None, wrong: Exception | None, type_: object
) -> Contact:
    error, hint = ("", "") if wrong is None else faults.words(wrong, type_)
    skew = health.skew if health is not None else None
    return Contact(
        # Some systems forbid their health page and answer all the same.
        state=OK if wrong is None or isinstance(wrong, Forbidden) else FAILED,
        answered_at=time.time(),
        error=error,
        hint=hint,
        latency_ms=None if health is None else int(health.latency_ms),
        version="" if health is None else str(health.version),
        skew_ms=None if skew is None else int(skew.total_seconds() * 1000),
        notes=(
            *((told,) if (told := _clash(type_)) else ()),
            *(() if health is None else (str(note) for note in health.notes)),
        ),
        name="" if who is None else str(who.name),
        can_act=None if who is None else bool(who.can_act),
        own=() if who is None else tuple(ref.handle for ref in who.own),
    )


@functools.cache
def _clash(type_: object) -> str:
    """That another distribution claims the backend's name; looked for once a process."""
    from backends import registry

    return registry.TYPES.clash(type_) if isinstance(type_, str) else ""


async def within(question: Awaitable[T], seconds: float) -> T:
    """The answer to a question.

    A backend that does not let itself be cancelled is left behind, and not waited for.

    Raises:
        TimedOut: there is none after ``seconds``.
    """
    task = asyncio.ensure_future(question)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_forget)
    if not task.done():
        raise TimedOut(silence(seconds))
    if task.cancelled():
        raise BrokenPlugin("the backend gave the question up by itself")
    return task.result()


def _forget(task: asyncio.Future[Any]) -> None:
    """Take note of how an abandoned question ended, or asyncio complains about it."""
    if not task.cancelled():
        task.exception()
