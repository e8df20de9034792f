"""The runs of an incident, as they stand now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from console.errors import PlanRefused
from console.journal.format.entry import Kind
from console.journal.format.sentence import Entry
from console.journal.read.view import JournalView
from console.response.approve.requirements import Requirements
from console.response.plan import file
from console.response.state import load, old_value, report
from console.response.state.runner_lock import alive
from console.settings import Paths


class IncidentRun(NamedTuple):
    """A plan of the incident that was approved. ``standing`` and ``old`` are in words.

    ``verb`` is empty where the plan's file is on another machine: then ``old`` says so.
    """

    plan: str
    at: float
    verb: str
    tokens: int
    left: int
    failed: int
    standing: str
    old: str


def runs(
    entries: Iterable[Entry], paths: Paths, journal: JournalView, now: float
) -> Iterator[IncidentRun]:
    """Every approved plan among the entries, oldest first.

    Raises:
        ConsoleError: the journal, or the rules for a second person, cannot be read.
    """
    rules = Requirements.now(paths)
    for entry in entries:
        if entry.kind != Kind.PLAN:
            continue
        try:
            plan = file.load(entry.id, paths)
        except PlanRefused as refusal:
            yield IncidentRun(entry.id, entry.t_us / 1e6, "", 0, 0, 0, "not known", str(refusal))
            continue
        board = load.fold(plan, paths, journal)
        sums = board.sums()
        standing = report.standing(
            board, now, working=alive(plan.id, paths), needed=rules.second_person(plan)
        )
        old = old_value.summary(plan, board.rows.values(), now)
        yield IncidentRun(
            plan.id, entry.t_us / 1e6, plan.verb.value, board.total, sums["left"], sums["failed"],
            standing, old,
        )  # fmt: skip
