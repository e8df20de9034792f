"""What can be done with a token that a leaked value is of, and what speaks against it.

Nothing is judged here: for each verb the one planner is asked, as for a plan that a person
would approve, and what it says is kept. So a hazard on a card is the hazard of the plan. The
plans are made for show; none is kept, and none can be approved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from backends.contract import KindCapabilities, Rotation, Support, Verb
from backends.errors import BackendError
from backends.model import Secret, Token
from console.errors import ConsoleError
from console.inventory.search.inventory import Inventory
from console.response.plan.build import OpenBackend
from console.response.plan.model import Mode, PlanItem
from console.response.service import planning, trying
from console.response.service.planning import PlanRequest
from console.settings import Paths, Settings

PATIENCE = 10.0
"""Seconds for which the plans of one token are waited for: its card waits, too."""
MOST = 8
"""Tokens of one intake whose plans are made; of more, that they were not is said."""
REASON = "for show on an answer card; never approved"

KEYS = {
    Verb.CONTAIN: "contain",
    Verb.ROTATE: "rotate",
    Verb.REVOKE: "revoke",
    Verb.DISCONNECT: "disconnect",
}
"""The screen's action for each verb, the best stop first: one that can be undone."""
WORDS = {
    Verb.CONTAIN: "stop it now; can be undone",
    Verb.ROTATE: "replace its value and move who uses it",
    Verb.REVOKE: "end it for good",
    Verb.DISCONNECT: "end what is open under it",
}
OFFERED = (Support.FULL, Support.PARTIAL)


class Move(NamedTuple):
    """Something that can be done here. ``command`` is what one types after the program's name."""

    verb: Verb
    command: str
    words: str
    why_not: str = ""
    """Why no plan of it could be carried out; empty where one could be. Raw text."""


class Warned(NamedTuple):
    """A hazard of the plans. ``fatal``: no answer lets it go on."""

    code: str
    text: str
    fatal: bool
    verbs: tuple[Verb, ...]


class Advice(NamedTuple):
    """The moves, the best first, and what the planner warns of."""

    moves: tuple[Move, ...]
    hazards: tuple[Warned, ...] = ()
    unknown: str = ""
    """Why hazards were not, or not all, looked for; empty where they were. Raw text."""
    ends_too: tuple[str, ...] = ()
    """What would break or end along, as the plans tell it."""
    effects: tuple[str, ...] | None = None
    """What a try of the value does besides. None: it is not offered, see ``no_try``."""
    no_try: str = ""
    silent: bool = False
    """Its system gave no answer in time."""


class Planner(NamedTuple):
    """What plans are made with. ``act`` says whether ``open_backend`` has what one acts with."""

    open_backend: OpenBackend
    paths: Paths
    settings: Settings
    act: bool


def declared_moves(declared: KindCapabilities, token: Token) -> tuple[Move, ...]:
    """What its backend declares for it: all that is known without asking the system."""
    return tuple(_move(declared, token, verb) for verb in _verbs(declared))


def _verbs(declared: KindCapabilities) -> list[Verb]:
    found = []
    for verb in KEYS:
        ability = declared.ability(verb)
        if ability.support not in OFFERED:
            continue
        if verb is Verb.CONTAIN and not ability.reversible:
            continue
        if verb is Verb.ROTATE and declared.rotation is Rotation.NO_API:
            continue
        found.append(verb)
    return found


def _move(declared: KindCapabilities, token: Token, verb: Verb, why_not: str = "") -> Move:
    ability = declared.ability(verb)
    note = f" ({ability.note})" if ability.note else ""
    partly = ", in part" if ability.support is Support.PARTIAL else ""
    command = f"{verb.value} {token.ref.handle}"
    return Move(verb, command, f"{WORDS[verb]}{partly}{note}", why_not)


async def advise(
    planner: Planner,
    token: Token,
    declared: KindCapabilities,
    secret: Secret | None,
    *,
    over: bool = False,
    listed: bool = True,
) -> Advice:
    """Have a plan made for each verb that is declared, and say what the planner says.

    ``secret`` is the value in hand; its system is asked which other tokens have it. Of one
    that is ``over`` nothing is offered but a try, which tells whether it really is. ``listed``
    says whether the inventory has the token, without which nobody can plan.
    """
    moves = () if over else declared_moves(declared, token)
    verbs = [move.verb for move in moves] if listed else []
    try:
        async with asyncio.timeout(PATIENCE):
            backend = await planner.open_backend(token.ref.backend)
            effects = trying.effects(backend, token.ref)
            made = await asyncio.gather(*(_plan(planner, token, verb, secret) for verb in verbs))
    except (BackendError, ConsoleError) as error:
        why = f"{token.ref.backend} cannot be asked: {error}"
        return Advice(moves, unknown=why, no_try=why)
    except TimeoutError:
        why = f"{token.ref.backend} gave no answer in {PATIENCE:.0f} s"
        return Advice(moves, unknown=why, no_try=why, silent=True)
    except Exception as error:  # noqa: BLE001
        # Somebody else's backend may fail in any way, and its words could quote the value.
        told = f"the backend of {token.ref.backend} failed with {type(error).__name__}"
        return Advice(moves, unknown=told, no_try=told)
    if not verbs:
        unknown = "" if over else f"not in the inventory yet: token-console sync {backend.name}"
        return Advice(
            moves,
            unknown=unknown,
            effects=effects if secret is not None else None,
            no_try=_no_try(effects, secret),
        )
    return _told(planner, token, declared, dict(zip(verbs, made, strict=True)), effects, secret)


async def _plan(
    planner: Planner, token: Token, verb: Verb, secret: Secret | None
) -> PlanItem | str:
    """The one item of a plan that is not kept; or, in words, why there is none."""
    wanted = PlanRequest(verb=verb, reason=REASON, handles=(token.ref.handle,), mode=Mode.LEAK)
    with closing(Inventory(planner.paths.inventory)) as inventory:
        try:
            made = await planning.make(
                wanted,
                planner.open_backend,
                inventory,
                planner.paths,
                planner.settings,
                dry_run=True,
                secret=secret,
            )
        except ConsoleError as error:
            return f"{error}. {error.hint}".rstrip()
    return made.plan.only


def _told(
    planner: Planner,
    token: Token,
    declared: KindCapabilities,
    made: dict[Verb, PlanItem | str],
    effects: tuple[str, ...] | None,
    secret: Secret | None,
) -> Advice:
    moves: list[Move] = []
    hazards: dict[tuple[bool, str, str], list[Verb]] = {}
    ends: dict[str, None] = {}
    for verb, item in made.items():
        why_not = item if isinstance(item, str) else ""
        if not isinstance(item, str):
            ends.update(dict.fromkeys(item.proposal.collateral))
            for hazard in item.proposal.hazards:
                if hazard.code == "read-only" and not planner.act:
                    # It is this console that was started to look only; the command is not.
                    continue
                hazards.setdefault((not hazard.fatal, hazard.code, hazard.text), []).append(verb)
                why_not = why_not or (hazard.text if hazard.fatal else "")
            if item.by_hand and not why_not:
                why_not = item.proposal.manual or "there is no call for it"
        moves.append(_move(declared, token, verb, why_not))
    unknown = ""
    if not planner.act:
        unknown = "the console's own credential to act with is not read here, so not compared"
    return Advice(
        tuple(sorted(moves, key=lambda move: bool(move.why_not))),
        tuple(
            Warned(code, text, not asks, tuple(verbs))
            for (asks, code, text), verbs in sorted(hazards.items(), key=lambda pair: pair[0][0])
        ),
        unknown,
        tuple(ends),
        effects if secret is not None else None,
        _no_try(effects, secret),
    )


def _no_try(effects: Sequence[str] | None, secret: Secret | None) -> str:
    if effects is None:
        return "its backend does not declare what a try does, so none is offered"
    return "" if secret is not None else "no value came in, only an id"
