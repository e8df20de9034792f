"""An Ed25519 private key in a file that only its owner reads (PKCS #8 in PEM)."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from console.errors import ConsoleError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_MAX_BYTES = 4096


class KeyFileError(ConsoleError):
    """The key's file cannot be used."""


def load_or_make(path: Path) -> tuple[Ed25519PrivateKey, bool]:
    """The key in the file, and whether it was made just now.

    Two processes that start at once get the same key. A new key is on disk, with its
    directory entry, before it is returned.

    Raises:
        KeyFileError: not a key, readable by others, or not to be written.
    """
    with contextlib.suppress(FileNotFoundError):
        return load(path), False
    if not _make(path):
        return load(path), False
    return load(path), True


def load(path: Path) -> Ed25519PrivateKey:
    """The key in the file.

    Raises:
        FileNotFoundError: there is no such file.
        KeyFileError: not a key, or readable by others.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MAX_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyFileError(f"the key {path} cannot be read: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(f"the key {path} can be read by others", f"Run: chmod 600 {path}")
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} does not hold an Ed25519 private key")
    return key


def _make(path: Path) -> bool:
    """Put a new key there, whole or not at all. False when another process was faster."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        try:
            write_durably(draft, pem)
            os.link(draft, path)  # Unlike a rename, a link never replaces what is there.
            sync_directory(path.parent)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise KeyFileError(f"the key {path} cannot be made: {error.strerror}") from None
    return True


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, and wait until its bytes are on disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
