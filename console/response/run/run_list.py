"""Which plans a list of runs shows: what nobody approved, or began, leaves it after a while.

A plan that was refused, or that somebody looked at and left, sends nothing and never will.
It stays on the disk and in the journal; the list says how many it leaves out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from enum import StrEnum

from console.response.approve.approval import MAX_AGE
from console.response.state.run import Board
from console.response.state.runner_lock import alive
from console.settings import Paths

KEPT = MAX_AGE.total_seconds()
"""Seconds that a plan stays in the list which was never approved, or never begun."""


class WhichPlans(StrEnum):
    """What of the plans is asked for."""

    LATELY = "lately"
    """Runs, and what may still become one."""
    ALL = "all"
    RUNS = "runs"
    """What was approved only."""


def shown(board: Board, wanted: WhichPlans, now: float | None = None) -> bool:
    """Whether a list shows a plan's run. ``now`` is in unix seconds."""
    if wanted is WhichPlans.ALL or board.began or board.closed or board.aborted:
        return True
    if not board.approved:
        made = board.plan.made_at.timestamp()
        return wanted is WhichPlans.LATELY and (time.time() if now is None else now) - made < KEPT
    # An approval holds for so long: what has not begun by then never will.
    return (time.time() if now is None else now) - board.approved_at < KEPT


def hidden_words(hidden: int, how: str) -> str:
    """How many plans a list leaves out; ``how`` says what shows them. Empty for none."""
    if not hidden:
        return ""
    plans = "1 plan is" if hidden == 1 else f"{hidden:,} plans are"
    return f"{plans} not shown, never approved or never begun: {how}"


def working(plans: Iterable[str], where: Paths) -> bool:
    """Whether a runner of one of these plans lives on this machine."""
    return any(alive(plan, where) for plan in plans)
