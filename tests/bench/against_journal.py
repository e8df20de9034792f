"""What the journal costs, against a bare SQLite commit, a bare flush and bare Ed25519 checks.

Floors are measured in turn with ours, in the same directory and with the same bytes. Of several
rounds the quietest counts, on both sides: what else runs on the machine is not what is asked.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_journal import ACT, WHY, Journal, Kind, answer, build, pair
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from measuring import HERE, Figure, Row, cost, environment, kept

ENTRIES = 100_000
ROUNDS = 8
PAIRS = 100
WARM = 250
"""Pairs before the first round: the first log of a journal grows, the later ones do not."""
WRITERS = 4
EACH = 250
SAMPLE = 20_000
COMMAND = "from console.cli import main; raise SystemExit(main())"
"""``-m console`` would start anew in isolated mode, and so measure what is installed."""
FORK = multiprocessing.get_context("fork")


def _times(do: Callable[[], Any], times: int) -> list[float]:
    made = []
    for _ in range(times):
        began = time.perf_counter()
        do()
        made.append((time.perf_counter() - began) * 1000)
    return sorted(made)


class Bare:
    """A SQLite file with one table, WAL and synchronous FULL: an entry's bytes, and no more."""

    def __init__(self, path: Path, sizes: tuple[int, ...]) -> None:
        self._leaves = [os.urandom(size) for size in sizes]
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        self._file = os.open(path.with_suffix(".flat"), os.O_RDWR | os.O_CREAT, 0o600)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE IF NOT EXISTS entry (seq INTEGER PRIMARY KEY, leaf BLOB)")

    def commits(self) -> None:
        """An intent's and an outcome's bytes, a commit each, under the lock of a journal."""
        for leaf in self._leaves:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO entry (leaf) VALUES (?)", (leaf,))
            self._db.execute("COMMIT")
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def flushes(self) -> None:
        """The same bytes at the end of a plain file, flushed twice."""
        for leaf in self._leaves:
            os.write(self._file, leaf)
            os.fdatasync(self._file)


def _sizes(journal: Journal) -> tuple[int, ...]:
    intent = journal.append(Kind.INTENT, why=WHY, act=ACT)
    outcome = journal.append(Kind.OUTCOME, act=ACT, out=answer(intent.id))
    return len(intent.raw), len(outcome.raw)


def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=os.environ.get("TOKEN_CONSOLE_BENCH"))


def one_writer() -> Figure:
    """An intent and its outcome, each durable before the next."""
    rounds: dict[str, list[float]] = {"ours": [], "bare": [], "flush": []}
    with _scratch() as place, Journal(Path(place) / "journal.db") as journal:
        bare = Bare(Path(place) / "bare.db", _sizes(journal))
        _times(lambda: pair(journal), WARM)
        busy = time.process_time()
        for _ in range(ROUNDS):
            before = time.process_time()
            rounds["ours"].append(statistics.median(_times(lambda: pair(journal), PAIRS)))
            busy = min(busy, time.process_time() - before)
            rounds["bare"].append(statistics.median(_times(bare.commits, PAIRS)))
            rounds["flush"].append(statistics.median(_times(bare.flushes, PAIRS)))
    least = {name: min(found) for name, found in rounds.items()}
    notes = f"{busy / PAIRS * 1000:.2f} ms of it CPU; the floor is two bare commits"
    peers = {"two flushes of a plain file": least["flush"]}
    return Figure(least["ours"], "ms p50", least["bare"], peers, notes)


def _write(place: Path, told: Any) -> None:
    with Journal(place / "journal.db") as journal:
        told.put(_times(lambda: pair(journal), EACH))


def _write_bare(place: Path, told: Any) -> None:
    bare = Bare(place / "bare.db", (934, 1010))
    told.put(_times(bare.commits, EACH))


def _together(target: Callable[[Path, Any], None]) -> list[float]:
    """What several writers at once wait for a pair, all of them together, sorted."""
    with _scratch() as place:
        Journal(Path(place) / "journal.db").close()
        Bare(Path(place) / "bare.db", ())
        told = FORK.Queue()
        writers = [FORK.Process(target=target, args=(Path(place), told)) for _ in range(WRITERS)]
        for each in writers:
            each.start()
        times = sorted(time for _ in writers for time in told.get())
        for each in writers:
            each.join()
    return times


def four_writers() -> Figure:
    """The same from four processes that write all the time."""
    ours, bare = [], []
    for _ in range(ROUNDS // 2):
        ours.append(_together(_write))
        bare.append(_together(_write_bare))
    best = min(ours, key=_p99)
    notes = (
        f"p50 {statistics.median(best):.2f} ms, longest {best[-1]:.0f} ms; the floor is four"
        " writers of bare commits"
    )
    return Figure(_p99(best), "ms p99", min(map(_p99, bare)), {}, notes)


def _p99(times: list[float]) -> float:
    return times[int(len(times) * 0.99)]


def verifying() -> Figure:
    """``journal verify`` of a long journal with a checkpoint for each entry, all signatures."""
    with kept(f"journal-{ENTRIES}") as place:
        path = place / "journal.db"
        if not path.exists():
            builder = FORK.Process(target=build, args=(path, ENTRIES))
            builder.start()
            builder.join()
        words = [sys.executable, "-c", COMMAND, "journal", "verify"]
        with tempfile.TemporaryDirectory() as home:
            env = environment(TOKEN_CONSOLE_HOME=home)
            told = subprocess.run(
                [*words, "--help"], env=env, cwd=HERE, capture_output=True, text=True, check=True
            )
            # An older checkout leaves the old signatures out unless it is asked.
            all_ = ["--all-signatures"] if "--all-signatures" in told.stdout else []
            file = ["--file", str(path)]
            found, floors = [], []
            for _ in range(2):
                floors.append(_bare_checks())
                found.append(cost([*words, *file, *all_], env=env, check=False))
    took = min(found, key=lambda each: each.wall)
    notes = (
        f"{took.cpu:.1f} s of CPU, {took.memory:.0f} MB; the floor is {ENTRIES:,} bare checks on"
        f" {len(os.sched_getaffinity(0))} cores"
    )
    return Figure(took.wall, "s", min(floors), {}, notes)


def _bare_checks() -> float:
    """Seconds for as many Ed25519 checks as the journal has, in a thread on each core."""
    cores = len(os.sched_getaffinity(0))
    key = Ed25519PrivateKey.generate()
    public, text = key.public_key(), os.urandom(120)
    signature = key.sign(text)

    def work() -> None:
        for _ in range(SAMPLE // cores):
            public.verify(signature, text)

    threads = [threading.Thread(target=work) for _ in range(cores)]
    began = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return (time.perf_counter() - began) * ENTRIES / SAMPLE


ROWS = (
    Row(
        "journal-pair",
        "journal, intent + outcome",
        "p50 1.2 ms",
        lambda f: f.ours <= 1.2,
        one_writer,
    ),
    Row(
        "journal-writers",
        "journal, intent + outcome, four writers",
        "p99 8 ms",
        lambda f: f.ours <= 8,
        four_writers,
    ),
    Row(
        "journal-verify",
        f"verify with every signature, {ENTRIES:,} entries",
        "twice the bare checks on all cores",
        lambda f: (f.ratio() or 0) <= 2,
        verifying,
    ),
)
