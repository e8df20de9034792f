"""The first start of the demo, and how fast tokens and events come into a store."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "scenes"))

from measuring import Figure, Row, cpu_of, peak, tree  # noqa: E402

TOKENS = 100_000
"""Tokens of the estate that is synced."""
PATIENCE = 600.0
"""Seconds after which a demo is given up."""
DEAD = ("X", "Z")

MAKE = """
import sys, time
from pathlib import Path
from backends import estate
began = time.process_time()
estate.create(Path(sys.argv[1]), seed=7, tokens=int(sys.argv[2]))
print(time.process_time() - began)
"""


@contextlib.contextmanager
def interpreter() -> Iterator[str]:
    """A Python that imports the measured checkout even in isolated mode.

    Every process of ours starts its children so, and ``PYTHONPATH`` is nothing to them.
    """
    with tempfile.TemporaryDirectory(prefix="bench-python-") as place:
        venv.create(place, symlinks=True, with_pip=False)
        (site,) = Path(place).glob("lib/python*/site-packages")
        others = [each for each in sys.path if each.endswith("site-packages")]
        added = "".join(f"import site; site.addsitedir({each!r})\n" for each in others)
        (site / "zz.pth").write_text(f"{tree()}\n{added}")
        # Another checkout may come with the packages; the measured one goes before it.
        (site / "aa.pth").write_text(f"import sys; sys.path.insert(0, {str(tree())!r})\n")
        yield f"{place}/bin/python"


def made(path: Path, tokens: int) -> float:
    """The CPU seconds of making an estate, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(path), str(tokens)],
        env={**os.environ, "PYTHONPATH": str(tree())}, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    return float(done.stdout.split()[-1])


class Processes:
    """The CPU of a process and of all that it ever started, while they live and after."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._used: dict[int, float] = {}

    def cpu(self) -> float:
        """CPU seconds so far. Asked often, it misses at most the end of what was ended."""
        parents: dict[int, int] = {}
        ticks: dict[int, int] = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry)] = int(fields[1])
            ticks[int(entry)] = int(fields[11]) + int(fields[12])
        ours = {self._root}
        while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
            ours |= more
        for pid in ours & ticks.keys():
            self._used[pid] = max(self._used.get(pid, 0.0), ticks[pid] / os.sysconf("SC_CLK_TCK"))
        return sum(self._used.values())


def whole(inventory: Path) -> bool:
    """Whether all four logs were read as far back as the settings say, sealed, and linked."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{inventory}?mode=ro", uri=True)) as store:
            rows = store.execute("SELECT events_since FROM backend").fetchall()
            oldest = time.time() - 7 * 86_400 + 300
            if len(rows) < 4 or any(since is None or since > oldest for (since,) in rows):
                return False
            (events,) = store.execute("SELECT count(*) FROM event").fetchone()
            # What comes in while the first of it is sealed waits for the next seal.
            (sealed,) = store.execute("SELECT count(*) FROM sealed").fetchone()
            (linked,) = store.execute("SELECT count(*) FROM linked").fetchone()
            (tokens,) = store.execute("SELECT count(*) FROM token").fetchone()
            return bool(sealed > 0.95 * events and linked >= tokens * 0.95)
    except sqlite3.Error:
        return False


def started() -> tuple[float, float, float, float]:
    """A first start: CPU and wall until rows, then CPU and wall until all of it is there."""
    from pty_screen import Terminal

    with interpreter() as python, tempfile.TemporaryDirectory() as scratch:

        class Demo(Terminal):
            program = (python, "-m", "console", "demo", "--home")

        began = time.perf_counter()
        with Demo(Path(scratch)) as terminal:
            processes = Processes(terminal.process.pid)
            while b"> " not in terminal.out:
                if time.perf_counter() - began > PATIENCE:
                    raise SystemExit("no row was shown")
                terminal.read(0.02)
                processes.cpu()
            rows, rows_wall = processes.cpu(), time.perf_counter() - began
            inventory = Path(scratch) / "demo" / "state" / "inventory.db"
            while not whole(inventory):
                if time.perf_counter() - began > PATIENCE:
                    raise SystemExit("not all of it was there")
                terminal.read(0.1)
                processes.cpu()
            everything, wall = processes.cpu(), time.perf_counter() - began
            terminal.press(b"q")
            terminal.ended()
    return rows, rows_wall, everything - rows, wall - rows_wall


def first_rows() -> Figure:
    """The demo's first start, until rows are on the screen."""
    with tempfile.TemporaryDirectory() as scratch:
        floor = made(Path(scratch) / "estate.db", 4_000)
    rows, wall, _, _ = min(started() for _ in range(2))
    notes = f"all processes, {wall:.1f} s of the wall; the floor makes the estate alone"
    return Figure(rows, "s of CPU", floor, notes=notes)


def first_whole() -> Figure:
    """What the demo's first start takes after its rows, until all of it is there."""
    _, _, rest, wall = min((started() for _ in range(2)), key=lambda each: each[2])
    events, floor = _events_written()
    notes = (
        f"all processes, {wall:.1f} s of the wall; the floor inserts the same"
        f" {events:,} events into the same bare table, and no more"
    )
    return Figure(rest, "s of CPU", floor, notes=notes)


def _inserted(source: sqlite3.Connection, schema: str, table: str, place: Path) -> float:
    """The CPU of copying a table's rows into a new file by one executemany, indexes kept."""
    rows = source.execute(f"SELECT * FROM {table}").fetchall()
    marks = ", ".join("?" * len(rows[0]))

    def insert() -> None:
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            target = sqlite3.connect(Path(scratch) / "bare.db")
            target.execute("PRAGMA journal_mode = WAL")
            target.execute("PRAGMA synchronous = NORMAL")
            target.executescript(schema)
            with target:
                target.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            target.close()

    return cpu_of(insert, 2)


def _schema(source: sqlite3.Connection, *tables: str) -> str:
    found = source.execute("SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return ";\n".join(sql for table, sql in found if table in tables) + ";"


def _events_written() -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        asyncio.run(_look(place, 4_000, logs=True))
        with contextlib.closing(sqlite3.connect(place / "inventory.db")) as store:
            (events,) = store.execute("SELECT count(*) FROM event").fetchone()
            return events, _inserted(store, _schema(store, "event"), "event", place)


async def _look(place: Path, tokens: int, *, logs: bool = False) -> tuple[int, float]:
    """Sync a new estate into a new store, both in ``place``: rows, and seconds of CPU."""
    from backends import estate, registry
    from console.audit import intake
    from console.inventory.sync.sync import Syncer
    from console.store.database import open_for_writing

    path = place / "estate.db"
    if not path.exists():
        made(path, tokens)
    syncer = Syncer(open_for_writing(place / "inventory.db"))
    seen, began = 0, time.process_time()
    for name in estate.SYSTEMS:
        table = {"type": "estate", "path": str(path), "system": name}
        async with registry.configure(name, table) as backend:
            report = await syncer.sync(backend)
            if report.result == "failed":
                raise SystemExit(report.message)
            seen += report.tokens
            if logs:
                since = datetime.now(UTC) - timedelta(days=7)
                seen += (await intake.take_in(syncer, backend, since)).taken
    return seen, time.process_time() - began


def sync_estate() -> Figure:
    """The estate's tokens into an empty store."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        # Once small, so that nothing is imported while the clock runs.
        (place / "warm").mkdir()
        asyncio.run(_look(place / "warm", 100))
        before = peak()
        seen, cpu = asyncio.run(_look(place, TOKENS))
        memory = peak() - before
        _, again = asyncio.run(_look(place, TOKENS))
        with contextlib.closing(sqlite3.connect(place / "inventory.db")) as store:
            bare = sum(
                _inserted(store, _schema(store, table), table, place)
                for table in ("token", "document")
            )
            index = _schema(store, "token_fts")
            began = time.process_time()
            with contextlib.closing(sqlite3.connect(":memory:")) as target:
                target.executescript(_schema(store, "token") + index)
                rows = store.execute("SELECT num, hay, grant_text FROM token").fetchall()
                target.executemany(
                    "INSERT INTO token_fts (rowid, hay, grant_text) VALUES (?, ?, ?)", rows
                )
                target.commit()
            bare += time.process_time() - began
    notes = (
        f"{seen:,} tokens in {cpu:.1f} s, {memory:+.0f} MB; again without a change"
        f" {seen / again:,.0f}; the peer inserts the same rows with their indexes, and no more"
    )
    return Figure(
        seen / cpu, "tokens a CPU second", peers={"bare executemany": seen / bare}, notes=notes
    )


def events_in() -> Figure:
    """The estate's log into an empty store."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "warm").mkdir()
        asyncio.run(_look(place / "warm", 100, logs=True))
        asyncio.run(_look(place, 4_000))
        _, cpu = asyncio.run(_look(place, 4_000, logs=True))
        with contextlib.closing(sqlite3.connect(place / "inventory.db")) as store:
            (events,) = store.execute("SELECT count(*) FROM event").fetchone()
            bare = _inserted(store, _schema(store, "event"), "event", place)
    notes = f"{events:,} events read, counted and kept in {cpu:.1f} s"
    return Figure(events / cpu, "events a CPU second", peers={"bare executemany": events / bare},
                  notes=notes)  # fmt: skip


ROWS = (
    Row("first-rows", "first demo start, until rows", "1.5 s",
        lambda f: f.ours <= 1.5, first_rows),
    Row("first-whole", "first demo start, from the rows until all of it is there", "3 s",
        lambda f: f.ours <= 3, first_whole),
    Row("sync-estate", f"sync of an estate, {TOKENS:,} tokens", "12,000 a CPU second",
        lambda f: f.ours >= 12_000, sync_estate),
    Row("events-in", "events of an estate's log taken in", "25,000 a CPU second",
        lambda f: f.ours >= 25_000, events_in),
)  # fmt: skip
