"""What the execution of a run on one backend works with, and what the journal holds about it.

The journal is a run's only state: ``History`` is its fold, item by item and step by step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from backends.contract import Backend
from backends.model import Secret
from console.journal.format.entry import Kind
from console.journal.format.parts import DONE, SETTLED, OutState, RunEvent, Sig
from console.journal.format.sentence import Entry
from console.journal.read import fingerprint
from console.journal.witnessing import Witnesses
from console.journal.write.group import GroupCommit
from console.journal.write.journal import Journal
from console.response.plan.model import Plan
from console.response.plan.step_id import StepId
from console.response.state.run import Board
from console.response.step.pace import Pace
from console.settings import Paths

_STEPS = frozenset({Kind.INTENT, Kind.OUTCOME, Kind.RECOVERY})
_ANSWERS = frozenset({Kind.OUTCOME, Kind.RECOVERY, Kind.EVIDENCE, Kind.OBSERVE})
"""What the runner says about its calls, signed with the key that signed them."""


class Stage(Enum):
    """How far a step is, as the journal tells."""

    NEW = "new"
    """Never tried, or known not to have happened and free to be tried again."""
    OPEN = "open"
    """It is not known what became of its intent."""
    DONE = "done"
    FAILED = "failed"


class StepState(NamedTuple):
    """Where a step stands. ``intent`` is its last one; ``state`` is applied or already."""

    stage: Stage
    intent: Entry | None = None
    state: str = ""
    words: str = ""


class History:
    """What the journal holds about one plan's run. Feed it each entry once, oldest first."""

    def __init__(self, plan_id: str, entries: Iterable[Entry] = ()) -> None:
        self.plan_id = plan_id
        self.seq = 0
        """The number of the newest entry that was taken in."""
        self._seen: set[int] = set()
        self._items: dict[int, list[Entry]] = {}
        self._steps: dict[str, list[Entry]] = {}
        self._lifted: dict[str, int] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> bool:
        """Take in an entry; False if it is not about this run, or was taken in before."""
        if entry.seq in self._seen or self.plan_id not in (entry.plan, entry.id):
            return False
        self._seen.add(entry.seq)
        self.seq = max(self.seq, entry.seq)
        mark = entry.run
        if mark is not None and mark.what == RunEvent.UNHALT:
            self._lifted[mark.backend] = max(self._lifted.get(mark.backend, 0), entry.seq)
        if mark is not None and mark.what != RunEvent.WAVE:
            number = mark.item
        else:
            number = StepId.parse(entry.step).item
        if number:
            self._items.setdefault(number, []).append(entry)
        if entry.step and entry.kind in _STEPS:
            self._steps.setdefault(entry.step, []).append(entry)
        return True

    def of(self, number: int) -> list[Entry]:
        """Everything about an item, oldest first."""
        return sorted(self._items.get(number, ()), key=lambda entry: entry.seq)

    def step(self, id_: str) -> StepState:
        """Where a step stands.

        What is known not to have happened because its runner died, or because nothing left
        this machine, may be tried again by a later run or once the lane's halt is lifted.
        A system's "no" may be tried again after the lift only.
        """
        tried = sorted(self._steps.get(id_, ()), key=lambda entry: entry.seq)
        if not tried:
            return StepState(Stage.NEW)
        intents = [entry for entry in tried if entry.kind == Kind.INTENT]
        last = intents[-1] if intents else None
        for entry in tried:
            if entry.state in DONE:
                by = next((each for each in intents if each.id == entry.ref), None)
                return StepState(Stage.DONE, by, entry.state)
        answers = {entry.ref: entry for entry in tried if entry.state in SETTLED}
        unsettled = [intent for intent in intents if intent.id not in answers]
        if unsettled:
            return StepState(Stage.OPEN, unsettled[-1])
        answer = max(answers.values(), key=lambda entry: entry.seq)
        lifted = answer.seq < max(self._lifted.get(answer.backend, 0), self._lifted.get("", 0))
        if answer.ref != self.plan_id and (answer.state == OutState.NOT_APPLIED or lifted):
            return StepState(Stage.NEW, last)
        return StepState(Stage.FAILED, last, answer.state, answer.sentence)

    def tries(self, id_: str) -> int:
        """How many intents a step has had."""
        return sum(entry.kind == Kind.INTENT for entry in self._steps.get(id_, ()))

    def begun(self, id_: str) -> bool:
        """Whether the journal has a call of a step, whatever came of it."""
        return self.step(id_).stage is not Stage.NEW or self.tries(id_) > 0

    def open_steps(self) -> list[str]:
        """The ids of the steps of which nobody knows what became."""
        return [id_ for id_ in self._steps if self.step(id_).stage is Stage.OPEN]


class StepContext:
    """One backend's part of a run: where it writes, whom it asks, how fast it may be.

    ``secrets`` are old values in hand, by their tokens' handles; they are in memory only.
    ``patience`` is for how many seconds at most an effect is waited for in one go; None is
    what the backend declares. ``single`` says that the plan has one token, which then gets
    its checks at the very last moment.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        backend: Backend,
        paths: Paths,
        group: GroupCommit,
        journal: Journal,
        history: History,
        board: Board,
        lane: Pace,
        secrets: Mapping[str, Secret] | None = None,
        sinks: Mapping[str, Any] | None = None,
        sign: Callable[[bytes], Sig | None] | None = None,
        answer: Callable[[bytes], Sig | None] | None = None,
        witnesses: Witnesses | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        stopping: Callable[[], bool] = lambda: False,
        held: Callable[[], bool] = lambda: False,
        patience: float | None = None,
    ) -> None:
        self.plan, self.backend, self.paths = plan, backend, paths
        self.group, self.journal = group, journal
        self.history, self.board, self.lane = history, board, lane
        self.secrets, self.sinks = dict(secrets or {}), dict(sinks or {})
        self.sign, self.answer, self.witnesses = sign, answer, witnesses
        self.sleep, self.now, self.stopping = sleep, now, stopping
        self.held = held
        """Whether no further call may begin: the run is paused, or the lane has halted."""
        self.patience = patience
        self.single = len(plan.items) == 1
        self._pepper: bytes | None = None

    async def record(self, kind: Kind, **fields: Any) -> Entry:
        """Write an entry, durably, and take it into the fold.

        What came of a call is signed with the key of the session that the call was made in.

        Raises:
            JournalError: it is not certain that the entry is durable; ``Taken`` and
                ``AlreadyRecorded`` among them.
        """
        if kind in _ANSWERS:
            fields |= {"sign": self.answer, "waits": False}
        elif kind is Kind.INTENT:
            fields |= {"answer": self.answer}
        entry = await self.group.append(kind, **fields)
        if self.history.add(entry):
            self.board.feed([entry])
        return entry

    def fingerprint(self, value: Secret) -> str:
        """The value's keyed fingerprint. Raises ``JournalError`` without a usable pepper."""
        if self._pepper is None:
            self._pepper = fingerprint.pepper(self.journal.files.pepper, make=True) or b""
        return fingerprint.fingerprint(self._pepper, value)
