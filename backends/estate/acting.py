"""How the estate's systems take a change: the plan for it, and the answer to it.

Here the troubles of a change are met: an answer that is lost, a yes without effect.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

import msgspec

from backends import permit
from backends.contract import (
    Hazard,
    Outcome,
    OutcomeState,
    Proposal,
    Step,
    Support,
    Verb,
)
from backends.errors import NotFound, Refused, Unsupported
from backends.estate import database, names, trouble
from backends.estate.engine import Done, World
from backends.estate.systems import System, call_for
from backends.model import Token

TITLES: Final = {
    Verb.CONTAIN: "Disable it",
    Verb.RESTORE: "Enable it again",
    Verb.REVOKE: "Revoke it for good",
    Verb.DISCONNECT: "End its open sessions",
}
EXPECT: Final = {Verb.REVOKE: "gone", Verb.CONTAIN: "disabled", Verb.RESTORE: "active"}

BELOW: Final = """
WITH RECURSIVE tree (n) AS (
    SELECT n FROM token WHERE parent = :n
    UNION SELECT token.n FROM token JOIN tree ON token.parent = tree.n
)
SELECT name, id FROM token JOIN tree USING (n)
WHERE gone_at IS NULL OR gone_at > :now ORDER BY n
"""

WORDS: Final = {
    "vault": ("204", "200", "No token found with this accessor"),
    "cloud": ("200", "NoSuchEntity", "the key cannot be found"),
    "database": ("OK", "42704", "it was so already"),
    "codehost": ("202", "404", "Not Found"),
}
"""Each system's answer to a change that it takes, and to one that was made before."""


def propose(world: World, spec: System, verb: Verb, token: Token, now: int) -> Proposal:
    """The steps for a verb on a token, and what goes with them.

    Raises:
        Unsupported: this system cannot do that.
        NotFound: there never was such a token.
    """
    kind = spec.capabilities.of(token.ref.kind)
    ability = kind.ability(verb)
    row = world.row(spec.name, token.ref.id)
    if ability.support not in (Support.FULL, Support.PARTIAL) or verb is Verb.ROTATE:
        raise Unsupported(f"the {spec.title} has no {verb.value} for a {kind.title}")
    if row is None:
        raise NotFound(f"the {spec.title} has no such token")
    call = call_for(spec, verb, row)
    if call is None:
        raise Unsupported(f"the {spec.title} has no {verb.value} for a {kind.title}")
    step = Step(
        id=verb.value,
        verb=verb,
        token=token.ref,
        title=TITLES[verb],
        call=call,
        retry=ability.retry,
        reversible=ability.reversible,
        expect=EXPECT.get(verb, ""),
    )
    sessions = world.db.execute(
        "SELECT count(*) FROM session WHERE token = ? AND ended_at IS NULL", (row["n"],)
    ).fetchone()[0]
    hazards: tuple[Hazard, ...] = ()
    if sessions and verb in (Verb.REVOKE, Verb.CONTAIN):
        text = f"{sessions} open sessions live on until they are disconnected"
        hazards = (Hazard(code="open-sessions", text=text),)
    return Proposal(
        steps=(step,),
        hazards=hazards,
        collateral=_collateral(world, spec, verb, row, now),
        takes_effect=_takes_effect(kind.propagation.total_seconds() if kind.propagation else 0),
        undo="restore" if verb is Verb.CONTAIN else "contain" if verb is Verb.RESTORE else "",
    )


def _collateral(
    world: World, spec: System, verb: Verb, row: sqlite3.Row, now: int
) -> tuple[str, ...]:
    if spec.name != "vault" or verb is not Verb.REVOKE:
        return ()
    below = world.db.execute(BELOW, {"n": row["n"], "now": now})
    return tuple(f"child token {child['name']} ({child['id']})" for child in below)


def _takes_effect(seconds: float) -> str:
    return f"within {seconds:.0f} s" if seconds else "at once"


async def perform(world: World, spec: System, step: Step, *, may: Callable[[], bool]) -> Outcome:
    """Make a step's one call, once. Raises only ``NoIntent``.

    The call is worked out anew from the step's verb and token, so that a permit for some
    other call, or a step whose call was altered, is refused.
    """
    row = world.row(spec.name, step.token.id)
    expected = None if row is None else call_for(spec, step.verb, row)
    intent = permit.spend(expected or step.call)
    day = trouble.of(world.db, spec.name)
    if day.latency_ms:
        await asyncio.sleep(day.latency_ms / 1000)
    if day.outage:
        return Outcome(state=OutcomeState.NOT_SENT, detail="no connection (Connection refused)")
    if row is None or expected is None:
        return Outcome(state=OutcomeState.REJECTED, status="404", detail="no such token or verb")
    if day.auth:
        return Outcome(state=OutcomeState.REJECTED, status="401", detail="not authenticated")
    if row["scope"] in day.forbidden or not may():
        return Outcome(state=OutcomeState.REJECTED, status="403", detail="permission denied")
    try:
        with database.writing(world.db):
            turn = database.count(world.db, spec.name, "changes")
            calls = database.count(world.db, spec.name, "calls") if day.rate_every else 0
        if day.rate_every and calls % day.rate_every == 0:
            return Outcome(state=OutcomeState.REJECTED, status="429", detail="too many requests")
        lost = _lost(day, world.seed, turn)
        if lost == "dropped":
            return Outcome(state=OutcomeState.UNKNOWN, detail="no answer (ReadTimeout)")
        done = world.change(step.verb, spec.name, step.token.id, intent)
    except Refused as error:
        return Outcome(state=OutcomeState.REJECTED, status="400", detail=error.message)
    except NotFound as error:
        return Outcome(state=OutcomeState.REJECTED, status="404", detail=error.message)
    except sqlite3.Error as error:
        return Outcome(state=OutcomeState.UNKNOWN, detail=f"no answer ({type(error).__name__})")
    if lost:
        return Outcome(state=OutcomeState.UNKNOWN, detail="no answer (ReadError)")
    return _answer(spec, step.verb, done, turn)


def _lost(day: trouble.Trouble, seed: int, turn: int) -> str:
    if not day.lose or turn % max(day.lose_every, 1):
        return ""
    if day.lose == "mixed":
        return "applied" if names.mix(seed, turn) % 2 else "dropped"
    return day.lose


def _answer(spec: System, verb: Verb, done: Done, turn: int) -> Outcome:
    fine, already, why = WORDS[spec.name]
    id_ = f"est-{turn:06d}"
    if done.changed:
        told = f"{done.rows} sessions ended" if verb is Verb.DISCONNECT else ""
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
