"""Writing the journal: durable when ``append`` returns, or an error and nothing is sent."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from console.errors import JournalError
from console.journal import chain, read, scan
from console.journal.database import connect_to_write, wal
from console.journal.describe import Entry, entry_of
from console.journal.entry import (
    GENESIS,
    VERSION,
    Act,
    Body,
    Kind,
    Out,
    PlanMark,
    leaf_of,
    link,
    parse,
    uuid7,
)
from console.journal.lock import Busy, locked, open_lock
from console.journal.who import boot_id, host, who

LOCK_PATIENCE = 30.0
"""Seconds that an append waits for other writers before it gives up."""
WAL_LIMIT = 16 * 1024 * 1024
"""Bytes of write-ahead log after which it is written back into the database."""


class AlreadyRecorded(JournalError):
    """The journal holds this entry, or another answer to the same intent, already."""


class Journal:
    """The journal of one machine, open for appending. Safe to share between threads.

    Opening it verifies it; one that is not whole can be read and takes no entry.

    Raises:
        JournalError: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.origin = ""
        self._who, self._host, self._boot = who(), host(), boot_id()
        self._threads = threading.RLock()
        self._checkpoint_at = WAL_LIMIT
        try:
            self._lock = open_lock(path.with_name(path.name + ".lock"))
        except OSError as error:
            raise JournalError(
                f"cannot use the journal {path}: {error.strerror}",
                "Nothing is sent while that is so. Check the directory's owner and mode.",
            ) from None
        with self._alone():
            self._connection = connect_to_write(path)
        _, self.problem = self.check()
        if not self.problem:
            self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. The last one to close writes the log back, hence under the lock."""
        with self._alone():
            self._connection.close()

    def append(
        self,
        kind: Kind | str,
        *,
        id: str = "",  # noqa: A002
        why: str = "",
        incident: str = "",
        act: Act | None = None,
        plan: PlanMark | None = None,
        out: Out | None = None,
    ) -> Entry:
        """Write one entry and return it once it is on the disk.

        ``id`` is for a plan, whose entry has the plan's own id.

        Raises:
            JournalError: it is not certain that the entry is durable. Whatever was to
                follow must not happen.
            AlreadyRecorded: a second answer to the same intent, or a second use of an id.
            SchemaError: the format has no room for that.
            ReasonRefused: the reason is too short, or holds what looks like a secret.
        """
        kind = Kind(kind)
        if why:
            why = scan.reason(why)
        if incident:
            incident = scan.incident(incident)
        id_ = id or uuid7()
        with self._alone():
            if self.problem:
                raise JournalError(
                    f"the journal is not whole: {self.problem}",
                    "Nothing is sent on it. Keep the file as evidence; "
                    "then: token-console journal verify.",
                )
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                seq, prev = self._tip()
                if (kind is Kind.LOG_OPEN) != (seq == 1):
                    raise AlreadyRecorded("the journal is open already")
                leaf = leaf_of(
                    Body(
                        v=VERSION,
                        type=kind,
                        id=id_,
                        seq=seq,
                        prev=prev,
                        log=self.origin,
                        t=time.time_ns() // 1000,
                        boot_id=self._boot,
                        mono_us=time.monotonic_ns() // 1000,
                        host=self._host,
                        who=self._who,
                        why=why,
                        incident=incident,
                        act=act,
                        plan=plan,
                        out=out,
                    )
                )
                self._connection.execute("INSERT INTO entry (seq, leaf) VALUES (?, ?)", (seq, leaf))
                self._connection.execute("COMMIT")
            except sqlite3.IntegrityError as error:
                self._roll_back()
                raise AlreadyRecorded(
                    f"the journal refuses a second entry of that: {error}"
                ) from None
            except sqlite3.Error as error:
                self._in_doubt(id_, kind, act, error)
                raise self._failed(error) from None
            except BaseException:
                self._roll_back()
                raise
            self._write_back()
        return entry_of(seq, leaf)

    def entries(
        self,
        limit: int = 200,
        before: int | None = None,
        kind: str | None = None,
        ref: str | None = None,
        *,
        plan: str | None = None,
        handle: str | None = None,
    ) -> list[Entry]:
        """Entries, newest first; the conditions are those of ``JournalView.entries``."""
        with self._readable():
            return read.select(
                self._connection,
                limit=limit,
                before=before,
                kind=kind,
                ref=ref,
                plan=plan,
                handle=handle,
            )

    def get(self, id_: str) -> Entry | None:
        """The entry with an id."""
        with self._readable():
            found = read.select(self._connection, limit=1, id=id_)
        return found[0] if found else None

    def open_intents(self) -> list[Entry]:
        """Intents of which nobody knows yet what became, oldest first."""
        with self._readable():
            return read.open_intents(self._connection)

    def check(self) -> tuple[bool, str]:
        """Whether the journal is whole, and the first thing that is wrong with it."""
        with self._threads:
            return chain.check(self._connection)

    def _begin(self) -> None:
        """Learn the journal's name from its first entry, or write that entry."""
        for _ in range(2):
            with self._readable():
                row = self._connection.execute("SELECT leaf FROM entry WHERE seq = 1").fetchone()
            if row is not None:
                self.origin = parse(row[0]).log
                return
            name = re.sub(r"[^A-Za-z0-9.-]", "-", self._host.name) or "localhost"
            self.origin = f"{name}/{uuid7()}"
            try:
                self.append(Kind.LOG_OPEN)
            except AlreadyRecorded:
                continue  # Another process was first; its name is the journal's.
            return

    def _tip(self) -> tuple[int, str]:
        """The number of the next entry, and its ``prev``. Inside the transaction."""
        row = self._connection.execute(
            "SELECT seq, leaf FROM entry ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return (1, GENESIS) if row is None else (row[0] + 1, link(row[1]))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._threads:
            try:
                with locked(self._lock, LOCK_PATIENCE):
                    yield
            except Busy:
                raise JournalError(
                    f"another process has held the journal for {LOCK_PATIENCE:.0f} s",
                    f"See who: fuser {self.path}.lock. Nothing was sent.",
                ) from None

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        with self._threads:
            try:
                yield
            except sqlite3.Error as error:
                raise self._failed(error) from None

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _in_doubt(self, id_: str, kind: Kind, act: Act | None, error: sqlite3.Error) -> None:
        """After a failed commit: find out on a new connection whether the entry is there.

        A commit whose flush failed can still turn up later. An intent that did is closed
        as not sent, because its caller gets an error and sends nothing.
        """
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._connection = connect_to_write(self.path)
        with self._readable():
            there = read.select(self._connection, limit=1, id=id_)
        if there and kind is Kind.INTENT and act is not None:
            self.append(
                Kind.OUTCOME,
                act=act,
                out=Out(
                    ref=id_,
                    state="not_sent",
                    detail=f"the journal could not confirm the intent: {type(error).__name__}",
                ),
            )

    def _failed(self, error: sqlite3.Error) -> JournalError:
        return JournalError(
            f"cannot write to the journal {self.path}: {error}",
            "Nothing is sent while that is so. Free space on its disk, or mend its permissions.",
        )

    def _write_back(self) -> None:
        """Keep the write-ahead log small. Under the lock, so that no commit meets it."""
        with contextlib.suppress(OSError, sqlite3.Error):
            if wal(self.path).stat().st_size < self._checkpoint_at:
                return
            self._connection.execute("PRAGMA busy_timeout = 0")
            try:
                row = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._connection.execute("PRAGMA busy_timeout = 10000")
            # A reader in mid-transaction keeps the log as it is; trying again at each
            # append would cost a flush of the database every time.
            grown = wal(self.path).stat().st_size if row and row[0] else 0
            self._checkpoint_at = grown + WAL_LIMIT
