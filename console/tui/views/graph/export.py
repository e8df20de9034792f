"""Writes what a picture of a graph holds as DOT, Mermaid or JSON."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from console.graph import export
from console.settings import Paths
from console.store import reading
from console.tui.views.graph.scene import Picture
from console.tui.widgets.picker import PickerRow

FORMS = (
    ("dot", "DOT", "for Graphviz: dot -Tsvg"),
    ("mermaid", "Mermaid", "for a page of text"),
    ("json", "JSON", "for programs, with all evidence"),
)
ENDINGS = {"dot": "dot", "mermaid": "mmd", "json": "json"}


def forms(typed: str) -> Sequence[PickerRow]:
    """The forms to choose from."""
    wanted = typed.strip().lower()
    return [PickerRow(id_, label, note) for id_, label, note in FORMS if wanted in label.lower()]


async def write(paths: Paths, picture: Picture, form: str, now: float) -> Path:
    """Write all nodes of the picture's view, folded ones too; returns where.

    Raises:
        OSError: the file cannot be written.
        StoreError: the store cannot be read.
    """
    return await asyncio.to_thread(_write, paths, picture, form, now)


def _write(paths: Paths, picture: Picture, form: str, now: float) -> Path:
    graph = picture.graph
    nums = {num for rows in picture.view.rows.values() for row in rows for num in row.members}
    if form == "json":
        with contextlib.closing(reading.connect(paths.inventory)) as connection:
            told = export.document(connection, graph, nums)
        told |= {"start": picture.start, "not_known": list(picture.unknown)}
        text = export.dumps(told) + "\n"
    else:
        text = (export.dot if form == "dot" else export.mermaid)(graph, nums)
    name = graph.nodes[picture.start].name if picture.start is not None else "everything"
    # The name comes from outside: of it, only what is harmless in a file's name.
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40].strip("-") or "node"
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S")
    folder = paths.state / "exports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"graph-{plain}-{stamp}.{ENDINGS[form]}"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    return path
