"""Finds tokens in a directory of configuration files, by public id and by fingerprint.

Each word of a file that is long enough is hashed with the journal's pepper and compared
with the fingerprints that are known; no word is kept. Public ids (an AWS access key id) and
ids that a system would take for a name only (an accessor) are compared as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from backends.model import Secret
from console.graph.freshness import FILES, walk

WORD = re.compile(r"[A-Za-z0-9_./+=~:-]{8,512}")
SIZE_LIMIT = 2_000_000
WORDS = 200_000
"""Different words of one file that are hashed."""


class FoundInFile(NamedTuple):
    """A token that a file names or holds."""

    path: str
    line: int
    handle: str
    how: str
    """"public id" or "fingerprint"."""
    seen: int


class Searched(NamedTuple):
    """What a search of a directory found, and how much of it could be searched."""

    found: list[FoundInFile]
    files: int
    skipped: list[str]
    """Why some files were not searched."""


def search(
    folder: Path,
    ids: Mapping[str, str],
    prints: Mapping[str, str],
    fingerprint: Callable[[Secret], str] | None,
) -> Searched:
    """Look through a directory. ``ids`` and ``prints`` map to handles."""
    found: list[FoundInFile] = []
    skipped: list[str] = []
    count = 0
    for path in walk(folder):
        if count >= FILES:
            skipped.append(f"more than {FILES:,} files")
            break
        count += 1
        try:
            status = path.stat()
            if status.st_size > SIZE_LIMIT:
                skipped.append(f"{path.name} is larger than {SIZE_LIMIT:,} bytes")
                continue
            text = path.read_bytes().decode("utf-8", "replace")
        except OSError as error:
            skipped.append(f"{path.name}: {error.strerror}")
            continue
        name = str(path.relative_to(folder))
        if not _in_file(text, name, int(status.st_mtime), ids, prints, fingerprint, found):
            skipped.append(f"{name} has more than {WORDS:,} words")
    return Searched(found, count, skipped)


def _in_file(
    text: str,
    name: str,
    seen: int,
    ids: Mapping[str, str],
    prints: Mapping[str, str],
    fingerprint: Callable[[Secret], str] | None,
    found: list[FoundInFile],
) -> bool:
    told: set[str] = set()
    tried: set[int] = set()
    for number, line in enumerate(text.splitlines(), 1):
        for word in _words(line):
            if (handle := ids.get(word)) is not None:
                how = "public id"
            elif fingerprint is None or not prints or hash(word) in tried:
                continue
            elif len(tried) >= WORDS:
                return False
            else:
                tried.add(hash(word))
                handle, how = prints.get(fingerprint(Secret(word))), "fingerprint"
            if handle is not None and handle not in told:
                told.add(handle)
                found.append(FoundInFile(name, number, handle, how, seen))
    return True


def _words(line: str) -> Iterator[str]:
    """The words of a line, and the parts of those that are put together, like ID:SECRET."""
    for match in WORD.finditer(line):
        word = match[0]
        yield word
        trimmed = word.strip(".,:;=")
        if trimmed != word:
            yield trimmed
        for part in re.split(r"[:=]", word):
            if part != word and len(part) >= 8:
                yield part
