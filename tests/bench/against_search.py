"""What a key costs that is typed into the filter, at a million tokens."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from measuring import Figure, Row, cost, environment, kept, store

TOKENS = 1_000_000
SEEN = 104
"""Rows that a screen of 24 lines asks for."""
CLOCK = 1_795_402_800.0
TYPED = (
    "payments",
    "-payments",
    "vault",
    "-vault",
    "svc-deploy",
    "-admin",
    "zqx",
    "-state:active",
    "owner:none",
    "-owner:none",
    "grant:root",
    "used:>90d",
    "principal:fraud -backend:vault-prod",
)
"""What is typed, key by key: each beginning that means something is asked for."""
SORTS = ("name", "-owner", "backend", "-used", "state")
FZF = ("p", "pay", "payments", "svc-deploy", "zqx")


def _keys() -> Iterator[tuple[str, str]]:
    for text in TYPED:
        for end in range(1, len(text) + 1):
            yield text, text[:end]


def _measured() -> tuple[dict[str, list[tuple[float, str]]], float]:
    """CPU milliseconds for the rows, and for what comes after them, of every key and order."""
    from console.inventory.search import inventory as searching
    from console.inventory.search.query import read
    from console.tui.views.inventory import searcher

    now: dict[str, list[tuple[float, str]]] = {"rows": [], "after": []}
    warming = 0.0
    with kept(f"store-{TOKENS}") as home:
        found = searching.Inventory(store(home, TOKENS), clock=lambda: CLOCK)
        # What the screen of this checkout does after the rows were given.
        most = getattr(searcher, "MOST", None)
        for name in SORTS:
            sort = searching.Sort(name.removeprefix("-"), name.startswith("-"))
            asked = None
            for _, text in _keys():
                query = read(text).query
                if query == asked or not query.terms:
                    continue
                asked = query
                began = time.process_time()
                rows = found.window(query, sort, 0, SEEN)
                found.uses([row.rowid for row in rows], int(CLOCK))
                now["rows"].append(((time.process_time() - began) * 1000, f"{text} by {name}"))
                if most is not None:
                    began = time.process_time()
                    found.count(query, most, sort)
                    now["after"].append(((time.process_time() - began) * 1000, f"{text} by {name}"))
                    began = time.process_time()
                    found.warm(sort)
                    warming = max(warming, (time.process_time() - began) * 1000)
        found.close()
    return now, warming


def keys() -> Figure:
    """The key whose rows cost most."""
    now, warming = _measured()
    figures = sorted(now["rows"], reverse=True)
    spent = [figure for figure, _ in figures]
    over = sum(figure > 50 for figure in spent)
    notes = (
        f"{len(spent):,} keys and orders at {TOKENS:,} tokens: median {spent[len(spent) // 2]:.1f},"
        f" {over} above 50 ms; the worst: "
        + ", ".join(f"{name} {figure:.0f}" for figure, name in figures[:6])
    )
    if now["after"]:
        count, name = max(now["after"])
        notes += f"; counting up to the limit at most {count:.0f} ({name})"
        notes += f"; the order into memory {warming:.0f}, once"
    return Figure(spent[0], "ms of CPU", peers=_fzf(), notes=notes)


def _fzf() -> dict[str, float]:
    """The same words in fzf over the same texts, without the time in which it reads them."""
    if shutil.which("fzf") is None:
        return {}
    with kept(f"store-{TOKENS}") as home:
        texts = home / "texts"
        if not texts.exists():
            _write(store(home, TOKENS), texts)
        reading = _asked("\1", texts)
        return {f"fzf {word}": max(_asked(word, texts) - reading, 0.0) for word in FZF}


def _asked(word: str, texts: Path) -> float:
    command = f"fzf --exact --no-sort --filter='{word}' < '{texts}'"
    try:
        return cost(["sh", "-c", command], env=environment(), check=False).cpu * 1000
    except subprocess.SubprocessError:
        return 0.0


def _write(database: Path, texts: Path) -> None:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    with texts.open("w") as file:
        for hay, grants in connection.execute("SELECT hay, grant_text FROM token"):
            file.write(f"{hay} {grants}".replace("\n", " ") + "\n")
    connection.close()


ROWS = (
    Row(
        "filter",
        f"the filter's worst key, {TOKENS:,} tokens",
        "50 ms to the rows",
        lambda f: f.ours <= 50,
        keys,
    ),
)
