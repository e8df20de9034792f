"""One run of an approved plan, from what the journal holds of it to its end.

Nothing is kept but the journal: whoever starts a run anew, on this machine or another,
folds the plan's file and the journal's entries, and goes on where those say it stands.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from backends.contract import Backend
from backends.errors import BackendError
from backends.model import Secret
from backends.sinks.contract import Sink
from backends.traffic import RUNNING, behind
from backends.words import count
from console.errors import ConsoleError, JournalError, PlanRefused
from console.journal.format.entry import Kind, RunMark
from console.journal.format.parts import RunEvent, Sig
from console.journal.format.sentence import Entry
from console.journal.format.words import system_words
from console.journal.witnessing import Witnesses
from console.journal.write.group import GroupCommit
from console.journal.write.journal import Journal
from console.response.evidence.context import EvidenceContext
from console.response.plan import entry_parts, pace
from console.response.plan.model import Plan
from console.response.plan.step_id import Mark, mark_of
from console.response.run import late_arrivals
from console.response.run.climber import LONGEST, Climber
from console.response.run.item import acted
from console.response.run.lane import POLL, CannotOpen, Work
from console.response.state.history import History
from console.response.state.token import Standing
from console.response.step.attempt import Done, End
from console.response.step.pace import Pace
from console.settings import Paths

FOLLOW = 0.25
"""Seconds between two looks at what others wrote into the journal about this run."""
PERSON = 12 * 3600.0
"""Seconds that a held run waits for somebody to let it go on, before its runner ends."""
RELIST_PAUSE = 30.0
"""Seconds at least between the beginnings of two listings of the same systems."""

OpenBackend = Callable[[str], Awaitable[Backend]]
"""Gives a backend, open; raises ``BackendError`` or ``ConsoleError`` where it cannot."""


class Result(NamedTuple):
    """The end of a run, and a sentence about it (raw: make it safe before it is shown)."""

    end: End
    words: str


class Run:
    """A run. ``stop`` asks it to end after the calls that are under way.

    ``person`` is for how many seconds a held lane waits for somebody, ``climb`` for how
    many an item's evidence is climbed after. ``called`` is awaited once, when the last call
    was made and the evidence is still climbed. ``patience`` is for tests: see ``StepContext``.
    """

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        paths: Paths,
        open_backend: OpenBackend,
        *,
        secrets: Mapping[str, Secret] | None = None,
        sinks: Mapping[str, Sink] | None = None,
        sign: Callable[[bytes], Sig | None] | None = None,
        answer: Callable[[bytes], Sig | None] | None = None,
        witnesses: Witnesses | None = None,
        patience: float | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        person: float = PERSON,
        climb: float = LONGEST,
        called: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.plan, self.journal, self.paths = plan, journal, paths
        self.board = History(plan)
        self.climber = Climber(climb)
        self.works: dict[str, Work] = {}
        self.tools: dict[str, EvidenceContext] = {}
        self._open_backend = open_backend
        self._given: dict[str, Any] = {
            "secrets": secrets, "sinks": sinks, "sign": sign, "answer": answer,
            "witnesses": witnesses, "patience": patience, "sleep": sleep,
        }  # fmt: skip
        self._person, self._called = person, called
        self._stopping = False
        self._error: BaseException | None = None
        self._group = GroupCommit(journal)
        self._seen = 0
        self._wave = -1
        self._relisting: asyncio.Task[None] | None = None
        self._relisted = float("-inf")

    @property
    def single(self) -> bool:
        """Whether the plan has one token, and nobody has to be told how far it is."""
        return len(self.plan.items) == 1

    def stop(self) -> None:
        """Begin no further call, and wait for no effect. Safe in a signal handler of the loop."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called, or an error ends the run."""
        return self._stopping

    async def run(self) -> Result:
        """Do what is left of the plan, and climb the evidence as long as that is worth it.

        Raises:
            JournalError: the journal cannot be read or written. Nothing was sent after that.
            PlanRefused: an intent cannot be signed any more. Nothing was sent after that.
        """
        await self._follow_once()
        # The last listing of all comes when every call was made; a short run needs no other.
        self._relisted = asyncio.get_running_loop().time()
        async with self._group:
            if not self.single:
                await self._mark(RunEvent.START)
            following = asyncio.create_task(self._follow())
            climbing = asyncio.create_task(self.climber.run())
            try:
                await self._lanes()
                if self._called is not None and self._error is None:
                    await self._called()
                await self._climbed(climbing)
            finally:
                self._stopping = self._stopping or self._error is not None
                for task in (following, climbing, *([self._relisting] if self._relisting else [])):
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
            if (error := self._error or self.climber.error) is not None:
                raise error
            return await self._end()

    async def _lanes(self) -> None:
        for backend in self.plan.backends:
            rate, planned = self.plan.rates.get(backend, 0.0), pace.of(self.plan, backend)
            lane = Pace(
                backend,
                rate,
                self.plan.budget,
                start=planned.start,
                most=planned.most,
                grows=not planned.waits,
            )
            items = [item for item in self.plan.items if item.backend == backend]
            self.works[backend] = Work(self, lane, items)
        await asyncio.gather(*(work.go() for work in self.works.values()))
        await self._tell_paces()

    async def _climbed(self, climbing: asyncio.Task[None]) -> None:
        self.climber.end()
        if self._error is not None:
            return
        if not self.single and not self._stopping:
            await self._relist(last=True)
        while not climbing.done() and not self.ending and self._error is None:
            await asyncio.wait([climbing], timeout=POLL)

    async def _end(self) -> Result:
        if not self.single:
            sums = self.board.sums()
            told = ", ".join(f"{count:,} {state}" for state, count in sums.items() if count)
            left = [
                item
                for item in self.plan.items
                if (row := self.board.row(self.plan.id, item.number)) is None
                or row.state in (Standing.LEFT, Standing.FAILED)
            ]
            end = End.UNKNOWN if self.board.unsettled else End.STOPPED if left else End.DONE
            return Result(end, f"{count(len(self.plan.items), 'token')}: {told}")
        done = self._of_one()
        if done.end is End.DONE:
            return Result(End.DONE, done.words or "every step of the plan is done")
        await self._append(
            Kind.NOTE,
            why=system_words(f"The run ended early: {done.words}", 600),
            act=entry_parts.act(self.plan.verb.value, self.plan.only.token, plan=self.plan.id),
        )
        end = End.UNKNOWN if done.end is End.UNKNOWN else End.STOPPED
        return Result(end, done.words)

    def _of_one(self) -> Done:
        """How the only item ended, or stood already."""
        item = self.plan.only
        work = self.works[item.backend]
        if item.number in work.ended:
            return work.ended[item.number]
        tools = self.tools.get(item.backend)
        if tools is not None and acted(tools, item):
            return Done(End.DONE, "every step of the plan is done")
        row = self.board.row(self.plan.id, item.number)
        title = item.proposal.steps[0].title if item.proposal.steps else item.verb.value
        if row is not None and row.state is Standing.FAILED:
            return Done(End.STOPPED, f"this was tried before and did not happen: {title}")
        return Done(End.STOPPED, f"the run was told to stop before: {title}")

    # -- what the lanes ask

    @property
    def ending(self) -> bool:
        """Whether the run makes no further call.

        It was told to stop, aborted or closed, or it can write no entry any more.
        """
        broken = self._error is not None or self.climber.error is not None
        return self._stopping or broken or self.board.aborted or self.board.closed

    def held(self, backend: str) -> bool:
        """Whether the run is paused, or this lane halted."""
        return self.board.paused or backend in self.board.halted

    async def person(self, backend: str) -> bool:
        """Wait until somebody lets the lane go on. False when nobody will."""
        waited = 0.0
        while self.held(backend):
            nobody = self.single and not self.board.paused
            if self.ending or nobody or waited >= self._person:
                return False
            await asyncio.sleep(POLL)
            waited += POLL
        return not self.ending

    async def halt(self, backend: str, why: str) -> None:
        """Halt a lane, for everybody to see. A lane that has halted stays as it is."""
        if backend not in self.board.halted:
            await self._mark(RunEvent.HALT, backend=backend, detail=system_words(why, 400))

    async def wave(self, number: int) -> None:
        """Note that a lane begins with a wave, if it is the first, and list the systems again.

        What came after the scope was frozen is looked for between two waves.
        """
        if self.single or number <= self._wave:
            return
        before, self._wave = self._wave, number
        if number > self.board.wave or before < 0:
            await self._mark(RunEvent.WAVE, item=number)
        if before >= 0:
            await self._relist()

    async def opened(self, backend: str, lane: Pace) -> EvidenceContext:
        """The tools of one lane, its backend open.

        Raises:
            CannotOpen: it cannot be opened now.
        """
        try:
            open_ = await self._open_backend(backend)
        except (BackendError, ConsoleError) as error:
            if isinstance(error, JournalError):
                raise
            hint = getattr(error, "hint", "")
            told = f"the backend {backend} cannot be opened: {error} {hint}"
            raise CannotOpen(system_words(told.strip())) from None
        await self._limits(open_, lane)
        tools = EvidenceContext(
            plan=self.plan,
            backend=open_,
            paths=self.paths,
            group=self._group,
            journal=self.journal,
            board=self.board,
            lane=lane,
            stopping=lambda: self.ending,
            held=lambda: self.held(backend),
            **self._given,
        )
        names = {
            name: item.token.ref
            for item in self.plan.items
            if item.backend == backend
            for name in item.proposal.log_names
        }
        open_.recall(names)
        self.tools[backend] = tools
        return tools

    async def _limits(self, backend: Backend, lane: Pace) -> None:
        """Have a backend keep to its limits, as they are now, with a run's share of them."""
        lane.traffic = backend.traffic
        if self.single:
            return
        backend.traffic.share = RUNNING
        with contextlib.suppress(BackendError):
            await backend.limits()

    def fail(self, error: BaseException) -> None:
        """End the run with this error. The first one counts."""
        self._error = self._error or error

    def canaries(self, backend: str) -> Sequence[Work]:
        """Whose canaries a lane waits for: its own, else everybody's."""
        own = self.works[backend]
        if own.has_canary:
            return [own]
        return [work for work in self.works.values() if work.has_canary]

    # -- the journal

    async def _mark(
        self, what: RunEvent, *, item: int = 0, backend: str = "", detail: str = ""
    ) -> None:
        mark = RunMark(plan=self.plan.id, what=what, item=item, backend=backend, detail=detail)
        self.board.feed([await self._append(Kind.RUN, run=mark)])

    async def _append(self, kind: Kind, **fields: Any) -> Entry:
        """An entry about the run as a whole. It carries the plan's incident, as each does."""
        return await self._group.append(kind, incident=self.plan.incident, **fields)

    async def _follow(self) -> None:
        """Take in what others write about this run: a pause, an exception, a second runner."""
        while True:
            await asyncio.sleep(FOLLOW)
            try:
                await self._follow_once()
                await self._tell_paces()
            except JournalError as error:
                self.fail(error)
                return

    async def _tell_paces(self) -> None:
        """Write down why a lane became slower, for the board of everybody who watches."""
        for work in () if self.single else self.works.values():
            if not (told := work.lane.news()):
                continue
            about = entry_parts.act(self.plan.verb.value, work.items[0].token, plan=self.plan.id)
            about = replace(about, step=mark_of(0, Mark.PACE))
            why = system_words(pace.noted(work.backend, told))
            self.board.feed([await self._append(Kind.NOTE, why=why, act=about)])

    async def _follow_once(self) -> None:
        # Numbers are given in the order in which entries become durable, so that a reading
        # which begins now has everything below the newest one that is known by now.
        newest, known = self.board.seq, self.board.known
        found = await asyncio.to_thread(self.journal.of_plan, self.plan.id, self._seen, known)
        self._seen = max([newest, *(entry.seq for entry in found)])
        self.board.feed(found)

    async def _relist(self, *, last: bool = False) -> None:
        """Look for tokens that came after the freeze, beside the work; the last time, wait."""
        loop = asyncio.get_running_loop()
        if self.plan.scope is None:
            return
        running = self._relisting is not None and not self._relisting.done()
        if last:
            if running and self._relisting is not None:
                await asyncio.wait([self._relisting])
            await self._list_again()
        elif not running and loop.time() - self._relisted >= RELIST_PAUSE:
            self._relisted = loop.time()
            self._relisting = asyncio.create_task(self._list_again())

    async def _list_again(self) -> None:
        try:
            with behind():
                await late_arrivals.relist(dict(self.tools), self.plan, self.journal, self.paths)
        except (JournalError, PlanRefused) as error:
            self.fail(error)
        except Exception as error:  # noqa: BLE001
            # A list that cannot be read is no reason to stop: the board says what is missing.
            await self._append(
                Kind.NOTE,
                why=f"The systems could not be listed again: {type(error).__name__}",
                act=entry_parts.act(
                    self.plan.verb.value, self.plan.items[0].token, plan=self.plan.id
                ),
            )


@contextlib.asynccontextmanager
async def backends(configure: Callable[[str], Backend]) -> AsyncIterator[OpenBackend]:
    """Opens backends by name, each once, and closes them all at the end.

    ``configure`` gives one that is not open yet, and may raise.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def open_(name: str) -> Backend:
            return await stack.enter_async_context(configure(name))

        yield open_
