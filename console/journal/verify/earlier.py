"""How far the signatures of the checkpoints were checked on this machine, and when.

Kept in a file beside the journal. It spares work and proves nothing: the command checks all
signatures again, and whoever leaves some out says how many, and since when.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from pathlib import Path
from typing import NamedTuple

from console import ownership
from console.journal import files

_MOST = 1024


class Earlier(NamedTuple):
    """The journal as it was when all its signatures had been checked."""

    size: int
    root: bytes
    at: float
    """When the oldest of them was checked, in unix seconds."""


def read(path: Path) -> Earlier | None:
    """What the file says; None where there is none that can be read, so that all is checked."""
    try:
        with path.open("rb") as file:
            size, root, at = file.read(_MOST).decode("ascii").split()
        return Earlier(int(size), base64.b64decode(root, validate=True), float(at))
    except (OSError, ValueError, binascii.Error):
        return None


def write(path: Path, earlier: Earlier) -> None:
    """Keep it. Losing it only costs time, so it is never an error."""
    if ownership.foreign(path):
        return  # What root leaves there, its owner could not read.
    root = base64.b64encode(earlier.root).decode("ascii")
    with contextlib.suppress(OSError):
        files.write(path, f"{earlier.size} {root} {earlier.at:.0f}\n".encode("ascii"))
