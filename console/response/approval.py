"""Whether a plan may be carried out: the runner asks the journal, never the plan's file."""

from __future__ import annotations

import hashlib
import hmac
import time
from datetime import timedelta

from console.errors import PlanRefused
from console.journal.entry import Kind, SchemaError
from console.journal.log import Journal
from console.response.plan import Plan, content, parse, refuse_fatal
from console.settings import Paths

MAX_AGE = timedelta(hours=1)
"""How long after its approval a plan may begin. What was true when somebody looked (the
owner, the dependents, who is on call) is not to be acted on the next morning."""


def approved(plan_id: str, journal: Journal, paths: Paths, now: float | None = None) -> Plan:
    """The plan, if it may be carried out now. ``now`` is in seconds of UTC.

    Raises:
        PlanRefused: it was never approved, its file is not the approved one, it has a
            fatal hazard, or the approval is too old.
    """
    data = content(plan_id, paths)
    entry = journal.get(plan_id)
    if entry is None or entry.kind != Kind.PLAN:
        raise PlanRefused(
            "the journal has no approval of this plan", "Nothing was sent. Approve it first."
        )
    try:
        mark = entry.body.plan
    except SchemaError:
        mark = None
    if mark is None or not hmac.compare_digest(hashlib.sha256(data).hexdigest(), mark.sha256):
        raise PlanRefused(
            "the plan's file is not the one that was approved",
            "Nothing was sent. Somebody changed the file: look at it, then plan again.",
        )
    plan = parse(data)
    refuse_fatal(plan)
    age = (time.time() if now is None else now) - entry.t_us / 1_000_000
    if age > MAX_AGE.total_seconds():
        raise PlanRefused(
            f"the plan was approved {age / 60:.0f} minutes ago; an approval holds for one hour",
            "Things may have changed since: plan again and look at it anew.",
        )
    return plan
