"""How a step, an item or a run ends, and what tells one end from another."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from backends.contract import Outcome, OutcomeState
from backends.model import Secret, Token, TokenRef
from console.journal.format.sentence import Entry
from console.journal.format.words import representable
from console.response.plan.model import PlanItem
from console.response.step.read_back import ReadBack

_THROTTLED = ("429", "throttl", "toomanyrequests", "requestlimitexceeded", "slowdown")


class End(Enum):
    """How the execution of a step, an item or a run ended."""

    DONE = "done"
    STOPPED = "stopped"
    """Before its end, with nothing left open: what was tried is known not to have happened."""
    UNKNOWN = "unknown"
    """It may have happened."""
    TAKEN = "taken"
    """Another plan is at the token, or changed it since. Nothing was sent."""
    WAITING = "waiting"
    """Nothing was sent, and it may be tried again: a system that is down, a person's turn."""


class Done(NamedTuple):
    """The end, and a sentence about it (raw: make it safe before it is shown).

    ``intent`` is the last one of the step, ``minted`` what its call delivered, ``seen``
    what the look afterwards showed.
    """

    end: End
    words: str = ""
    intent: Entry | None = None
    minted: tuple[tuple[TokenRef, Secret], ...] = ()
    seen: ReadBack | None = None


def throttled(outcome: Outcome) -> bool:
    """Whether the system declined before acting, because it was asked too often."""
    told = outcome.status.lower()
    return outcome.state is OutcomeState.REJECTED and any(word in told for word in _THROTTLED)


def subject(item: PlanItem, ref: TokenRef) -> Token:
    """The token of a step: the item's own, or one that goes with it (a child, a lease)."""
    return item.token if ref == item.token.ref else Token(ref=ref, name=ref.id, scope="")


def changed(planned: Token, now: Token) -> str:
    """What shows that an id now names another token than planned; empty if nothing does.

    Ids such as a role's name can be given anew, so what tells tokens apart is compared.
    The state may differ: a token that somebody disabled meanwhile is still to be revoked.
    """
    if planned.name != representable(now.name):
        return "the token's name"
    for what, then, today in (
        ("the token's principal", planned.principal.value, now.principal.value),
        ("the token's date of creation", planned.created_at.value, now.created_at.value),
    ):
        known = then is not None and today is not None
        if known and getattr(then, "id", then) != getattr(today, "id", today):
            return what
    return ""
