"""Whatever happens to the process, the disk or the clock: nothing is done without an intent."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journal_old import as_version_1
from journal_scene import ACT, FORK, WHY, checked, grown, intent, outcome
from msgspec.structs import replace

from console.errors import JournalError
from console.journal import keys
from console.journal.format.entry import VERSION, Kind, PlanMark, RunMark, uuid7
from console.journal.read.view import JournalView
from console.journal.store import ballast
from console.journal.store.base import Full, StoreFailed
from console.journal.store.sqlite import SqliteStore
from console.journal.verify.verify import Code, verify
from console.journal.write import opening_check
from console.journal.write.journal import Journal

pytestmark = pytest.mark.long

ROUNDS = 200


def wait_for(condition: Callable[[], bool]) -> None:
    """Give other processes the processor until the condition holds."""
    while not condition():
        os.sched_yield()


def act_for_ever(path: Path, outside: Path, answers: Path) -> None:
    with Journal(path) as journal, outside.open("a") as done, answers.open("a") as said:
        while True:
            id_ = intent(journal)
            done.write(id_ + "\n")
            done.flush()
            outcome(journal, id_)
            said.write(id_ + "\n")
            said.flush()


def lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1] if path.exists() else []


def size(path: Path) -> int:
    """Whole lines, counted without reading them: every one is as long."""
    return path.stat().st_size // 37 if path.exists() else 0


def test_killed_at_any_moment_nothing_was_done_without_an_intent(tmp_path: Path) -> None:
    path, outside, answers = tmp_path / "journal.db", tmp_path / "done", tmp_path / "said"
    Journal(path).close()
    for number in range(ROUNDS):
        goal = size(outside) + 1 + number % 4
        writers = [FORK.Process(target=act_for_ever, args=(path, outside, answers)) for _ in "abc"]
        for writer in writers:
            writer.start()
        wait_for(lambda: size(outside) >= goal)  # noqa: B023
        for writer in writers:
            os.kill(writer.pid or 0, signal.SIGKILL)
        for writer in writers:
            writer.join()
    report = checked(path)
    assert report.code in (Code.VERIFIED, Code.INCOMPLETE), report.findings
    view = JournalView(path)
    assert report.checkpoints == report.entries == view.count()
    everything = view.entries(limit=100_000)
    intents = {entry.id for entry in everything if entry.kind == "intent"}
    settled = {entry.ref for entry in everything if entry.kind == "outcome"}
    done = set(lines(outside))
    assert len(done) >= ROUNDS
    assert done <= intents
    assert set(lines(answers)) <= settled
    assert {entry.id for entry in view.open_intents()} == intents - settled


def fill_up(path: Path, told: Any) -> None:
    with Journal(path) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        written = 0
        try:
            while True:
                intent(journal)
                written += 1
        except JournalError as error:
            told.send((written, error.hint))


def test_a_full_disk_is_an_error_and_what_was_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    here, there = FORK.Pipe()
    writer = FORK.Process(target=fill_up, args=(path, there))
    writer.start()
    written, hint = here.recv()
    writer.join()
    assert written > 10
    assert "space" in hint
    with Journal(path) as journal:
        assert journal.check() == (True, "")
        assert sum(entry.kind == "intent" for entry in journal.entries(1000)) == written
        assert intent(journal), "it goes on when there is space again"


def test_a_log_cut_at_any_byte_loses_nothing_that_was_promised(tmp_path: Path) -> None:
    """A power cut in mid-write: the write-ahead log ends anywhere, with or without rubbish."""
    path = grown(tmp_path / "journal.db", 9)
    wal = tmp_path / "journal.db-wal"
    promised: list[tuple[int, int]] = []
    with Journal(path) as journal:
        for number in range(10, 40):
            intent(journal)
            promised.append((wal.stat().st_size, number))
        database, log = path.read_bytes(), wal.read_bytes()
    cuts = sorted({*range(0, len(log), len(log) // 1100), *(size for size, _ in promised)})
    assert len(cuts) > 1000
    copy = tmp_path / "cut" / "journal.db"
    for number, cut in enumerate(cuts):
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.parent.mkdir()
        copy.write_bytes(database)
        rubbish = log[:4096][::-1] if number % 3 == 0 else b""
        copy.with_name("journal.db-wal").write_bytes(log[:cut] + rubbish)
        store = SqliteStore(copy)
        report = verify(store)
        store.close()
        kept = max((seq for size, seq in promised if size <= cut), default=9)
        assert report.code in (Code.VERIFIED, Code.INCOMPLETE), (cut, report.findings)
        assert report.entries >= kept, cut
        assert report.checkpoints == report.entries


class FullDisk:
    """A connection to a disk without space, until the ballast is given up."""

    def __init__(self, real: sqlite3.Connection, weight: Path) -> None:
        self._real, self._weight = real, weight

    def execute(self, statement: str, *values: Any) -> Any:
        if statement == "COMMIT" and self._weight.exists():
            self._real.execute("ROLLBACK")
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._real.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_on_a_full_disk_the_outcome_that_is_owed_is_written_and_no_new_intent(
    tmp_path: Path,
) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        store: Any = journal.store
        assert journal.files.ballast.stat().st_size == ballast.SIZE
        owed = intent(journal)
        store.connection = FullDisk(store.connection, journal.files.ballast)
        with pytest.raises(Full, match="full"):
            intent(journal)
        store.connection = FullDisk(store.connection, journal.files.ballast)
        outcome(journal, owed)
        assert not journal.files.ballast.exists()
        assert not journal.open_intents()
        assert [each.kind for each in journal.entries()] == ["outcome", "intent", "log.open"]
        # The next full disk may come while this process still runs.
        journal.append(Kind.NOTE, why=WHY)
        assert journal.files.ballast.stat().st_size == ballast.SIZE
        journal.files.ballast.unlink()
    with Journal(tmp_path / "journal.db") as journal:
        assert journal.files.ballast.exists(), "taken on again when there is room"


def test_a_database_that_is_held_by_another_program_is_said_to_be_that(tmp_path: Path) -> None:
    """To free space would not help, and costs time in the middle of the night."""
    path = grown(tmp_path / "journal.db", 3)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = SqliteStore(path)
    store.connection.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(JournalError, match="locked") as caught, store.exclusive():
        pass
    assert "sudo fuser" in caught.value.hint
    assert "space" not in caught.value.hint
    other.close()
    store.close()


def test_after_an_error_of_the_disk_nothing_is_sent(tmp_path: Path) -> None:
    """No call may follow: the caller sees an error, and the intent is not left open."""
    sent: list[str] = []
    with Journal(tmp_path / "journal.db") as journal:
        store: Any = journal.store

        class Broken:
            def __init__(self, real: sqlite3.Connection) -> None:
                self._real = real

            def execute(self, statement: str, *values: Any) -> Any:
                if statement == "COMMIT":
                    raise sqlite3.OperationalError("disk I/O error")
                return self._real.execute(statement, *values)

            def __getattr__(self, name: str) -> Any:
                return getattr(self._real, name)

        for _ in range(3):
            store.connection = Broken(store.connection)
            with pytest.raises(StoreFailed):
                sent.append(intent(journal))
        assert sent == []
        assert not journal.open_intents()
        assert verify(journal.store).code is Code.VERIFIED


def test_killed_in_a_rotation_either_key_is_the_journals(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 5)
    with Journal(path) as journal:
        key = journal.files.key
        old = key.read_bytes()
        keys.make(keys.coming(key), journal.origin)
    with Journal(path) as journal:
        before = journal.signer.vkey
        journal.rotate_key("killed before the entry; once more")
        assert journal.signer.vkey != before
        after = journal.signer.vkey
    # Killed between the commit and the renaming: the new key still waits.
    key.rename(keys.coming(key))
    key.write_bytes(old)
    key.chmod(0o600)
    with Journal(path) as journal:
        assert journal.signer.vkey == after
        assert not journal.problem
        assert intent(journal)
    assert not keys.coming(key).exists()


def test_killed_between_key_and_first_entry_the_same_key_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    made = keys.make(path.with_suffix(".key"), "host.example/0")
    with Journal(path) as journal:
        assert (journal.origin, journal.signer.vkey) == ("host.example/0", made.vkey)


def test_a_journal_that_vanished_does_not_begin_again_under_the_same_key(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 5)
    path.unlink()
    with pytest.raises(JournalError, match="gone"):
        Journal(path)


def version_1(path: Path) -> None:
    """Make a file as the first version wrote it, out of one of today."""
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP TRIGGER entry_no_update; DROP INDEX entry_fp; DROP TABLE node;"
            "DROP TABLE checkpoint; DROP TABLE cosigned; PRAGMA user_version = 1;"
        )
        connection.execute("PRAGMA ignore_check_constraints = ON")

        as_version_1(connection)
    connection.close()
    for name in ("key", "verified", "ballast"):
        path.with_suffix(f".{name}").unlink()


def test_an_old_journal_gets_its_tree_at_the_first_opening(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 21)
    version_1(path)
    report = checked(path)
    assert (report.code, report.findings[0].what) == (Code.INCOMPLETE, "no-tree")
    view = JournalView(path)
    assert view.check() == (True, "")
    leaves = [each.raw for each in view.entries()]
    view.close()
    with Journal(path) as journal:
        newest = journal.entries(1)[0]
        assert (newest.kind, newest.seq) == ("log.upgrade", 22)
        assert [each.raw for each in journal.entries(before=22)] == leaves, "untouched"
        intent(journal)
        report = verify(journal.store, vkeys=[journal.signer.vkey])
        assert (report.code, report.entries, report.checkpoints) == (Code.INCOMPLETE, 23, 2)
    path.with_suffix(".verified").unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM checkpoint")
    connection.close()
    with pytest.raises(JournalError, match="checkpoints are gone"):
        Journal(path)


def test_a_journal_of_version_2_is_read_as_it_is_and_takes_runs_once_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plan = tmp_path / "journal.db", uuid7()
    act = replace(ACT, plan_ref=plan)
    with monkeypatch.context() as patched, Journal(path) as journal:
        patched.setattr("console.journal.write.writer.VERSION", 2)
        mark = PlanMark(sha256="0" * 64, steps=1, answered=("owner-unknown",))
        journal.append(Kind.PLAN, id=plan, why=WHY, act=ACT, plan=mark)
        journal.append(Kind.INTENT, why=WHY, act=act)
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP INDEX entry_plan; ALTER TABLE entry DROP COLUMN plan;"
            "ALTER TABLE entry ADD COLUMN plan TEXT GENERATED ALWAYS AS"
            " (json_extract(CAST(leaf AS TEXT), '$.act.plan_ref')) VIRTUAL;"
            "CREATE INDEX entry_plan ON entry (plan); PRAGMA user_version = 2;"
        )
    connection.close()
    with JournalView(path) as view:
        before = view.of_plan(plan)
    assert [each.kind for each in before] == ["plan", "intent"]
    assert checked(path).findings[0].what == "open"
    with Journal(path) as journal:
        journal.append(Kind.RUN, run=RunMark(plan=plan, what="start"))
        found = journal.of_plan(plan)
        assert found[:2] == before, "untouched"
        assert [each.kind for each in found] == ["plan", "intent", "run"]
        assert [each.body.v for each in found] == [2, 2, VERSION]
    assert {each.code for each in checked(path).findings} == {Code.INCOMPLETE}


def test_an_old_journal_that_is_broken_is_not_signed(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 9)
    version_1(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER entry_no_delete")
        connection.execute("DELETE FROM entry WHERE seq = 4")
    connection.close()
    with pytest.raises(JournalError, match="entry 4 is missing"):
        Journal(path)


def test_a_long_journal_is_verified_from_where_it_was_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening_check, "WHOLE", 10)
    path = grown(tmp_path / "journal.db", 31)
    seen: list[int] = []
    real = verify

    def spy(*given: Any, **named: Any) -> Any:
        report = real(*given, **named)
        seen.append(named["since"].size if named.get("since") else 0)
        return report

    monkeypatch.setattr(opening_check, "verify", spy)
    for _ in range(2):
        with Journal(path) as journal:
            assert not journal.problem
            intent(journal)
    assert seen[0] < 31
    assert seen[1] == 31
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER entry_no_delete")
        connection.execute("DELETE FROM entry WHERE seq > 30")
        connection.execute("DELETE FROM checkpoint WHERE size > 30")
    connection.close()
    with Journal(path) as journal:
        assert "verified before" in journal.problem
        with pytest.raises(JournalError, match="not whole"):
            intent(journal)


def test_a_clock_that_was_set_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        intent(journal)
        real = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: real() - 3600 * 10**9)
        intent(journal)
        intent(journal)
        kinds = [each.kind for each in journal.entries()]
        assert kinds == ["intent", "intent", "clock.step", "intent", "log.open"]
        step = journal.entries(kind="clock.step")[0]
        assert "-3,600.0 s" in step.sentence
        report = verify(journal.store)
        assert (report.entries, report.checkpoints) == (5, 4)
        assert report.code is Code.INCOMPLETE


def test_the_doctor_sees_what_is_wrong(tmp_path: Path) -> None:
    from console.journal.verify.doctor import doctor

    path = grown(tmp_path / "journal.db", 5)
    healthy = {each.what: each for each in doctor(path, {"SSH_AUTH_SOCK": "/x"})}
    assert not [each for each in healthy.values() if each.state == "bad"]
    assert healthy["key"].text.startswith("log key SHA256:")
    path.with_suffix(".key").chmod(0o644)
    path.with_suffix(".ballast").unlink()
    ill = doctor(path, {"SSH_CONNECTION": "1 2 3 4"})
    assert "chmod 600" in next(each.hint for each in ill if each.what == "key")
    told = {each.what: each.text for each in ill}
    assert "unsigned" in told["agent"]
    assert "sshd" in told
    assert "no space" in told["ballast"]
