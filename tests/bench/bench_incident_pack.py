"""The papers and the pack of a large incident: seconds, memory and megabytes.

    python tests/bench/bench_incident_pack.py [--tokens N] [--runs N]

5,000 tokens with ten uses each, and two runs over all of them: some 30,000 entries of the
journal. Each step is a process of its own, as a command is. Prints figures, decides nothing.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scenes"))

import incident_scene as scene

from console import cli
from console.journal import opening


def measured(what: str, do: Callable[[], object]) -> None:
    """Do it in a process of its own, and print what it took."""
    sys.stdout.flush()
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            do()
        finally:
            os._exit(0)
    _, _, used = os.wait4(child, 0)
    took = time.perf_counter() - began
    cpu = used.ru_utime + used.ru_stime
    print(f"{what:<34} {took:7.1f} s {cpu:7.1f} s of CPU {used.ru_maxrss / 1024:7.0f} MB of memory")


def size(place: Path) -> str:
    """The files below a directory, and their megabytes."""
    files = [path for path in place.rglob("*") if path.is_file()]
    return f"{len(files):,} files, {sum(path.stat().st_size for path in files) / 1e6:,.1f} MB"


def main() -> None:
    """Make the incident, then measure each paper."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=2)
    chosen = parser.parse_args()
    names = tuple(f"worker-{n}" for n in range(1, chosen.tokens + 1))
    with tempfile.TemporaryDirectory() as folder:
        home, out = Path(folder) / "home", Path(folder) / "out"
        out.mkdir()
        began = time.perf_counter()
        paths = scene.opened(home, names)
        for _ in range(chosen.runs):
            scene.run_over(paths, names).end(range(1, chosen.tokens + 1))
        with opening.view(paths) as view:
            entries = view.count()
        print(f"{chosen.tokens:,} tokens, {entries:,} entries, made in"
              f" {time.perf_counter() - began:.0f} s")  # fmt: skip
        base = ["--home", str(home), "incident"]
        measured("show", lambda: cli.main([*base, "show", scene.ID]))
        measured("show --timeline", lambda: cli.main([*base, "show", scene.ID, "--timeline"]))
        measured("report", lambda: cli.main([*base, "report", scene.ID]))
        measured("handover", lambda: cli.main([*base, "handover", scene.ID]))
        for name, more in (("INC", []), ("RED", ["--redacted"])):
            place = out / name
            words = [*base, "pack", scene.ID, str(place), "--unsigned", *more]
            measured(f"pack {' '.join(more)}", lambda words=words: cli.main(words))  # type: ignore[misc]
            tar = place.with_name(f"{name}.tar.gz").stat().st_size / 1e6
            print(f"{'':34} {size(place)}; tar.gz {tar:,.1f} MB")
            page = (place / "report.html").stat().st_size / 1e3
            print(f"{'':34} the page: {page:,.0f} kB")
            began = time.perf_counter()
            done = subprocess.run(["sh", "verify.sh"], cwd=place, capture_output=True, text=True)
            took = time.perf_counter() - began
            told = done.stdout.splitlines()[1]
            print(f"{'verify.sh':<34} {took:7.1f} s, status {done.returncode}: {told}")
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
