"""What everything that is given to others has in common: it is whole or not there, and signed.

A directory that appears under its name when all of it is on the disk; the newest checkpoint
with its key in several forms; the SHA-256 of every file, and signatures over those.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from console.errors import JournalError, UsageError
from console.journal.files import sync_directory
from console.journal.keys import verifier
from console.journal.store.base import JournalReader, cosigned, last_checkpoint
from console.journal.verify import trust
from console.tlog import note
from console.tlog.checkpoint import Checkpoint
from console.tlog.note import NoteError, Signer, Verifier, open_note

_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410, section 4)."""


class Snapshot(NamedTuple):
    """The newest checkpoint with what witnesses put to it, and the key that signed it."""

    signed: bytes
    point: Checkpoint
    key: Verifier

    @property
    def signature(self) -> bytes:
        """That key's signature over the checkpoint's own text."""
        made = next(each for each in note.parse(self.signed)[1] if each.key_id == self.key.key_id)
        return made.value


@contextlib.contextmanager
def drafted(directory: Path) -> Iterator[Path]:
    """A directory to write into, which gets its own name when the block ends well.

    If it does not, nothing of it is left.

    Raises:
        UsageError: the directory is there already, or cannot be written.
    """
    directory = directory.absolute()
    if os.path.lexists(directory):
        raise UsageError(f"{directory} is there already", "Name a directory that is not.")
    draft = directory.with_name(f".{directory.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        draft.mkdir(mode=0o700)
        try:
            yield draft
            draft.rename(directory)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_directory(directory.parent)
    except OSError as error:
        raise UsageError(f"cannot write {directory}: {error.strerror or error}") from None


def snapshot(store: JournalReader) -> Snapshot:
    """The newest checkpoint as it can be given away.

    Raises:
        JournalError: nothing is signed yet, or the signature is wrong.
    """
    found = last_checkpoint(store)
    if found is None:
        raise JournalError(
            "nothing is signed yet, so there is nothing to export",
            "The journal begins with the first action.",
        )
    size, signed = found
    own = [verifier(vkey) for _, vkey in trust.keys_of(store, size)]
    try:
        made = open_note(signed, own).verified[-1]
        point = Checkpoint.parse(note.parse(signed)[0])
        for other in cosigned(store):
            text, signatures = note.parse(other)
            if text == point.body():
                signed = note.add(signed, signatures)
    except NoteError as error:
        raise JournalError(
            f"the newest checkpoint cannot be used: {error}",
            "See what is wrong: token-console journal verify.",
        ) from None
    return Snapshot(signed, point, next(each for each in own if each.key_id == made.key_id))


def ssh_signature(signer: Signer, key: Verifier, namespace: str, message: bytes) -> str:
    """The log key's signature in the form that ``ssh-keygen -Y verify`` reads."""
    from console.sshsig import sshsig
    from console.sshsig.wire import string

    made = signer.sign(sshsig.to_be_signed(namespace, message))
    blob = sshsig.blob(ssh_blob(key), namespace, string(b"ssh-ed25519") + string(made))
    return sshsig.armour(blob)


def sums(draft: Path, without: Collection[str] = ()) -> str:
    """The SHA-256 of every file, as ``sha256sum`` writes it. Some files may be left out."""
    lines = []
    for path in sorted(path for path in draft.rglob("*") if path.is_file()):
        name = str(path.relative_to(draft))
        if name not in without:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            lines.append(f"{digest}  ./{name}\n")
    return "".join(lines)


def pem(key: Verifier) -> str:
    """A log key as OpenSSL reads it."""
    text = base64.b64encode(_SPKI + key.public_key).decode("ascii")
    return f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"


def ssh_blob(key: Verifier) -> bytes:
    """A log key as SSH has it."""
    from console.sshsig.wire import string

    return string(b"ssh-ed25519") + string(key.public_key)


def ssh_key(key: Verifier) -> str:
    """The same on one line: its type and its base64."""
    return f"ssh-ed25519 {base64.b64encode(ssh_blob(key)).decode('ascii')}"


def sync(directory: Path) -> None:
    """Have every file and every name on the disk."""
    for place, _, names in os.walk(directory):
        for name in names:
            descriptor = os.open(Path(place) / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(place))
