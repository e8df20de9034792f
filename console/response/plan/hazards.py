"""Reasons to stop that the console finds by itself, whatever a backend says.

The gate stands before anything is sent. A hazard that is not fatal is answered by typing
a reason, which the journal keeps; each fires on its own case and stays silent otherwise,
since a gate that always cries is walked through without reading.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from backends import paths
from backends.contract import (
    Hazard,
    KindCapabilities,
    Proposal,
    Step,
    Support,
    Value,
    Verb,
    WhoAmI,
)
from backends.model import Token, TokenRef, TokenState
from backends.words import count
from console.inventory.records import Event
from console.response.plan import tripwires
from console.text import age, safe

ENDING = frozenset({Verb.REVOKE, Verb.CONTAIN})
"""Verbs after which the token's value is to work no more, and nothing takes its place."""
ALIVE = frozenset(
    {TokenState.ACTIVE, TokenState.RESTRICTED, TokenState.SUPERSEDED, TokenState.UNKNOWN}
)
HOUR = 3600
_SHOWN = 5


class TokenSurroundings(NamedTuple):
    """What is known around one token when its plan is made.

    ``admins`` are the living tokens of its backend that rule it, the console's own left
    out; None where nobody could say. ``ending`` is what the plan itself ends.
    ``shares`` are further tokens that the value in hand is the value of. ``events`` are the
    token's uses of the last day, newest first, ``here`` this machine's addresses. ``called``
    says what a token that would end too is called, and whose it is.
    """

    admins: frozenset[TokenRef] | None = None
    ending: frozenset[TokenRef] = frozenset()
    shares: tuple[TokenRef, ...] = ()
    events: tuple[Event, ...] = ()
    here: frozenset[str] = frozenset()
    now: float = 0.0
    called: Mapping[TokenRef, str] = MappingProxyType({})


def self_harm(
    me: WhoAmI, token: Token, steps: tuple[Step, ...], also: Collection[TokenRef] = ()
) -> tuple[Hazard, ...]:
    """Why the console must not, or should think twice to, act on this token.

    Asked when the plan is made, and again by the runner right before the first call.
    ``also`` are the tokens that the system ends along with it.
    """
    found: list[Hazard] = []
    touched: set[TokenRef] = {token.ref, *also, *(step.token for step in steps)}
    touched.update(ref for step in steps for ref in step.also)
    if touched & set(me.own):
        text = "This is the credential that the console itself uses: it would cut its own branch."
        found.append(Hazard(code="own-credential", text=text, fatal=True))
    if touched & set(me.ancestors):
        text = "The console's own credential descends from this one and would end with it."
        found.append(Hazard(code="own-ancestor", text=text, fatal=True))
    if not me.can_act:
        text = "There is no credential to act with: the console can only read here."
        found.append(Hazard(code="read-only", text=text, fatal=True))
    principal = token.principal.value
    if principal is not None and principal.id in me.principals and not found:
        text = f"It speaks for {safe(principal.name, 80)}, whom the console speaks for too."
        found.append(Hazard(code="own-principal", text=text))
    return tuple(found)


def undeclared(declared: KindCapabilities, verb: Verb, proposal: Proposal) -> list[Hazard]:
    """Why a verb is not offered: it is not declared, or there is no call to make."""
    found = []
    support = declared.ability(verb).support
    by_hand = not proposal.steps and bool(proposal.manual)
    if support not in (Support.FULL, Support.PARTIAL) and not by_hand:
        text = f"The backend does not declare that it can {verb} this kind ({support})."
        found.append(Hazard(code="not-declared", text=text, fatal=True))
    if not proposal.steps and not by_hand:
        text = "There is no call to make."
        found.append(Hazard(code="no-call", text=text, fatal=True))
    return found


def misdirected(proposal: Proposal) -> list[Hazard]:
    """Why a planned call would not go where the plan says: its address would be bent."""
    found = []
    for step in (*proposal.steps, *proposal.undo_steps):
        why = paths.bent(step.call.target) if step.call.transport == "http" else ""
        if why:
            text = f"{step.call.method} {step.call.target} would go elsewhere: {why}."
            found.append(Hazard(code="bent-path", text=safe(text, 300), fatal=True))
    return found


def around(
    verb: Verb,
    token: Token,
    proposal: Proposal,
    declared: KindCapabilities,
    view: TokenSurroundings,
) -> tuple[Hazard, ...]:
    """What the token's neighbourhood warns of. None of it is fatal."""
    found: list[Hazard] = []

    def add(code: str, text: str) -> None:
        found.append(Hazard(code=code, text=text))

    if told := _last_admin(verb, token, proposal, declared, view):
        add("last-admin", told)
    if verb is Verb.ROTATE and declared.reuse_detection:
        add(
            "reuse-detection",
            "The system takes the second use of a replaced value for theft and ends its"
            " successor too: whatever still holds the old one kills the new one.",
        )
    if proposal.also_ends:
        ends = [view.called.get(ref, ref.id) for ref in proposal.also_ends]
        add("cascade", f"{_many(len(ends), 'more token')} would end along with it: {_list(ends)}")
    if any(step.value is Value.HELD for step in proposal.steps):
        add(
            "value-needed",
            "The call names the token by its value. Nothing is sent unless that is handed over:"
            " --secret-stdin, or run start --secrets-stdin.",
        )
    if view.shares:
        shares = [f"{ref.backend}/{ref.id}" for ref in view.shares]
        add(
            "shared-value",
            f"The same value is that of {_many(len(shares), 'more token')}, which this plan"
            f" leaves alive: {_list(shares)}",
        )
    if verb in ENDING or verb is Verb.ROTATE:
        if told := tripwires.named(token):
            add("tripwire-name", told)
        if told := tripwires.heartbeat(view.events, view.now):
            add("heartbeat", told)
        if told := _from_here(token, view):
            add("used-from-here", told)
    return tuple(found)


def not_planned(words: str) -> Hazard:
    """Nobody could ask the system about this token. It counts as failed until excepted."""
    text = f"It could not be planned, and is not dealt with: {safe(words, 200)}"
    return Hazard(code="not-planned", text=text, fatal=True)


def without_successor(verb: Verb, view: TokenSurroundings) -> str:
    """Who breaks: a line of collateral, no hazard, since to be in use is no exception."""
    if verb not in ENDING:
        return ""
    recent = {
        (event.source, event.agent)
        for event in view.events
        if event.outcome == "ok" and event.at > view.now - HOUR and not tripwires.ours(event.agent)
    }
    if not recent:
        return ""
    verb_ = "was" if len(recent) == 1 else "were"
    return (
        f"{_many(len(recent), 'consumer')} {verb_} seen in the last hour, and none has a successor"
    )


def rules(token: Token, declared: KindCapabilities) -> bool:
    """Whether one rules the system with this token."""
    wanted = set(declared.admin_grants)
    return bool(wanted) and any(grant.name in wanted for grant in token.grants.or_else(()))


def _last_admin(
    verb: Verb,
    token: Token,
    proposal: Proposal,
    declared: KindCapabilities,
    view: TokenSurroundings,
) -> str:
    # A backend that says "never" about the last one leaves nothing to answer.
    if verb not in ENDING or any(hazard.fatal for hazard in proposal.hazards):
        return ""
    if view.admins is None or not rules(token, declared):
        return ""
    if view.admins - view.ending - {token.ref, *proposal.also_ends}:
        return ""
    grants = ", ".join(declared.admin_grants[:3])
    return f"No other living token of {safe(token.ref.backend, 40)} has {safe(grants, 60)}."


def _from_here(token: Token, view: TokenSurroundings) -> str:
    sources = [(event.source, event.at) for event in view.events if not tripwires.ours(event.agent)]
    used = token.last_used_at.value
    if (last := token.last_used_from.value) is not None:
        sources.append((last, int(used.timestamp()) if used else 0))
    for source, at in sources:
        address = tripwires.address(source)
        if address in view.here:
            when = f" {age(view.now - at)} ago" if at else ""
            return (
                f"It was used from {address}{when}, which is this very host: something here"
                " works with it, or was stolen with it."
            )
    return ""


def _many(number: int, what: str) -> str:
    return count(number, what)


def _list(names: list[str]) -> str:
    shown = ", ".join(safe(name, 90) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
