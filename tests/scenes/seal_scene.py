"""An inventory and a journal in one home, with events that are sealed and then altered."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scripted import Scripted

from backends.model import AuditEvent, TokenRef
from console import settings
from console.audit import intake
from console.audit.check_seals import SealProblem, check_seals
from console.audit.seal import Sealer
from console.inventory.sync.sync import Syncer
from console.journal.format.entry import Kind
from console.journal.format.parts import Seal
from console.journal.write.journal import Journal
from console.settings import Paths
from console.store.database import open_for_writing

DAYS = 7
REF = TokenRef("vault", "service", "a")


def event(id_: str, age: timedelta = timedelta(hours=1), **more: str) -> AuditEvent:
    return AuditEvent(
        id=id_, at=datetime.now(UTC) - age, action="read", outcome="ok", token=REF, **more
    )


class SealScene:
    """An inventory and a journal in one home."""

    def __init__(self, tmp: Path) -> None:
        self.paths: Paths = settings.paths(tmp / "home")
        self.paths.make()
        self.engine = open_for_writing(self.paths.inventory)
        self.syncer = Syncer(self.engine)

    def take_in(self, *events: AuditEvent) -> None:
        backend = Scripted()
        backend.log = list(events)
        asyncio.run(intake.take_in(self.syncer, backend, days=DAYS))

    def seal(self, *, act: bool = True, every: float = 0.0) -> Seal | None:
        sealer = Sealer(self.syncer, self.paths, act=act, every=every)
        return asyncio.run(sealer.seal("vault"))

    def check(self, later: timedelta = timedelta(0)) -> list[SealProblem]:
        now = (datetime.now(UTC) + later).timestamp()
        with Journal(self.paths.journal) as journal:
            return check_seals(self.paths.inventory, journal, DAYS, now)

    def change(self, statement: str) -> None:
        connection = sqlite3.connect(self.paths.inventory)
        with connection:
            assert connection.execute(statement).rowcount
        connection.close()

    def seals(self) -> list[Seal]:
        with Journal(self.paths.journal) as journal:
            found = [entry.body.seal for entry in journal.entries(kind=Kind.AUDIT_SEAL)]
        return [each for each in reversed(found) if each is not None]
