"""How long windows, counts and places take, and how much memory.

    python tests/bench/bench_search.py 1000 100000 1000000

Prints on-CPU milliseconds of this process: the first page of a new query without and with
the order in memory, its second page, its exact count, and its last page.
Stores are kept in the directory that TOKEN_CONSOLE_BENCH names, else made anew.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from console.inventory.search.inventory import Inventory, Sort
from console.inventory.search.query import Query, parse

PAGE = 50
CASES = (
    ("", "name"),
    ("", "used"),
    ("", "-expires"),
    ("p", "name"),
    ("zq", "name"),
    ("pa", "name"),
    ("pay", "name"),
    ("payments", "name"),
    ("payments", "owner"),
    ("payments", "-owner"),
    ("svc-", "name"),
    ("tmp-sync-web-99", "name"),
    ("payments deploy admin", "used"),
    ("nothing-at-all", "name"),
    ("owner:payments used:<30d", "name"),
    ("owner:none", "name"),
    ("-owner:none", "owner"),
    ("backend:k8s-eu", "name"),
    ("kind:role grant:root", "age"),
    ("used:never state:active", "expires"),
    ("used:>90d", "used"),
    ("-state:active", "name"),
    ("-payments -ledger", "backend"),
    ("expires:never grant:admin", "-used"),
    ("principal:fraud", "used"),
)


def cpu(work: Callable[[], object], times: int = 3) -> float:
    """The least on-CPU milliseconds of some tries."""
    best = 1e9
    for _ in range(times):
        before = time.process_time()
        work()
        best = min(best, (time.process_time() - before) * 1000)
    return best


def sort_of(name: str) -> Sort:
    return Sort(name.removeprefix("-"), name.startswith("-"))


def bench(path: Path, count: int) -> None:
    """Print the figures for one store."""
    inventory = Inventory(path, clock=lambda: 1_795_402_800.0)
    print(f"\n{count} tokens, store of {path.stat().st_size / 1e6:.0f} MB")
    heads = f"{'cold':>9}{'warm':>8}{'page 2':>8}{'count':>9}{'matches':>10}{'end':>8}"
    print(f"{'query':32}{'sort':>9}{heads}")

    def fresh() -> None:
        inventory._results.clear()

    worst = worst_cold = warming = 0.0
    for text, column in CASES:
        query, sort = parse(text), sort_of(column)

        def first(query: Query = query, sort: Sort = sort) -> None:
            fresh()
            inventory.window(query, sort, 0, PAGE)

        inventory._planner._trails.clear()
        cold = cpu(first)
        warming = cpu(partial(inventory.warm, sort), 1)
        window = cpu(first)
        again = cpu(partial(inventory.window, query, sort, PAGE, PAGE))
        matches = inventory.count(query)

        def counted(query: Query = query) -> None:
            fresh()
            inventory.count(query)

        counting = cpu(counted, 1)
        end = cpu(partial(inventory.window, query, sort, max(matches - PAGE, 0), PAGE), 1)
        worst = max(worst, window)
        worst_cold = max(worst_cold, cold)
        figures = f"{cold:8.1f} {window:7.1f} {again:7.1f} {counting:8.1f} {matches:9d} {end:7.1f}"
        print(f"{text:32}{column:>9}{figures}")
    everything = parse("")
    for place in (count // 3, count // 2, count * 9 // 10):
        fresh()
        took = cpu(partial(inventory.window, everything, Sort("owner"), place, PAGE), 1)
        near = cpu(partial(inventory.window, everything, Sort("owner"), place + PAGE, PAGE))
        print(f"jump to {place}: {took:.1f} ms, next page {near:.1f} ms")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"reading an order into memory, off the loop: {warming:.1f} ms")
    print(f"worst window {worst_cold:.1f} ms cold, {worst:.1f} ms warm")
    print(f"peak memory of this process {memory:.0f} MB")
    inventory.close()


def main(counts: list[int]) -> None:
    kept = os.environ.get("TOKEN_CONSOLE_BENCH")
    with tempfile.TemporaryDirectory() as scratch:
        for count in counts:
            path = Path(kept or scratch) / f"{count}.db"
            if not path.exists():
                # Another process makes it, so that its memory does not count.
                maker = Path(__file__).with_name("make_store.py")
                os.spawnv(
                    os.P_WAIT, sys.executable, [sys.executable, str(maker), str(path), str(count)]
                )
            bench(path, count)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1_000, 100_000, 1_000_000])
