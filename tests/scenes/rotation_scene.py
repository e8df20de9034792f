"""A console over an estate whose tokens are rotated, and a runner that is killed on purpose.

``Scene.run`` does one run of a plan in this process; ``Scene.killed`` does one in a child
process that kills itself (SIGKILL) at its n-th moment: right before or right after each
entry of the journal, each call, each delivery and each sealing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pyrage
from planned import planned

from backends import registry
from backends.contract import Backend, Verb
from backends.estate import EstateWorld, create
from backends.estate.backend import Estate as EstateBackend
from backends.model import Secret, Token, TokenRef, TokenState
from backends.sinks import Sink, configure
from console import settings
from console.journal.format.entry import Kind
from console.journal.format.parts import RunMark
from console.journal.format.sentence import Entry
from console.journal.write.group import GroupCommit
from console.journal.write.journal import Journal
from console.response import escrow
from console.response.approve import approval
from console.response.evidence.context import EvidenceContext
from console.response.plan import file
from console.response.plan.model import Mode, Plan, PlanItem
from console.response.rotate import cutover, rotation, successors
from console.response.state.history import History
from console.response.state.run import Board
from console.response.step.attempt import Done
from console.response.step.pace import Pace


class Scene:
    """A home, an estate with one token ``it`` that is to be rotated, and two sinks."""

    def __init__(
        self, tmp: Path, system: str, kind: str, *, made: Path | None = None, world: bool = True
    ) -> None:
        """``made`` is an estate to start from; without a ``world`` there is none at all."""
        self.tmp, self.system, self.kind = tmp, system, kind
        self.file = tmp / "estate.db"
        self.paths = settings.paths(tmp / "home")
        self.paths.make()
        (tmp / "given").mkdir()
        self.identity = pyrage.x25519.Identity.generate()
        if world:
            self._settle(made)
        self.tables: dict[str, dict[str, Any]] = {
            "file": {"type": "file", "path": str(tmp / "given" / "value")},
            "blind": {
                "type": "command",
                "command": ["tee", str(tmp / "given" / "unread")],
                "repeatable": True,
            },
        }
        self.secrets: dict[str, Secret] = {}
        self.waited = 0.0

    def _settle(self, made: Path | None) -> None:
        if made is None:
            create(self.file, seed=11, tokens=60)
        else:
            shutil.copy(made, self.file)
        with EstateWorld(self.file) as world:
            id_, self.old = world.mint(self.system, "payments-deploy", kind=self.kind)
        self.ref = TokenRef(self.system, self.kind, id_)

    def backend(self) -> Backend:
        table = {
            "type": "estate",
            "path": str(self.file),
            "system": self.system,
            "act_allowed": True,
        }
        return registry.configure(self.system, table, act=True)

    def sinks(self, *names: str) -> dict[str, Sink]:
        return {name: configure(name, self.tables[name], act=True) for name in names}

    def approve(self, *sinks: str, mode: Mode = Mode.ROUTINE) -> Plan:
        """Approve a plan that rotates ``it`` into these sinks."""

        async def make() -> Plan:
            async with self.backend() as backend:
                token = await backend.read(self.ref)
                return await planned(
                    backend,
                    Verb.ROTATE,
                    token,
                    "leaked in a public repository",
                    mode=mode,
                    sinks=sinks,
                    escrow=(str(self.identity.to_public()),),
                )

        plan = asyncio.run(make())
        with Journal(self.paths.journal) as journal:
            answers = {raised.hazard.code: "it is meant to" for raised in plan.questions}
            approval.approve(plan, journal, self.paths, plan.typed_word, answers)
        return plan

    def run(self, plan: Plan) -> Done:
        """One run, from whatever the journal holds."""
        done: Done = asyncio.run(self._run(plan.id))
        return done

    def run_with(
        self, plan: Plan, do: Callable[[EvidenceContext, PlanItem], Awaitable[Any]]
    ) -> Any:
        """The same with another function over the item."""
        return asyncio.run(self._run(plan.id, do))

    def follow(self, plan: Plan) -> cutover.Cutover:
        """Ask who has moved, after the rotation came to its end."""

        async def follow(tools: EvidenceContext, item: PlanItem) -> cutover.Cutover:
            (made,) = successors.made(tools.board, item)
            return await cutover.follow(tools, item, made.ref, made.intent)

        seen: cutover.Cutover = asyncio.run(self._run(plan.id, follow))
        return seen

    async def _run(
        self,
        plan_id: str,
        do: Callable[[EvidenceContext, PlanItem], Awaitable[Any]] = rotation.rotate,
    ) -> Any:
        plan = file.load(plan_id, self.paths)

        async def sleep(seconds: float) -> None:
            self.waited += seconds
            await asyncio.sleep(0)

        with Journal(self.paths.journal) as journal:
            board = History(plan)
            board.feed(journal.of_plan(plan.id))
            async with GroupCommit(journal) as group, self.backend() as backend:
                tools = EvidenceContext(
                    plan=plan,
                    backend=backend,
                    paths=self.paths,
                    group=group,
                    journal=journal,
                    board=board,
                    lane=Pace(backend.name),
                    secrets=self.secrets,
                    sinks=self.sinks(*plan.sinks),
                    sleep=sleep,
                    patience=0.0,
                    now=lambda: time.time() + self.waited,
                )
                return await do(tools, plan.only)

    def killed(self, plan: Plan, moment: int) -> bool:
        """One run in a child that ends itself at its n-th moment. False if it has fewer."""
        child = os.fork()
        if child == 0:
            try:
                _arm(moment)
                asyncio.run(self._run(plan.id))
            finally:
                os._exit(0)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])

    # -- what came of it

    def told(self, plan: Plan) -> list[Entry]:
        """What the journal has about the plan, oldest first, without the approval."""
        with Journal(self.paths.journal) as journal:
            return list(reversed(journal.entries(10_000, plan=plan.id)))[1:]

    def board(self, plan: Plan) -> Board:
        board = Board(plan)
        board.feed(self.told(plan))
        return board

    def given(self, name: str = "value") -> Secret:
        """The value that a sink was given."""
        return Secret((self.tmp / "given" / name).read_text())

    def accepts(self, secret: Secret) -> bool:
        with EstateWorld(self.file) as world:
            return world.accepts(secret)

    def listed(self) -> list[Token]:
        """What the system lists."""

        async def ask() -> list[Token]:
            async with self.backend() as backend:
                return [each async for each in backend.inventory() if isinstance(each, Token)]

        return asyncio.run(ask())

    def living(self) -> list[str]:
        """The tokens of that name that the system still has, whatever their value."""
        dead = (TokenState.REVOKED, TokenState.EXPIRED)
        return [
            token.ref.id
            for token in self.listed()
            if token.name == "payments-deploy" and token.state not in dead
        ]

    def travel(self, seconds: int) -> None:
        """Let time pass, for the estate and for the console."""
        self.waited += seconds
        with EstateWorld(self.file) as world:
            world.travel(seconds)
            world.advance()

    def waive(self, plan: Plan, why: str = "the old hosts are switched off") -> None:
        mark = RunMark(plan=plan.id, what="waive", item=1, backend=self.system)
        with Journal(self.paths.journal) as journal:
            journal.append(Kind.RUN, why=why, run=mark)

    def unsealed(self, plan: Plan) -> list[str]:
        """What the escrow holds, opened with the responder's own key."""
        return [
            pyrage.decrypt(path.read_bytes(), [self.identity]).decode()
            for path in escrow.held(self.paths, plan.id)
        ]

    def canaries(self, *values: str) -> list[str]:
        """The files of the console's home that hold one of these values."""
        return [
            f"{path}"
            for path in self.paths.config.parent.rglob("*")
            if path.is_file() and any(v.encode() in path.read_bytes() for v in values)
        ]


def _arm(moment: int) -> None:
    """Let the process kill itself at its n-th moment, counted from one."""
    passed = 0

    def tick() -> None:
        nonlocal passed
        passed += 1
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: Any, name: str) -> None:
        whole = getattr(owner, name)

        async def wrapped(*args: Any, **more: Any) -> Any:
            tick()
            result = await whole(*args, **more)
            tick()
            return result

        setattr(owner, name, wrapped)

    around(GroupCommit, "append")
    around(EstateBackend, "perform")
    around(Sink, "perform")
    sealed: Callable[..., Any] = escrow.seal

    def seal(*args: Any, **more: Any) -> Any:
        tick()
        result = sealed(*args, **more)
        tick()
        return result

    escrow.seal = seal
