"""The log key, which signs every checkpoint: made once, kept in a private file, replaced by two.

Its name is the journal's origin, ``<host>/<uuid>``, which never changes. The file is one
line with that name and then PKCS#8 in PEM, so that ``openssl pkey`` reads it. A signer
that lives elsewhere (an agent, a PKCS#11 token) takes the file's place: the journal asks
for no more than ``tlog.note.Signer``.
"""

from __future__ import annotations

import stat
from pathlib import Path

from console.errors import JournalError
from console.journal import files
from console.tlog.note import Ed25519Signer, NoteError, Verifier, parse

_NAME = "origin: "


def make(path: Path, origin: str) -> Ed25519Signer:
    """Make a key and store it. A file that is there is never replaced.

    Raises:
        JournalError: there is one already, or the file cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        files.write(path, f"{_NAME}{origin}\n".encode() + pem, new=True)
    except FileExistsError:
        raise JournalError(f"there is a key at {path} already", "Move it away.") from None
    except OSError as error:
        raise JournalError(
            f"cannot write the journal's key {path}: {error.strerror}",
            "Nothing is sent without it. Check the directory's owner, mode and space.",
        ) from None
    return Ed25519Signer(origin, key)


def load(path: Path) -> Ed25519Signer | None:
    """The key in a file; None where there is no file.

    Raises:
        JournalError: others can read it, or it is no key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                raise JournalError(
                    f"others can read the journal's key {path} (mode {mode:04o})",
                    f"chmod 600 {path}; if somebody may have read it: token-console journal key",
                )
            head, _, pem = file.read(4096).partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"cannot read the journal's key {path}: {error.strerror}") from None
    try:
        origin = head.decode()
        key = load_pem_private_key(pem, None)
        if origin.startswith(_NAME) and isinstance(key, Ed25519PrivateKey):
            return Ed25519Signer(origin.removeprefix(_NAME), key)
    except (ValueError, TypeError, NoteError):
        pass
    raise JournalError(f"{path} is not the key of a journal", "Bring back the file from a backup.")


def coming(path: Path) -> Path:
    """Where a rotation keeps the new key until the journal holds the entry about it."""
    return path.with_name(path.name + ".next")


def current(path: Path, checkpoint: bytes) -> Ed25519Signer:
    """The key that signed a checkpoint last. A rotation that was cut short is completed.

    Raises:
        JournalError: the key is not here.
    """
    wanted = parse(checkpoint)[1][-1].key_id
    signer = load(path)
    if signer is not None and signer.key_id == wanted:
        return signer
    if (after := load(coming(path))) is not None and after.key_id == wanted:
        coming(path).replace(path)
        files.sync_directory(path.parent)
        return after
    if signer is None:
        raise JournalError(
            f"the journal's key {path} is missing",
            "Nothing is sent without it, and no other key may take its place. Bring the file "
            "back from a backup, or from the machine that made the journal.",
        )
    raise JournalError(
        f"{path} is not the key that the journal was signed with last",
        "The key was rotated on another machine, or the journal is another one. Bring the "
        "right key, then: token-console journal verify.",
    )


def verifier(vkey: str) -> Verifier:
    """A public key in its text form. Raises ``JournalError``."""
    try:
        return Verifier.parse(vkey)
    except NoteError as error:
        raise JournalError(f"not a log's public key: {error}", error.hint) from None
