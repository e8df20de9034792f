"""What the screen remembers from one start to the next: columns, sort, when it was last seen.

A convenience only: a file that is lost, old or broken is as good as none.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from console.tui.draw.columns import BY_ID, DEFAULT


class Remembered(NamedTuple):
    """What the list of tokens looked like when it was left last."""

    columns: tuple[str, ...] = DEFAULT
    sort: str = "name"
    descending: bool = False
    seen: int = 0
    """When the list was last on a screen, in unix seconds; 0 for never."""


def load(path: Path) -> Remembered:
    """What was saved, or the defaults."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        columns = tuple(name for name in data["columns"] if name in BY_ID)
        return Remembered(
            columns if "name" in columns else DEFAULT,
            str(data["sort"]),
            data["descending"] is True,
            int(data["seen"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Remembered()


def save(path: Path, remembered: Remembered) -> None:
    """Write it beside and move it over, so that a reader sees the old or the new one."""
    beside = path.with_suffix(f".{os.getpid()}.new")
    with contextlib.suppress(OSError):
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(remembered._asdict(), file)
        beside.replace(path)
