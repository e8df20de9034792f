"""The journal as a directory that other people's programs check; see its ``VERIFY.md``.

It has the log as tiles, the signed checkpoint and its key in several forms, the entries as
lines, the responders' signatures as files, and a translation for a SIEM. It is read in one
pass, and appears under its name when all of it is on the disk.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from console.journal.export import guide, ocsf
from console.journal.export.common import (
    Snapshot,
    drafted,
    pem,
    snapshot,
    ssh_key,
    ssh_signature,
    sums,
    sync,
)
from console.journal.format.entry import STATEMENT, SchemaError, statement
from console.journal.format.sentence import Entry, entry_of
from console.journal.store.base import JournalReader, cosigned, leaves
from console.sshsig.mark import ENTRY, INTENT
from console.tlog import note, policy, tiles
from console.tlog.checkpoint import Checkpoint
from console.tlog.note import NoteError, Signer

FORM = "tiles"
NAMESPACE = "journal-checkpoint@token-console"
"""The SSHSIG namespace of checkpoints: no signature over anything else passes for one."""
SUMS_NAMESPACE = "journal-export@token-console"
"""The same for the sums over all files of an export."""
PRINCIPAL = "journal"
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
    with drafted(directory) as draft:
        signed, point, key = found = snapshot(store)
        ssh = _head(draft, found, choice)
        _witnessed(draft, store, point)
        _body(draft, store, point, signed, progress)
        text = sums(draft)
        (draft / guide.SUMS).write_text(text)
        if ssh and choice.signer is not None:
            signature = ssh_signature(choice.signer, key, SUMS_NAMESPACE, text.encode())
            (draft / f"{guide.SUMS}.sig").write_text(signature)
        sync(draft)
        record(point.size, point.root)
    return FinishedExport(directory, point.size, point.root, key.vkey, ssh)


def _head(draft: Path, found: Snapshot, choice: Choice) -> bool:
    """Everything that is about the checkpoint. Whether it got an SSH signature."""
    signed, point, key = found
    signer = choice.signer if choice.signer and choice.signer.key_id == key.key_id else None
    spaces = NAMESPACE, SUMS_NAMESPACE
    trusted = choice.policy or policy.write([policy.Log(key, "")]).decode()
    files = {
        "vkey": f"{key.vkey}\n",
        "policy": trusted,
        "log.pem": pem(key),
        "checkpoint.body": point.body(),
        "ssh.pub": f"{ssh_key(key)}\n",
        "allowed_signers": f'{PRINCIPAL} namespaces="{",".join(spaces)}" {ssh_key(key)}\n'
        + choice.allowed_signers,
        guide.NAME: guide.text(
            point, key, signed=signer is not None, namespaces=spaces, members=STATEMENT
        ),
    }
    for name, text in files.items():
        (draft / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    (draft / "checkpoint.body.sig").write_bytes(found.signature)
    if signer is None:
        return False
    (draft / "checkpoint.sig").write_text(ssh_signature(signer, key, NAMESPACE, signed))
    return True


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
