"""What the work costs as the inventory grows, and the slope of it.

    python tests/bench/slopes.py [SIZE ...] [--events N]

For each size (1,000, 10,000, 100,000 and 1,000,000 tokens): sync of an estate, the worst
window of a filter, graph of one token, first frame, memory of the screen and of its worker.
Then the timeline of 10,000,000 events against one of a tenth. Each figure comes from a
process of its own. The slope is that of a straight line through the logarithms: 0 is a cost
that does not grow, 1 one that grows as the size does. Prints, decides nothing.

TOKEN_CONSOLE_BENCH names a directory that keeps the stores between runs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
for place in (HERE, HERE.parent / "scenes", HERE.parents[1]):
    sys.path.insert(0, str(place))

from measuring import environment, kept, least, run, store  # noqa: E402

SIZES = (1_000, 10_000, 100_000, 1_000_000)
EVENTS = 10_000_000
SPAN = 20 * 86_400


def slope(points: Sequence[tuple[int, float]]) -> float:
    """The exponent with which a cost grows: least squares over the logarithms."""
    logs = [(math.log(size), math.log(max(cost, 1e-9))) for size, cost in points]
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread if spread else 0.0


def here(function: str, *words: str) -> dict[str, float]:
    """A function of this module, called with words in a process of its own."""
    code = f"import json, slopes; print(json.dumps(slopes.{function}(*{list(words)!r})))"
    env = environment(
        PYTHONPATH=os.pathsep.join(map(str, (HERE, HERE.parent / "scenes", HERE.parents[1])))
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=HERE, check=True, stdout=subprocess.PIPE
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def synced(count: str) -> dict[str, float]:
    """Sync of an estate of so many tokens into an empty store, and again."""
    import asyncio

    from bench_sync import make
    from measuring import peak

    from backends import estate, registry
    from console.inventory.sync.sync import Syncer
    from console.store.database import open_for_writing

    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "estate.db"
        make(path, int(count))
        configured = [
            registry.configure(name, {"type": "estate", "path": str(path), "system": name})
            for name in estate.SYSTEMS
        ]
        syncer = Syncer(open_for_writing(Path(scratch) / "inventory.db"))

        async def all_of_them() -> int:
            seen = 0
            for backend in configured:
                async with backend:
                    seen += (await syncer.sync(backend)).tokens
            return seen

        for label in ("sync, first, s of CPU", "sync, unchanged, s of CPU"):
            before = time.process_time()
            seen = asyncio.run(all_of_them())
            figures[label] = time.process_time() - before
        figures["sync, MB at the peak"] = peak()
        figures["tokens in the estate"] = seen
    return figures


def filtered(home: str) -> dict[str, float]:
    """The worst and the usual window of the queries that a filter is made of."""
    import statistics

    from bench_search import CASES, PAGE, cpu, sort_of

    from console.inventory.search.inventory import Inventory
    from console.inventory.search.query import parse

    took = []
    inventory = Inventory(Path(home) / "state" / "inventory.db", clock=lambda: 1_795_402_800.0)
    for text, column in CASES:
        query, sort = parse(text), sort_of(column)
        inventory.warm(sort)

        def window(query=query, sort=sort) -> None:  # type: ignore[no-untyped-def]
            inventory._results.clear()
            inventory.window(query, sort, 0, PAGE)

        took.append(cpu(window))
    return {"filter, worst, ms of CPU": max(took), "filter, median": statistics.median(took)}


def shown(home: str) -> dict[str, float]:
    """The first frame, and what the screen and its worker hold a while later.

    On a copy, with a small estate for the worker to read: it writes into the store.
    """
    import shutil

    from bench_screen import SIZE, first_frame
    from bench_sync import make
    from measuring import resident
    from pty_screen import Terminal

    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        shutil.copytree(Path(home) / "state", place / "state")
        make(place / "estate.db", 200)
        path = place / "estate.db"
        (place / "config.toml").write_text(
            f'[backend.small]\ntype = "estate"\nsystem = "vault"\npath = "{path}"\n'
        )
        first = min(first_frame(Terminal, place, b"> ")[0] for _ in range(5))

        class Whole(Terminal):
            program = (sys.executable, "-m", "console", "--home")

        with Whole(place, size=SIZE) as terminal:
            terminal.until(lambda: b"> " in terminal.out)
            terminal.quiet(10.0)
            screen = terminal.process.pid
            figures = {"first frame, ms of CPU": first, "screen, MB": resident(screen)}
            tasks = Path(f"/proc/{screen}/task").iterdir()
            below = [child for task in tasks for child in (task / "children").read_text().split()]
            figures["worker, MB"] = sum(resident(int(child)) for child in below)
            terminal.press(b"q")
            terminal.ended()
    return figures


def graphed(home: str) -> dict[str, float]:
    """``graph`` and ``reach`` of one token, from the command line."""
    import sqlite3

    with sqlite3.connect(Path(home) / "state" / "inventory.db") as database:
        (handle,) = database.execute("SELECT handle FROM token LIMIT 1 OFFSET 7").fetchone()
    found: dict[str, float] = {}
    for word in ("graph", "reach"):
        took = least(2, lambda word=word: run(word, handle, TOKEN_CONSOLE_HOME=home))  # type: ignore[misc]
        found[f"{word} of one token, s of CPU"] = took.cpu
        found[f"{word}, MB"] = took.memory
    return found


def timed(count: str) -> dict[str, float]:
    """A timeline of so many events: opened, and drawn at 80x24 and 200 columns."""
    from bench_timeline import json_line
    from measuring import cpu_of, peak
    from scripted import token
    from timeline_world import LINES, World

    from backends.logs import registry
    from console.timeline.axis import Window
    from console.timeline.view import Timeline

    now, number = int(time.time()), int(count)
    random.seed(7)
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "any.log"
        with log.open("wb") as handle:
            for n in range(number):
                handle.write(json_line(n, now - SPAN + SPAN * n // number))
        world = World(Path(scratch) / "home", *(token(f"id{n}") for n in range(20)))
        world.clock.now = time.time()
        source = registry.configure(
            "any",
            {"type": LINES["type"], "backend": "vault", **LINES, "path": str(log)},
        )
        before = time.process_time()
        world.ingest(source)
        figures = {"events taken in, s of CPU": time.process_time() - before}
        path = world.paths.inventory
        figures["timeline opened, ms of CPU"] = 1000 * cpu_of(lambda: Timeline(path, []).close())
        with Timeline(path, []) as timeline:
            window = Window(now - SPAN, now)
            for wide in (80, 200):
                spent = cpu_of(lambda wide=wide: timeline.frame(window, wide))  # type: ignore[misc]
                figures[f"a frame of {wide} columns, ms of CPU"] = 1000 * spent
        figures["timeline, MB at the peak"] = peak()
    return figures


def table(found: dict[int, dict[str, float]], what: str) -> None:
    """Print the figures by size, with the slope of each."""
    sizes = sorted(found)
    print(f"{what:36}" + "".join(f"{size:>13,}" for size in sizes) + f"{'slope':>9}")
    for name in found[sizes[0]]:
        points = [(size, found[size][name]) for size in sizes if name in found[size]]
        cells = "".join(f"{value:13,.2f}" for _, value in points)
        print(f"{name:36}{cells}{slope(points):9.2f}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SIZE")
    parser.add_argument("--events", type=int, default=EVENTS)
    asked = parser.parse_args()
    parts: tuple[Callable[[Path], dict[str, float]], ...] = (
        lambda home: here("filtered", str(home)),
        lambda home: here("graphed", str(home)),
        lambda home: here("shown", str(home)),
    )
    found: dict[int, dict[str, float]] = {}
    for size in asked.sizes:
        found[size] = here("synced", str(size))
        with kept(f"store-{size}") as home:
            store(home, size)
            for part in parts:
                found[size] |= part(home)
    table(found, "tokens")
    if asked.events:
        counts = (asked.events // 10, asked.events)
        table({count: here("timed", str(count)) for count in counts}, "\nevents")


if __name__ == "__main__":
    main()
