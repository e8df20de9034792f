"""What the screen and its worker cost: bytes of a view, CPU while nothing changes, memory.

The screen runs in a real pseudo-terminal, with its worker, over the demo's estate. *Nothing
changes* means that the estate's clock stands: no system tells anything new, and only ages go
on. In the demo as it is, tokens are used every few seconds, which is told in a row of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyte
from measuring import Figure, Row, kept, resident, store, tree

sys.path.insert(0, str(Path(__file__).parents[1] / "scenes"))

from pty_screen import Terminal

WIDE, NARROW = (200, 50), (80, 24)
SETTLED = 25.0
"""Seconds after which all has been read and the memory of that given back."""
IDLE = 20.0
OPENED = 1.2
"""Seconds without a byte after which a view counts as drawn."""
KB = 1000
MILLION = 1_000_000

VIEWS: tuple[tuple[str, str, str], ...] = (
    ("token", "\r", "WHAT "), ("graph", "g", "GRAPH of"), ("graph of everything", "g*", "GRAPH "),
    ("timeline", "t", " events in "), ("journal", "J", "newest first"),
    ("backends", "b", "HEALTH"), ("runs", "l", "LEFT"), ("incidents", "M", "INCIDENT"),
    ("help", "?", "HELP for"), ("palette", ":", "enter choose"), ("columns", "|", "on/off"),
    ("a secret", "I", "not shown"), ("new incident", "+", "OPEN AN INCIDENT"),
    ("confirm", "c", "esc"),
)  # fmt: skip
"""Each by the keys that open it from the list of tokens, and a word that it shows; what the
last key opens is counted."""
LIST = " / "
"""Where the list of tokens is shown."""
STAY = ("inventory", "token", "graph", "graph of everything", "timeline", "journal", "backends",
        "runs", "incidents", "help")  # fmt: skip


def console() -> tuple[str, ...]:
    """The command of the measured checkout, by that checkout's own environment.

    The program starts itself and its worker in Python's isolated mode, which finds the code of
    the environment and no other, whatever PYTHONPATH says. Raises LookupError without one.
    """
    python = tree() / ".venv" / "bin" / "python"
    if not python.exists():
        raise LookupError(f"no environment of its own is in {tree()}")
    return (str(python), "-I", "-m", "console")


class Console(Terminal):
    """The whole program, with its worker."""

    def __init__(self, home: Path, *flags: str, size: tuple[int, int]) -> None:
        self.program = (*console(), "--home")
        super().__init__(home, *flags, size=size)
        self.screen = pyte.Screen(*size)
        self.stream = pyte.ByteStream(self.screen)

    def read(self, seconds: float) -> bytes:
        """What arrives within a time; the emulator gets it as well."""
        new = super().read(seconds)
        self.stream.feed(new)
        return new

    def text(self) -> str:
        """The screen as an emulator shows it."""
        return "\n".join(self.screen.display)

    def go(self, key: str, word: str) -> int:
        """Press a key until the screen shows a word and is quiet; the bytes that came."""
        before = len(self.out)
        self.press(key.encode())
        self.shown(word)
        self.quiet(OPENED)
        return len(self.out) - before

    @property
    def worker(self) -> int:
        """The process that talks to the backends."""
        for path in Path("/proc").iterdir():
            if path.name.isdigit():
                try:
                    parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
                except OSError:
                    continue
                if int(parent) == self.process.pid:
                    return int(path.name)
        raise LookupError("the screen has no worker")

    def wait(self, seconds: float) -> None:
        """Read for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)


class Stay(NamedTuple):
    """What a view cost while nobody touched it."""

    screen: float
    """Milliseconds of CPU a second."""
    worker: float
    sent: int
    """Bytes to the terminal in ``IDLE`` seconds."""


def on_cpu(pid: int) -> float:
    """Milliseconds that all threads of a process have run so far (proc(5), schedstat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total / 1e6


@contextmanager
def demo(*, still: bool) -> Iterator[Path]:
    """A home of the demo that was read once; ``still`` stops the clock of its estate."""
    from backends.estate import EstateWorld

    with kept("screen-demo") as home:
        if not (home / "demo" / "state" / "inventory.db").exists():
            words = [*console(), "--home", str(home), "demo", "--prepare"]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        with EstateWorld(home / "demo" / "estate.db") as world:
            world.freeze(None)
            world.freeze(world.advance() if still else None)
        yield home


def _bytes(size: tuple[int, int]) -> Figure:
    costs: dict[str, int] = {}
    with demo(still=True) as home, Console(home, "demo", size=size) as terminal:
        terminal.until(lambda: b"> " in terminal.out)
        terminal.quiet(6.0)
        costs["the first frame"] = len(terminal.out)
        for name, keys, word in VIEWS:
            for key in keys:
                costs[name] = terminal.go(key, word)
            for _ in keys:
                costs[f"back from {name}"] = terminal.go("\x1b", LIST)
    worst = max(costs, key=lambda name: costs[name])
    told = ", ".join(f"{name} {cost / KB:.1f}" for name, cost in costs.items())
    return Figure(costs[worst] / KB, "kB", notes=f"worst: {worst}; {told}")


def wide() -> Figure:
    """Bytes of the dearest view at 200x50."""
    return _bytes(WIDE)


def narrow() -> Figure:
    """Bytes of the dearest view at 80x24."""
    return _bytes(NARROW)


def _stay(terminal: Console) -> Stay:
    worker = terminal.worker
    before = on_cpu(terminal.process.pid), on_cpu(worker), len(terminal.out)
    terminal.wait(IDLE)
    return Stay(
        (on_cpu(terminal.process.pid) - before[0]) / IDLE,
        (on_cpu(worker) - before[1]) / IDLE,
        len(terminal.out) - before[2],
    )


def _idle(*, still: bool) -> Figure:
    stays: dict[str, Stay] = {}
    with demo(still=still) as home, Console(home, "demo", size=WIDE) as terminal:
        terminal.until(lambda: b"> " in terminal.out)
        terminal.wait(SETTLED)
        for name, keys, word in (("inventory", "", LIST), *VIEWS):
            if name not in STAY:
                continue
            for key in keys:
                terminal.go(key, word)
            terminal.wait(2.0)
            stays[name] = _stay(terminal)
            for _ in keys:
                terminal.go("\x1b", LIST)
    both = {name: stay.screen + stay.worker for name, stay in stays.items()}
    worst = max(both, key=lambda name: both[name])
    told = ", ".join(
        f"{name} {stay.screen:.1f} + {stay.worker:.1f} ms/s, {stay.sent} B"
        for name, stay in stays.items()
    )
    return Figure(both[worst], "ms of CPU a second", notes=f"worst: {worst}; {told}")


def idle() -> Figure:
    """CPU of screen and worker while nothing changes, in the dearest view."""
    return _idle(still=True)


def idle_live() -> Figure:
    """The same in the demo as it is, where tokens are used all the time."""
    return _idle(still=False)


def worker_memory() -> Figure:
    """The memory of the demo's worker, once it has read everything."""
    with demo(still=False) as home, Console(home, "demo", size=WIDE) as terminal:
        terminal.until(lambda: b"> " in terminal.out)
        terminal.wait(SETTLED + 20)
        worker = terminal.worker
        now, peak = resident(worker), resident(worker, "VmHWM")
        screen = resident(terminal.process.pid)
    return Figure(now, "MB", notes=f"peak {peak:.0f}, screen {screen:.0f}")


def memory_of_a_million() -> Figure:
    """Screen and worker over a store of a million tokens, while the demo's estate is read too."""
    with kept(f"store-{MILLION}") as source, demo(still=False) as made:
        home = source.parent / "screen-million"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(made / "demo", home, ignore=shutil.ignore_patterns("inventory.db*"))
        config = home / "config.toml"
        config.write_text(config.read_text().replace(str(made / "demo"), str(home)))
        try:
            # A million rows are copied, since the worker writes what it reads into them.
            (home / "state").mkdir(exist_ok=True)
            shutil.copy(store(source, MILLION), home / "state" / "inventory.db")
            with Console(home, size=WIDE) as terminal:
                terminal.until(lambda: b"> " in terminal.out)
                terminal.wait(SETTLED + 35)
                terminal.press(b"/deploy")
                terminal.quiet(3.0)
                terminal.press(b"\r\x1b[F")
                terminal.quiet(3.0)
                screen, worker = resident(terminal.process.pid), resident(terminal.worker)
                peak = resident(terminal.worker, "VmHWM")
        finally:
            shutil.rmtree(home, ignore_errors=True)
    notes = f"screen {screen:.0f}, worker {worker:.0f} (peak {peak:.0f}), {os.cpu_count()} CPUs"
    return Figure(screen + worker, "MB", notes=notes)


ROWS = (
    Row("view-wide", "any view opened at 200x50", "25 kB", lambda f: f.ours <= 25, wide),
    Row("view-narrow", "any view opened at 80x24", "12 kB", lambda f: f.ours <= 12, narrow),
    Row("idle", "idle, demo, its systems' clock stopped, any view",
        "2 ms of CPU a second, screen and worker", lambda f: f.ours <= 2, idle),
    Row("idle-live", "idle, demo, its tokens used all the time, any view",
        "none; what is used is read", lambda f: True, idle_live),
    Row("worker-memory", "memory of the demo's worker", "120 MB", lambda f: f.ours <= 120,
        worker_memory),
    Row("memory-million", "memory of screen and worker, 1,000,000 tokens", "220 MB",
        lambda f: f.ours <= 220, memory_of_a_million),
)  # fmt: skip
