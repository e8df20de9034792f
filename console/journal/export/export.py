"""The journal as a directory that other people's programs check; see its ``VERIFY.md``.

It has the log as tiles, the signed checkpoint and its key in several forms, the entries as
lines, the responders' signatures as files, and a translation for a SIEM. It is read in one
pass, and appears under its name when all of it is on the disk.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from console.errors import JournalError, UsageError
from console.journal.export import guide, ocsf
from console.journal.files import sync_directory
from console.journal.format.entry import STATEMENT, SchemaError, statement
from console.journal.format.sentence import Entry, entry_of
from console.journal.keys import verifier
from console.journal.store.base import JournalReader, cosigned, last_checkpoint, leaves
from console.journal.verify import trust
from console.sshsig.mark import ENTRY, INTENT
from console.tlog import note, policy, tiles
from console.tlog.checkpoint import Checkpoint
from console.tlog.note import NoteError, Signer, Verifier, open_note

FORM = "tiles"
NAMESPACE = "journal-checkpoint@token-console"
"""The SSHSIG namespace of checkpoints: no signature over anything else passes for one."""
SUMS_NAMESPACE = "journal-export@token-console"
"""The same for the sums over all files of an export."""
PRINCIPAL = "journal"
_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410, section 4)."""
_EVERY = 1000


class FinishedExport(NamedTuple):
    """An export that is finished."""

    directory: Path
    size: int
    root: bytes
    vkey: str
    ssh: bool
    """Whether ``checkpoint.sig`` is there, which only the log's private key can make."""


class Choice(NamedTuple):
    """What goes into an export besides the journal itself."""

    signer: Signer | None = None
    policy: str = ""
    """The text of a C2SP tlog-policy; without one, it names the log and no witness."""
    allowed_signers: str = ""
    """OpenSSH's file of the responders' keys."""


def export(
    store: JournalReader,
    directory: Path,
    choice: Choice,
    record: Callable[[int, bytes], None] = lambda size, root: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FinishedExport:
    """Write the journal up to its newest checkpoint.

    ``record`` is called with size and root when everything is on the disk and before the
    directory gets its name, so that no export exists that nobody was told of.

    Raises:
        UsageError: the directory is there already, or cannot be written.
        JournalError: there is nothing signed, or its signature is wrong.
        TilesError: the entries are not those that were signed.
    """
    directory = directory.absolute()
    if os.path.lexists(directory):
        raise UsageError(f"{directory} is there already", "Name a directory that is not.")
    signed, point, key = _snapshot(store)
    draft = directory.with_name(f".{directory.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        draft.mkdir(mode=0o700)
        try:
            ssh = _head(draft, signed, point, key, choice)
            _witnessed(draft, store, point)
            _body(draft, store, point, signed, progress)
            _sums(draft, key, choice.signer if ssh else None)
            _sync(draft)
            record(point.size, point.root)
            draft.rename(directory)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_directory(directory.parent)
    except OSError as error:
        raise UsageError(f"cannot write {directory}: {error.strerror or error}") from None
    return FinishedExport(directory, point.size, point.root, key.vkey, ssh)


def _snapshot(store: JournalReader) -> tuple[bytes, Checkpoint, Verifier]:
    """The newest checkpoint with what witnesses put to it, and the key that signed it."""
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
    return signed, point, next(each for each in own if each.key_id == made.key_id)


def _head(draft: Path, signed: bytes, point: Checkpoint, key: Verifier, choice: Choice) -> bool:
    """Everything that is about the checkpoint. Whether it got an SSH signature."""
    raw = next(each for each in note.parse(signed)[1] if each.key_id == key.key_id)
    signer = choice.signer if choice.signer and choice.signer.key_id == key.key_id else None
    spaces = NAMESPACE, SUMS_NAMESPACE
    trusted = choice.policy or policy.write([policy.Log(key, "")]).decode()
    files = {
        "vkey": f"{key.vkey}\n",
        "policy": trusted,
        "log.pem": _pem(key),
        "checkpoint.body": point.body(),
        "ssh.pub": f"{_ssh_key(key)}\n",
        "allowed_signers": f'{PRINCIPAL} namespaces="{",".join(spaces)}" {_ssh_key(key)}\n'
        + choice.allowed_signers,
        guide.NAME: guide.text(
            point, key, signed=signer is not None, namespaces=spaces, members=STATEMENT
        ),
    }
    for name, text in files.items():
        (draft / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    (draft / "checkpoint.body.sig").write_bytes(raw.value)
    if signer is None:
        return False
    (draft / "checkpoint.sig").write_text(_ssh_signature(signer, key, NAMESPACE, signed))
    return True


def _ssh_signature(signer: Signer, key: Verifier, namespace: str, message: bytes) -> str:
    """The log key's signature in the form that ``ssh-keygen -Y verify`` reads."""
    from console.sshsig import sshsig
    from console.sshsig.wire import string

    made = signer.sign(sshsig.to_be_signed(namespace, message))
    blob = sshsig.blob(_ssh_blob(key), namespace, string(b"ssh-ed25519") + string(made))
    return sshsig.armour(blob)


def _sums(draft: Path, key: Verifier, signer: Signer | None) -> None:
    """The SHA-256 of every file, signed: what no other check covers is covered by this one."""
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    lines = []
    for path in files:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{digest}  ./{path.relative_to(draft)}\n")
    text = "".join(lines)
    (draft / guide.SUMS).write_text(text)
    if signer is not None:
        signature = _ssh_signature(signer, key, SUMS_NAMESPACE, text.encode())
        (draft / f"{guide.SUMS}.sig").write_text(signature)


def _witnessed(draft: Path, store: JournalReader, point: Checkpoint) -> None:
    """The newest checkpoint that a witness cosigned, where that is an older one."""
    for other in cosigned(store):
        with contextlib.suppress(NoteError):
            size = Checkpoint.parse(note.parse(other)[0]).size
            if size < point.size:
                (draft / "checkpoint.witnessed").write_bytes(other)
            return


def _body(
    draft: Path,
    store: JournalReader,
    point: Checkpoint,
    signed: bytes,
    progress: Callable[[int, int], None],
) -> None:
    """The entries, in one pass: as tiles, as lines, as events, and their signatures."""
    signatures = _Signatures(draft / "signatures")
    encoder = msgspec.json.Encoder()

    def told(lines: BinaryIO, events: BinaryIO) -> Iterator[bytes]:
        for seq, leaf in leaves(store):
            if seq > point.size:
                break
            entry = entry_of(seq, leaf)
            lines.write(leaf + b"\n")
            events.write(encoder.encode(ocsf.event(entry)) + b"\n")
            signatures.add(entry)
            if seq % _EVERY == 0:
                progress(seq, point.size)
            yield leaf

    with (draft / "entries.jsonl").open("xb") as lines, (draft / "ocsf.jsonl").open("xb") as events:
        tiles.write(draft, told(lines, events), point, signed)


class _Signatures:
    """The responders' signatures, each as a file beside the one that it is over."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, entry: Entry) -> None:
        """Write an entry's signature, or its session's key, into files for ``ssh-keygen``.

        An entry that cannot be read has none.
        """
        try:
            body = entry.body
        except SchemaError:
            return
        if body.session is not None and body.session.key.startswith("ssh-"):
            key = " ".join(body.session.key.split()[:2])
            self._directory.mkdir(exist_ok=True)
            with (self._directory / "sessions").open("a", encoding="utf-8") as file:
                file.write(f'{body.id} namespaces="{INTENT}" {key}\n')
        # A namespace becomes a name of a directory, and an entry may say anything.
        if (sig := body.sig) is None or sig.namespace not in (ENTRY, INTENT):
            return
        from console.sshsig.sshsig import armour

        with contextlib.suppress(binascii.Error, ValueError):
            armoured = armour(base64.b64decode(sig.sig, validate=True))
            place = self._directory / sig.namespace
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{entry.seq}.sig").write_text(armoured)
            (place / f"{entry.seq}").write_bytes(statement(body))


def _pem(key: Verifier) -> str:
    text = base64.b64encode(_SPKI + key.public_key).decode("ascii")
    return f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"


def _ssh_blob(key: Verifier) -> bytes:
    from console.sshsig.wire import string

    return string(b"ssh-ed25519") + string(key.public_key)


def _ssh_key(key: Verifier) -> str:
    return f"ssh-ed25519 {base64.b64encode(_ssh_blob(key)).decode('ascii')}"


def _sync(directory: Path) -> None:
    """Have every file and every name on the disk."""
    for place, _, names in os.walk(directory):
        for name in names:
            descriptor = os.open(Path(place) / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(place))
