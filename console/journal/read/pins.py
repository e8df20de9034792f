"""A pin: a checkpoint of the journal that is kept where the journal's owner cannot change it.

The simplest witness. A journal that was rolled back or forked since does not fit its pin.
"""

from __future__ import annotations

from pathlib import Path

from console.errors import JournalError, UsageError
from console.journal import files
from console.journal.store.base import JournalReader, last_checkpoint
from console.tlog.note import MAX_BYTES


def newest(store: JournalReader) -> bytes:
    """The newest signed checkpoint, to be kept elsewhere. Raises ``JournalError``."""
    found = last_checkpoint(store)
    if found is None:
        raise JournalError(
            "the journal has no signed checkpoint yet", "It begins with the next entry."
        )
    return found[1]


def write(path: Path, note: bytes) -> None:
    """Keep a checkpoint in a file. Raises ``UsageError``."""
    try:
        files.write(path, note)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def read(path: Path) -> bytes:
    """The checkpoint in a file. Raises ``UsageError``."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
