"""The journal in a SQLite file: what ``database`` sets up, behind the common interface."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from console import ownership
from console.errors import JournalError
from console.journal.store import sqlite_guards as guards
from console.journal.store.base import AlreadyRecorded, Full, Odd, StoreFailed
from console.journal.store.sqlite_file import connect_to_read, connect_to_write, wal
from console.lock import LockHeld, locked, open_lock

LOCK_PATIENCE = 30.0
"""Seconds that a writer waits for the others before it gives up."""
WAL_LIMIT = 16 * 1024 * 1024
"""Bytes of write-ahead log after which it is written back into the database."""


def trouble(where: object, error: sqlite3.Error, doing: str) -> StoreFailed:
    """SQLite's error as one that tells the responder what to do."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    kind = Full if code == sqlite3.SQLITE_FULL else StoreFailed
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return kind(f"cannot {doing} the journal {where}: {error}", held(where))
    if doing == "read":
        return kind(
            f"cannot read the journal {where}: {error}", "Check it: token-console journal verify."
        )
    hint = (
        "Free space on its disk."
        if kind is Full
        else "Its space, its health: token-console journal doctor."
    )
    return kind(
        f"cannot write to the journal {where}: {error}",
        f"Nothing is sent while that is so. {hint}",
    )


def held(path: object) -> str:
    """What to do where another program holds the database."""
    return (
        f"Another program has it open and holds it. See who: sudo fuser {path}. Nothing was sent."
    )


class SqliteReader:
    """A journal's file, opened so that it cannot be changed."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._threads = threading.RLock()

    @classmethod
    def at(cls, path: Path) -> SqliteReader | None:
        """The journal at a path; None when there is none yet. Raises ``JournalError``."""
        connection = connect_to_read(path)
        return None if connection is None else cls(path, connection)

    @property
    def where(self) -> str:
        """The file's path, for messages."""
        return str(self.path)

    def rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement with ``?`` for its values.

        Raises:
            JournalError: it cannot be read.
        """
        with self._threads:
            try:
                return self.connection.execute(statement, tuple(values)).fetchall()
            except sqlite3.Error as error:
                raise trouble(self.path, error, "read") from None

    def damage(self) -> str:
        """SQLite's own check of its pages. What is in the indexes is for ``guards``."""
        with self._threads:
            try:
                ill = self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            except sqlite3.Error as error:
                return str(error)
        return "" if ill == "ok" else str(ill)

    def guards(self, *, deep: bool = False) -> list[Odd]:
        """What is not as it was made of the rules that keep entries from being changed.

        ``deep`` checks the indexes against their rows too, which reads the whole file.
        """
        with self._threads:
            try:
                odd = guards.sqlite_odd(self.connection)
                return odd + (guards.sqlite_indexes(self.connection) if deep else [])
            except sqlite3.Error as error:
                raise trouble(self.path, error, "read") from None

    def close(self) -> None:
        """Close the connection."""
        with self._threads:
            self.connection.close()


class SqliteStore(SqliteReader):
    """A journal's file, opened for appending.

    One lock file is held around every append and every checkpoint of the write-ahead log:
    that orders the writers, and keeps clear of SQLite's WAL-reset bug (see ``database``).
    """

    def __init__(self, path: Path) -> None:
        self._checkpoint_at = WAL_LIMIT
        self._threads = threading.RLock()
        self.path = path
        self._wal = str(wal(path))
        self._connections = 1
        ownership.must_be_ours(path)
        try:
            self._lock = open_lock(path.with_name(path.name + ".lock"))
        except OSError as error:
            raise JournalError(
                f"cannot use the journal {path}: {error.strerror}",
                "Nothing is sent while that is so. Check the directory's owner and mode.",
            ) from None
        with self._alone():
            super().__init__(path, connect_to_write(path))

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """One transaction with the right to append, which only one process has at a time.

        Raises:
            JournalError: it cannot be written; nothing of it is kept then.
        """
        with self._alone():
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield
                self.connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise trouble(self.path, error, "write") from None
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    if self.connection.in_transaction:
                        self.connection.execute("ROLLBACK")
                raise

    def insert(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert rows, within ``exclusive``.

        Raises:
            AlreadyRecorded: there is an entry of that already.
            JournalError: it cannot be written.
        """
        try:
            for row in rows:
                self.connection.execute(statement, row)
        except sqlite3.IntegrityError as error:
            raise AlreadyRecorded(f"the journal refuses a second entry of that: {error}") from None
        except sqlite3.Error as error:
            raise trouble(self.path, error, "write") from None

    def version(self) -> object:
        """SQLite's own count of what other connections committed (``PRAGMA data_version``).

        It can be compared on one connection only, so a new connection makes another one of it.
        """
        try:
            found = self.connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            raise trouble(self.path, error, "read") from None
        return self._connections, found[0]

    def add_entry(self, seq: int, leaf: bytes) -> None:
        """Add an entry's bytes; the columns by which it is found follow from them."""
        self.insert("INSERT INTO entry (seq, leaf) VALUES (?, ?)", [(seq, leaf)])

    def mend(self) -> list[Odd]:
        """Put back what ``guards`` misses, and say what it was."""
        try:
            return guards.sqlite_mend(self.connection)
        except sqlite3.Error as error:
            raise trouble(self.path, error, "write") from None

    def reopen(self) -> None:
        """Begin anew with a fresh connection, as after an error that leaves the old one unsure."""
        with self._alone():
            with contextlib.suppress(sqlite3.Error):
                self.connection.close()
            self.connection = connect_to_write(self.path)
            self._connections += 1

    def tidy(self) -> None:
        """Keep the write-ahead log small. Under the lock, so that no commit meets it.

        What it holds is written back into the database, and the next commits overwrite it from
        its beginning: a flush of a file that does not grow costs half as much. It grows by one
        commit each time, and is cut now and then.
        """
        with contextlib.suppress(OSError, sqlite3.Error, JournalError):
            size = os.stat(self._wal).st_size
            if size < self._checkpoint_at:
                return
            how = "RESTART" if size < WAL_LIMIT + WAL_LIMIT // 4 else "TRUNCATE"
            with self._alone():
                self.connection.execute("PRAGMA busy_timeout = 0")
                try:
                    row = self.connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
                finally:
                    self.connection.execute("PRAGMA busy_timeout = 10000")
                size = os.stat(self._wal).st_size
                # A reader in mid-transaction keeps the log as it is; trying again at each
                # append would cost a flush of the database every time.
                held = row is not None and row[0]
                self._checkpoint_at = size + WAL_LIMIT if held else max(size + 1, WAL_LIMIT)

    def close(self) -> None:
        """The last one to close writes the log back, hence under the lock."""
        with self._alone():
            self.connection.close()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._threads:
            try:
                with locked(self._lock, LOCK_PATIENCE):
                    yield
            except LockHeld:
                raise JournalError(
                    f"another process has held the journal for {LOCK_PATIENCE:.0f} s",
                    f"See who: sudo fuser {self.path}.lock. Nothing was sent.",
                ) from None
