"""How the estate's systems would take a change: the plan for each verb and class of rotation."""

from __future__ import annotations

import sqlite3
from typing import Final

from backends.contract import (
    NO_SESSIONS,
    Ability,
    Call,
    Hazard,
    KindCapabilities,
    Phase,
    Proposal,
    Retry,
    Rotation,
    Step,
    Support,
    Value,
    Verb,
)
from backends.errors import NotFound, Unsupported
from backends.estate.bots import taken
from backends.estate.calls import call_for, mint_call
from backends.estate.engine import World
from backends.estate.rotation import successors
from backends.estate.systems import OVERLAP_SECONDS, System
from backends.model import Token, TokenRef
from backends.words import count

TITLES: Final = {
    Verb.CONTAIN: "Disable it",
    Verb.RESTORE: "Enable it again",
    Verb.REVOKE: "Revoke it for good",
    Verb.DISCONNECT: "End its open sessions",
}
EXPECT: Final = {
    Verb.REVOKE: "gone",
    Verb.CONTAIN: "disabled",
    Verb.RESTORE: "active",
    Verb.DISCONNECT: NO_SESSIONS,
}
RETIRING: Final = {"disabled": Verb.CONTAIN, "gone": Verb.REVOKE}
"""What a step that retires an old token does, by what it expects."""

CARD: Final = (
    "Only the person whom the token belongs to can mint another one:\n"
    "1. Ask {owner} to sign in and open Settings, Developer settings, Fine-grained tokens.\n"
    "2. Choose the token, then Regenerate, and put the new value where its consumers read it.\n"
    "3. Look here whether the old one is gone; if it is not, revoke it."
)

BELOW: Final = """
WITH RECURSIVE tree (n) AS (
    SELECT n FROM token WHERE parent = :n
    UNION SELECT token.n FROM token JOIN tree ON token.parent = tree.n
)
SELECT name, id FROM token JOIN tree USING (n)
WHERE gone_at IS NULL OR gone_at > :now ORDER BY n
"""


def planned_call(spec: System, step: Step, row: sqlite3.Row) -> Call | None:
    """The call that a step has to be, worked out anew from its token."""
    if step.verb is not Verb.ROTATE:
        return call_for(spec, step.verb, row)
    if step.phase is Phase.MINT:
        return mint_call(spec, row)
    retiring = RETIRING.get(step.expect)
    return None if retiring is None else call_for(spec, retiring, row)


def propose(world: World, spec: System, verb: Verb, token: Token, now: int) -> Proposal:
    """The steps for a verb on a token, and what goes with them.

    Raises:
        Unsupported: this system cannot do that.
        NotFound: there never was such a token.
    """
    kind = spec.capabilities.of(token.ref.kind)
    ability = kind.ability(verb)
    row = world.row(spec.name, token.ref.id)
    if row is None or row["kind"] != token.ref.kind:
        raise NotFound(f"the {spec.title} has no such token")
    if verb is Verb.ROTATE and ability.support is Support.MANUAL:
        return Proposal(steps=(), manual=CARD.format(owner=row["owner"] or row["principal"]))
    if ability.support not in (Support.FULL, Support.PARTIAL):
        raise Unsupported(f"the {spec.title} has no {verb.value} for a {kind.title}")
    below: list[sqlite3.Row] = []
    if spec.name == "vault" and verb in (Verb.REVOKE, Verb.ROTATE):
        below = world.db.execute(BELOW, {"n": row["n"], "now": now}).fetchall()
    if verb is Verb.ROTATE:
        steps = _rotation(spec, kind, token, row)
    else:
        steps = (_step(spec, kind, token.ref, row, verb, ability),)
    return Proposal(
        steps=steps,
        hazards=_slots(world, kind, row, now) if verb is Verb.ROTATE else (),
        collateral=tuple(f"child token {child['name']} ({child['id']})" for child in below),
        takes_effect=_takes_effect(world, kind, verb, row),
        undo="restore" if verb is Verb.CONTAIN else "contain" if verb is Verb.RESTORE else "",
        also_ends=tuple(TokenRef(token.ref.backend, spec.kind, child["id"]) for child in below),
    )


def _step(
    spec: System,
    kind: KindCapabilities,
    ref: TokenRef,
    row: sqlite3.Row,
    verb: Verb,
    ability: Ability,
) -> Step:
    call = call_for(spec, verb, row)
    if call is None:
        raise Unsupported(f"the {spec.title} has no {verb.value} for a {kind.title}")
    return Step(
        id=verb.value,
        verb=verb,
        token=ref,
        title=TITLES[verb],
        call=call,
        retry=ability.retry,
        reversible=ability.reversible,
        expect=EXPECT.get(verb, ""),
    )


def _rotation(
    spec: System, kind: KindCapabilities, token: Token, row: sqlite3.Row
) -> tuple[Step, ...]:
    call = mint_call(spec, row)
    if call is None:
        raise Unsupported(f"the {spec.title} has no rotation for a {kind.title}")
    in_place = kind.rotation is Rotation.IN_PLACE
    steps = [
        Step(
            id="mint",
            verb=Verb.ROTATE,
            token=token.ref,
            title="Set a new value" if in_place else "Make its successor",
            call=call,
            retry=kind.ability(Verb.ROTATE).retry,
            phase=Phase.MINT,
            value=Value.CHOSEN if in_place else Value.ISSUED,
        )
    ]
    may_disable = kind.ability(Verb.CONTAIN).reversible and not row["disabled"]
    if kind.rotation is Rotation.CREATE_RETIRE and may_disable:
        steps.append(_retire(spec, kind, token.ref, row, Verb.CONTAIN))
    if kind.rotation in (Rotation.CREATE_RETIRE, Rotation.OVERLAP):
        steps.append(_retire(spec, kind, token.ref, row, Verb.REVOKE))
    return tuple(steps)


def _retire(
    spec: System, kind: KindCapabilities, ref: TokenRef, row: sqlite3.Row, verb: Verb
) -> Step:
    """A step on the old token. Of a rotation with a grace time, it is for a leak only."""
    ability = kind.ability(verb)
    call = call_for(spec, verb, row)
    if call is None:
        raise Unsupported(f"the {spec.title} has no {verb.value} for a {kind.title}")
    return Step(
        id="disable" if verb is Verb.CONTAIN else "revoke",
        verb=Verb.ROTATE,
        token=ref,
        title="Disable the old one" if verb is Verb.CONTAIN else "Revoke the old one",
        call=call,
        retry=Retry.FREE if verb is Verb.CONTAIN else ability.retry,
        reversible=ability.reversible,
        expect=EXPECT[verb],
        phase=Phase.RETIRE,
        leak_only=kind.rotation is Rotation.OVERLAP,
    )


def _slots(world: World, kind: KindCapabilities, row: sqlite3.Row, now: int) -> tuple[Hazard, ...]:
    if kind.rotation is Rotation.CREATE_RETIRE and kind.slots is not None:
        held = taken(world.db, row, now)
        if held >= kind.slots:
            full = f"{held} of {count(kind.slots, 'key')}"
            text = f"{row['principal']} has {full}: no slot for a new one."
            return (Hazard(code="slot-full", text=text, fatal=True),)
    if kind.reuse_detection and successors(world.db, row["n"]):
        text = "It was replaced before: to rotate it once more ends its successor too."
        return (Hazard(code="rotated-before", text=text, fatal=True),)
    return ()


def _takes_effect(world: World, kind: KindCapabilities, verb: Verb, row: sqlite3.Row) -> str:
    if verb is Verb.ROTATE and kind.rotation is Rotation.OVERLAP:
        return f"the old value works on for {OVERLAP_SECONDS // 60} min, unless it is revoked"
    seconds = kind.propagation.total_seconds() if kind.propagation else 0
    told = f"within {seconds:.0f} s" if seconds else "at once"
    if row["system"] != "database" or verb in (Verb.DISCONNECT, Verb.RESTORE):
        return told
    sessions = world.db.execute(
        "SELECT count(*) FROM session WHERE token = ? AND ended_at IS NULL", (row["n"],)
    ).fetchone()[0]
    live = count(sessions, "open session lives", "open sessions live")
    return f"{told}; {live} on until ended" if sessions else told
