"""Whom to wake: how the owners are reached, as the teams' own files say it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from console.graph.collect import team_files


def contacts(files: Iterable[Path]) -> dict[str, str]:
    """The contact of each owner that a file gives one for, by the owner's name. Raw texts.

    What cannot be read has none; that it cannot be is said where its owners are read.
    """
    found: dict[str, str] = {}
    for path in files:
        if path.suffix != ".toml":
            continue
        with contextlib.suppress(team_files.Unusable):
            for owner in team_files.owners(team_files.read(path)).owner:
                if owner.contact:
                    found.setdefault(owner.name, owner.contact)
    return found
