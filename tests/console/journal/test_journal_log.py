"""The journal's file: one whole chain, durable, append-only, and honest about damage."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journal_scene import ACT, FORK, intent, outcome

from console.errors import JournalError
from console.journal.format.entry import Kind, Out
from console.journal.read.view import JournalView
from console.journal.write.journal import AlreadyRecorded, Journal


def test_the_chain_can_be_checked_with_nothing_but_sha256(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        for _ in range(3):
            outcome(journal, intent(journal))
        leaves = [entry.raw for entry in reversed(journal.entries())]
    prev = "0" * 64
    for number, leaf in enumerate(leaves, 1):
        fields = json.loads(leaf)
        assert (fields["seq"], fields["prev"]) == (number, prev)
        prev = hashlib.sha256(leaf).hexdigest()
    assert len(leaves) == 7


def test_the_file_is_private_and_its_connections_are_safe(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        intent(journal)
        for file in tmp_path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        wanted = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0}
        for name, value in wanted.items():
            assert journal.store.connection.execute(f"PRAGMA {name}").fetchone()[0] == value


def test_entries_cannot_be_changed_removed_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        intent(journal)
    connection = sqlite3.connect(path)
    leaf = connection.execute("SELECT leaf FROM entry WHERE seq = 2").fetchone()[0]
    for statement in (
        "UPDATE entry SET leaf = leaf WHERE seq = 2",
        "DELETE FROM entry WHERE seq = 2",
        "INSERT OR REPLACE INTO entry (seq, leaf) VALUES (2, ?)",
        "INSERT OR REPLACE INTO entry (seq, leaf) VALUES (3, ?)",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement, [leaf] if "?" in statement else [])
    connection.close()
    assert JournalView(path).check() == (True, "")


def without_triggers(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    for name in ("entry_in_order", "entry_no_update", "entry_no_delete"):
        connection.execute(f"DROP TRIGGER {name}")
    return connection


def edit(connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), 'leaked', 'lekaed') AS BLOB)"
        " WHERE seq = 4"
    )


def remove(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM entry WHERE seq = 4")


def swap(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA ignore_check_constraints = ON")
    rows = connection.execute("SELECT seq, leaf FROM entry WHERE seq IN (4, 6)").fetchall()
    connection.execute("DELETE FROM entry WHERE seq IN (4, 6)")
    for (_, leaf), (seq, _) in zip(rows, reversed(rows), strict=True):
        connection.execute("INSERT INTO entry (seq, leaf) VALUES (?, ?)", (seq, leaf))


@pytest.mark.parametrize("attack", [edit, remove, swap])
def test_tampering_is_found_and_nothing_more_is_written(
    tmp_path: Path, attack: Callable[[sqlite3.Connection], None]
) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        for _ in range(5):
            outcome(journal, intent(journal))
    connection = without_triggers(path)
    attack(connection)
    connection.commit()
    connection.close()
    whole, problem = JournalView(path).check()
    assert not whole
    assert "4" in problem or "5" in problem
    with Journal(path) as journal:
        with pytest.raises(JournalError) as refusal:
            intent(journal)
        assert "verify" in refusal.value.hint
        assert journal.entries(), "what is there can still be read"


def test_a_damaged_foreign_or_newer_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"not a database at all, but long enough to be read as one" * 40)
    foreign = tmp_path / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    newer = tmp_path / "newer.db"
    Journal(newer).close()
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    for path in (garbage, foreign, newer):
        with pytest.raises(JournalError) as refusal:
            Journal(path)
        assert refusal.value.hint
        assert not JournalView(path).check()[0]
    with pytest.raises(JournalError):
        Journal(tmp_path / "no" / "such" / "directory" / "journal.db")


def write_many(path: Path, count: int) -> None:
    with Journal(path) as journal:
        for _ in range(count):
            intent(journal)


def test_four_processes_write_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    writers = [FORK.Process(target=write_many, args=(path, 50)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    view = JournalView(path)
    assert view.count() == 201
    assert view.check() == (True, "")
    assert len({entry.kind for entry in view.entries(limit=200)}) == 1


class FailingCommit:
    """A connection whose next commit fails, before or after it reached the disk."""

    def __init__(self, real: sqlite3.Connection, *, after: bool) -> None:
        self._real = real
        self._after = after

    def execute(self, statement: str, *values: Any) -> Any:
        if statement == "COMMIT":
            if self._after:
                self._real.execute("COMMIT")
            raise sqlite3.OperationalError("disk I/O error")
        return self._real.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("after", [False, True])
def test_a_failed_commit_is_an_error_whether_or_not_the_entry_is_there(
    tmp_path: Path, after: bool
) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        journal.store.connection = FailingCommit(journal.store.connection, after=after)
        with pytest.raises(JournalError, match="disk I/O error"):
            intent(journal)
        found = [(entry.kind, entry.state) for entry in journal.entries()]
        if after:
            # It turned up: it is closed, since its caller sends nothing.
            assert found[:2] == [("outcome", "not_sent"), ("intent", "")]
        else:
            assert found == [("log.open", "")]
        assert not journal.open_intents()
        assert intent(journal)
        assert journal.check() == (True, "")


def test_an_intent_has_one_outcome_and_one_claim(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        id_ = intent(journal)
        outcome(journal, id_, "unknown")
        assert [entry.id for entry in journal.open_intents()] == [id_]
        for kind, state in ((Kind.OUTCOME, "applied"), (Kind.RECOVERY_CLAIM, "claimed")):
            if kind is Kind.RECOVERY_CLAIM:
                journal.append(kind, act=ACT, out=Out(ref=id_, state=state))
            with pytest.raises(AlreadyRecorded):
                journal.append(kind, act=ACT, out=Out(ref=id_, state=state))
        journal.append(Kind.RECOVERY, act=ACT, out=Out(ref=id_, state="applied", evidence=2))
        assert not journal.open_intents()
        assert journal.check() == (True, "")


def test_the_log_beside_the_database_is_written_back(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("console.journal.store.sqlite.WAL_LIMIT", 100_000)
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        sizes = []
        for _ in range(100):
            intent(journal)
            sizes.append((tmp_path / "journal.db-wal").stat().st_size)
        assert 0 in sizes
        assert max(sizes) < 200_000
        assert len(set(sizes)) < 50, "it is mostly written over from its beginning"
        alone = tmp_path / "alone.db"
        alone.write_bytes(path.read_bytes())
        assert JournalView(alone).count() > 80, "the database has by itself what was written back"
    assert JournalView(path).check() == (True, "")
