"""Group commit: many lanes, one flush, and to each lane its own entry or its own error."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from journal_scene import ACT, FORK, WHY, Databases, Place, checked
from msgspec.structs import replace
from patience import HANG

from console.errors import JournalError
from console.journal.format.entry import Kind, Out, uuid7
from console.journal.format.parts import Sig
from console.journal.store import ballast
from console.journal.store.base import Full, StoreFailed
from console.journal.verify.verify import Code, verify
from console.journal.write.group import GroupCommit
from console.journal.write.guard import Guard, Taken
from console.journal.write.journal import AlreadyRecorded, Journal


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    made = Databases(tmp_path_factory.mktemp("pg") / "journal")
    yield made
    made.end()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.lab)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(tmp_path, None)
    return Place(tmp_path, request.getfixturevalue("databases").make())


async def pair(group: GroupCommit, number: int) -> None:
    act = replace(ACT, step=str(number))
    intent = await group.append(Kind.INTENT, why=WHY, act=act)
    await group.append(Kind.OUTCOME, act=act, out=Out(ref=intent.id, state="applied"))


def test_two_thousand_appends_at_once_make_one_whole_chain_and_tree(place: Place) -> None:
    async def main(journal: Journal) -> None:
        async with GroupCommit(journal) as group:
            await asyncio.gather(*(pair(group, number) for number in range(1000)))

    with place.open() as journal:
        asyncio.run(main(journal))
        found = verify(journal.store, vkeys=[journal.signer.vkey], every_signature=True)
        assert (found.code, found.entries) == (Code.VERIFIED, 2001)
        assert found.checkpoints < 200, "many entries share a commit"


class Held:
    """Holds the next commit until it is let go, so that what comes meanwhile is one batch."""

    def __init__(self, journal: Journal) -> None:
        self._store: Any = journal.store
        self._real = self._store.exclusive
        self.begun, self.go = threading.Event(), threading.Event()
        self._store.exclusive = self._exclusive

    def _exclusive(self) -> Any:
        self._store.exclusive = self._real
        self.begun.set()
        self.go.wait(HANG)
        return self._real()


async def batched(journal: Journal, group: GroupCommit, calls: list[Any]) -> list[Any]:
    """The results of calls that all go into one commit."""
    held = Held(journal)
    first = asyncio.create_task(group.append(Kind.NOTE, why=WHY))
    await asyncio.to_thread(held.begun.wait, 30)
    tasks = [asyncio.create_task(call) for call in calls]
    await asyncio.sleep(0)
    held.go.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_one_refused_entry_does_not_fail_its_neighbours(place: Place) -> None:
    async def main(journal: Journal) -> list[Any]:
        guard = Guard(time.time_ns() // 1000)
        async with GroupCommit(journal) as group:
            mine = replace(ACT, plan_ref=uuid7())
            yours = replace(ACT, plan_ref=uuid7())
            plan = (await group.append(Kind.NOTE, why=WHY, id=uuid7())).id
            huge = replace(ACT, backend="x" * 40_000)
            return await batched(
                journal,
                group,
                [
                    group.append(Kind.INTENT, why=WHY, act=mine, guard=guard),
                    group.append(Kind.INTENT, why=WHY, act=yours, guard=guard),
                    group.append(Kind.OUTCOME, act=ACT, out=Out(ref=uuid7(), state="applied")),
                    group.append(Kind.NOTE, why=WHY, id=plan),
                    group.append(Kind.INTENT, why=WHY, act=huge),
                    group.append(Kind.NOTE, why=WHY),
                ],
            )

    with place.open() as journal:
        mine, yours, nothing, twice, huge, note = asyncio.run(main(journal))
        assert isinstance(yours, Taken)
        assert yours.entry.id == mine.id
        assert isinstance(twice, AlreadyRecorded)
        assert isinstance(nothing, JournalError)
        assert isinstance(huge, JournalError)
        assert note.seq == mine.seq + 1
        found = verify(journal.store, vkeys=[journal.signer.vkey])
        assert (found.entries, found.checkpoints) == (5, 4)


class FailingCommit:
    """A connection whose next commit fails, before or after it reached the disk."""

    def __init__(self, real: sqlite3.Connection, error: str, *, after: bool) -> None:
        self._real, self._error, self._after = real, error, after

    def execute(self, statement: str, *values: Any) -> Any:
        if statement == "COMMIT":
            if self._after:
                self._real.execute("COMMIT")
            error = sqlite3.OperationalError(self._error)
            if "full" in self._error:
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._real.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("after", [False, True])
def test_a_failed_commit_fails_all_of_it_and_no_intent_stays_open(
    tmp_path: Path, after: bool
) -> None:
    async def main(journal: Journal) -> list[Any]:
        async with GroupCommit(journal) as group:
            settled = await group.append(Kind.INTENT, why=WHY, act=ACT)
            calls = [group.append(Kind.INTENT, why=WHY, act=ACT) for _ in range(3)]
            answer = Out(ref=settled.id, state="applied")
            calls.append(group.append(Kind.OUTCOME, act=ACT, out=answer))
            store: Any = journal.store
            real, count = store.exclusive, 0

            def exclusive() -> Any:
                nonlocal count
                count += 1
                if count == 2:
                    failing = FailingCommit(store.connection, "disk I/O error", after=after)
                    store.connection = failing
                return real()

            store.exclusive = exclusive
            told = await batched(journal, group, calls)
            store.exclusive = real
            await group.append(Kind.NOTE, why=WHY)
            return told

    with Journal(tmp_path / "journal.db") as journal:
        told = asyncio.run(main(journal))
        assert all(isinstance(each, StoreFailed) for each in told)
        unsent = [each for each in journal.entries() if each.state == "not_sent"]
        assert len(unsent) == (3 if after else 0)
        waiting = journal.open_intents()
        assert len(waiting) == (0 if after else 1), "the outcome that was not written is owed"
    report = checked(tmp_path / "journal.db")
    assert report.code is (Code.VERIFIED if after else Code.INCOMPLETE)


def test_on_a_full_disk_what_is_owed_gets_the_space_and_intents_do_not(tmp_path: Path) -> None:
    async def main(journal: Journal) -> list[Any]:
        async with GroupCommit(journal) as group:
            sent = await group.append(Kind.INTENT, why=WHY, act=ACT)
            store: Any = journal.store
            real, count = store.exclusive, 0

            def exclusive() -> Any:
                nonlocal count
                count += 1
                if count == 2:
                    failing = FailingCommit(store.connection, "disk is full", after=False)
                    store.connection = failing
                return real()

            store.exclusive = exclusive
            return await batched(
                journal,
                group,
                [
                    group.append(Kind.INTENT, why=WHY, act=ACT),
                    group.append(Kind.OUTCOME, act=ACT, out=Out(ref=sent.id, state="applied")),
                ],
            )

    with Journal(tmp_path / "journal.db") as journal:
        ballast.fill(journal.files.ballast)
        if not journal.files.ballast.exists():
            pytest.skip("no room for ballast here")
        intent, outcome = asyncio.run(main(journal))
        assert isinstance(intent, Full)
        assert outcome.kind == "outcome"
        assert not journal.files.ballast.exists()
        assert not journal.open_intents()
    assert checked(tmp_path / "journal.db").code is Code.VERIFIED


def test_an_intent_whose_caller_is_gone_is_closed_as_not_sent(tmp_path: Path) -> None:
    async def main(journal: Journal) -> None:
        async with GroupCommit(journal) as group:
            held = Held(journal)
            writing = asyncio.create_task(group.append(Kind.INTENT, why=WHY, act=ACT))
            await asyncio.to_thread(held.begun.wait, 30)
            waiting = asyncio.create_task(group.append(Kind.INTENT, why=WHY, act=ACT))
            await asyncio.sleep(0)
            writing.cancel()
            waiting.cancel()
            await asyncio.gather(writing, waiting, return_exceptions=True)
            held.go.set()

    with Journal(tmp_path / "journal.db") as journal:
        asyncio.run(main(journal))
        found = [(each.kind, each.state) for each in journal.entries()]
        assert found == [("outcome", "not_sent"), ("intent", ""), ("log.open", "")]


def test_a_signature_is_asked_for_off_the_loop_and_holds_up_nobody(tmp_path: Path) -> None:
    async def main(journal: Journal) -> None:
        touched, seen = threading.Event(), []

        def sign(statement: bytes) -> Sig:
            seen.append((threading.current_thread(), statement))
            assert touched.wait(HANG)
            return Sig(alg="ssh-ed25519", key_fp="SHA256:x", sig="AAAA", namespace="n")

        async with GroupCommit(journal) as group:
            signed = asyncio.create_task(group.append(Kind.INTENT, why=WHY, act=ACT, sign=sign))
            await group.append(Kind.NOTE, why=WHY)
            touched.set()
            assert (await signed).signed
        assert seen[0][0] is not threading.main_thread()
        assert b'"type":"intent"' in seen[0][1]
        with pytest.raises(JournalError):
            await group.append(Kind.NOTE, why=WHY)

    with Journal(tmp_path / "journal.db") as journal:
        asyncio.run(main(journal))


def lanes(path: Path, ready: Any) -> None:
    async def lane(group: GroupCommit) -> None:
        for number in range(10_000):
            await pair(group, number)
            if number == 20:
                ready.set()

    async def main() -> None:
        with Journal(path) as journal:
            async with GroupCommit(journal) as group:
                await asyncio.gather(*(lane(group) for _ in range(8)))

    asyncio.run(main())


def test_a_kill_in_the_midst_of_commits_leaves_a_whole_chain(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    for _ in range(5):
        ready = FORK.Event()
        writer = FORK.Process(target=lanes, args=(path, ready))
        writer.start()
        assert ready.wait(HANG)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        report = checked(path)
        assert report.code in (Code.VERIFIED, Code.INCOMPLETE)
        assert report.open_intents <= 8 * 5
    with Journal(path) as journal:
        assert journal.append(Kind.NOTE, why=WHY)
