"""The store opened for writing: WAL, private to its user, migrated to the newest schema."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from console import ownership
from console.errors import StoreError
from console.store import reading

BUSY_MS = 30_000
"""How long a writer waits for another one."""


def open_for_writing(path: Path) -> Engine:
    """The engine for the store at ``path``, which is made or migrated as needed.

    Every transaction begins with ``BEGIN IMMEDIATE``, so that what it reads first is
    still true when it writes.

    Raises:
        StoreError: the file is damaged, not ours to write, or from a newer version.
    """
    try:
        _create(path)
        with sqlite3.connect(path, timeout=BUSY_MS / 1000) as probe:
            probe.execute("PRAGMA journal_mode = WAL")
            current = reading.check_schema(probe, path, empty_is_fine=True)
        probe.close()
        engine = _engine(path)
        if current < reading.SCHEMA:
            _migrate(engine)
    except (sqlite3.Error, SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise reading.unusable(path, cause) from None
    return engine


def forget_pages(engine: Engine) -> None:
    """Give back the memory that the kept connection has of the file's pages."""
    with engine.connect() as connection:
        _raw(connection).execute("PRAGMA shrink_memory")


def path_of(engine: Engine) -> Path:
    """The file that an engine writes."""
    name = engine.url.database
    if not name:
        raise StoreError("the inventory needs a file")
    return Path(name)


def touch(connection: Connection) -> None:
    """Note that something is different from now on; readers compare the generation."""
    connection.exec_driver_sql("UPDATE mark SET value = value + 1 WHERE name = 'generation'")


def told(connection: Connection) -> tuple[int, int]:
    """How many rows were written over a connection so far, and the generation."""
    raw = _raw(connection)
    return raw.total_changes, reading.generation(raw)


def _create(path: Path) -> None:
    ownership.must_be_ours(path)
    # The file gets its mode before SQLite writes to it; -wal and -shm inherit the mode.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _engine(path: Path) -> Engine:
    # Writers take turns anyway. One connection is kept, as each has pages of its own in memory.
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_MS / 1000},
        pool_size=1,
        max_overflow=-1,
        pool_use_lifo=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions of its own: see `begin` below.
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16384")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _migrate(engine: Engine) -> None:
    # Alembic costs a fifth of a second to import, and most starts find nothing to do.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        if reading.check_schema(_raw(connection), path_of(engine), empty_is_fine=True) < (
            reading.SCHEMA
        ):
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql(f"PRAGMA user_version = {reading.SCHEMA}")


def _raw(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise StoreError("the inventory needs SQLite")
    return raw
