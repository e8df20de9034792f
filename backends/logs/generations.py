"""Which files a log consists of: the live one, what was rotated away, however it was packed."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from backends.errors import ServerFault

BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a damaged or vanishing file raises."""
OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": lambda path: cast(IO[bytes], gzip.open(path, "rb")),  # noqa: SIM115
    ".bz2": lambda path: bz2.open(path, "rb"),  # noqa: SIM115
    ".xz": lambda path: lzma.open(path, "rb"),  # noqa: SIM115
}


def generations(path: Path) -> list[tuple[Path, int | None]]:
    """The files of a log, oldest first: itself with what was rotated away, or a pattern's.

    With each its number, where files are numbered: 0 is the live one, and neighbours are
    one apart unless some are missing.

    Raises:
        BackendError: its folder cannot be looked into.
    """
    return _matching(path) if is_pattern(path) else _rotated(path)


def is_pattern(path: Path) -> bool:
    """Whether a path stands for all files that its name matches."""
    return any(sign in path.name for sign in "*?[")


def opened(path: Path) -> IO[bytes]:
    """One file of a log, whichever way it is packed. Raises what :data:`BROKEN` says."""
    opener = OPENERS.get(path.suffix)
    return opener(path) if opener else path.open("rb")


def _matching(pattern: Path) -> list[tuple[Path, int | None]]:
    """The files that a pattern matches, by name, which is how such logs are dated."""
    with contextlib.suppress(OSError):
        return [(one, None) for one in sorted(pattern.parent.glob(pattern.name)) if one.is_file()]
    return []


def _rotated(path: Path) -> list[tuple[Path, int | None]]:
    """A file and its rotated siblings, each with the number that its name ends with."""
    keyed: list[tuple[tuple[int, int, str, bool], Path, int | None]] = []
    names = _siblings(path)
    stamp = r"[-.]\d[\dTZ:._-]*"
    behind = re.compile(re.escape(path.name) + stamp)
    dated = re.compile(re.escape(path.stem) + stamp + re.escape(path.suffix))
    for one in names:
        plain = one.name
        for suffix in OPENERS:
            plain = plain.removesuffix(suffix)
        # While a file is being compressed, the whole one is the later in order.
        whole = plain == one.name
        tail = plain.removeprefix(path.name + ".")
        if one == path:
            keyed.append(((2, 0, "", whole), one, 0))
        elif plain != tail and tail.isdecimal() and tail.isascii() and len(tail) <= 5:
            keyed.append(((1, -int(tail), "", whole), one, int(tail)))
        elif behind.fullmatch(plain) or dated.fullmatch(plain):
            keyed.append(((0, 0, plain, whole), one, None))
    return [(one, number) for _, one, number in sorted(keyed, key=lambda item: item[0])]


def _siblings(path: Path) -> list[Path]:
    """The files beside a log, itself among them.

    Where the folder may be gone through and not be listed, those that can be guessed: a log
    that may be read is read all the same.
    """
    try:
        return list(path.parent.iterdir())
    except OSError as error:
        guessed = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, 10))]
        found = [one for one in guessed if os.path.isfile(one)]
        if not isinstance(error, PermissionError) or path not in found:
            raise ServerFault(f"cannot look into {path.parent}: {error.strerror}") from None
        return found
