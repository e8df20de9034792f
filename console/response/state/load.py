"""From files to a board: a run's plan, the plans that extend it, and the journal's entries."""

from __future__ import annotations

from typing import Protocol

from console.errors import UsageError
from console.journal.format.sentence import Entry
from console.response.plan import file
from console.response.plan.model import Plan
from console.response.state.run import Board
from console.settings import Paths

SHORT = 4
"""Characters of a plan's id that a person has to give at least."""


class ReadableJournal(Protocol):
    """A journal, open for reading or for writing."""

    def get(self, id_: str) -> Entry | None:
        """The entry with an id."""

    def of_plan(self, plan: str, after: int = 0) -> list[Entry]:
        """A plan's entries above a number, oldest first."""


def find(wanted: str, where: Paths) -> Plan:
    """The plan that a person means: by its id, or the end of it.

    Raises:
        UsageError: there is none, or more than one.
        PlanRefused: its file cannot be read.
    """
    wanted = wanted.strip().lower()
    ids = sorted(path.stem for path in where.plans.glob("*.json"))
    found = [id_ for id_ in ids if id_ == wanted or (len(wanted) >= SHORT and id_.endswith(wanted))]
    if not found:
        raise UsageError(f"no plan is called {wanted!r}", "See: token-console run list")
    if len(found) > 1:
        raise UsageError(f"{len(found)} plans end in {wanted!r}", "\n".join(found[:10]))
    return file.load(found[0], where)


def fold(plan: Plan, where: Paths, told: ReadableJournal) -> Board:
    """Where the run of a plan stands now, with the approved plans that extend it."""
    board = Board(plan)
    for path in sorted(where.plans.glob("*.json")):
        # A plan's id begins with the time, so that what extends a plan is named after it.
        if path.stem <= plan.id:
            continue
        other = file.load(path.stem, where)
        if other.extends == plan.id and told.get(other.id) is not None:
            board.extend(other)
    refresh(board, told)
    return board


def refresh(board: Board, told: ReadableJournal) -> int:
    """Feed the board with what is new in the journal; how many entries told something."""
    entries = [entry for plan in board.plans for entry in told.of_plan(plan, board.seq)]
    return board.feed(sorted(entries, key=lambda entry: entry.seq))
