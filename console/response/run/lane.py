"""The work in one lane of a run: canaries first, then wave after wave, as long as it may."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from backends.contract import Verb
from backends.model import EvidenceLevel
from backends.words import count
from console.errors import JournalError, PlanRefused
from console.journal.format.entry import SchemaError
from console.journal.write.journal import AlreadyRecorded
from console.response.evidence.context import EvidenceContext
from console.response.plan.model import PlanItem
from console.response.run.climber import Climber
from console.response.run.item import may_be_tried, run_item
from console.response.state.run import Board
from console.response.state.token import CLAIMED, Standing
from console.response.step.attempt import BULK_PATIENCE, SETTLE, Done, End
from console.response.step.pace import Pace

CANARY = 0
"""The number of the first wave."""
POLL = 0.1
"""Seconds between two looks at whether the run may go on."""
_TAKEN_PAUSE, _TAKEN_TRIES = 1.0, 8
_CUTOVER_PAUSE = 15.0
_LATEST = 7200.0
"""Seconds after which what is still not settled is left to a later runner."""
_PROVED = CLAIMED | {Standing.EXCEPTED}


class CannotOpen(Exception):
    """A backend cannot be opened now; the message says why (raw)."""


class LaneHost(Protocol):
    """The run that a lane belongs to, as far as the lane needs it."""

    climber: Climber

    @property
    def board(self) -> Board:
        """Where the run stands."""

    @property
    def ending(self) -> bool:
        """Whether the run makes no further call: it was told to stop, aborted, or closed."""

    def held(self, backend: str) -> bool:
        """Whether the run is paused, or this lane halted."""

    async def person(self, backend: str) -> bool:
        """Wait until somebody lets the lane go on. False when nobody will."""

    async def halt(self, backend: str, why: str) -> None:
        """Halt a lane, for everybody to see."""

    async def wave(self, number: int) -> None:
        """Note that a lane begins with the items of a wave."""

    async def opened(self, backend: str, lane: Pace) -> EvidenceContext:
        """The tools of one lane, its backend open. Raises ``CannotOpen``."""

    def fail(self, error: BaseException) -> None:
        """End the run with this error."""

    def canaries(self, backend: str) -> Sequence[Work]:
        """Whose canaries a lane waits for: its own, else everybody's."""


class Work:
    """One backend's items of a run, from the first canary to the last leftover."""

    def __init__(self, run: LaneHost, lane: Pace, items: Sequence[PlanItem]) -> None:
        self.run, self.lane, self.backend = run, lane, lane.backend
        self.items = sorted(items, key=lambda item: (item.wave, item.number))
        self.ended: dict[int, Done] = {}
        """How each item that was tried by this runner ended last."""
        self.canaried = False
        """Whether every canary of this lane was tried."""
        self._tries: dict[int, int] = {}
        self._later: list[tuple[float, int, PlanItem]] = []
        self._aside: list[PlanItem] = []
        self._held_back: list[PlanItem] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._until = 0.0

    @property
    def has_canary(self) -> bool:
        """Whether any item of this lane goes first, for all others to wait for its proof."""
        return any(item.wave == CANARY for item in self.items)

    async def go(self) -> None:
        """Do every item of the lane that may be done. An error that ends the run is given to it."""
        self._until = asyncio.get_running_loop().time() + _LATEST
        self.canaried = not self.has_canary
        try:
            await self._go()
        except Exception as error:  # noqa: BLE001
            self.run.fail(error)
        finally:
            self.canaried = True

    async def _go(self) -> None:
        tools = await self._open()
        if tools is None:
            return
        canaries = deque(item for item in self.items if item.wave == CANARY)
        rest = deque(item for item in self.items if item.wave != CANARY)
        if canaries:
            await self._work(tools, canaries)
            await self._leftovers(tools)
            self.canaried = True
        if self.run.ending or not rest or not await self._gate():
            return
        self.lane.proved()
        # One wave flows into the next: a system that hides its effects for some seconds
        # would cost those for each wave, and the pace and the budget hold all the time.
        await self._work(tools, rest)
        if not self.run.ending:
            await self._leftovers(tools)

    async def _open(self) -> EvidenceContext | None:
        """Open the backend, once more after each lift. None when the lane stays closed."""
        while not self.run.ending:
            try:
                return await self.run.opened(self.backend, self.lane)
            except CannotOpen as error:
                told = str(error)
            for item in self.items:
                self.ended[item.number] = Done(End.WAITING, told)
            await self.run.halt(self.backend, told)
            if not await self.run.person(self.backend):
                return None
        return None

    def _to_do(self, tools: EvidenceContext, item: PlanItem) -> bool:
        """Whether an item is to be tried; one that was acted on is looked at again."""
        row = tools.board.row(tools.plan.id, item.number)
        if row is None or row.state is Standing.EXCEPTED:
            return False
        if may_be_tried(tools, item):
            return True
        if not item.fatal and row.state not in (Standing.FAILED, Standing.DEAD):
            self.run.climber.add(tools, item, resumed=True)
        return False

    async def _work(self, tools: EvidenceContext, todo: deque[PlanItem]) -> None:
        """Do these items, several at once, again after a pause or a lifted halt."""
        most = self.lane.in_flight(BULK_PATIENCE)
        while not self.run.ending:
            if self.run.held(self.backend):
                if not self._under_way:
                    waiting = todo or self._held_back or self._aside
                    if not waiting or not await self.run.person(self.backend):
                        return
                    self.lane.forgive()
                    todo.extendleft(reversed(self._held_back))
                    todo.extend(self._may_again(tools))
                    self._held_back, self._aside = [], []
                    continue
            else:
                todo.extendleft(reversed(self._held_back))
                self._held_back = []
                while todo and len(self._under_way) < most and not self.run.held(self.backend):
                    item = todo.popleft()
                    # Asked at the last moment: it may have been excepted meanwhile.
                    if self._to_do(tools, item):
                        await self.run.wave(item.wave)
                        self._begin(tools, item)
                        await asyncio.sleep(0)
            if not self._under_way:
                if todo or self._held_back or self.run.held(self.backend):
                    continue
                return
            self._news.clear()
            await self._news.wait()
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _begin(self, tools: EvidenceContext, item: PlanItem) -> None:
        task = asyncio.create_task(self._one(tools, item))
        self._under_way.add(task)
        task.add_done_callback(self._item_ended)

    def _item_ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._news.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self.run.fail(error)

    async def _one(self, tools: EvidenceContext, item: PlanItem) -> None:
        try:
            done = await run_item(tools, item)
        except (AlreadyRecorded, SchemaError) as error:
            # Another settled it at this moment, or the format has no room for it: this
            # item's matter alone.
            done = Done(End.UNKNOWN, str(error))
        except (JournalError, PlanRefused):
            raise
        except Exception as error:  # noqa: BLE001
            # A defect in a backend or a sink. What became of the item is in the journal.
            done = Done(End.UNKNOWN, f"it failed with {type(error).__name__}")
        self.ended[item.number] = done
        await self._judge(tools, item, done)

    async def _judge(self, tools: EvidenceContext, item: PlanItem, done: Done) -> None:
        """What an item's end means for the lane, and when it is to be tried again."""
        if done.end is End.DONE:
            self.run.climber.add(tools, item)
            return
        if item.by_hand or self.run.ending:
            return
        if done.end is End.TAKEN:
            self._again(item, _TAKEN_PAUSE, _TAKEN_TRIES)
            return
        begun = any(tools.board.tries(step.id) for step in item.proposal.steps)
        if done.end is End.WAITING and self.run.held(self.backend):
            self._held_back.append(item)
            return
        if done.end is End.WAITING and item.verb is Verb.ROTATE and begun:
            self._again(item, _CUTOVER_PAUSE)
            return
        self._aside.append(item)
        if done.end is End.UNKNOWN and item.propagation is not None:
            self._again(item, max(SETTLE, item.propagation.total_seconds()) + 1, 3)
        if self.lane.failed(done.words) and not self.run.held(self.backend):
            await self.run.halt(
                self.backend, f"{count(self.lane.failures, 'failure')}; the last: {done.words}"
            )

    def _again(self, item: PlanItem, pause: float, most: int = 1_000_000) -> None:
        tries = self._tries[item.number] = self._tries.get(item.number, 0) + 1
        at = asyncio.get_running_loop().time() + pause
        if tries <= most and at < self._until:
            heapq.heappush(self._later, (at, item.number, item))

    def _may_again(self, tools: EvidenceContext) -> list[PlanItem]:
        """Of what failed, what may be tried again now that somebody has looked at it."""
        return [item for item in self._aside if may_be_tried(tools, item)]

    async def _leftovers(self, tools: EvidenceContext) -> None:
        """What another plan was at, what was unknown, what waits for its consumers."""
        loop = asyncio.get_running_loop()
        while self._later and not self.run.ending:
            wait = self._later[0][0] - loop.time()
            if wait > 0:
                await asyncio.sleep(min(wait, POLL))
                continue
            _, _, item = heapq.heappop(self._later)
            if may_be_tried(tools, item):
                await self._work(tools, deque([item]))

    async def _gate(self) -> bool:
        """Wait until the canaries were tried and are proved. False when the lane ends here."""
        while not self.run.ending:
            if self.run.held(self.backend):
                # Whoever lets it go on has seen why it stood still.
                halted = self.backend in self.run.board.halted
                if not await self.run.person(self.backend):
                    return False
                if halted:
                    return True
                continue
            verdicts = [work.canary() for work in self.run.canaries(self.backend)]
            trouble = next((verdict for verdict in verdicts if verdict), "")
            if trouble:
                await self.run.halt(self.backend, f"no further wave: {trouble}")
            elif None not in verdicts:
                return True
            else:
                await asyncio.sleep(POLL)
        return False

    def canary(self) -> str | None:
        """Why this lane's canaries are not proved; "" when they are, None when not known yet."""
        for item in self.items:
            row = self.run.board.row(self.run.board.plan.id, item.number)
            if item.wave != CANARY or item.by_hand or row is None or row.state in _PROVED:
                continue
            proved = row.level >= min(EvidenceLevel.RECORDED, item.ceiling)
            if proved and row.state is not Standing.FAILED:
                continue
            waits = any(number == item.number for _, number, _ in self._later)
            if not self.canaried or waits or self.run.climber.climbing(item.number):
                return None
            return f"the canary {item.token.name or item.token.ref.id} is {row.state}: {row.words}"
        return ""
