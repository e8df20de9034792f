"""What the screen costs in a real terminal: first frame, memory, keys, bytes.

    python tests/bench/bench_screen.py 1000 100000 1000000

Prints, for each number of tokens: on-CPU milliseconds to the first frame with rows and
their ratio to an app of one widget, started alternately with it in the same run; resident
memory; on-CPU milliseconds from a filter's keystroke to painted rows; bytes to a terminal
of 200x50 for a key inside the page, on average over 120 keys down, and per idle second.
Stores are kept in the directory that TOKEN_CONSOLE_BENCH names, else made anew.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "scenes"))

from pty_screen import Terminal  # noqa: E402

STARTS = 7
SIZE = (200, 50)
IDLE = 10.0
WORDS = ("payments", "deploy", "ledger", "zq")

ONE_WIDGET = """
from textual.app import App
from textual.widget import Widget
from textual.strip import Strip
from rich.segment import Segment
class One(Widget):
    def render_line(self, y):
        return Strip([Segment("job-0000".ljust(self.size.width))])
class Small(App):
    def compose(self):
        yield One()
Small().run(mouse=False)
"""


class Small(Terminal):
    """The app of one widget, in the same terminal as the screen."""

    program = (sys.executable, "-c", ONE_WIDGET)


def on_cpu(pid: int) -> float:
    """Milliseconds that all threads of a process have run so far (proc(5), schedstat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total / 1e6


def resident(pid: int) -> float:
    """Resident memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def first_frame(kind: type[Terminal], home: Path, mark: bytes) -> tuple[float, float]:
    """On-CPU and wall milliseconds until the mark was painted."""
    began = time.perf_counter()
    with kind(home, size=SIZE) as terminal:
        terminal.until(lambda: mark in terminal.out)
        wall = (time.perf_counter() - began) * 1000
        return on_cpu(terminal.process.pid), wall


def ask(terminal: Terminal, keys: bytes) -> tuple[float, int]:
    """On-CPU milliseconds to the largest paint that keys led to, and the bytes of them all.

    A filter's key first echoes the letter, then paints rows, and last the exact count: the
    rows are the most of it.
    """
    terminal.quiet(0.2)
    before, sent = on_cpu(terminal.process.pid), len(terminal.out)
    terminal.press(keys)
    painted, largest, wait = 0.0, 0, 2.0
    while new := terminal.read(wait):
        wait = 0.3
        if len(new) > largest:
            painted, largest = on_cpu(terminal.process.pid) - before, len(new)
    return painted, len(terminal.out) - sent


def keystrokes(terminal: Terminal) -> Iterator[float]:
    """On-CPU milliseconds of every letter typed into the filter, to its first paint."""
    terminal.press(b"/")
    terminal.quiet(0.4)
    for word in WORDS:
        for letter in word:
            yield ask(terminal, letter.encode())[0]
        terminal.press(b"\x15")
        terminal.quiet(0.6)
    terminal.press(b"\x1b")
    terminal.quiet(0.6)


def measure(count: int, home: Path) -> dict[str, float]:
    """All figures for one store."""
    ours, small = [], []
    for _ in range(STARTS):
        small.append(first_frame(Small, home, b"job-0000"))
        ours.append(first_frame(Terminal, home, b"> "))
    figures = {
        "first": min(cpu for cpu, _ in ours),
        "wall": min(wall for _, wall in ours),
        "small": min(cpu for cpu, _ in small),
    }
    figures["ratio"] = figures["first"] / figures["small"]
    with Terminal(home, size=SIZE) as terminal:
        terminal.until(lambda: b"> " in terminal.out)
        terminal.quiet(2.0)
        inside = [ask(terminal, b"j") for _ in range(20)]
        figures["inside"] = statistics.median(size for _, size in inside)
        figures["inside_cpu"] = statistics.median(cpu for cpu, _ in inside)
        figures["scroll"] = statistics.mean(ask(terminal, b"j")[1] for _ in range(120))
        letters = sorted(keystrokes(terminal))
        figures["letter"] = statistics.median(letters)
        figures["letter_max"] = letters[-1]
        figures["page"] = ask(terminal, b"\x1b[6~")[0]
        figures["end"] = ask(terminal, b"\x1b[F")[0]
        figures["memory"] = resident(terminal.process.pid)
        terminal.quiet(1.0)
        sent = len(terminal.out)
        used = on_cpu(terminal.process.pid)
        end = time.monotonic() + IDLE
        while time.monotonic() < end:
            terminal.read(end - time.monotonic())
        figures["idle"] = (len(terminal.out) - sent) / IDLE
        figures["idle_cpu"] = (on_cpu(terminal.process.pid) - used) / IDLE
        terminal.press(b"q")
        terminal.ended()
    return figures


ROWS = (
    ("first frame, ms of CPU", "first", ""),
    ("  of one widget", "small", ""),
    ("  ratio", "ratio", "<= 1.6"),
    ("  wall, ms", "wall", ""),
    ("memory, MB", "memory", "<= 120"),
    ("filter key, median ms of CPU", "letter", "25 / 50"),
    ("  worst", "letter_max", ""),
    ("key in the page, bytes", "inside", "<= 700"),
    ("  ms of CPU", "inside_cpu", ""),
    ("scrolling mean, bytes", "scroll", "<= 1,300"),
    ("page down, ms of CPU", "page", ""),
    ("to the end, ms of CPU", "end", ""),
    ("idle, bytes per second", "idle", "0"),
    ("idle, ms of CPU per second", "idle_cpu", ""),
)


def store(count: int) -> Path:
    """A home with a store of so many tokens."""
    kept = os.environ.get("TOKEN_CONSOLE_BENCH")
    home = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="bench-screen-"))
    home = home / f"screen-{count}"
    (home / "state").mkdir(parents=True, exist_ok=True)
    database = home / "state" / "inventory.db"
    if not database.exists():
        # In a process of its own: what it loads must not warm anything up here.
        subprocess.run(
            [sys.executable, str(HERE / "make_store.py"), str(database), str(count)], check=True
        )
    return home


def main(counts: list[int]) -> None:
    """Measure and print a table."""
    found = {count: measure(count, store(count)) for count in counts}
    print(f"{'':32}" + "".join(f"{count:>12,}" for count in counts) + "   budget")
    for title, key, budget in ROWS:
        figures = "".join(f"{found[count][key]:12,.1f}" for count in counts)
        print(f"{title:32}{figures}   {budget}")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1_000, 100_000])
