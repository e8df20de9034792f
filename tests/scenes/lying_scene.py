"""An estate, a journal and their one clock, which only moves when a test says so."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from backends.contract import BackendConfig
from backends.estate import SYSTEMS, Estate, EstateWorld, create, database
from console import settings
from console.journal.write.journal import Journal
from console.response.approve import approval
from console.response.approve.signing import Responder
from console.response.plan.model import Plan
from console.settings import JournalSettings, Paths


class Clock:
    """The estate's time with its fractions, for the tools and for the journal."""

    def __init__(self) -> None:
        self.offset = 0

    def now(self) -> float:
        return time.time() + self.offset

    def shim(self) -> Any:
        """In place of the journal's ``time``."""
        ahead = 10**9
        return SimpleNamespace(
            time=self.now,
            time_ns=lambda: time.time_ns() + self.offset * ahead,
            monotonic_ns=lambda: time.monotonic_ns() + self.offset * ahead,
        )


class Part:
    """An estate, a journal, and a clock for some of the runs."""

    def __init__(self, root: Path, seed: int, clock: Clock) -> None:
        self.clock = clock
        self.file = root / "estate.db"
        create(self.file, tokens=80, seed=seed, now=int(clock.now()))
        self.world = EstateWorld(self.file)
        # One consumer of each system keeps its log moving; thousands of hours of all of
        # them, and of what else happens in an estate, would only take time.
        with database.writing(self.world.db):
            self.world.db.execute(
                "DELETE FROM consumer WHERE id NOT IN (SELECT min(consumer.id) FROM consumer"
                " JOIN token ON token.n = consumer.token GROUP BY token.system)"
            )
            database.put(self.world.db, "happening", str(10**9))
        self.paths: Paths = settings.paths(root / "home")
        self.paths.make()
        self.journal = Journal(self.paths.journal)
        self.escrow = (recipient(),)
        self.backends = {
            system: Estate(
                BackendConfig(
                    name=f"{system}-1",
                    type="estate",
                    options={"path": str(self.file), "system": system, "act_allowed": True},
                )
            )
            for system in SYSTEMS
        }

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The systems are open within; afterwards everything is closed."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.world.close)
            stack.callback(self.journal.close)
            for backend in self.backends.values():
                await stack.enter_async_context(backend)
            yield

    def travel(self, seconds: float) -> None:
        """Let time pass for the estate and for the journal."""
        whole = math.ceil(seconds)
        self.world.travel(whole)
        self.clock.offset += whole
        self.world.advance()


def recipient() -> str:
    import pyrage

    return str(pyrage.x25519.Identity.generate().to_public())


def approve(plan: Plan, journal: Journal, paths: Paths) -> None:
    given = {raised.hazard.code: "looked at, and meant" for raised in plan.questions}
    responder = Responder(JournalSettings(signatures="off"))
    approval.approve(plan, journal, paths, plan.typed_word, given, responder)
