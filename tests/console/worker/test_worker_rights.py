"""What a token may do, asked of the worker: read from the system each time, and typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.contract import Verb
from backends.estate import EstateWorld, create
from backends.model import TokenRef
from backends.permissions import Permissions
from console import settings
from console.fleet import Fleet
from console.graph.rights import Sort, clauses
from console.settings import Paths
from console.worker.serving import Worker


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    create(tmp_path / "estate.db", seed=3, tokens=20, clean=True)
    (tmp_path / "config.toml").write_text(
        f'[backend.vault]\ntype = "estate"\npath = "{tmp_path / "estate.db"}"\nsystem = "vault"\n'
    )
    return Paths(tmp_path / "config.toml", tmp_path / "state")


def answers(where: Paths, *requests: Mapping[str, Any], look: bool = True) -> list[Any]:
    """What the worker writes to each request, after a look at the system."""
    written: list[Any] = []

    async def run() -> None:
        async with Fleet(settings.load(where.config), where) as fleet:
            if look:
                await fleet.sync("vault")
            worker = Worker(fleet, lambda message: written.append(json.loads(json.dumps(message))))
            for request in requests:
                await worker.answer(request)

    asyncio.run(run())
    return written


def mint(where: Paths, *grants: str) -> TokenRef:
    with EstateWorld(where.config.parent / "estate.db") as world:
        given = [("policy", name) for name in grants]
        id_, _ = world.mint("vault", "asked-for", owner="sre", grants=given)
    return TokenRef("vault", "service_token", id_)


def test_the_worker_opens_the_grants_as_they_are_now(where: Paths) -> None:
    ref = mint(where, "admin", "no-such")
    (told,) = answers(where, {"id": 7, "do": "permissions", "handle": ref.handle})
    assert told["id"] == 7
    found = msgspec.convert(told["permissions"], Permissions)
    assert found.ref == ref
    assert [one.sort for one in clauses(found)][:2] == [Sort.WAY, Sort.SECRETS]
    assert [gap.what for gap in found.gaps] == ["what the policy no-such gives"]
    # Changed behind the store's back: what is told is what the system has.
    with EstateWorld(where.config.parent / "estate.db") as world:
        world.db.execute(
            "UPDATE token SET grants = ? WHERE id = ?", ('[["policy", "transit"]]', ref.id)
        )
        world.db.commit()
    (told,) = answers(where, {"id": 8, "do": "permissions", "handle": ref.handle}, look=False)
    found = msgspec.convert(told["permissions"], Permissions)
    assert [row.source for row in found.rows] == ["policy transit"]


def test_a_token_that_is_gone_meanwhile_is_said_to_be(where: Paths) -> None:
    ref = mint(where, "admin")
    request = {"id": 1, "do": "permissions", "handle": ref.handle}
    assert "permissions" in answers(where, request)[0]
    with EstateWorld(where.config.parent / "estate.db") as world:
        world.change(Verb.REVOKE, "vault", ref.id)
        world.travel(600)
    (told,) = answers(where, request, look=False)
    assert "permissions" not in told
    assert "no such token" in told["error"]
