"""Keyed fingerprints of tokens' values: "did we act on this one?", without keeping any value.

HMAC-SHA256 under a key of this journal's own, the pepper. Without the pepper nobody can
test guesses against the journal; with it lost, old entries cannot be searched any more.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from backends.model import Secret
from console.errors import JournalError
from console.journal import files
from console.journal.format.sentence import Entry
from console.journal.read.view import select
from console.journal.store.base import JournalReader

_BYTES = 32


def pepper(path: Path, *, make: bool = False) -> bytes | None:
    """The pepper in a file; None where there is none, unless it is to be made.

    Raises:
        JournalError: others can read it, or it cannot be used.
    """
    try:
        if make and not path.exists():
            _make(path)
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            data = file.read(_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"cannot use the pepper {path}: {error.strerror}") from None
    if mode & 0o077:
        raise JournalError(f"others can read {path} (mode {mode:04o})", f"chmod 600 {path}")
    if len(data) != _BYTES:
        raise JournalError(f"{path} is not a pepper", "Bring back the file from a backup.")
    return data


def fingerprint(key: bytes, value: Secret) -> str:
    """What an entry's target keeps as ``fp``."""
    return digests(key)(value.reveal().encode()).hex()


def digests(key: bytes) -> Callable[[bytes], bytes]:
    """What makes fingerprints as bytes, for many words: the key is prepared once."""
    prepared = hmac.new(key, digestmod=hashlib.sha256)

    def digest(word: bytes) -> bytes:
        made = prepared.copy()
        made.update(word)
        return made.digest()

    return digest


def find_secret(store: JournalReader, path: Path, value: Secret) -> list[Entry]:
    """The entries about the token with this value, newest first.

    Raises:
        JournalError: there is no pepper, or the journal cannot be read.
    """
    key = pepper(path)
    if key is None:
        raise JournalError(
            f"there is no pepper at {path}, so no value was ever fingerprinted here",
            "Search by the token's id or name: token-console journal list.",
        )
    return select(store, limit=1000, fp=fingerprint(key, value))


def _make(path: Path) -> None:
    try:
        files.write(path, secrets.token_bytes(_BYTES), new=True)
    except FileExistsError:
        return  # Another process was first; its pepper is the journal's.
