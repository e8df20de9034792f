"""Which journal is meant, and which entry of it. Loads no more than reading needs."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from console import settings
from console.errors import UsageError
from console.journal.files import text_of as text_of
from console.journal.read.view import Entry, JournalView, select
from console.journal.store.base import JournalReader
from console.settings import JournalSettings, Paths, paths


def configured(where: Paths) -> JournalSettings:
    """The section ``[journal]``, as it is by default where there is no configuration."""
    if not where.config.exists():
        return JournalSettings()
    return settings.load(where.config).journal


def copy_of(chosen: argparse.Namespace) -> Path | None:
    """The copy that is to be looked at instead of this console's journal."""
    found: Path | None = getattr(chosen, "copy", None)
    return found


def nothing() -> UsageError:
    """What to say where there is no journal."""
    return UsageError("there is no journal yet", "It begins with the first action.")


def view(chosen: argparse.Namespace) -> JournalView:
    """The journal for reading, which may not be there yet. The caller closes it."""
    where = paths(chosen.home)
    if (copy := copy_of(chosen)) is not None:
        if not copy.exists():
            raise UsageError(f"there is no file {copy}", "Name a copy of a journal.db.")
        return JournalView(copy)
    if configured(where).url is None:
        return JournalView(where.journal)
    from console.journal import opening

    return opening.view(where)


@contextlib.contextmanager
def looking(chosen: argparse.Namespace) -> Iterator[tuple[JournalView, JournalReader]]:
    """The journal for reading.

    Raises:
        UsageError: there is none yet.
    """
    found = view(chosen)
    try:
        if (store := found.store) is None:
            raise nothing()
        yield found, store
    finally:
        found.close()


def one(store: JournalReader, wanted: str) -> Entry:
    """The entry with an id or a number. Raises ``UsageError``."""
    found = (
        select(store, limit=1, before=int(wanted) + 1)
        if wanted.isascii() and wanted.isdecimal() and len(wanted) < 16
        else select(store, limit=1, id=wanted)
    )
    if not found or (wanted.isdecimal() and found[0].seq != int(wanted)):
        raise UsageError(
            f"the journal has no entry {wanted[:60]}", "See: token-console journal list."
        )
    return found[0]


def vkey_of(given: str) -> str:
    """A public key that was given as text, or as a file with the text in it."""
    path = Path(given)
    with contextlib.suppress(OSError):
        if path.is_file():
            return text_of(path).strip()
    return given.strip()


def size_of(signed: bytes) -> int:
    """How many entries a signed checkpoint is about. Raises ``NoteError`` for anything else."""
    from console.tlog import note
    from console.tlog.checkpoint import Checkpoint

    return Checkpoint.parse(note.parse(signed)[0]).size
