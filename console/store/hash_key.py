"""The key of the hashes that stand in the store for values that a log should not have held."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

BYTES = 32


def hash_key(inventory: Path) -> bytes:
    """The key beside an inventory, which is made where there is none.

    Where it cannot be kept, it is one that is forgotten: then a name that was learned is not
    known again, and still nothing is kept that should not be.
    """
    path = inventory.with_suffix(".key")
    made = secrets.token_bytes(BYTES)
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(made)
                file.flush()
                os.fsync(file.fileno())
        found = path.read_bytes()
        if len(found) == BYTES:
            return found
    return made
