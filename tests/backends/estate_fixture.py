"""The estate as the conformance kit's fixture, and copies of one that was made once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from backends.conformance import Fixture, ThrowAway
from backends.contract import (
    Backend,
    BackendConfig,
)
from backends.estate import SYSTEMS, Estate, EstateWorld, clear_trouble, create, set_trouble
from backends.estate.backend import PAGE
from backends.model import (
    Secret,
    TokenRef,
)

BEGAN = 1_790_000_000


class OnEstate(Fixture):
    """The estate under the kit: its own means are those of its ``World``."""

    page: ClassVar[int] = PAGE

    def __init__(self, path: Path, system: str, type_: type[Estate] = Estate) -> None:
        self.path, self.system, self.type = path, system, type_
        self.made = 0

    def backend(self, *, act: bool = False) -> Backend:
        options = {"path": str(self.path), "system": self.system, "act_allowed": act}
        return self.type(BackendConfig(name="here", type="estate", options=options))

    def make(self, kind: str) -> ThrowAway:
        return self.make_many(kind, 1)[0]

    def make_many(self, kind: str, count: int) -> list[ThrowAway]:
        with EstateWorld(self.path) as world:
            return [self._make(world, kind) for _ in range(count)]

    def _make(self, world: EstateWorld, kind: str) -> ThrowAway:
        self.made += 1
        name = f"throw_away_{self.made}"
        # The code host takes the token's user for its owner.
        who = "ops" if self.system == "codehost" else name
        grants = [("policy", "kv-read")]
        id_, secret = world.mint(
            self.system, name, owner="ops", principal=who, grants=grants, kind=kind
        )
        return ThrowAway(TokenRef("here", kind, id_), secret, name, "ops")

    def accepts(self, made: ThrowAway) -> bool:
        with EstateWorld(self.path) as world:
            declared = SYSTEMS[self.system].capabilities.of(made.ref.kind)
            if declared.reuse_detection and not world.accepts(made.secret):
                return False  # To try a replaced value would end its successor.
            return world.attempt(made.secret)

    def crowded(self, kind: str) -> ThrowAway | None:
        if self.system != "cloud":
            return None
        self.made += 1
        user = f"crowded_{self.made}"
        with EstateWorld(self.path) as world:
            id_, secret = world.mint("cloud", user, owner="ops", principal=user)
            world.mint("cloud", user, owner="ops", principal=user)
        return ThrowAway(TokenRef("here", kind, id_), secret, user, "ops")

    def now(self) -> datetime:
        with EstateWorld(self.path) as world:
            return datetime.fromtimestamp(world.now(), UTC)

    def wait(self, seconds: float) -> None:
        with EstateWorld(self.path) as world:
            world.travel(int(seconds) or 1)

    def calls(self, made: ThrowAway) -> int | None:
        with EstateWorld(self.path) as world:
            return world.changes(self.system, made.ref.id)

    def wrong_credential(self) -> tuple[Backend, Secret] | None:
        wrong = Secret("est_vlt_nobody-knows-this-one")
        options = {"path": str(self.path), "system": self.system}
        config = BackendConfig(name="here", type="estate", options=options, read=wrong)
        return self.type(config), wrong

    def unreachable(self) -> Backend | None:
        path, system = self.path, self.system

        class Away(self.type):  # type: ignore[misc, name-defined]
            """The outage lasts for as long as this one is open."""

            async def open(self) -> None:
                await super().open()
                set_trouble(path, system, outage=True)

            async def close(self) -> None:
                await super().close()
                clear_trouble(path, system)

        options = {"path": str(path), "system": system, "act_allowed": True}
        away: Backend = Away(BackendConfig(name="here", type="estate", options=options))
        return away

    def powerless(self) -> Backend | None:
        """Its credential to act is a known token, of somebody who may change nothing."""
        kind = SYSTEMS[self.system].kind
        options = {"path": str(self.path), "system": self.system}
        act = self.make(kind).secret
        return self.type(BackendConfig(name="here", type="estate", options=options, act=act))

    @contextmanager
    def late_answers(self, seconds: float) -> Iterator[None]:
        set_trouble(self.path, self.system, latency_ms=int(seconds * 1000))
        yield
        clear_trouble(self.path, self.system)

    @contextmanager
    def losing_answers(self) -> Iterator[None]:
        set_trouble(self.path, self.system, lose="applied")
        yield
        clear_trouble(self.path, self.system)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("estate") / "estate.db"
    create(path, seed=3, tokens=240, now=BEGAN)
    with EstateWorld(path) as world:
        world.freeze(BEGAN + 60)
    return path


@pytest.fixture
def estate(template: Path, tmp_path: Path) -> Path:
    path = tmp_path / "estate.db"
    path.write_bytes(template.read_bytes())
    return path
