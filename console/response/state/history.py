"""A run as its runner knows it: the board that all look at, and every entry behind it.

What is done already, what is open and what may be tried again is asked here, of the same
fold that the screen, the commands and the reports show.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from console.journal.format.entry import Kind
from console.journal.format.sentence import Entry
from console.response.plan.model import Plan
from console.response.plan.step_id import StepId
from console.response.state.run import Board
from console.response.state.step_log import Stage, StepLog
from console.response.state.token import RunToken


class StepState(NamedTuple):
    """Where a step stands. ``intent`` is its last one; ``state`` is what came of it."""

    stage: Stage
    intent: Entry | None = None
    state: str = ""
    words: str = ""


class History(Board):
    """The board of whoever makes a plan's calls. An entry that comes again changes nothing.

    It may come twice where the runner wrote it while it read what others have written.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.known: set[int] = set()
        """The numbers of the entries that were taken in."""
        self._entries: dict[tuple[str, int], list[Entry]] = {}

    def feed(self, entries: Iterable[Entry]) -> int:
        """Take in entries; how many told something new."""
        told = 0
        for entry in entries:
            if entry.seq not in self.known:
                self.known.add(entry.seq)
                told += super().feed([entry])
        return told

    def _feed(self, row: RunToken, entry: Entry) -> None:
        insort(self._entries.setdefault(row.key, []), entry, key=lambda each: each.seq)
        super()._feed(row, entry)

    def entries(self, number: int) -> list[Entry]:
        """Everything about an item, oldest first."""
        return list(self._entries.get((self.plan.id, number), ()))

    def step(self, id_: str) -> StepState:
        """Where a step stands.

        What is known not to have happened because its runner died, or because nothing left
        this machine, may be tried again by a later run or once the lane's halt is lifted.
        A system's "no" may be tried again after the lift only.
        """
        log = self._log(id_)
        if log is None:
            return StepState(Stage.NEW)
        number, stage, answer = StepId.parse(id_).item, log.stage, log.answer
        if stage is Stage.OPEN or answer is None:
            return StepState(stage, self._intent(number, log.open))
        if stage is Stage.DONE:
            return StepState(stage, self._intent(number, [answer.call]), answer.state)
        last = self._intent(number, log.calls)
        if stage is Stage.NEW or (answer.call and answer.seq < self._lifted(number)):
            return StepState(Stage.NEW, last)
        return StepState(stage, last, answer.state, answer.words)

    def tries(self, id_: str) -> int:
        """How many intents a step has had."""
        log = self._log(id_)
        return len(log.calls) if log is not None else 0

    def begun(self, id_: str) -> bool:
        """Whether the journal has a call of a step, whatever came of it."""
        return self._log(id_) is not None

    @property
    def unsettled(self) -> bool:
        """Whether there is a step of which nobody knows what became."""
        logs = (log for row in self.items.values() for log in row.steps.values())
        return any(log.stage is Stage.OPEN for log in logs)

    def _log(self, id_: str) -> StepLog | None:
        row = self.row(self.plan.id, StepId.parse(id_).item)
        return row.steps.get(id_) if row is not None else None

    def _intent(self, number: int, calls: Sequence[str]) -> Entry | None:
        """The last one of these calls; None where nothing was to be sent."""
        wanted = calls[-1] if calls else ""
        told = (each for each in self.entries(number) if each.kind == Kind.INTENT)
        return next((each for each in told if each.id == wanted), None)

    def _lifted(self, number: int) -> int:
        """The number of the entry that let the item's lane go on last; 0 for none."""
        row = self.row(self.plan.id, number)
        own = self.lifted.get(row.item.backend, 0) if row is not None else 0
        return max(own, self.lifted.get("", 0))
