"""What the journal tells of one step: its calls, what came of each, and how far it is.

Whoever makes the calls and whoever shows them read the same log. It keeps no entries, so that
a screen may hold it for each of thousands of tokens.
"""

from __future__ import annotations

from bisect import insort
from enum import Enum
from typing import NamedTuple

from console.journal.format.entry import Kind
from console.journal.format.parts import DONE, SETTLED, OutState
from console.journal.format.sentence import Entry


class Stage(Enum):
    """How far a step is, as the journal tells."""

    NEW = "new"
    """Never tried, or known not to have happened and free to be tried again."""
    OPEN = "open"
    """It is not known what became of its intent."""
    DONE = "done"
    FAILED = "failed"


class Told(NamedTuple):
    """One entry about a step: a call, or what came of one."""

    seq: int
    call: str
    """The id of the intent that it is, or answers; empty where nothing was to be sent."""
    state: str
    """What came of it; empty for an intent."""
    words: str
    """The entry's sentence, where it settles the call and does not say that it is done."""


class StepLog:
    """One step's intents, outcomes and recoveries, in the journal's order.

    ``open`` has the ids of the intents of which nobody knows what became, oldest first.
    ``answer`` is what tells how far the step is: that it is done, whatever else was said, or
    else the newest that settles a call. ``stage`` is how far; what failed may be tried again
    by leave only, of which ``History.step`` knows.
    """

    __slots__ = ("_told", "answer", "open", "stage")

    def __init__(self) -> None:
        self._told: list[Told] = []
        self.open: tuple[str, ...] = ()
        self.answer: Told | None = None
        self.stage = Stage.NEW

    def add(self, entry: Entry) -> None:
        """Take in an entry about the step, each one once, in whatever order they come."""
        if entry.kind == Kind.INTENT:
            told = Told(entry.seq, entry.id, "", "")
        else:
            call = "" if entry.ref == entry.plan else entry.ref
            failed = entry.state in SETTLED and not entry.done
            told = Told(entry.seq, call, entry.state, entry.sentence if failed else "")
        insort(self._told, told)
        settled = [told for told in self._told if told.state in SETTLED]
        calls = {told.call for told in settled}
        self.open = tuple(call for call in self.calls if call not in calls)
        done = next((told for told in settled if told.state in DONE), None)
        self.answer = done or (settled[-1] if settled else None)
        self.stage = self._stage()

    def _stage(self) -> Stage:
        answer = self.answer
        if answer is not None and answer.state in DONE:
            return Stage.DONE
        if answer is None or self.open:
            return Stage.OPEN
        return Stage.NEW if answer.state == OutState.NOT_APPLIED else Stage.FAILED

    @property
    def calls(self) -> list[str]:
        """The ids of its intents, oldest first."""
        return [told.call for told in self._told if not told.state]

    @property
    def unanswered(self) -> bool:
        """Whether its newest call had no trustworthy answer."""
        return self._told[-1].state == OutState.UNKNOWN

    @property
    def by_word(self) -> bool:
        """Whether a person's word alone has settled it."""
        return self.answer is not None and self.answer.state == OutState.ACKNOWLEDGED
