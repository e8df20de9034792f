"""Where log files lie that are written once, and what of them can be listed and read."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from backends.errors import Forbidden, NotFound, ServerFault

UNREAD: Final = "unread"
LISTED: Final = "listed"
"""In the place of a stamp: what could not be read is tried again, and a folder has none."""
MAX_FILE: Final = 512 << 20
"""Bytes of one file when it is unpacked."""


class ShelfItem(NamedTuple):
    """One file of a shelf, or one folder, whose ``name`` ends with a slash.

    ``stamp`` is another one when it was written anew, ``modified`` when that was. ``trouble``
    says why a folder cannot be looked into.
    """

    name: str
    stamp: str
    modified: datetime | None = None
    trouble: str = ""


class Shelf(ABC):
    """Where files lie."""

    @abstractmethod
    def items(self) -> Iterator[ShelfItem]:
        """Every file, and what of the folders around them has to be told.

        Raises:
            BackendError: none of it can be listed.
        """

    @abstractmethod
    def get(self, name: str) -> bytes:
        """A file's bytes. Raises ``BackendError``."""

    def close(self) -> None:
        """Give back what was taken."""


class Folder(Shelf):
    """A directory, with all below it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def items(self) -> Iterator[ShelfItem]:
        """Every file with JSON below the folder, and each folder on the way."""
        if not self._path.is_dir():
            raise NotFound(f"there is no folder {self._path}", "Mend path.")
        yield from sorted(self._below(self._path))

    def _below(self, folder: Path) -> Iterator[ShelfItem]:
        """What is below a folder. One that cannot be listed, or has just gone, is told."""
        name = "" if folder == self._path else f"{folder.relative_to(self._path)}/"
        found: list[Path] = []
        try:
            with os.scandir(folder) as entries:
                found = [Path(entry.path) for entry in entries if not entry.is_symlink()]
        except OSError as error:
            if not name:
                kind = Forbidden if isinstance(error, PermissionError) else ServerFault
                why = f"cannot look into {folder}: {error.strerror}"
                raise kind(why, "Let the console's user read it.") from None
            yield ShelfItem(name, UNREAD, None, error.strerror or "it cannot be read")
            return
        if name:
            yield ShelfItem(name, LISTED)
        for path in found:
            try:
                told = path.stat()
            except OSError as error:
                trouble = error.strerror or "it cannot be read"
                yield ShelfItem(f"{path.relative_to(self._path)}/", UNREAD, None, trouble)
                continue
            if stat.S_ISDIR(told.st_mode):
                yield from self._below(path)
            elif stat.S_ISREG(told.st_mode) and ".json" in path.name:
                modified = datetime.fromtimestamp(told.st_mtime, UTC)
                stamp = f"{told.st_size}-{told.st_mtime_ns}"
                yield ShelfItem(str(path.relative_to(self._path)), stamp, modified)

    def get(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            NotFound: it is gone.
            Forbidden, ServerFault: it cannot be read.
        """
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"{name} was there, and is gone") from None
        except OSError as error:
            kind = Forbidden if isinstance(error, PermissionError) else ServerFault
            raise kind(f"cannot read {name}: {error.strerror}") from None
