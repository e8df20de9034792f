"""What the tests of whole runs share: several systems, one plan over all of their tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any

import scripted_system
from msgspec.structs import replace
from patience import HANG
from planned import planned_all

from backends.contract import Backend, Verb
from backends.model import Token
from console import settings
from console.journal.format.entry import uuid7
from console.journal.format.sentence import Entry
from console.journal.write.journal import Journal
from console.response.approve.approval import approve
from console.response.plan import priority
from console.response.plan.model import Plan, PlanItem
from console.response.run.run import Result, Run
from console.response.state.run import Board

WHY = "the vendor was broken into"


async def plan_for(
    found: Iterable[tuple[Backend, Token]],
    *,
    canaries: int = 1,
    wave: int = 1000,
    verb: Verb = Verb.REVOKE,
    **more: Any,
) -> Plan:
    """The product's plan for tokens, in this order: ``canaries`` of each backend are wave 0."""
    pairs = list(found)
    plan = await planned_all(pairs, verb, reason=WHY, incident="INC-9")
    by_ref = {item.token.ref: item for item in plan.items}
    items: list[PlanItem] = []
    count: dict[str, int] = {}
    for number, (backend, token) in enumerate(pairs, 1):
        place = count[backend.name] = count.get(backend.name, 0) + 1
        after = place - canaries
        put = 0 if after <= 0 else 1 + (after - 1) // wave
        items.append(priority.placed(by_ref[token.ref], number, put))
    return replace(plan, items=tuple(items), **more)


class Many:
    """A console's home over scripted systems, each with tokens ``a0``, ``a1``, … of its own."""

    def __init__(self, tmp: Path, sizes: Mapping[str, int]) -> None:
        self.paths = settings.paths(tmp / "home")
        self.paths.make()
        self.systems = {
            name: scripted_system.make(
                tmp / name, *(f"{name}{n}" for n in range(size)), called=name
            )
            for name, size in sizes.items()
        }
        self.say("abilities", '{"at once": true}')
        self.journal = Journal(self.paths.journal)
        self.cannot_open: dict[str, Exception] = {}
        self.slept: list[float] = []

    def say(self, file: str, text: str = "", system: str = "") -> None:
        for name, each in self.systems.items():
            if system in ("", name):
                (each.path / file).write_text(text)

    def unsay(self, file: str, system: str) -> None:
        (self.systems[system].path / file).unlink()

    def approve(self, **more: Any) -> Plan:
        async def make() -> Plan:
            found = [
                (backend, each)
                for backend in self.systems.values()
                async for each in backend.inventory()
                if isinstance(each, Token)
            ]
            return await plan_for(found, **more)

        plan = asyncio.run(make())
        self._approve(plan)
        return plan

    def _approve(self, plan: Plan) -> None:
        answers = {raised.hazard.code: "it is meant to be so" for raised in plan.questions}
        approve(plan, self.journal, self.paths, plan.typed_word, answers)

    def approve_as(self, plan: Plan, items: tuple[PlanItem, ...]) -> Plan:
        """The same plan with other items, approved."""
        other = replace(plan, id=uuid7(), items=items)
        self._approve(other)
        return other

    async def sleep(self, seconds: float) -> None:
        """Time that passes at once: what is waited for is kept."""
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def run(
        self,
        plan: Plan,
        beside: Callable[[Run], Coroutine[Any, Any, None]] | None = None,
        **options: Any,
    ) -> Result:
        """Run the plan in this process, with something going on beside it."""

        async def opened(name: str) -> Backend:
            if name in self.cannot_open:
                raise self.cannot_open[name]
            return self.systems[name]

        async def go() -> Result:
            given = {"patience": 0, "climb": 0, "person": 0.0, "sleep": self.sleep} | options
            run = Run(plan, self.journal, self.paths, opened, **given)
            other = asyncio.create_task(beside(run)) if beside is not None else None
            result = await run.run()
            if other is not None:
                await other
            return result

        return asyncio.run(go())

    def board(self, plan: Plan) -> Board:
        board = Board(plan)
        board.feed(self.journal.of_plan(plan.id))
        return board

    def told(self, plan: Plan) -> list[Entry]:
        return self.journal.of_plan(plan.id)

    def marks(self, plan: Plan) -> list[tuple[str, str]]:
        return [(e.run.what, e.run.backend) for e in self.told(plan) if e.run is not None]

    def calls(self, system: str) -> list[str]:
        """The ids of the tokens that were called about, in order."""
        path = self.systems[system].path / "calls"
        if not path.exists():
            return []
        return [line.rpartition("/")[2] for line in path.read_text().splitlines()]


async def until(condition: Callable[[], bool], seconds: float = HANG) -> None:
    """Wait in a running loop, however slow the machine is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, "it did not come to pass"
        await asyncio.sleep(0.01)
