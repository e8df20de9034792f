"""Climbs the evidence ladder in the background: each item again as long as that is worth it."""

from __future__ import annotations

import asyncio
import heapq

from backends.contract import Verb
from console.errors import JournalError
from console.response.evidence.context import EvidenceContext
from console.response.evidence.ladder import climb
from console.response.plan.model import PlanItem
from console.response.rotate import cutover, successors
from console.response.step import collateral

LONGEST = 7200.0
"""Seconds after which an item is not looked at again by this runner, whatever it hopes for."""
MOVES = 10.0
"""Seconds that a system is asked who has moved to a new value."""
AT_ONCE = 32
CALM = 100.0
"""Looks a second at what an earlier runner did, as long as there are calls to make."""
_IDLE = 0.05


class Climber:
    """Looks at what was acted on, each item when its next look is due. One loop's own.

    A trouble with one look ends that item's climb; the journal's trouble is kept in
    ``error``, and ends all of them.
    """

    def __init__(self, longest: float = LONGEST) -> None:
        self.error: JournalError | None = None
        self._longest = longest
        self._due: list[tuple[float, int]] = []
        self._items: dict[int, tuple[EvidenceContext, PlanItem, float]] = {}
        self._looking: set[asyncio.Task[None]] = set()
        self._ending = False
        self._resumed: set[int] = set()
        self._calm = 0.0
        self._news = asyncio.Event()

    def add(self, tools: EvidenceContext, item: PlanItem, *, resumed: bool = False) -> None:
        """Begin to climb with an item, at once.

        ``resumed`` is one that an earlier runner was at. There may be thousands of these,
        and what is still to be done must not wait for them.
        """
        if item.number in self._items:
            return
        now = due = asyncio.get_running_loop().time()
        if resumed and not self._ending:
            self._resumed.add(item.number)
            due = self._calm = max(self._calm, now) + 1 / CALM
        self._items[item.number] = (tools, item, due + self._longest)
        heapq.heappush(self._due, (due, item.number))
        self._news.set()

    def climbing(self, number: int) -> bool:
        """Whether an item is still looked at, or will be."""
        return number in self._items

    @property
    def busy(self) -> bool:
        """Whether there is anything that is still worth waiting for."""
        return bool(self._items)

    def end(self) -> None:
        """Nothing more will come: ``run`` returns when nothing is worth waiting for."""
        self._ending = True
        now = asyncio.get_running_loop().time()
        for number in self._resumed:
            tools, item, _ = self._items[number]
            self._items[number] = (tools, item, now + self._longest)
        self._due = [(now if number in self._resumed else at, number) for at, number in self._due]
        heapq.heapify(self._due)
        self._resumed.clear()
        self._news.set()

    async def run(self) -> None:
        """Climb until ``end`` was called and all is seen, or an item's ``stopping`` says so."""
        loop = asyncio.get_running_loop()
        try:
            while not (self._ending and not self._items) and self.error is None:
                self._news.clear()
                now = loop.time()
                while self._due and self._due[0][0] <= now and len(self._looking) < AT_ONCE:
                    number = heapq.heappop(self._due)[1]
                    task = asyncio.create_task(self._look(number))
                    self._looking.add(task)
                    task.add_done_callback(self._looked)
                wait = max(self._due[0][0] - loop.time(), 0.0) if self._due else None
                if len(self._looking) >= AT_ONCE:
                    wait = None
                try:
                    async with asyncio.timeout(wait):
                        await self._news.wait()
                except TimeoutError:
                    pass
        finally:
            for task in self._looking:
                task.cancel()
            await asyncio.gather(*self._looking, return_exceptions=True)

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking.discard(task)
        self._news.set()

    async def _look(self, number: int) -> None:
        tools, item, until = self._items[number]
        self._resumed.discard(number)
        again: float | None = None
        try:
            row = tools.board.row(tools.plan.id, number)
            if row is not None and row.living and item.proposal.steps:
                last = item.proposal.steps[-1]
                intent = tools.board.step(last.id).intent
                ref = intent.id if intent is not None else tools.plan.id
                await collateral.children(tools, item, last, ref)
            again = (await climb(tools, item)).again
            if item.verb is Verb.ROTATE:
                await self._moves(tools, item)
        except JournalError as error:
            self.error = error
        except Exception:  # noqa: BLE001
            # The ladder's own troubles are in what it returns; a defect ends this climb only,
            # and leaves the evidence as low as it is.
            again = None
        now = asyncio.get_running_loop().time()
        if again is None or now + again > until or tools.stopping():
            del self._items[number]
        else:
            heapq.heappush(self._due, (now + max(again, _IDLE), number))

    async def _moves(self, tools: EvidenceContext, item: PlanItem) -> None:
        """Journal the consumers that were seen with the new value after the rotation's end."""
        made = successors.made(tools.board, item)
        if made:
            await cutover.follow(tools, item, made[-1].ref, made[-1].intent, MOVES)
