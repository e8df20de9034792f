"""Misuse that was seeded after a leak is found in full, among what the owners do all day."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from backends.contract import BackendConfig
from backends.estate import Estate
from backends.estate.engine import EstateWorld
from backends.estate.seeding import create
from backends.model import TokenRef
from console.audit import intake
from console.inventory.sync.sync import Syncer
from console.store.database import open_for_writing
from console.timeline import events
from console.timeline.since import since
from console.timeline.view import Timeline

BEGAN = 1_763_958_000
ATTACKER = ("198.51.100.66", "198.51.100.67")


def test_seeded_misuse_is_found_in_full(tmp_path: Path) -> None:
    path = tmp_path / "estate.db"
    create(path, seed=5, tokens=300, now=BEGAN)
    dice = random.Random(17)
    truth: dict[str, list[tuple[int, str, str]]] = {}
    with EstateWorld(path) as world:
        world.freeze(BEGAN + 60)
        minted = [world.mint("vault", f"app-{n}", owner="search", principal=f"app-{n}")
                  for n in range(10)]  # fmt: skip
        for _ in range(30):
            for _, secret in minted:
                world.attempt(secret, "read", source="10.20.0.1", agent="app")
            world.travel(600)
        leak = world.now()
        world.travel(60)
        for turn in range(120):
            for index, (id_, secret) in enumerate(minted):
                if dice.random() < 0.3:
                    world.attempt(secret, "read", source="10.20.0.1", agent="app")
                if index < 4 and dice.random() < 0.2:
                    source = dice.choice(ATTACKER)
                    works = world.attempt(secret, "list", source=source, agent="curl")
                    row = (world.now(), source, "ok" if works else "denied")
                    truth.setdefault(id_, []).append(row)
            if turn == 80:
                for id_, secret in minted[:2]:
                    row = world.holder(secret, id_)
                    assert row is not None
                    world.db.execute(
                        "UPDATE token SET gone_at = ?, dead_from = ? WHERE n = ?",
                        (world.now(), world.now(), row["n"]),
                    )
            world.travel(dice.randrange(20, 200))
        world.travel(30)
        now = world.now()
    syncer = Syncer(open_for_writing(tmp_path / "inventory.db"), clock=lambda: now)
    config = BackendConfig(
        name="vault", type="estate", options={"path": str(path), "system": "vault"}
    )

    async def look() -> None:
        async with Estate(config) as backend:
            await syncer.sync(backend)
            await intake.take_in(syncer, backend, days=7)

    asyncio.run(look())
    planted = found = 0
    for id_, _ in minted:
        ref = TokenRef("vault", "service_token", id_)
        with Timeline(tmp_path / "inventory.db", [ref.handle], clock=lambda: now) as timeline:
            told = [
                (event.at, event.source, event.outcome)
                for event in events.within(timeline, leak, now + 1, limit=10_000)
                if event.source in ATTACKER
            ]
            answer = since(timeline, leak)
        assert sorted(told) == sorted(truth.get(id_, []))
        assert set(answer.strangers) == {source for _, source, _ in truth.get(id_, [])}
        assert answer.sure
        denied = sum(outcome == "denied" for _, _, outcome in truth.get(id_, []))
        assert answer.denied >= denied
        planted, found = planted + len(truth.get(id_, [])), found + len(told)
    assert planted == found > 60
    print(f"misuse planted {planted}, found {found}")
