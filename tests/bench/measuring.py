"""What the rows of ``against.py`` are made of: a row, its figures, and tools to take them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent


class Figure(NamedTuple):
    """What one row measured.

    ``ours`` is in ``unit``. ``floor`` and the peers are in the same unit, from the same run;
    ``notes`` says what else a reader has to know, such as sizes and settings.
    """

    ours: float
    unit: str
    floor: float | None = None
    peers: Mapping[str, float] = {}
    notes: str = ""

    def ratio(self) -> float | None:
        """Ours over the floor."""
        return self.ours / self.floor if self.floor else None


class Row(NamedTuple):
    """One line of the table: what is measured, how, and what would be good enough.

    ``key`` names it on the command line. ``goal`` is for the reader; ``met`` decides the word
    beside it, and nothing else.
    """

    key: str
    title: str
    goal: str
    met: Callable[[Figure], bool]
    measure: Callable[[], Figure]


class Cost(NamedTuple):
    """What a command took: seconds of CPU with its children, of the wall, MB at its peak."""

    cpu: float
    wall: float
    memory: float
    output: int
    """Bytes on its standard output."""


def tree() -> Path:
    """The checkout whose ``console`` and ``backends`` are measured."""
    import console

    return Path(console.__file__ or "").parents[1]


def environment(**more: str) -> dict[str, str]:
    """The environment for a child process of the measured checkout."""
    return {**os.environ, "PYTHONPATH": str(tree()), **more}


def run(*words: str, check: bool = True, **more: str) -> Cost:
    """Run ``token-console`` with these words, its home in ``more`` as environment variables.

    The output is counted and thrown away. Raises CalledProcessError if it fails, unless told
    that it may.
    """
    # Not ``-m console``, which starts itself anew in isolation: that finds the installed
    # package, and not the measured checkout.
    start = (
        f"import sys; sys.path.insert(0, {str(tree())!r});"
        " from console.cli import main; raise SystemExit(main())"
    )
    command = [sys.executable, "-I", "-c", start, *words]
    return cost(command, check=check, env=environment(**more))


def cost(command: Sequence[str], *, env: Mapping[str, str], check: bool = True) -> Cost:
    """Run a command to its end in this directory's neighbourhood and say what it took."""
    size = 0
    began = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            list(command), env=dict(env), stdout=subprocess.PIPE, stderr=errors, cwd=HERE
        )
        assert process.stdout is not None
        while piece := process.stdout.read(1 << 20):
            size += len(piece)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        if check and process.returncode:
            errors.seek(0)
            raise subprocess.CalledProcessError(
                process.returncode, list(command), stderr=errors.read().decode(errors="replace")
            )
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, size)


def least(times: int, do: Callable[[], Cost]) -> Cost:
    """The try that took the least CPU, of some."""
    return min((do() for _ in range(times)), key=lambda each: each.cpu)


def on_cpu(pid: int) -> float:
    """The CPU seconds of a running process so far, without its children. From ``/proc``."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int, what: str = "VmRSS") -> float:
    """The memory of a running process in MB: ``VmRSS`` is now, ``VmHWM`` its peak."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(what)


def peak() -> float:
    """The peak memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_of(work: Callable[[], Any], times: int = 3) -> float:
    """The least CPU seconds of this process that some tries of a piece of work take."""
    best = float("inf")
    for _ in range(times):
        before = time.process_time()
        work()
        best = min(best, time.process_time() - before)
    return best


@contextmanager
def kept(name: str) -> Iterator[Path]:
    """A directory for what is dear to make: below TOKEN_CONSOLE_BENCH, else thrown away.

    The caller makes what is not there yet. One and the same is used for both checkouts.
    """
    base = os.environ.get("TOKEN_CONSOLE_BENCH")
    if base:
        place = Path(base) / name
        place.mkdir(parents=True, exist_ok=True)
        yield place
        return
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as scratch:
        yield Path(scratch)


def store(home: Path, count: int) -> Path:
    """The inventory of a home, with so many tokens; made where it is not there yet."""
    database = home / "state" / "inventory.db"
    if not database.exists():
        database.parent.mkdir(parents=True, exist_ok=True)
        made = [sys.executable, str(HERE / "make_store.py"), str(database), str(count)]
        subprocess.run(made, check=True, env=environment(), stdout=subprocess.DEVNULL)
    return database
