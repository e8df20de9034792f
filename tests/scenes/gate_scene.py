"""An estate with its inventory, and plans made of it as the commands make them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from backends.contract import Backend, BackendConfig, Verb
from backends.errors import BackendError, Unreachable
from backends.estate import SYSTEMS, Estate, EstateWorld, create
from backends.model import Secret, TokenRef
from console import settings
from console.audit import intake
from console.inventory.search.inventory import Inventory
from console.inventory.sync.sync import Syncer
from console.response.plan import build
from console.response.plan.model import Plan, PlanItem
from console.settings import Paths
from console.store.database import open_for_writing

T = TypeVar("T")
WHY = "the vendor was broken into"


class Scene:
    """One estate file, its systems as configured backends, and the store."""

    def __init__(self, root: Path, *, tokens: int = 240, seed: int = 7) -> None:
        self.root = root
        self.file = root / "estate.db"
        create(self.file, tokens=tokens, seed=seed)
        self.paths: Paths = settings.paths(root / "home")
        self.paths.make()
        self.backends: dict[str, Backend] = {}
        self.down: set[str] = set()

    def world(self) -> EstateWorld:
        return EstateWorld(self.file)

    def ref(self, system: str, id_: str, kind: str = "") -> TokenRef:
        return TokenRef(f"{system}-1", kind or SYSTEMS[system].kind, id_)

    def make(self, name: str) -> Estate:
        system = name.rpartition("-")[0]
        options = {"path": str(self.file), "system": system, "act_allowed": True}
        return Estate(BackendConfig(name=name, type="estate", options=options))

    async def backend(self, name: str) -> Backend:
        if name in self.down:
            raise Unreachable("Connection refused")
        if name not in self.backends:
            self.backends[name] = self.make(name)
            await self.backends[name].open()
        return self.backends[name]

    async def sync(self, names: Sequence[str] = ()) -> None:
        engine = open_for_writing(self.paths.inventory)
        try:
            for name in names or [f"{system}-1" for system in SYSTEMS]:
                backend = await self.backend(name)
                syncer = Syncer(engine)
                assert (await syncer.sync(backend)).result != "failed"
                await intake.take_in(syncer, backend)
        finally:
            engine.dispose()

    async def gather(self, verb: Verb, **given: Any) -> Plan:
        inventory = Inventory(self.paths.inventory)
        try:
            return await build.build_plan(
                self.backend, inventory, verb, reason=WHY, **{"incident": "INC-7", **given}
            )
        finally:
            inventory.close()

    async def close(self) -> None:
        for backend in self.backends.values():
            await backend.close()
        self.backends.clear()

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def inside() -> T:
            try:
                return await work()
            finally:
                await self.close()

        return asyncio.run(inside())

    def plan(self, verb: Verb, *, sync: bool = True, **given: Any) -> Plan:
        """Sync, then plan."""

        async def work() -> Plan:
            if sync:
                await self.sync()
            return await self.gather(verb, **given)

        return self.run(work)


def codes(item: PlanItem) -> list[str]:
    return [hazard.code for hazard in item.proposal.hazards]


__all__ = ["WHY", "BackendError", "Scene", "Secret", "codes"]
