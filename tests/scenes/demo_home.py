"""A home of the demo: an estate that was made and read once, and copies that a test may change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from real_systems import console


def prepare(place: Path, tokens: int = 300, seed: int = 3) -> Path:
    """Make an estate and read it."""
    done = console(place, "demo", "--prepare", "--tokens", str(tokens), "--seed", str(seed))
    assert done.returncode == 0, done.stderr
    return place / "demo"


def copy(prepared: Path, place: Path) -> Path:
    """The same in another place."""
    home = place / "demo"
    shutil.copytree(prepared, home)
    config = home / "config.toml"
    config.write_text(config.read_text().replace(str(prepared), str(home)))
    return home


class Responder:
    """Somebody at a home's command line."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def must(self, *words: str, code: int = 0, text: str | None = None) -> str:
        """What a command says on both channels; it has to end with this code."""
        done = console(self.home, *words, text=text)
        assert done.returncode == code, (words, done.returncode, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def told(self, *words: str, code: int | None = None) -> Any:
        """A command's JSON."""
        done = console(self.home, *words, "--json")
        assert done.returncode in ((0, 3) if code is None else (code,)), done.stdout + done.stderr
        return json.loads(done.stdout)

    def first(self, *query: str) -> dict[str, Any]:
        """The first token that a query lists."""
        row: dict[str, Any] = self.told("list", *query)[0]
        return row
