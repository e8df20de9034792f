"""What the journal's tests share: entries to write, and both databases to write them to."""

from __future__ import annotations

import multiprocessing
import secrets
from pathlib import Path

from backends.model import Secret
from console.journal.entry import Act, Kind, Out, Target
from console.journal.log import Journal
from console.journal.verify import Report, verify

FORK = multiprocessing.get_context("fork")
ACT = Act(
    verb="revoke",
    backend="vault",
    target=Target(kind="key", id="k1", handle="0123456789ab", name="payments"),
)
WHY = "leaked in a public repository"


def intent(journal: Journal) -> str:
    return journal.append(Kind.INTENT, why=WHY, act=ACT).id


def outcome(journal: Journal, ref: str, state: str = "applied") -> None:
    journal.append(Kind.OUTCOME, act=ACT, out=Out(ref=ref, state=state))


def grown(path: Path, entries: int) -> Path:
    """A journal with that many entries, the last of them settled where the number is odd."""
    with Journal(path) as journal:
        for _ in range(entries // 2):
            outcome(journal, intent(journal))
        if entries % 2 == 0:
            journal.append(Kind.NOTE, why=WHY)
    return path


def checked(path: Path, **given: object) -> Report:
    """The report of a verification that only reads."""
    from console.journal.read import JournalView

    view = JournalView(path)
    try:
        assert view.store is not None
        return verify(view.store, **given)  # type: ignore[arg-type]
    finally:
        view.close()


class Databases:
    """A PostgreSQL server that flushes, with a database for each journal that is asked for."""

    def __init__(self, home: Path) -> None:
        from backends.lab.postgres import PostgresServer

        self.server = PostgresServer(home)
        self.server.start()
        with self.server.connect() as connection:
            connection.execute("ALTER SYSTEM SET fsync = on")
            connection.execute("SELECT pg_reload_conf()")

    def admin(self, database: str) -> str:
        """A connection string of the superuser."""
        password = self.server.secret("postgres").reveal()
        return (
            f"host=127.0.0.1 port={self.server.port} dbname={database} user=postgres"
            f" password={password}"
        )

    def make(self) -> Secret:
        """A new, empty journal; the connection string of the role that may append to it."""
        from console.journal import postgres

        name = f"j{secrets.token_hex(4)}"
        with self.server.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
        postgres.init(Secret(self.admin(name)), name)
        return Secret(
            f"host=127.0.0.1 port={self.server.port} dbname={name} user={name} password=pw"
        )

    def end(self) -> None:
        self.server.stop()
        self.server.discard()


class Place:
    """Where one journal is. ``open`` opens it for appending, in any process."""

    def __init__(self, home: Path, dsn: Secret | None) -> None:
        self.path = home / "journal.db"
        self.dsn = dsn

    def open(self) -> Journal:
        if self.dsn is None:
            return Journal(self.path)
        from console.journal.postgres import PostgresStore

        return Journal(PostgresStore(self.dsn), base=self.path)

    def write(self, pairs: int) -> None:
        with self.open() as journal:
            for _ in range(pairs):
                outcome(journal, intent(journal))
