"""Whether links are up to date with all that they are made of; needs the standard library only.

Who writes tokens, uses or fingerprints notes it in the store (``store/write/marks``). The
teams' files are compared by their sizes and times, so that nobody has to read them again.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from console.settings.graph import GraphSettings
from console.store.queries import links, marks

FILES = 20_000
"""Files of one directory of configurations that are looked at."""
SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv"})


def walk(folder: Path) -> Iterator[Path]:
    """The files below a directory of configurations, in the order in which they are searched."""
    for where, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if name not in SKIPPED)
        for name in sorted(names):
            path = Path(where) / name
            if path.is_file() and not path.is_symlink():
                yield path


def files_mark(settings: GraphSettings, searched: bytes | None) -> int:
    """A number that is another one when the teams' files, or which are read, are different.

    ``searched`` is what values in files are compared with: the key of the fingerprints.
    """
    told = hashlib.blake2b(searched or b"", digest_size=7)
    for kind in ("owners", "consumers", "configs"):
        for path in getattr(settings, kind):
            told.update(f"\0{kind}\0{path}".encode(errors="surrogateescape"))
            some = walk(path) if kind == "configs" else (path,)
            for number, one in enumerate(some):
                if number > FILES:
                    break
                told.update(_mark(one))
    return int.from_bytes(told.digest(), "big")


def _mark(path: Path) -> bytes:
    try:
        status = path.stat()
    except OSError as error:
        return f"\0{path}\0{error.errno}".encode(errors="surrogateescape")
    told = f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}"
    return told.encode(errors="surrogateescape")


def stale(
    connection: sqlite3.Connection, files: int, known_prints: Iterable[tuple[str, str]]
) -> bool:
    """Whether something is different that links are made of.

    ``files`` is the ``files_mark`` of now, ``known_prints`` the journal's fingerprints.
    """
    if marks.value(connection, marks.LINKED) != files:
        return True
    if marks.value(connection, marks.LINKED_PRINTS) != marks.prints(connection):
        return True
    if marks.value(connection, marks.LOST) is not None:
        return True
    if any(marks.behind(connection, kind, 1) for kind in (marks.RECORD, marks.USED)):
        return True
    wanted = {pair for pair in known_prints if pair[0]}
    return bool(wanted) and not wanted <= set(links.fingerprints(connection))
