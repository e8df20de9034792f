"""Where no call exists there is nothing to confirm: what to say instead of a plan to approve.

A responder who pressed a key must not come away with the belief that something happened.
The screen and the command line say the same: not done, why, and what can be done here.
"""

from __future__ import annotations

from typing import NamedTuple

from backends.contract import Verb
from backends.words import count
from console.errors import PlanRefused
from console.response.plan.model import Plan, refuse_fatal
from console.text import safe, wrapped

UNDONE = {
    Verb.REVOKE: "NOT REVOKED",
    Verb.CONTAIN: "NOT CONTAINED",
    Verb.ROTATE: "NOT ROTATED",
    Verb.RESTORE: "NOT RESTORED",
    Verb.DISCONNECT: "NOT DISCONNECTED",
}
"""What a headline calls it, by the verb, where nothing was done."""
OTHERS = (Verb.CONTAIN, Verb.ROTATE, Verb.REVOKE, Verb.DISCONNECT)
"""What may be done instead, in the order in which a responder would think of it."""
DOES = {
    Verb.CONTAIN: "stops its use, and can be undone",
    Verb.ROTATE: "makes a new value, then ends the old one",
    Verb.REVOKE: "ends it for good",
    Verb.DISCONNECT: "ends its open sessions only",
}
_MOST = 3


class NotDone(NamedTuple):
    """What is not done. ``why`` is raw text; ``instead`` are verbs for which there is a call,
    with the handle of the one token that they are for (empty where it is not one)."""

    title: str
    name: str
    why: str
    instead: tuple[Verb, ...]
    handle: str

    @property
    def commands(self) -> tuple[str, ...]:
        """What to type instead, on the command line."""
        about = self.handle or "QUERY"
        before = "token-console " if self.handle else "token-console plan "
        return tuple(f"{before}{verb.value} {about} --reason '...'" for verb in self.instead)

    def lines(self) -> list[str]:
        """The whole for a terminal, safe, no line longer than it is wide."""
        told = [safe(f"{self.title}: {self.name}", 200)]
        for part in self.why.splitlines():
            told += wrapped(safe(part, 1000))
        told.append("  Nothing was sent, and there is nothing to approve.")
        if not self.instead:
            told.append("  Nothing else can be done here by a call either.")
            return told
        told.append("  What can be done here instead:")
        for verb, command in zip(self.instead, self.commands, strict=True):
            told += [f"    {verb.value} {DOES[verb]}:", f"      {command}"]
        return told


def not_done(plan: Plan) -> NotDone | None:
    """What to say of a plan without a single call; None where there is one to approve.

    A plan that takes late arrivals into a run is followed with it, whoever does the work,
    and one for what is gone already still looks for proof.
    """
    if plan.extends or not plan.items or not any(item.by_hand for item in plan.items):
        return None
    if not all(item.by_hand or item.fatal for item in plan.items):
        return None
    if any(item.gone_already for item in plan.items):
        return None
    cards = [item for item in plan.items if item.by_hand]
    whys = list(dict.fromkeys(item.proposal.manual or "there is no call for it" for item in cards))
    if len(whys) > _MOST:
        whys = [*whys[:_MOST], f"and {count(len(whys) - _MOST, 'more reason')}"]
    verbs = [verb for verb in OTHERS if any(verb in item.instead for item in cards)]
    if len(plan.items) == 1:
        token = plan.items[0].token
        name = f"{token.name or token.ref.id} on {plan.items[0].backend}"
        handle = token.ref.handle
    else:
        name, handle = f"{count(len(plan.items), 'token')}, of which none can be by a call", ""
    return NotDone(UNDONE[plan.verb], name, "\n".join(whys), tuple(verbs), handle)


def refuse(plan: Plan) -> None:
    """Refuse a plan of which nothing at all may, or can, be carried out.

    Raises:
        PlanRefused: as ``refuse_fatal``; or there is no call, and so nothing to approve.
    """
    refuse_fatal(plan)
    if (found := not_done(plan)) is not None:
        why = " ".join(found.why.split())
        instead = "\n".join(found.commands) or "Nothing else can be done here by a call either."
        raise PlanRefused(f"{found.title}: {why}", f"Nothing was sent. Instead:\n{instead}")
