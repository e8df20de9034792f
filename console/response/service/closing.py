"""Close a run: say that it is done, and delete what was kept only until then."""

from __future__ import annotations

import time
from typing import NamedTuple

from console.errors import ConsoleError
from console.journal import opening
from console.journal.format import scan
from console.journal.format.sentence import Entry
from console.response import escrow
from console.response.plan.model import Plan
from console.response.run import decisions
from console.response.state import old_value, report
from console.response.state.load import fold
from console.response.state.old_value import What
from console.response.state.run import Board
from console.settings import Paths

MOST_TOLD = 20
"""Tokens that are named when a run is closed although not all is proved of them."""


class ClosedRun(NamedTuple):
    """A run that was closed, and what else has to be said of it."""

    entry: Entry
    also: tuple[str, ...]
    """Raw text: which sealed copies were deleted, and what is not proved."""


def close(plan: Plan, paths: Paths, reason: str) -> ClosedRun:
    """Declare a run done, and delete the sealed copies of what it delivered.

    What is not proved of an old value by then is said, and so is a sealed copy that could
    not be deleted.

    Raises:
        PlanRefused: something is still left, failed, or may, as declared, still work.
        ReasonRefused: the reason is missing, too short, or holds what looks like a secret.
        JournalError: the journal cannot take it.
    """
    scan.reason(reason)
    with opening.journal(paths) as journal:
        board = fold(plan, paths, journal)
        now = time.time()
        entry = decisions.close(plan, journal, reason, board=board)
    return ClosedRun(entry, (*_discard(board, paths), *_unproved(board, now)))


def _discard(board: Board, paths: Paths) -> tuple[str, ...]:
    """Delete the sealed values of a closed run and of the plans that extended it."""
    told, count = [], 0
    for plan in board.plans:
        try:
            count += escrow.discard(paths, plan)
        except (ConsoleError, OSError) as error:
            told.append(f"sealed copies of new values are still there: {error}")
    if count:
        copies = "copy of a new value was" if count == 1 else "copies of new values were"
        told.insert(0, f"{count} sealed {copies} deleted")
    return tuple(told)


def _unproved(board: Board, now: float) -> tuple[str, ...]:
    rows = [(row, old_value.of(row, now)) for row in board.rows.values()]
    open_ = [(row, each) for row, each in rows if each.what is not What.REFUSED]
    told = [
        f"not proved: {report.name(row.item)}: {each.line}"
        for row, each in sorted(open_, key=lambda pair: list(What).index(pair[1].what))[:MOST_TOLD]
    ]
    if len(open_) > MOST_TOLD:
        told.append(f"not proved: and {len(open_) - MOST_TOLD:,} more")
    return tuple(told)
