"""How long commands take to begin, against the start of the interpreter."""

from __future__ import annotations

import sys
from pathlib import Path

from measuring import Figure, Row, cost, environment, kept, least, run, store

TOKENS = 100_000


def _home(place: Path) -> dict[str, str]:
    return {"TOKEN_CONSOLE_HOME": str(place)}


def bare() -> float:
    """The CPU seconds of a Python that imports nothing."""
    return least(5, lambda: cost([sys.executable, "-c", ""], env=environment())).cpu


def list_json() -> Figure:
    """All tokens as JSON."""
    with kept(f"store-{TOKENS}") as home:
        store(home, TOKENS)
        took = least(2, lambda: run("list", "--json", **_home(home)))
    notes = f"{TOKENS:,} tokens, {took.output / 1e6:.0f} MB, {took.memory:.0f} MB of memory"
    return Figure(took.cpu, "s of CPU", notes=notes)


ROWS = (
    Row("list-json", "list --json, 100,000 tokens", "1.5 s", lambda f: f.ours <= 1.5, list_json),
)
