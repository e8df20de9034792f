"""How fast the estate's tokens come into an empty store, and again when nothing changed.

python tests/bench/bench_sync.py 100000
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from backends import estate, registry
from console.inventory.sync.sync import Syncer
from console.store.database import open_for_writing

MAKE = (
    "from pathlib import Path; from backends import estate;"
    "estate.create(Path({path!r}), seed=7, tokens={tokens})"
)


def memory() -> float:
    """The most memory that this process ever took, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make(path: Path, tokens: int) -> None:
    """Make the estate in another process, so that its memory does not count."""
    made = MAKE.format(path=str(path), tokens=tokens)
    subprocess.run([sys.executable, "-c", made], check=True)


async def bench(folder: Path) -> None:
    """Print the figures."""
    path = folder / "estate.db"
    configured = [
        registry.configure(name, {"type": "estate", "path": str(path), "system": name})
        for name in estate.SYSTEMS
    ]
    syncer = Syncer(open_for_writing(folder / "inventory.db"))
    base = memory()
    for label in ("first sync", "sync without a change"):
        started, cpu = time.perf_counter(), time.process_time()
        seen = 0
        for backend in configured:
            async with backend:
                report = await syncer.sync(backend)
            seen += report.tokens
            if report.result == "failed":
                print(f"{backend.name}: {report.message}")
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
        speed = f"{seen / took:.0f} rows/s, {seen / cpu:.0f} rows per CPU second"
        peak = f"peak memory {memory():.0f} MB ({memory() - base:+.0f} MB)"
        print(f"{label}: {seen} tokens, {speed}, {peak}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch) / "estate.db", int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
        asyncio.run(bench(Path(scratch)))
