"""A drill of thousands of tokens over eight systems, against its bound; and the journal's cost.

    python tests/bench/bench_drill.py [--tokens N] [--seconds S] [--bare N] [--pairs N]

The drill itself, as a runner's process: how long after the bound that the plan's rates
allow the last token was accounted for, the CPU and the journal's bytes of each token, and
how long the whole run takes to be folded into a board.

Before that, as many tokens in each of some runs in this process, without limits, so that
nothing but work is left: with the journal, and by turns with a stand-in that keeps the same
entries in memory, without a hash, a signature or a disk. What that differs by is the
journal's cost, also as a share of a run whose systems answer over HTTP: then the estates
take so long for each answer as a near server does. Prints figures, decides nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Container, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "scenes"))

from drill_scene import Drill, Watcher
from msgspec.structs import replace

from backends.contract import Verb
from backends.estate import set_trouble
from console import settings
from console.errors import JournalError
from console.fleet import Fleet
from console.inventory.search.inventory import Inventory
from console.journal.format.entry import leaf_of, uuid7
from console.journal.format.sentence import Entry, entry_of
from console.journal.write.journal import Journal
from console.journal.write.writer import Draft
from console.response.plan.build import build_plan
from console.response.plan.model import Plan
from console.response.run.run import Run
from console.response.step.attempt import End

LATENCY_MS = 20
"""What a token system on the same network takes to answer over HTTP and TLS."""
QUERY = "state:active -token-console -console-bootstrap"
WHY = "the vendor was broken into, and all of it goes"


FIRST = 1_000_000
"""The number of the first entry that is kept in memory."""


class Memory(Journal):
    """A journal that keeps its entries in memory: the same fields, and nothing that lasts."""

    def __init__(self, where: Path) -> None:
        super().__init__(where)
        self._kept: list[Entry] = []

    def append_each(self, drafts: Sequence[Draft]) -> list[Entry | JournalError]:
        told: list[Entry | JournalError] = []
        for draft in drafts:
            entry = entry_of(len(self._kept) + FIRST, leaf_of(draft.body))
            self._kept.append(entry)
            told.append(entry)
        return told

    def of_plan(self, plan: str, after: int = 0, known: Container[int] = ()) -> list[Entry]:
        some = (
            entry for entry in self._kept[max(after - FIRST + 1, 0) :] if entry.seq not in known
        )
        return [entry for entry in some if plan in (entry.plan, entry.id)]


class Cost(NamedTuple):
    """What a run took, in seconds."""

    tokens: int
    wall: float
    cpu: float

    @property
    def each(self) -> str:
        wall, cpu = (1000 * part / self.tokens for part in (self.wall, self.cpu))
        return f"{wall:.2f} ms and {cpu:.2f} ms of CPU a token"


def whole(tmp: Path, tokens: int, seconds: float) -> None:
    """The drill as it is: limits that bite, and a runner of its own."""
    drill = Drill(tmp, tokens)
    drill.sync()
    drill.limit(seconds)
    plan = drill.plan()
    size = len(plan.items)
    with Watcher(plan, drill.paths) as watcher:
        began = time.time()
        pid = drill.start(plan)
        usage = os.wait4(pid, 0)[2]
        ended = time.time() - began
    bound, took = drill.bound(plan), watcher.through() - began
    cpu = usage.ru_utime + usage.ru_stime
    print(
        f"{size:,} tokens over {len(plan.backends)} systems: the bound is {bound:.1f} s, the last"
        f" one was accounted for after {took:.1f} s: {100 * (took / bound - 1):.1f} % over"
    )
    print(f"  its evidence climbed and its systems listed again, it ended after {ended:.1f} s")
    print(f"  {1000 * cpu / size:.2f} ms of CPU a token, {usage.ru_maxrss / 1024:.0f} MiB at most")
    bytes_ = sum(path.stat().st_size for path in drill.paths.state.glob("journal.db*"))
    print(f"  {bytes_ / size:,.0f} bytes of journal a token")
    began = time.perf_counter()
    board = drill.board(plan)
    took = time.perf_counter() - began
    print(f"  {took:.2f} s to fold its {board.seq:,} entries into a board")
    assert not watcher.wrong
    print(f"  {drill.breaches()} calls came too fast")
    assert drill.working(plan) == []
    assert set(drill.calls().values()) == {1}


async def compare(tmp: Path, tokens: int, pairs: int) -> None:
    """Parts of one inventory, each revoked without limits, with the journal and without."""
    drill = Drill(tmp, tokens)
    await asyncio.to_thread(drill.sync)
    configured = settings.load(drill.paths.config)
    async with Fleet(configured, drill.paths, act=True) as fleet:
        inventory = Inventory(drill.paths.inventory)
        plan = await build_plan(
            fleet.backend, inventory, Verb.REVOKE, query=QUERY, reason=WHY, settings=configured
        )
        inventory.close()
        # A system that hides its effects for seconds would be waited for, and nothing else
        # would be measured; so would a canary.
        items = [replace(i, wave=1) for i in plan.items if not i.backend.startswith("codehost")]
        part = 0
        for latency in (0, LATENCY_MS):
            for number, system in drill.places.values():
                set_trouble(drill.files[number], system, latency_ms=latency)
            found: dict[bool, list[Cost]] = {True: [], False: []}
            for _ in range(pairs):
                for durable in (True, False):
                    some = tuple(items[part :: 4 * pairs])
                    rates = dict.fromkeys(plan.backends, 0.0)
                    wanted = replace(plan, id=uuid7(), items=some, scope=None, rates=rates)
                    found[durable].append(await bare(drill, fleet, wanted, durable=durable))
                    part += 1
            told(found, latency)


async def bare(drill: Drill, fleet: Fleet, plan: Plan, *, durable: bool) -> Cost:
    """A run in this process with no limits but its systems' own."""
    with (Journal if durable else Memory)(drill.paths.journal) as journal:
        run = Run(plan, journal, drill.paths, fleet.backend, climb=0)
        wall, cpu = time.perf_counter(), time.process_time()
        result = await run.run()
        cost = Cost(len(plan.items), time.perf_counter() - wall, time.process_time() - cpu)
    assert result.end is End.DONE, result.words
    return cost


def told(found: dict[bool, list[Cost]], latency: int) -> None:
    """What the runs took, and what share of it the journal has."""
    where = f"over HTTP, {latency} ms an answer" if latency else "with systems at no distance"
    size, pairs = found[True][0].tokens, len(found[True])
    print(f"{size:,} tokens, {where}, without limits, median of {pairs}:")
    for durable, name in ((True, "with the journal"), (False, "without it      ")):
        print(f"  {name} {sorted(found[durable], key=lambda cost: cost.wall)[pairs // 2].each}")
    walls = [a.wall / b.wall - 1 for a, b in zip(found[True], found[False], strict=True)]
    more = statistics.median(
        1000 * (a.cpu / a.tokens - b.cpu / b.tokens)
        for a, b in zip(found[True], found[False], strict=True)
    )
    print(f"  its cost: {100 * statistics.median(walls):.1f} % of the time, {more:.2f} ms of CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description="A drill against its bound, and the journal.")
    parser.add_argument("--tokens", type=int, default=5_300, help="about so many, in two estates")
    parser.add_argument("--seconds", type=float, default=240.0, help="what the calls take")
    parser.add_argument(
        "--bare", type=int, default=3_000, help="tokens for the runs without limits"
    )
    parser.add_argument("--pairs", type=int, default=3, help="how often with, and without")
    given = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{os.cpu_count()} CPUs, the load is {load}")
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        for name in ("bare", "whole"):
            (home / name).mkdir()
        asyncio.run(compare(home / "bare", given.bare, given.pairs))
        whole(home / "whole", given.tokens, given.seconds)


if __name__ == "__main__":
    main()
