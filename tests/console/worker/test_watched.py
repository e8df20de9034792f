"""While a system says what changed, only that is read; where it may miss something, all is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from patience import HANG

from backends.contract import Verb
from backends.estate import Estate, EstateWorld, create, set_trouble
from backends.estate import backend as module
from console import settings
from console.fleet import Fleet
from console.inventory.search.inventory import Inventory
from console.settings import Paths, paths
from console.worker import serving
from console.worker.serving import Worker
from console.worker.watched import Watched


class Scene:
    """A worker over one system of an estate whose clock stands."""

    def __init__(self, where: Paths, estate: Path) -> None:
        self.where, self.estate = where, estate
        self.listings = self.reads = self.rounds = 0
        self.told: list[Mapping[str, Any]] = []

    def ended(self) -> list[str]:
        """How its whole looks ended."""
        return [each["state"] for each in self.told
                if each.get("event") == "sync" and each["state"] != "running"]  # fmt: skip

    def see(self, look: Callable[[Inventory], Any]) -> Any:
        """What somebody who reads the store sees."""
        inventory = Inventory(self.where.inventory)
        try:
            return look(inventory)
        finally:
            inventory.close()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    estate = tmp_path / "estate.db"
    create(estate, seed=5, tokens=80)
    with EstateWorld(estate) as world:
        world.freeze(world.advance())
    where = paths(tmp_path)
    where.config.write_text(
        f'[console]\nrefresh = 1\n[backend.vault]\ntype = "estate"\npath = "{estate}"\n'
        'system = "vault"\n'
    )
    made = Scene(where, estate)
    monkeypatch.setattr(module, "WATCH_EVERY", 0.05)
    monkeypatch.setattr(serving, "RESTRAINT", 0)
    monkeypatch.setattr(serving, "STILL_EVERY", 0.5)
    inventory, read, take = Estate.inventory, Estate.read, Watched.take

    def listing(self: Estate) -> Any:
        made.listings += 1
        return inventory(self)

    async def reading(self: Estate, ref: Any) -> Any:
        made.reads += 1
        return await read(self, ref)

    def taking(self: Watched) -> Any:
        made.rounds += 1
        return take(self)

    monkeypatch.setattr(Estate, "inventory", listing)
    monkeypatch.setattr(Estate, "read", reading)
    monkeypatch.setattr(Watched, "take", taking)
    return made


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(HANG):
        while not true():  # noqa: ASYNC110 - the worker sets no event of ours.
            await asyncio.sleep(0.02)


def played(scene: Scene, play: Callable[[Worker], Any]) -> None:
    async def run() -> None:
        async with Fleet(settings.load(scene.where.config), scene.where) as fleet:
            worker = Worker(fleet, scene.told.append)
            task = asyncio.ensure_future(worker.keep_fresh("vault"))
            try:
                await until(scene.ended)
                await play(worker)
            finally:
                worker.end()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_what_did_not_change_is_not_read_again_and_counts_as_seen(scene: Scene) -> None:
    async def play(worker: Worker) -> None:
        first = scene.see(lambda inventory: inventory.backends()[0].synced_at)
        generation = scene.see(lambda inventory: inventory.generation())
        await until(lambda: scene.see(lambda each: each.backends()[0].synced_at) > first)
        await until(lambda: scene.rounds >= 4)
        assert (scene.listings, scene.reads) == (1, 0)
        assert scene.ended() == ["ok"]
        assert scene.see(lambda each: each.generation()) == generation, "it is no news"

    played(scene, play)


def test_of_one_token_that_ended_only_that_one_is_read(scene: Scene) -> None:
    async def play(worker: Worker) -> None:
        with EstateWorld(scene.estate) as world:
            row = world.db.execute(
                "SELECT id FROM token WHERE system = 'vault' AND gone_at IS NULL"
                " AND created_by <> 'setup' AND parent IS NULL"
                " AND n NOT IN (SELECT parent FROM token WHERE parent IS NOT NULL)"
            ).fetchone()
            handle = module.TokenRef("vault", "service_token", row["id"]).handle
            world.change(Verb.REVOKE, "vault", row["id"])
        await until(lambda: scene.see(lambda each: each.detail(handle).gone_at))
        assert (scene.listings, scene.reads) == (1, 1)

    played(scene, play)


def test_who_asks_for_a_look_gets_all_of_it(scene: Scene) -> None:
    async def play(worker: Worker) -> None:
        await worker._refresh({"backend": "vault"})
        await until(lambda: scene.listings == 2)

    played(scene, play)


def test_a_system_that_went_away_is_told_and_looked_at_as_any_other(scene: Scene) -> None:
    async def play(worker: Worker) -> None:
        set_trouble(scene.estate, "vault", outage=True)
        await until(lambda: scene.ended()[-1] == "failed")
        set_trouble(scene.estate, "vault")
        await until(lambda: scene.ended()[-1] == "ok")
        assert scene.listings == 2, "what changed meanwhile nobody said"

    played(scene, play)
