"""What the journal's tests share: entries to write, and both databases to write them to."""

from __future__ import annotations

import multiprocessing
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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


Opener = Callable[[], Journal]


@pytest.fixture(scope="session")
def postgres_admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A PostgreSQL server that flushes, as a function from a role to its connection string."""
    pytest.importorskip("psycopg")
    from backends.lab.postgres import SUPERUSER, PostgresServer

    server = PostgresServer(tmp_path_factory.mktemp("pg") / "journal")
    try:
        server.start()
        with server.connect() as connection:
            connection.execute("ALTER SYSTEM SET fsync = on")
            connection.execute("SELECT pg_reload_conf()")

        def dsn(database: str, role: str = SUPERUSER, password: str = "") -> str:
            given = password or server.secret(role).reveal()
            return (
                f"host=127.0.0.1 port={server.port} dbname={database} user={role} password={given}"
            )

        yield dsn  # type: ignore[misc]
    finally:
        server.stop()
        server.discard()


def new_database(dsn: Callable[..., str]) -> str:
    """An empty journal in a database of its own; the connection string of its writer."""
    import psycopg

    from console.journal import postgres

    name = f"j{secrets.token_hex(4)}"
    with psycopg.connect(dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
    postgres.init(Secret(dsn(name)), name)
    return dsn(name, name, "pw")
