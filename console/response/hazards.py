"""Reasons to stop that the console finds by itself, whatever a backend says."""

from __future__ import annotations

from backends.contract import Hazard, KindCapabilities, Proposal, Step, Support, Verb, WhoAmI
from backends.model import Token, TokenRef
from console.text import safe


def self_harm(me: WhoAmI, token: Token, steps: tuple[Step, ...]) -> tuple[Hazard, ...]:
    """Why the console must not, or should think twice to, act on this token.

    Asked when the plan is made, and again by the runner right before the first call.
    """
    found: list[Hazard] = []
    touched: set[TokenRef] = {token.ref, *(step.token for step in steps)}
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
    if support not in (Support.FULL, Support.PARTIAL):
        text = f"The backend does not declare that it can {verb} this kind ({support})."
        found.append(Hazard(code="not-declared", text=text, fatal=True))
    if not proposal.steps:
        text = proposal.manual or "There is no call to make."
        found.append(Hazard(code="by-hand", text=text, fatal=True))
    return found
