"""Small files beside the journal, written so that a crash leaves the old or the new one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from console.errors import UsageError


class Files(NamedTuple):
    """What lies beside a journal, all of it private to its user."""

    key: Path
    """The log key. The journal is of no use for writing without it: keep a copy."""
    verified: Path
    """The checkpoint up to which everything was verified here the last time."""
    signatures: Path
    """How far the signatures of the checkpoints were checked here, and when."""
    pepper: Path
    """The key of the fingerprints of tokens' values. Keep a copy, apart from the journal."""
    ballast: Path
    """Space that is given up when the disk is full, for the outcome that is owed."""


def beside(base: Path) -> Files:
    """The files of the journal at ``base``, such as ``journal.db``."""
    return Files(*(base.with_suffix(f".{name}") for name in Files._fields))


MAX_TEXT = 256 * 1024
"""Bytes of a key, a policy or a list of signers that are read."""


def text_of(path: Path) -> str:
    """A small text file that somebody wrote. Raises ``UsageError``."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > MAX_TEXT:
        raise UsageError(f"{path} is too large")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text") from None


def write(path: Path, data: bytes, *, new: bool = False) -> None:
    """Write a file whole, mode 0600, and have it on the disk.

    ``new`` refuses to replace one that is there already.

    Raises:
        FileExistsError: with ``new`` only.
        OSError: it could not be written; what was there is still there.
    """
    waiting = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            os.link(waiting, path)
        else:
            os.replace(waiting, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            waiting.unlink()
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
