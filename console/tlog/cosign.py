"""Cosignatures: a witness says when it saw a log grow to a checkpoint.

Format ``cosignature/v1`` of c2sp.org/tlog-cosignature, with Ed25519. It states that at
that time this was the largest tree of the log that the witness had seen, and that all
it saw before was part of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from console.tlog import note
from console.tlog.note import BadSignature, MalformedNote, NoteSignature, Verifier

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

COSIGNATURE = 0x04
"""The type byte of an Ed25519 key that cosigns checkpoints."""

_TIME = 8
_SIGNATURE = 64


@dataclass(frozen=True)
class CosignatureVerifier(Verifier):
    """A witness's public key."""

    TYPE: ClassVar[int] = COSIGNATURE

    def verify(self, text: bytes, signature: bytes) -> None:
        """Check time and signature over a checkpoint's text. Raises ``BadSignature``."""
        if len(signature) != _TIME + _SIGNATURE:
            raise BadSignature(f"the cosignature of {self.name} has a wrong length")
        seconds = int.from_bytes(signature[:_TIME], "big")
        if not 0 < seconds < 2**63:
            raise BadSignature(f"the cosignature of {self.name} has no time")
        note.verify_ed25519(self.name, self.public_key, _message(seconds, text), signature[_TIME:])


class Cosigner:
    """A witness's key in this process's memory. Its signature contains the present time."""

    type = COSIGNATURE

    def __init__(
        self, name: str, private_key: Ed25519PrivateKey, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._key = private_key
        self._clock = clock
        self.verifier = CosignatureVerifier(name, private_key.public_key().public_bytes_raw())
        self.key_id = self.verifier.key_id
        self.vkey = self.verifier.vkey

    def __repr__(self) -> str:
        return f"Cosigner({self.vkey})"

    def sign(self, text: bytes) -> bytes:
        """The signature over a note's text, as of now, in the form of C2SP cosignature/v1."""
        seconds = int(self._clock())
        return seconds.to_bytes(_TIME, "big") + self._key.sign(_message(seconds, text))


def time_of(signature: NoteSignature) -> int:
    """When a cosignature was made, in Unix seconds. Only of a signature that was verified."""
    return int.from_bytes(signature.value[:_TIME], "big")


def parse_vkey(vkey: str) -> Verifier:
    """A log's key or a witness's key, as its type says.

    Raises:
        MalformedNote: another form, or a type that is not supported.
    """
    kind = note.split_vkey(vkey)[2]
    for each in (Verifier, CosignatureVerifier):
        if kind == each.TYPE:
            return each.parse(vkey)
    raise MalformedNote(
        f"keys of type {kind:#04x} are not supported",
        "Use Ed25519 keys: type 0x01 for a log, 0x04 for a witness.",
    )


def _message(seconds: int, text: bytes) -> bytes:
    return b"cosignature/v1\ntime %d\n" % seconds + text
