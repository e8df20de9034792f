"""The estate tells of everything that a listing or the log would tell otherwise, and no more."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from patience import HANG

from backends.contract import BackendConfig, Verb
from backends.errors import Refused
from backends.estate import Estate, EstateWorld, create, set_trouble
from backends.estate import backend as module
from backends.model import Token, TokenRef

BEGAN = 1_790_000_000
SYSTEMS = ("vault", "cloud", "codehost")
"""The database is left out: what has an open session there is used at every moment."""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "estate.db"
    create(made, seed=5, tokens=200, now=BEGAN)
    with EstateWorld(made) as world:
        world.freeze(BEGAN)
    monkeypatch.setattr(module, "WATCH_EVERY", 0.005)
    return made


def opened(path: Path, system: str) -> Estate:
    options = {"path": str(path), "system": system}
    return Estate(BackendConfig(name=system, type="estate", options=options))


async def listed(backend: Estate) -> dict[TokenRef, object]:
    """What a listing tells, but for the moment at which it was told."""
    found = {}
    async for one in backend.inventory():
        if isinstance(one, Token):
            told = msgspec.to_builtins(one)
            for reading in told.values():
                if isinstance(reading, dict):
                    reading.pop("as_of", None)
            found[one.ref] = told
    return found


async def told(stream: AsyncIterator[TokenRef | None], quiet: float = 0.4) -> set[object]:
    """What is pushed until nothing has come for a while."""
    found: set[object] = set()
    waiting = asyncio.ensure_future(anext(stream))
    while (await asyncio.wait({waiting}, timeout=quiet))[0]:
        found.add(waiting.result())
        waiting = asyncio.ensure_future(anext(stream))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return found


def _once(world: EstateWorld, dice: random.Random, system: str) -> None:
    """Something that may happen in a system, by whatever hand."""
    rows = world.db.execute("SELECT id FROM token WHERE system = ?", (system,)).fetchall()
    id_ = dice.choice(rows)["id"]
    what: Callable[[], object] = dice.choice(
        (
            lambda: world.change(dice.choice((Verb.REVOKE, Verb.CONTAIN)), system, id_),
            lambda: world.mint(system, f"made-{dice.random()}", expires_in=dice.choice((None, 60))),
            lambda: world.rotate(system, id_),
            lambda: world.attempt(world.secret(system, id_)),
            lambda: world.travel(dice.choice((1, 90, 4_000, 90_000))),
        )
    )
    try:
        what()
    except Refused:
        return


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_listing_tells_otherwise_was_pushed(path, system, seed) -> None:
    dice = random.Random(seed)

    async def play() -> None:
        async with opened(path, system) as backend, opened(path, system) as reader:
            with EstateWorld(path) as world:
                pushed: set[object] = set()
                for _ in range(8):
                    stream = backend.watch()
                    assert await anext(stream) is None, "from here on nothing is missed"
                    before = await listed(reader)
                    for _ in range(dice.randrange(1, 4)):
                        _once(world, dice, system)
                    world.advance()
                    pushed = await told(stream)
                    after = await listed(reader)
                    other = {
                        ref for ref in before.keys() | after.keys()
                        if before.get(ref) != after.get(ref)
                    }  # fmt: skip
                    assert None in pushed or other <= pushed, other - pushed
                    await stream.aclose()

    asyncio.run(asyncio.wait_for(play(), HANG))


def test_nothing_is_pushed_while_nothing_happens(path) -> None:
    async def play() -> None:
        async with opened(path, "vault") as backend:
            stream = backend.watch()
            await anext(stream)
            assert await told(stream, 0.3) == set()

    asyncio.run(play())


def test_one_use_pushes_one_token(path) -> None:
    async def play() -> None:
        async with opened(path, "vault") as backend:
            stream = backend.watch()
            await anext(stream)
            with EstateWorld(path) as world:
                id_ = world.db.execute(
                    "SELECT id FROM token WHERE system = 'vault' AND dead_from IS NULL"
                    " AND disabled = 0 AND (expires_at IS NULL OR expires_at > ?)",
                    (BEGAN,),
                ).fetchone()["id"]
                assert world.attempt(world.secret("vault", id_))
            assert await told(stream) == {backend.ref(id_)}

    asyncio.run(play())


def test_a_bad_day_of_the_system_is_a_change_of_everything(path) -> None:
    async def play() -> None:
        async with opened(path, "cloud") as backend:
            stream = backend.watch()
            await anext(stream)
            set_trouble(path, "cloud", outage=True)
            assert None in await told(stream)

    asyncio.run(play())
