"""No intent, no call: the one door for every request that changes something outside.

A :class:`Permit` is made by the console's runner after an intent is durable in its
journal. A transport asks :func:`spend` with the very call that it is about to send;
a call that no permit covers, or that differs from the planned one, is never sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from backends.contract import Call, Step
from backends.errors import NoIntent
from backends.model import Secret, TokenRef

_active: ContextVar[Permit | None] = ContextVar("token_console_permit", default=None)


class Permit:
    """Allows exactly one planned call to leave, once.

    ``intent_id`` is the id of the durable journal entry; transports put it into the
    request (``X-Request-Id``, ``application_name``) where the system can log it.
    """

    def __init__(self, intent_id: str, step: Step, *, value: Secret | None = None) -> None:
        """``value`` is a secret that the call needs: one that we chose, or the one in hand.

        It travels here because a step is stored and an outcome is journaled, and neither
        may hold a secret; the call shows it as "<new value>" or "<secret>".
        """
        if not intent_id:
            raise NoIntent("a permit needs the id of a durable intent")
        self.intent_id = intent_id
        self.step = step
        self.minted: list[tuple[TokenRef, Secret]] = []
        """What the call minted, for whoever holds the permit to put into escrow."""
        self._value = value
        self._spent = False

    @contextlib.contextmanager
    def active(self) -> Iterator[Permit]:
        """Make this permit the one that transports find while the block runs."""
        mark = _active.set(self)
        try:
            yield self
        finally:
            _active.reset(mark)


def spend(call: Call) -> str:
    """Take the active permit for ``call`` and return its intent id. It cannot be taken twice.

    Raises:
        NoIntent: there is no permit, it was used before, or it is for another call.
    """
    permit = _active.get()
    if permit is None:
        raise NoIntent(f"a changing request without an intent: {call.line}")
    if permit._spent:
        raise NoIntent(f"the intent {permit.intent_id} was used for a call already")
    if call != permit.step.call:
        raise NoIntent(f"the call differs from the planned one: {call.line}")
    permit._spent = True
    return permit.intent_id


def value() -> Secret:
    """The secret that the active permit carries into its call.

    Raises:
        NoIntent: there is no permit, or it carries none.
    """
    permit = _active.get()
    if permit is None or permit._value is None:
        raise NoIntent("the call needs a secret, and no permit carries one")
    return permit._value


def deliver(ref: TokenRef, secret: Secret) -> None:
    """Hand over a value that the permitted call minted, before anything else is done.

    Raises:
        NoIntent: no permit was spent, so nothing can have been minted.
    """
    permit = _active.get()
    if permit is None or not permit._spent:
        raise NoIntent("a value was delivered without a call that could have minted it")
    permit.minted.append((ref, secret))


def delivered() -> tuple[tuple[TokenRef, Secret], ...]:
    """What the active permit's call handed over so far; empty without a permit."""
    permit = _active.get()
    return tuple(permit.minted) if permit is not None else ()
