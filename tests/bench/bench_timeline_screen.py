"""Prints what the timeline's screen costs with a million events, and its bytes per key.

python tests/bench/bench_timeline_screen.py [EVENTS]

A frame is the counting and the drawing of every line; bytes are what a real terminal gets.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "scenes")]

import tui_world  # noqa: E402
from pty_screen import Terminal  # noqa: E402
from tui_world import Still, drive, screen, until  # noqa: E402

from backends.model import ScopeDone  # noqa: E402
from console.settings import Paths, paths  # noqa: E402
from console.timeline.view import Timeline  # noqa: E402

SIZES = ((80, 24), (250, 60))
SPAN = 20 * 86_400
KEYS = {
    "left": b"\x1b[D", "ten left": b"<", "last burst": b"[", "log scale": b"Y", "brush": b"v",
    "brush left": b"\x1b[D", "zoom": b"\r", "out": b"\x7f",
}  # fmt: skip


def prepare(where: Paths, count: int) -> None:
    """A token with so many events, put into the store in one go."""
    mine = tui_world.token("vault-prod", "acc-1", "ci-deploy")
    tui_world.fill(where, [Still("vault-prod", [mine, ScopeDone("root/", 1)])])
    dice = random.Random(7)
    # The screen in a terminal has the machine's own clock.
    end = int(time.time())
    handle = mine.ref.handle

    def rows() -> Any:
        for number in range(count):
            at = end - SPAN + SPAN * number // count
            outcome = "denied" if dice.random() < 0.1 else "ok"
            source = f"10.0.0.{number % 40}"
            # fmt: off
            yield (number, "vault-prod", str(number), at, "GET", outcome, handle, "service",
                   "acc-1", "ci", "secret/data/ci", source, "", "audit", "",
                   "denied" if outcome == "denied" else "use", "")
            # fmt: on

    store = sqlite3.connect(where.inventory)
    store.executemany(f"INSERT INTO event VALUES ({', '.join('?' * 17)})", rows())
    for key in (handle, ""):
        store.execute(
            "INSERT OR REPLACE INTO rollup SELECT ?, backend, at / 300, 'use', outcome, count(*)"
            " FROM event GROUP BY backend, at / 300, outcome",
            (key,),
        )
    store.execute("UPDATE backend SET events_since = ?, events_until = ?", (end - SPAN, end))
    store.commit()
    store.close()


def milliseconds(work: Callable[[], object], times: int = 15) -> float:
    taken = []
    for _ in range(times):
        began = time.thread_time()
        work()
        taken.append((time.thread_time() - began) * 1000)
    return statistics.median(taken)


def frames(where: Paths, size: tuple[int, int]) -> None:
    """A whole frame in the screen's own process, first of the counts and then of events."""
    app = tui_world.application(where)
    app.world.now = time.time

    async def steps(pilot: Any) -> None:
        await pilot.press("t")
        view: Any = app.screen

        def whole() -> None:
            view._draw()
            chart = view._chart
            for y in range(chart.size.height):
                chart._strip(y)

        began = time.monotonic()
        await until(pilot, lambda: view._loaded is not None and view._loaded.whole, 120)
        print(f"  {size}: all single events read after {time.monotonic() - began:.1f} s")
        print(f"    frame of single events {milliseconds(whole):.1f} ms")
        whole_one = view._loaded
        with Timeline(where.inventory, whole_one.load.tokens, clock=time.time) as counted:
            view._loaded = whole_one._replace(timeline=counted, whole=False)
            print(f"    frame from the rollup {milliseconds(whole):.1f} ms")
            view._loaded = whole_one
            whole()
        print(f"    cursor {milliseconds(view._chart.moved):.2f} ms")
        assert "ci-deploy" in screen(app)

    drive(app, steps, size)


def bytes_per_key(home: Path, size: tuple[int, int], environ: dict[str, str]) -> None:
    """What a real terminal gets for each key once all is read."""
    with Terminal(home, size=size, environ=environ) as terminal:
        terminal.shown("ci-deploy")
        terminal.press(b"t")
        terminal.until(lambda: "own log scales" in terminal.text())
        terminal.until(lambda: "10.0.0." in terminal.text())
        terminal.quiet(0.6)
        told = []
        for name, keys in KEYS.items():
            terminal.press(keys)
            told.append(f"{name} {terminal.quiet(0.5):,}")
        print(f"    bytes per key: {', '.join(told)}")
        terminal.press(b"q")
        terminal.ended()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="bench-timeline-") as directory:
        home = Path(directory)
        prepare(paths(home), count)
        print(f"{count:,} events")
        for size in SIZES:
            frames(paths(home), size)
            bytes_per_key(home, size, {})


if __name__ == "__main__":
    main()
