"""New values in escrow: encrypted to the responders' SSH keys before anybody else has them.

A file is in the age format (age-encryption.org/v1) and holds the bare value, so that it opens
without the console too: ``age -d -i ~/.ssh/id_ed25519 FILE``. Nothing lies beside it: which
token it is for is in the journal, and its name is the item's number in the plan, never the
token's own. The console seals with public keys only, and so cannot read what it sealed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from backends.model import Secret
from console.errors import ConsoleError
from console.journal import files
from console.journal.format.entry import ID
from console.settings import Paths
from console.sshsig import keys
from console.sshsig.agent import SshAgent
from console.sshsig.errors import AgentError, KeyUnusable
from console.text import safe

if TYPE_CHECKING:
    from pyrage import ssh, x25519

    Recipient = ssh.Recipient | x25519.Recipient
    Identity = ssh.Identity | x25519.Identity

USABLE = ("ssh-ed25519", "ssh-rsa")
"""The types of SSH key that age can encrypt to."""
AGE = re.compile(r"age1[02-9ac-hj-np-z]{58}")
MAX_FILE = 256 * 1024
_NAME = re.compile(r"(\d+)(?:\.(\d+))?\.age")


class EscrowError(ConsoleError):
    """A value cannot be put into escrow, or taken out of it."""


class Escrowed(NamedTuple):
    """A sealed value: its file, whose keys open it, and the file's SHA-256 for the journal."""

    path: Path
    fingerprints: tuple[str, ...]
    sha256: str


class Recipients(NamedTuple):
    """The public keys to seal to, where they come from, and which were passed over, and why."""

    keys: tuple[str, ...]
    source: str
    passed_over: tuple[str, ...] = ()


def recipients(
    configured: Sequence[str | Path],
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Recipients:
    """Whose keys open what is sealed: the configured ones, the ssh-agent's, or ~/.ssh/*.pub.

    What is configured must be usable, key by key; of what is merely found, that which age
    cannot encrypt to is passed over.

    Raises:
        EscrowError: a configured key is unusable, or no key was found anywhere.
    """
    if configured:
        lines = [line for one in configured for line in _lines(one)]
        return Recipients(_once(usable(line) for line in lines), "the configuration")
    passed_over: list[str] = []
    try:
        offered = SshAgent.from_environ(environ).identities()
    except AgentError as error:
        offered = []
        passed_over.append(str(error))
    found = [
        (f"{keys.type_of(one.blob)} {base64.b64encode(one.blob).decode()}", one.comment)
        for one in offered
    ]
    if chosen := _sift(found, passed_over):
        return Recipients(chosen, "the ssh-agent", tuple(passed_over))
    folder = (home or Path.home()) / ".ssh"
    found = [
        (line, path.name) for path in sorted(folder.glob("*.pub")) for line in _lines(path, True)
    ]
    if chosen := _sift(found, passed_over):
        return Recipients(chosen, str(folder), tuple(passed_over))
    why = "; ".join(passed_over)
    raise EscrowError(
        f"there is no key to put a new value into escrow with ({why})",
        "Add an Ed25519 or RSA key to your agent (ssh-keygen -t ed25519; ssh-add), or name "
        'whose keys are to open it: [response] escrow = [{ file = "~/.ssh/id_ed25519.pub" }].',
    )


class Readiness(NamedTuple):
    """Whether a rotation could be planned: to how many keys it would seal, and whose.

    Without any, ``why`` says why not, and ``hint`` what to do.
    """

    keys: int
    source: str = ""
    why: str = ""
    hint: str = ""

    @property
    def words(self) -> str:
        """One sentence for the screen, the command line and the check of the configuration."""
        if not self.keys:
            return f"no rotation can be planned: {self.why}"
        many = f"{self.keys} public key{'s'[: self.keys != 1]}"
        return f"a rotation seals its new values to {many}, from {self.source}"


def readiness(configured: Sequence[str | Path]) -> Readiness:
    """As ``recipients``, and no error: asked before anybody wants to rotate.

    The ssh-agent may be asked, and may be slow.
    """
    try:
        found = recipients(configured)
    except EscrowError as error:
        return Readiness(0, why=str(error), hint=error.hint)
    return Readiness(len(found.keys), found.source)


def usable(line: str) -> str:
    """A recipient as it is sealed to and shown: ``type base64`` or ``age1...``.

    Raises:
        EscrowError: age cannot encrypt to it; the message says why.
    """
    words = line.split()
    if len(words) == 1 and AGE.fullmatch(words[0]):
        return words[0]
    shown = safe(words[0] if words else "", 40)
    if shown.startswith("age1"):
        raise EscrowError(
            f"{shown} is an age recipient of a plugin, or is damaged",
            "Use one that age-keygen prints, or an SSH key.",
        )
    try:
        blob = base64.b64decode(words[1] if len(words) > 1 else "", validate=True)
        key = keys.parse(blob)
    except (binascii.Error, ValueError, KeyUnusable) as error:
        told = str(error) if isinstance(error, KeyUnusable) else "it is not base64"
        raise EscrowError(
            f"{shown!r} is no public key that can be used: {told}",
            "Write the line of a .pub file, or an age1... recipient.",
        ) from None
    if key.type not in USABLE:
        hardware = key.application is not None
        why = "a key in hardware can sign and not decrypt" if hardware else "age has no such kind"
        raise EscrowError(
            f"nothing can be encrypted to a key of type {key.type}: {why}",
            "Use an Ed25519 or RSA key: ssh-keygen -t ed25519.",
        )
    return f"{key.type} {base64.b64encode(key.blob).decode()}"


def fingerprint(recipient: str) -> str:
    """How a recipient is named in the journal: as ``ssh-keygen -l`` prints it, or itself."""
    kind, _, coded = recipient.partition(" ")
    return keys.fingerprint(base64.b64decode(coded)) if coded else kind


def place(paths: Paths, plan_id: str, item: int) -> Path:
    """A free file name for an item's new value. Earlier ones of the same item stay.

    Raises:
        EscrowError: that is not the id of a plan.
    """
    return _folder(paths, plan_id) / _name(item, len(held(paths, plan_id, item)) + 1)


def held(paths: Paths, plan_id: str, item: int | None = None) -> list[Path]:
    """The sealed values of a plan, or of one item of it, the oldest of an item first."""
    folder = _folder(paths, plan_id)
    if item is None:
        return sorted(
            (path for path in folder.glob("*.age") if _NAME.fullmatch(path.name)), key=_number
        )
    # Asked by name: to list the directory for each of 5,000 items would take minutes.
    names = (folder / _name(item, time) for time in count(1))
    return list(takewhile(Path.exists, names))


def seal(value: Secret, sealed_to: Sequence[str], path: Path) -> Escrowed:
    """Encrypt a value to every recipient. The file is on the disk when this returns.

    Raises:
        EscrowError: it is not, and the value must not be used; or there is a file already.
    """
    if not value or not sealed_to:
        raise EscrowError("there is nothing to seal, or nobody to seal it to")
    import pyrage

    named = _once(usable(one) for one in sealed_to)
    try:
        data = pyrage.encrypt(value.reveal().encode(), [_recipient(one) for one in named])
    except (pyrage.EncryptError, pyrage.RecipientError) as error:
        raise EscrowError(f"age cannot encrypt to these keys: {error}") from None
    try:
        _make(path.parent)
        files.write(path, data, new=True)
    except FileExistsError:
        raise EscrowError(f"{path} is there already, and is not overwritten") from None
    except OSError as error:
        raise EscrowError(
            f"cannot keep the new value at {path}: {error.strerror}",
            "Free space there, or mend its permissions, before anything is rotated.",
        ) from None
    told = tuple(fingerprint(one) for one in named)
    return Escrowed(path, told, hashlib.sha256(data).hexdigest())


def unseal(path: Path, identity_file: Path, passphrase: Secret | None = None) -> Secret:
    """The value in an escrow file, by an SSH private key or a file of age-keygen.

    Raises:
        EscrowError: the key is not one of the recipients', needs a passphrase, or is damaged.
    """
    import pyrage

    identities = _identities(identity_file, passphrase)
    try:
        data = _bounded(path)
    except OSError as error:
        raise EscrowError(f"cannot read {path}: {error.strerror}") from None
    try:
        return Secret(pyrage.decrypt(data, identities).decode())
    except pyrage.DecryptError:
        raise EscrowError(
            f"{identity_file} does not open {path}",
            "It was sealed to other keys, or is damaged; the journal names their fingerprints.",
        ) from None
    except UnicodeDecodeError:
        raise EscrowError(f"what {path} holds is not a value of ours") from None


def discard(paths: Paths, plan_id: str) -> int:
    """Delete the escrow files of a closed run, and say how many there were.

    Raises:
        EscrowError: that is not the id of a plan, or the disk refuses.
    """
    folder = _folder(paths, plan_id)
    gone = held(paths, plan_id)
    try:
        for path in gone:
            path.unlink()
        if folder.exists():
            folder.rmdir()
            files.sync_directory(folder.parent)
    except OSError as error:
        raise EscrowError(f"cannot delete {folder}: {error.strerror}") from None
    return len(gone)


def _folder(paths: Paths, plan_id: str) -> Path:
    if not ID.fullmatch(plan_id):
        raise EscrowError(
            "that is not the id of a plan", "Approved plans: token-console journal list."
        )
    return paths.state / "escrow" / plan_id


def _name(item: int, time: int) -> str:
    return f"{item}.age" if time == 1 else f"{item}.{time}.age"


def _number(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2] or 1)) if match else (0, 0)


def _make(folder: Path) -> None:
    """Make a directory private to its user, and have its name on the disk."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    files.sync_directory(folder.parent)


def _lines(source: str | Path, quiet: bool = False) -> list[str]:
    """The keys of a .pub file, or the one that stands in the configuration."""
    if isinstance(source, str):
        return [source]
    try:
        text = _bounded(source.expanduser()).decode("utf-8", "replace")
    except OSError as error:
        if quiet:
            return []
        raise EscrowError(
            f"cannot read {source}: {error.strerror}", "Mend [response] escrow."
        ) from None
    lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    if not lines and not quiet:
        raise EscrowError(f"{source} holds no public key", "Mend [response] escrow.")
    return lines


def _sift(found: Iterable[tuple[str, str]], passed_over: list[str]) -> tuple[str, ...]:
    kept = []
    for line, name in found:
        try:
            kept.append(usable(line))
        except EscrowError as error:
            passed_over.append(f"{safe(name, 60)}: {error}")
    return _once(kept)


def _once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE)


def _recipient(named: str) -> Recipient:
    from pyrage import ssh, x25519

    return (
        x25519.Recipient.from_str(named) if named[:4] == "age1" else ssh.Recipient.from_str(named)
    )


def _identities(path: Path, passphrase: Secret | None) -> list[Identity]:
    import pyrage

    try:
        mode = path.expanduser().stat().st_mode
        data = _bounded(path.expanduser())
    except OSError as error:
        raise EscrowError(f"cannot read {path}: {error.strerror}") from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise EscrowError(f"others can read {path}", f"chmod 600 {path}")
    by_age = re.findall(r"^AGE-SECRET-KEY-1[0-9A-Z]+", data.decode("latin-1"), re.MULTILINE)
    try:
        if by_age:
            return [pyrage.x25519.Identity.from_str(one) for one in by_age]
        return [pyrage.ssh.Identity.from_buffer(_opened(path, data, passphrase))]
    except pyrage.IdentityError:
        raise EscrowError(
            f"{path} is no private key that age can use",
            "Name an Ed25519 or RSA key without .pub, or a file of age-keygen.",
        ) from None


def _opened(path: Path, data: bytes, passphrase: Secret | None) -> bytes:
    """A private key without its passphrase, in memory only."""
    load = load_ssh_private_key if b"BEGIN OPENSSH" in data else load_pem_private_key
    word = passphrase.reveal().encode() if passphrase else None
    try:
        key = load(data, word)
    except TypeError:
        if passphrase:
            return _opened(path, data, None)
        raise EscrowError(f"{path} is protected by a passphrase", "Give the passphrase.") from None
    except UnsupportedAlgorithm as error:
        raise EscrowError(
            f"{path} cannot be opened here: {error}",
            "Open the file with age itself: age -d -i KEY FILE.",
        ) from None
    except ValueError:
        told = "the passphrase is wrong, or" if passphrase else "it is no private key, or"
        raise EscrowError(f"{path} cannot be opened: {told} the file is damaged") from None
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
