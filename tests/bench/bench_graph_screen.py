"""Prints what the graph view costs in a real terminal: bytes and on-CPU milliseconds per key.

    python tests/bench/bench_graph_screen.py

Once around one leaked token with 40 neighbours, and once with all of 20,000 nodes and
100,000 links, each at 80x24 and at 250x60. CPU is that of the whole process: the reading
and laying out in its thread, and the painting.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
for each in ("pty", "console", "bench"):
    sys.path.insert(0, str(HERE.parent / each))

import tui_graph_scene  # noqa: E402
from bench_graph import made  # noqa: E402
from bench_screen import on_cpu  # noqa: E402
from pty_screen import Terminal  # noqa: E402

from console.settings import paths  # noqa: E402
from console.store.database import open_for_writing  # noqa: E402

SIZES = ((80, 24), (250, 60))


def enlarge(home: Path) -> None:
    """Put the graph of the other benchmark beside what is there."""
    graph = made()
    engine = open_for_writing(paths(home).inventory)
    shift = 1_000
    with engine.begin() as connection:
        connection.executemany(
            "INSERT INTO node (num, side, key, kind, kind_rank, name, place)"
            " VALUES (?, ?, ?, ?, 0, ?, ?)",
            [(n.num + shift, n.side, f"big{n.key}", n.kind, n.name, n.place)
             for n in graph.nodes.values()],
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO link (a, b, kind, source, origin, seen, times, confidence, detail)"
            " VALUES (?, ?, ?, 'observed', 'bench', 1, 3, 90, '')",
            [(a + shift, b + shift, kind) for (a, b), kinds in graph.kinds.items()
             for kind in kinds],
        )  # fmt: skip
    engine.dispose()


def cost(terminal: Terminal, keys: bytes) -> tuple[int, float]:
    """The bytes that a key leads to, and the process's on-CPU milliseconds."""
    terminal.quiet(0.3)
    before, sent = on_cpu(terminal.process.pid), len(terminal.out)
    terminal.press(keys)
    terminal.quiet(0.5)
    return len(terminal.out) - sent, on_cpu(terminal.process.pid) - before


def tell(what: str, found: list[tuple[int, float]]) -> None:
    sizes = [size for size, _ in found]
    times = [spent for _, spent in found]
    print(f"  {what:32} {statistics.median(sizes):8,.0f} B (most {max(sizes):,})"
          f"  {statistics.median(times):7.1f} ms of CPU (most {max(times):.1f})")  # fmt: skip


def around(home: Path, size: tuple[int, int], prepare: Callable[[Terminal], None]) -> None:
    with Terminal(home, size=size) as terminal:
        terminal.shown("tok_live")
        terminal.press(b"/tok_live\r")
        terminal.shown("1 of")
        terminal.press(b"g")
        terminal.shown("USED BY")
        prepare(terminal)
        tell("up and down among tokens", [cost(terminal, key) for key in (b"j", b"k") * 6])
        tell("to the next column and back", [cost(terminal, key) for key in (b"\t", b"\x1b[D") * 4])
        for _ in range(3):
            terminal.press(b"\x1b[C")
            terminal.quiet(0.3)
        tell("down among consumers", [cost(terminal, b"j") for _ in range(12)])
        tell("leak, on and off", [cost(terminal, b"L") for _ in range(4)])
        idle = len(terminal.out)
        terminal.quiet(3.0)
        print(f"  {'idle, in 3 s':32} {len(terminal.out) - idle:8,} B")
        terminal.press(b"q")
        terminal.ended()


def everything(terminal: Terminal) -> None:
    terminal.press(b"*")
    terminal.shown("of everything")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        for count in (0, 1):
            home = Path(directory) / str(count)
            tui_graph_scene.build(paths(home))
            if count:
                enlarge(home)
            for size in SIZES:
                print(f"{'20,000 nodes, all' if count else '40 nodes'} at {size[0]}x{size[1]}")
                around(home, size, everything if count else lambda terminal: None)


if __name__ == "__main__":
    main()
