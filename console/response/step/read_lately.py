"""Whether a token of a plan needs no further look before its call."""

from __future__ import annotations

from backends.contract import Readable, Step, Support
from console.response.plan.model import PlanItem
from console.response.step.context import StepContext

FRESH = 900.0
"""Seconds for which a plan's reading serves a call that itself tells when the token is gone."""


def read_lately(tools: StepContext, item: PlanItem, step: Step) -> bool:
    """Whether what the plan read a moment ago, and what the call itself tells, is enough.

    So it is for one token among many, behind the canaries, at its first try, where the
    backend declares its call to be sure. Where the system's log tells of uses, the log's
    name for the token has to be known too, since a look is what else would tell it.
    """
    declared = tools.backend.capabilities().of(item.token.ref.kind)
    logged = declared.can_read(Readable.EVENTS) in (Support.FULL, Support.PARTIAL)
    return (
        not tools.single
        and item.wave > 0
        and step.token == item.token.ref
        and declared.ability(step.verb).sure
        and not tools.board.tries(step.id)
        and (bool(item.proposal.log_names) or not logged)
        and tools.now() - tools.plan.made_at.timestamp() < FRESH
    )
