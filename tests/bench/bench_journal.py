"""What the journal costs: run ``python tests/bench/bench_journal.py``. Prints, decides nothing."""

from __future__ import annotations

import multiprocessing
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from console.journal.entry import Act, CallMark, Kind, Out, Target
from console.journal.log import Journal
from console.journal.read import JournalView

PAIRS = 1000
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


def pair(journal: Journal) -> float:
    """One intent and its outcome; seconds."""
    started = time.perf_counter()
    intent = journal.append(Kind.INTENT, why="vendor breach, every key goes", act=ACT)
    journal.append(
        Kind.OUTCOME,
        act=ACT,
        out=Out(ref=intent.id, state="applied", how="answer", status="204", elapsed_ms=12),
    )
    return time.perf_counter() - started


def write(path: Path, pairs: int, told: multiprocessing.Queue[list[float]]) -> None:
    with Journal(path) as journal:
        told.put([pair(journal) for _ in range(pairs)])


def measure(writers: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.db"
        Journal(path).close()
        context = multiprocessing.get_context("fork")
        told = context.Queue()
        each = PAIRS // writers
        processes = [context.Process(target=write, args=(path, each, told)) for _ in range(writers)]
        started = time.perf_counter()
        for process in processes:
            process.start()
        times = sorted(second for _ in processes for second in told.get())
        for process in processes:
            process.join()
        took = time.perf_counter() - started
        view = JournalView(path)
        assert view.check() == (True, "")
        print(
            f"{writers} writer{'s'[: writers > 1]}: intent + outcome "
            f"p50 {statistics.median(times) * 1000:.2f} ms, "
            f"p99 {times[int(len(times) * 0.99)] * 1000:.2f} ms, "
            f"{len(times) / took:,.0f} pairs/s"
        )
        if writers == 1:
            for name, ask in (("check", view.check), ("open intents", view.open_intents)):
                started = time.perf_counter()
                ask()
                took = (time.perf_counter() - started) * 1000
                print(f"          {name} of {view.count():,} entries: {took:.0f} ms")


if __name__ == "__main__":
    print(
        f"SQLite {sqlite3.sqlite_version}, {PAIRS:,} pairs, file system of {tempfile.gettempdir()}"
    )
    for count in (1, 4):
        measure(count)
