"""Signed notes: a text and the lines of those who signed it (c2sp.org/signed-note).

A note is the text, an empty line, and one line ``— name base64(key id, signature)`` for
each signature. Whoever reads one ignores signatures of keys that it does not know, and
refuses a note whose signature under a known key is wrong.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, Self

from console.errors import ConsoleError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = 0x01
"""The type byte of an Ed25519 key that signs the note's text itself."""
MAX_BYTES = 128 * 1024
"""Bytes of a note that are read at most. Sixteen post-quantum signatures fit several times."""
MAX_SIGNATURES = 64
"""Signature lines that are read at most; the specification asks for at least 16."""

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NOT_IN_NAMES = re.compile(r"[\s\x00-\x1f+]")
_DASH = "— "
_KEY_ID = 4


class NoteError(ConsoleError):
    """A signed note, or a key, cannot be used."""


class MalformedNote(NoteError):
    """These bytes are not a signed note, or this text is not a verifier key."""


class BadSignature(NoteError):
    """A signature that names a known key was not made by that key over this text."""


class NotSigned(NoteError):
    """No key that is known has signed the note."""


class NoteSignature(NamedTuple):
    """One signature line of a note."""

    name: str
    key_id: bytes
    value: bytes
    """What follows the key id: the signature, for a cosignature with its time in front."""

    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        blob = base64.b64encode(self.key_id + self.value).decode("ascii")
        return f"{_DASH}{self.name} {blob}\n"


class Note(NamedTuple):
    """A note that was opened: what it says and whose signatures were checked."""

    text: str
    verified: tuple[NoteSignature, ...]
    """At least one; one for each known key."""
    unverified: tuple[NoteSignature, ...]
    """Of keys that are not known. They mean nothing."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the keys whose signatures were checked."""
        return tuple(each.name for each in self.verified)


class Signer(Protocol):
    """Somebody who can sign a note: a key in memory, in an agent, or in hardware."""

    @property
    def name(self) -> str:
        """The name that stands beside its signatures."""

    @property
    def key_id(self) -> bytes:
        """The four bytes that say which key of that name it is."""

    @property
    def type(self) -> int:
        """The type byte: how the signature is made."""

    @property
    def vkey(self) -> str:
        """The public key in the text form that a ``Verifier`` reads."""

    def sign(self, text: bytes) -> bytes:
        """What follows the key id in the signature line."""


@dataclass(frozen=True)
class Verifier:
    """A public key that is trusted to sign under a name; here Ed25519 over the text."""

    name: str
    public_key: bytes
    TYPE: ClassVar[int] = ED25519

    def __post_init__(self) -> None:
        _must_be_name(self.name)
        if len(self.public_key) != 32:
            raise MalformedNote("an Ed25519 public key has 32 bytes")

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read ``name+hex(key id)+base64(type, public key)``.

        Raises:
            MalformedNote: another form, another type of key, or an id of another key.
        """
        name, key_id, kind, public_key = split_vkey(vkey)
        if kind != cls.TYPE:
            raise MalformedNote(
                f"the key {name} is of type {kind:#04x}, not {cls.TYPE:#04x}",
                "A log's key has type 0x01, a witness's type 0x04.",
            )
        made = cls(name, public_key)
        if made.key_id != key_id:
            raise MalformedNote(f"the id in the key {name} is not the id of that key")
        return made

    @property
    def type(self) -> int:
        """The type byte: how the signature is made."""
        return self.TYPE

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before its signatures."""
        return key_id(self.name, self.TYPE, self.public_key)

    @property
    def vkey(self) -> str:
        """The text form, which ``parse`` reads."""
        return format_vkey(self.name, self.TYPE, self.public_key)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key, to be compared by people over another channel."""
        digest = hashlib.sha256(self.public_key).digest()
        return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")

    def verify(self, text: bytes, signature: bytes) -> None:
        """Check what follows the key id in a signature line. Raises ``BadSignature``."""
        verify_ed25519(self.name, self.public_key, text, signature)


class Ed25519Signer:
    """A signer whose Ed25519 key is in this process's memory."""

    type = ED25519

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self.name = name
        self._key = private_key
        self.verifier = Verifier(name, private_key.public_key().public_bytes_raw())
        self.key_id = self.verifier.key_id
        self.vkey = self.verifier.vkey

    def __repr__(self) -> str:
        return f"Ed25519Signer({self.vkey})"

    def sign(self, text: bytes) -> bytes:
        """The Ed25519 signature over a note's text."""
        return self._key.sign(text)


def sign(text: str, *signers: Signer) -> bytes:
    """The note: the text with a line of each signer.

    Raises:
        MalformedNote: the text is empty, does not end in a newline or has control characters.
    """
    _must_be_text(text)
    if not signers:
        raise MalformedNote("a note needs somebody who signs it")
    data = text.encode()
    lines = [NoteSignature(each.name, each.key_id, each.sign(data)).line() for each in signers]
    return (text + "\n" + "".join(lines)).encode()


def parse(note: bytes) -> tuple[str, tuple[NoteSignature, ...]]:
    """The text and all signatures, none of them checked. Trust nothing of it yet.

    Raises:
        MalformedNote: not a note, or beyond ``MAX_BYTES`` or ``MAX_SIGNATURES``.
    """
    if len(note) > MAX_BYTES:
        raise MalformedNote(f"a signed note has at most {MAX_BYTES} bytes")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedNote("the note is not UTF-8") from None
    cut = whole.rfind("\n\n")
    if cut < 0:
        raise MalformedNote("the note has no empty line before its signatures")
    text, rest = whole[: cut + 1], whole[cut + 2 :]
    _must_be_text(text)
    return text, parse_lines(rest)


def parse_lines(lines: str) -> tuple[NoteSignature, ...]:
    """Signature lines alone, each with its newline, as a witness answers them.

    Raises:
        MalformedNote: no line at all, too many, or one of another form.
    """
    if not lines.endswith("\n"):
        raise MalformedNote("a signature line does not end in a newline")
    if lines.count("\n") > MAX_SIGNATURES:
        raise MalformedNote(f"a note has at most {MAX_SIGNATURES} signatures")
    return tuple(_parse_line(line) for line in lines[:-1].split("\n"))


def open_note(note: bytes, verifiers: Iterable[Verifier]) -> Note:
    """Read a note and check the signatures of all known keys.

    Raises:
        MalformedNote: not a note, or two known keys cannot be told apart.
        BadSignature: a known key's signature is wrong; then the note counts for nothing.
        NotSigned: none of the known keys has signed it.
    """
    known = _by_id(verifiers)
    text, signatures = parse(note)
    data = text.encode()
    verified: dict[tuple[str, bytes], NoteSignature] = {}
    unverified: list[NoteSignature] = []
    for each in signatures:
        verifier = known.get((each.name, each.key_id))
        if verifier is None:
            unverified.append(each)
        elif (each.name, each.key_id) not in verified:
            # A key counts once. Work is thereby bounded by the number of known keys.
            verifier.verify(data, each.value)
            verified[each.name, each.key_id] = each
    if not verified:
        raise NotSigned("no key that is known has signed this note")
    return Note(text, tuple(verified.values()), tuple(unverified))


def add(note: bytes, signatures: Sequence[NoteSignature]) -> bytes:
    """The note with more signature lines. One that it has already is not added again."""
    _, present = parse(note)
    held = set(present)
    fresh = [each for each in dict.fromkeys(signatures) if each not in held]
    return note + "".join(each.line() for each in fresh).encode()


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """The four bytes by which a note names the key. Not a fingerprint: collisions are easy."""
    data = name.encode() + b"\n" + bytes([kind]) + public_key
    return hashlib.sha256(data).digest()[:_KEY_ID]


def format_vkey(name: str, kind: int, public_key: bytes) -> str:
    """The text form of a public key."""
    blob = base64.b64encode(bytes([kind]) + public_key).decode("ascii")
    return f"{name}+{key_id(name, kind, public_key).hex()}+{blob}"


def split_vkey(vkey: str) -> tuple[str, bytes, int, bytes]:
    """Name, key id, type and public key of a verifier key, whatever its type.

    Raises:
        MalformedNote: it has another form.
    """
    parts = vkey.split("+", 2)
    if len(parts) != 3:
        raise MalformedNote("a verifier key has the form name+id+key")
    name, hexed, encoded = parts
    _must_be_name(name)
    blob = decode64(encoded)
    if len(hexed) != 2 * _KEY_ID or set(hexed) - set("0123456789abcdef") or len(blob) < 2:
        raise MalformedNote(f"the verifier key of {name} is damaged")
    return name, bytes.fromhex(hexed), blob[0], blob[1:]


def decode64(text: str) -> bytes:
    """Standard base64 in its one canonical form. Raises ``MalformedNote``."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedNote("a value is not base64") from None
    if base64.b64encode(data).decode("ascii") != text:
        raise MalformedNote("a value is not base64 in its canonical form")
    return data


def verify_ed25519(name: str, public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check 64 bytes of RFC 8032. ``name`` is for the message only. Raises ``BadSignature``."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise BadSignature(f"the signature of {name} is wrong") from None


def _parse_line(line: str) -> NoteSignature:
    if not line.startswith(_DASH):
        raise MalformedNote("a signature line does not start with a dash")
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    _must_be_name(name)
    blob = decode64(encoded)
    if len(blob) <= _KEY_ID:
        raise MalformedNote("a signature line has no signature")
    return NoteSignature(name, blob[:_KEY_ID], blob[_KEY_ID:])


def _by_id(verifiers: Iterable[Verifier]) -> dict[tuple[str, bytes], Verifier]:
    known: dict[tuple[str, bytes], Verifier] = {}
    for each in verifiers:
        if known.setdefault((each.name, each.key_id), each) != each:
            raise MalformedNote(f"two keys of {each.name} have the same id")
    return known


def _must_be_name(name: str) -> None:
    if not name or _NOT_IN_NAMES.search(name):
        raise MalformedNote("a key's name has no blanks, no plus sign and is not empty")


def _must_be_text(text: str) -> None:
    if not text.endswith("\n"):
        raise MalformedNote("a note's text ends in a newline")
    if _CONTROL.search(text):
        raise MalformedNote("a note holds no control characters")
