"""A backend that says what a test tells it to, for tests of the inventory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from backends.contract import (
    Backend,
    BackendConfig,
    Capabilities,
    Health,
    KindCapabilities,
    Outcome,
    OutcomeState,
    Proposal,
    Step,
    Verb,
    WhoAmI,
)
from backends.errors import NotFound
from backends.model import (
    AuditEvent,
    Covers,
    Gap,
    Grant,
    ScopeDone,
    Token,
    TokenRef,
    known,
)
from console.inventory.search.inventory import Inventory
from console.inventory.sync.sync import Syncer
from console.store.database import open_for_writing

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
Item = Any


def token(id_: str, backend: str = "vault", **fields: Any) -> Token:
    """A token with the given fields and ordinary others."""
    given: dict[str, Any] = {
        "name": f"name of {id_}",
        "scope": "root",
        "owner": known("payments", "tag"),
        "created_at": known(NOW, "record"),
        "grants": known((Grant("policy", "read"),), "record"),
    }
    return Token(ref=TokenRef(backend, "service", id_), **(given | fields))


def listing(*tokens: Token, scopes: Iterable[str] = ("root",)) -> list[Item]:
    """A whole listing: the tokens, and the scopes that end it."""
    return [*tokens, *(ScopeDone(scope, len(tokens)) for scope in scopes)]


class Scripted(Backend):
    """``items`` is what it lists: an exception among them is raised, a callable is called."""

    type_name = "scripted"
    title = "Scripted"
    needs_credential: ClassVar[bool] = False

    def __init__(self, items: Iterable[Item] = (), name: str = "vault") -> None:
        super().__init__(BackendConfig(name=name, type="scripted"))
        self.items = list(items)
        self.readable: dict[TokenRef, Token | Exception] = {}
        self.log: list[AuditEvent | Gap | Exception] = []
        self.reads: list[TokenRef] = []
        self.asked_since: datetime | None = None
        self.health_error: Exception | None = None

    def capabilities(self) -> Capabilities:
        kind = KindCapabilities(kind="service", title="Service token", covers=Covers.BOTH)
        return Capabilities(kinds=(kind,))

    async def health(self) -> Health:
        if self.health_error is not None:
            raise self.health_error
        return Health(version="1.2", latency_ms=7)

    async def whoami(self) -> WhoAmI:
        return WhoAmI(name="reader")

    async def inventory(self) -> AsyncIterator[Any]:
        for item in self.items:
            if isinstance(item, BaseException):
                raise item
            if callable(item):
                item = item()
                if asyncio.iscoroutine(item):
                    await item
                continue
            yield item

    async def read(self, ref: TokenRef) -> Token:
        self.reads.append(ref)
        found = self.readable.get(ref)
        if found is None:
            raise NotFound("no such token")
        if isinstance(found, Exception):
            raise found
        return found

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        self.asked_since = since
        for item in self.log:
            if isinstance(item, Exception):
                raise item
            yield item

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        return Proposal(steps=())

    async def perform(self, step: Step) -> Outcome:
        return Outcome(state=OutcomeState.NOT_SENT)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now

    def forward(self, **span: float) -> None:
        from datetime import timedelta

        self.now += timedelta(**span).total_seconds()


class Desk:
    """A store with its syncer, its reader and a clock."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.path = folder / "inventory.db"
        self.clock = Clock()
        self.engine = open_for_writing(self.path)
        self.syncer = Syncer(self.engine, clock=self.clock, **options)

    def sync(self, backend: Backend, **options: Any) -> Any:
        self.clock.forward(minutes=1)
        return asyncio.run(self.syncer.sync(backend, **options))

    @contextmanager
    def reading(self) -> Any:
        inventory = Inventory(self.path, clock=self.clock)
        try:
            yield inventory
        finally:
            inventory.close()

    def see(self, look: Callable[[Inventory], Any]) -> Any:
        """What one look at the store gives."""
        with self.reading() as inventory:
            return look(inventory)
