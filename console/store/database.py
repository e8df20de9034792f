"""The store opened for writing: WAL, private to its user, migrated to the newest schema."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection as Connection

from console import ownership
from console.store import reading

BUSY_MS = 30_000
"""How long a writer waits for another one."""
SCHEMA_FILE = Path(__file__).with_name("schema.sql")
"""What the migrations make of an empty file, so that a new store needs no database toolkit."""


class Engine:
    """The store's file and its open connections. Each transaction takes one, or opens one.

    ``path`` is the file. May be used by several threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[Connection] = []

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: kept at the end of the block, taken back where that raises.

        It begins with ``BEGIN IMMEDIATE``, so that what it reads first is still true when it
        writes.

        Raises:
            sqlite3.Error: the store cannot be written.
        """
        with self.connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection in no transaction: each statement is one of its own."""
        try:
            # One step, so that no two threads get the same.
            connection = self._idle.pop()
        except IndexError:
            connection = self._open()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        # Writers take turns anyway, and each connection has pages of its own in memory.
        if self._idle:
            connection.close()
        else:
            self._idle.append(connection)

    def dispose(self) -> None:
        """Close the connections that nobody uses. A later transaction opens one anew."""
        while self._idle:
            self._idle.pop().close()

    def _open(self) -> Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection


def open_for_writing(path: Path) -> Engine:
    """The store at ``path``, which is made or migrated as needed.

    Raises:
        StoreError: the file is damaged, not ours to write, or from a newer version.
    """
    try:
        _create(path)
        engine = Engine(path)
        with engine.connect() as probe:
            probe.execute("PRAGMA journal_mode = WAL")
            current = reading.check_schema(probe, path, empty_is_fine=True)
        if current == 0:
            current = _fill(engine)
        if current < reading.SCHEMA:
            _migrate(engine)
    except (sqlite3.Error, OSError) as error:
        raise reading.unusable(path, error) from None
    return engine


def forget_pages(engine: Engine) -> None:
    """Give back the memory that the kept connection has of the file's pages."""
    with engine.connect() as connection:
        connection.execute("PRAGMA shrink_memory")


def touch(connection: Connection) -> None:
    """Note that something is different from now on; readers compare the generation."""
    connection.execute("UPDATE mark SET value = value + 1 WHERE name = 'generation'")


def told(connection: Connection) -> tuple[int, int]:
    """How many rows were written over a connection so far, and the generation."""
    return connection.total_changes, reading.generation(connection)


def _create(path: Path) -> None:
    ownership.must_be_ours(path)
    # The file gets its mode before SQLite writes to it; -wal and -shm inherit the mode.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _fill(engine: Engine) -> int:
    """Make the tables of a new store, in one transaction. Returns its schema's number."""
    with engine.begin() as connection:
        # Another process may have come first while this one waited.
        found = reading.check_schema(connection, engine.path, empty_is_fine=True)
        if found or connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            return found
        statement = ""
        for line in SCHEMA_FILE.read_text(encoding="utf-8").splitlines(keepends=True):
            statement += line
            # Not executescript, which would end the transaction before it begins.
            if sqlite3.complete_statement(statement):
                connection.execute(statement)
                statement = ""
        return reading.check_schema(connection, engine.path, empty_is_fine=True)


def _migrate(engine: Engine) -> None:
    # Alembic and what it needs cost most of a second, and most starts find nothing to do.
    from console.store.migrate import migrate

    migrate(engine.path)
