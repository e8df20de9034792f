"""How the estate's systems answer a change.

Here the troubles of a change are met: an answer that is lost, a yes without effect, a
change that comes too fast.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Final

import msgspec

from backends import permit
from backends.contract import Outcome, OutcomeState, Phase, Step, Value, Verb
from backends.errors import NotFound, Refused
from backends.estate import database, effects, trouble, vocabulary
from backends.estate.engine import EstateWorld
from backends.estate.proposals import RETIRING, planned_call
from backends.estate.systems import System
from backends.model import Secret, TokenRef
from backends.words import count

WORDS: Final = {
    "vault": ("204", "200", "No token found with this accessor"),
    "cloud": ("200", "NoSuchEntity", "the key cannot be found"),
    "database": ("OK", "42704", "it was so already"),
    "codehost": ("202", "404", "Not Found"),
}
"""Each system's answer to a change that it takes, and to one that was made before."""


async def perform(
    world: EstateWorld, spec: System, step: Step, *, may: Callable[[], bool]
) -> Outcome:
    """Make a step's one call, once. Raises only ``NoIntent``.

    The call is worked out anew from the step's verb and token, so that a permit for some
    other call, or a step whose call was altered, is refused.
    """
    row = world.row(spec.name, step.token.id)
    expected = None if row is None else planned_call(spec, step, row)
    intent = permit.spend(expected or step.call)
    chosen = permit.value() if step.value is Value.CHOSEN else None
    day = trouble.of(world.db, spec.name)
    if day.latency_ms:
        await asyncio.sleep(day.latency_ms / 1000)
    if day.outage:
        return Outcome(state=OutcomeState.NOT_SENT, detail="no connection (Connection refused)")
    if row is None or expected is None:
        return _no("404", "no such token or verb")
    if day.auth:
        return _no("401", "not authenticated")
    if row["scope"] in day.forbidden or not may():
        return _no("403", "permission denied")
    try:
        with database.writing(world.db):
            return _meet(world, spec, day, step, intent, chosen)
    except sqlite3.Error as error:
        return Outcome(state=OutcomeState.UNKNOWN, detail=f"no answer ({type(error).__name__})")


def _no(status: str, detail: str) -> Outcome:
    return Outcome(state=OutcomeState.REJECTED, status=status, detail=detail)


def _meet(
    world: EstateWorld,
    spec: System,
    day: trouble.SystemTrouble,
    step: Step,
    intent: str,
    chosen: Secret | None,
) -> Outcome:
    """The change itself and the answer to it, within one transaction."""
    turn = database.count(world.db, spec.name, "changes")
    calls = database.count(world.db, spec.name, "calls") if day.rate_every else 0
    if day.rate_every and calls % day.rate_every == 0:
        return _no("429", "too many requests")
    if day.rate_limit > 0 and _too_fast(world, spec, day.rate_limit):
        database.count(world.db, spec.name, "breaches")
        return _no("429", "too many requests")
    lost = _lost(day, world.seed, turn)
    if lost == "dropped":
        return Outcome(state=OutcomeState.UNKNOWN, detail="no answer (ReadTimeout)")
    # Another process may have changed the token while this one waited for the lock.
    row = world.row(spec.name, step.token.id)
    if row is None:
        return _no("404", "no such token")
    verb = step.verb
    try:
        if step.phase is Phase.MINT:
            made = world.mint_successor(row, intent, chosen)
            if made.refused:
                return _no("400", made.refused)
            done = effects.CallEffect(True, 1)
        else:
            verb = RETIRING[step.expect] if verb is Verb.ROTATE else verb
            done = effects.change(world.db, verb, spec, row, world.now(), intent)
    except Refused as error:
        return _no("400", error.message)
    except NotFound as error:
        return _no("404", error.message)
    if lost:
        return Outcome(state=OutcomeState.UNKNOWN, detail="no answer (ReadError)")
    if step.phase is Phase.MINT:
        permit.deliver(TokenRef(step.token.backend, step.token.kind, made.id), made.secret)
    return _answer(spec, verb, done, turn)


def _too_fast(world: EstateWorld, spec: System, rate: float) -> bool:
    """Take one from the system's bucket, which holds a second's worth; whether it is empty.

    It fills by the wall's clock and by what the estate's was set forward, so that a test
    whose clock stands need not wait.
    """
    at = time.time() + int(database.get(world.db, "travelled") or 0)
    row = world.db.execute("SELECT level, at FROM bucket WHERE system = ?", (spec.name,)).fetchone()
    most = max(1.0, rate)
    level = most if row is None else min(most, row["level"] + max(0.0, at - row["at"]) * rate)
    over = level < 1.0
    world.db.execute(
        "INSERT OR REPLACE INTO bucket VALUES (?, ?, ?)",
        (spec.name, level if over else level - 1.0, at),
    )
    return over


def _lost(day: trouble.SystemTrouble, seed: int, turn: int) -> str:
    if not day.lose or turn % max(day.lose_every, 1):
        return ""
    if day.lose == "mixed":
        return "applied" if vocabulary.mix(seed, turn) % 2 else "dropped"
    return day.lose


def _answer(spec: System, verb: Verb, done: effects.CallEffect, turn: int) -> Outcome:
    fine, already, why = WORDS[spec.name]
    id_ = f"est-{turn:06d}"
    if done.changed:
        told = f"{count(done.rows, 'session')} ended" if verb is Verb.DISCONNECT else ""
        return Outcome(state=OutcomeState.APPLIED, status=fine, request_id=id_, detail=told)
    if verb is not Verb.REVOKE:
        return Outcome(state=OutcomeState.ALREADY, status=fine, request_id=id_)
    return Outcome(state=OutcomeState.ALREADY, status=already, request_id=id_, detail=why)


def timed(outcome: Outcome, elapsed_ms: int) -> Outcome:
    """The outcome with how long it took."""
    return msgspec.structs.replace(outcome, elapsed_ms=elapsed_ms)


def not_open(step: Step) -> Outcome:
    """The answer of a backend that was never opened, after the permit was checked."""
    permit.spend(step.call)
    return Outcome(state=OutcomeState.NOT_SENT, detail="the backend is not open")
