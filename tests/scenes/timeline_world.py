"""A console with a store, and logs that a test writes, for the tests of the timeline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripted import NOW, Clock, Scripted, listing, token

from backends.logs import registry
from backends.logs.source import Source
from backends.model import Gap, Token
from console import settings
from console.audit import intake
from console.audit.ingest import Ingester, IngestReport
from console.inventory.sync.sync import Syncer
from console.store.database import open_for_writing
from console.timeline.view import Timeline

T0 = int(NOW.timestamp()) - 86_400
LINES = {
    "type": "json_lines",
    "backend": "vault",
    "kind": "service",
    "at": "t",
    "action": "do",
    "token": "key",
    "outcome": "out",
    "actor": "who",
    "source": "ip",
    "target": "on",
    "agent": "ua",
    "class": "use",
    "covers": "uses",
}


def line(at: float, key: str = "a", **fields: Any) -> dict[str, Any]:
    """One line of a log, in the words of ``LINES``. ``at`` is in seconds after T0."""
    return {"t": T0 + at, "key": key, "do": "read", "ip": "10.0.0.1", "who": "ci", **fields}


def append(path: Path, *entries: Any) -> None:
    with path.open("a") as handle:
        handle.writelines(json.dumps(entry) + "\n" for entry in entries)


class World:
    """One home. ``tokens`` are those that a first look finds, of the backend "vault"."""

    def __init__(self, home: Path, *tokens: Token, days: int = 30) -> None:
        self.home = home
        self.paths = settings.paths(home)
        self.paths.make()
        self.paths.config.write_text(f"[console]\nevents = {days}\n")
        self.log = home / "audit.log"
        self.clock = Clock()
        self.syncer = Syncer(open_for_writing(self.paths.inventory), clock=self.clock)
        self.backend = Scripted(listing(*tokens))
        self.days = days
        if tokens:
            asyncio.run(self.syncer.sync(self.backend))

    def source(self, **options: Any) -> Source:
        return registry.configure("log", {**LINES, "path": str(self.log), **options})

    def ingest(self, source: Source | None = None) -> IngestReport:
        loaded = settings.load(self.paths.config)

        async def opened(name: str) -> Scripted:
            return self.backend

        ingester = Ingester(self.syncer, loaded, opened)
        return asyncio.run(ingester.take(source or self.source()))

    def events(self, *events: Any, gaps: Iterable[Gap] = ()) -> None:
        """Let the backend itself tell of events."""
        self.backend.log = [*gaps, *events]
        asyncio.run(intake.take_in(self.syncer, self.backend, days=self.days))

    def timeline(self, *ids: str, **options: Any) -> Timeline:
        tokens = [token(id_).ref.handle for id_ in ids]
        return Timeline(self.paths.inventory, tokens, clock=self.clock, **options)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.timeline() as timeline:
            return [tuple(row) for row in timeline.connection.execute(statement, values)]
