"""What it costs to look at the graph of one token, at four sizes of the estate.

The stores are those of ``make_store`` with the links of ``graph_store``. A checkout that makes
links of everything at each look gets stores of its own, as it writes to them, and is not asked
about a million tokens.
"""

from __future__ import annotations

import importlib.util
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from measuring import (
    HERE,
    Cost,
    Figure,
    Row,
    cpu_of,
    environment,
    kept,
    least,
    on_cpu,
    peak,
    resident,
    run,
    store,
)  # fmt: skip

SIZES = (1_000, 10_000, 100_000, 1_000_000)
TOKENS = 100_000
SHOWN = 5_001
"""The number of a token with a grant or two, a few consumers, an owner and a creator."""


def estate(place: Path, count: int) -> Path:
    """The home of a store with links, which is made where it is not there yet."""
    database = place / "state" / "inventory.db"
    if not database.exists():
        with kept(f"store-{count}") as plain:
            source = store(plain, count)
            database.parent.mkdir(parents=True, exist_ok=True)
            part = database.with_suffix(".part")
            part.unlink(missing_ok=True)
            with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(part)) as here:
                there.backup(here)
        made = [sys.executable, str(HERE / "graph_store.py"), str(part)]
        subprocess.run(made, check=True, env=environment(), stdout=subprocess.DEVNULL)
        part.rename(database)
    return place


def handle(home: Path, num: int) -> str:
    """The handle of a token by its number, or of the last there is."""
    with closing(sqlite3.connect(home / "state" / "inventory.db")) as connection:
        (found,) = connection.execute(
            "SELECT handle FROM token WHERE num = min(?, (SELECT max(num) FROM token))", (num,)
        ).fetchone()
    return str(found)


def lean() -> bool:
    """Whether the measured checkout can tell that its links are up to date."""
    return importlib.util.find_spec("console.graph.freshness") is not None


def name(count: int) -> str:
    """What the store of so many tokens is called for the measured checkout."""
    return f"graph-{count}" if lean() else f"graph-{count}-before"


def asked(count: int, *words: str, num: int = SHOWN) -> Cost:
    """A command about one token of an estate, its links made before."""
    with kept(name(count)) as place:
        home = estate(place, count)
        token = handle(home, num)
        env = {"TOKEN_CONSOLE_HOME": str(home)}
        run(words[0], token, *words[1:], **env)
        return least(2, lambda: run(words[0], token, *words[1:], **env))


def slope(word: str, *more: str) -> Figure:
    """The CPU of a command at all four sizes; the figure is that of the largest."""
    sizes = SIZES if lean() else SIZES[:3]
    took = [asked(count, word, *more) for count in sizes]
    told = ", ".join(
        f"{count:,}: {one.cpu:.2f} s {one.memory:.0f} MB"
        for count, one in zip(sizes, took, strict=True)
    )
    worst = max(one.memory for one in took)
    grown = (took[-1].cpu - took[0].cpu) / (len(sizes) - 1)
    notes = f"{told}; {grown:+.3f} s with ten times as many tokens; {worst:.0f} MB at most"
    with kept(name(TOKENS)) as place:
        shown = least(2, lambda: run("show", handle(place, SHOWN), TOKEN_CONSOLE_HOME=str(place)))
    return Figure(max(one.cpu for one in took), "s of CPU", peers={"show": shown.cpu}, notes=notes)


def graph() -> Figure:
    """The tree of one token."""
    return slope("graph")


def reach() -> Figure:
    """What one token's leak gets to."""
    return slope("reach", "--stored")


def hub() -> Figure:
    """The tree back from a token that a grant on everything can read, at 100,000 and 1,000,000."""
    sizes = SIZES[2:] if lean() else SIZES[2:3]
    took = {count: asked(count, "graph", "--reverse", num=500) for count in sizes}
    told = ", ".join(f"{n:,}: {one.cpu:.2f} s {one.memory:.0f} MB" for n, one in took.items())
    return Figure(took[sizes[-1]].cpu, "s of CPU", notes=told)


def _reader(count: int, start: tuple[str, str]) -> Figure:
    """What the screen's reader takes for the first picture, in this process."""
    from console.tui.views.graph.reader import GraphReader
    from console.tui.views.graph.scene import SceneWanted

    with kept(name(count)) as place:
        home = estate(place, count)
        path = home / "state" / "inventory.db"
        before = peak()
        pictures: list[object] = []
        wanted = SceneWanted(start if start[0] else None, reload=True)

        def look() -> None:
            reader = GraphReader(path, pictures.append, _fail)
            reader.work(wanted)
            pictures.clear()

        spent = cpu_of(look, 2)
        told = f"{count:,} tokens, {peak() - before:+.0f} MB"
    return Figure(spent, "s of CPU", notes=told)


def _fail(trouble: str) -> None:
    raise RuntimeError(trouble)


def screen() -> Figure:
    """The picture around one token, in the screen's process, after its list of tokens.

    In a real terminal: the key, reading, laying out, painting. No worker, and no store that
    changes.
    """
    from pty_screen import Terminal

    with kept(name(TOKENS)) as place:
        home = estate(place, TOKENS)
        wanted = handle(home, SHOWN)
        with Terminal(home, environ=environment(), size=(120, 40)) as terminal:
            terminal.shown("tokens")
            terminal.press(f"/{wanted}\r".encode())
            terminal.shown("1 of")
            terminal.quiet(1.5)
            pid = terminal.process.pid
            before, held = on_cpu(pid), resident(pid)
            terminal.press(b"g")
            terminal.shown("USED BY")
            terminal.quiet(3.0)
            spent, grown = on_cpu(pid) - before, resident(pid, "VmHWM") - held
            terminal.press(b"q")
            terminal.ended()
    return Figure(spent, "s of CPU", notes=f"{TOKENS:,} tokens; {grown:+.0f} MB")


def screen_hub() -> Figure:
    """The picture around whoever made every token, a million of them."""
    return _reader(SIZES[-1], ("who", "terraform"))


def screen_all() -> Figure:
    """The graph of everything, read whole."""
    return _reader(TOKENS, ("", ""))


def _modest(figure: Figure) -> bool:
    memory = figure.notes.rpartition("; ")[2].partition(" MB")[0]
    return figure.ours <= 0.4 and float(memory) <= 80


def _small(figure: Figure) -> bool:
    grown = figure.notes.rpartition("; ")[2].partition(" MB")[0]
    return figure.ours <= 0.2 and float(grown) <= 30


def _half(figure: Figure) -> bool:
    return figure.ours <= 0.5


ROWS = (
    Row("graph-token", "graph of one token, 1k to 1M tokens", "0.4 s, 80 MB", _modest, graph),
    Row("reach-token", "reach of one token, 1k to 1M tokens", "0.4 s, 80 MB", _modest, reach),
    Row("graph-hub", "graph --reverse through hubs, 1M", "0.5 s", _half, hub),
    Row("screen-graph", "the screen's graph, 100k", "0.2 s, 30 MB", _small, screen),
    Row("screen-hub", "screen's graph, a hub of 1M", "0.5 s", _half, screen_hub),
    Row("screen-all", "screen's graph of all, 100k", "4 s", lambda f: f.ours <= 4, screen_all),
)
