"""Proofs in one file: this entry is in that log (c2sp.org/tlog-proof).

The file has the entry's number, the hashes from the entry up to the root, and the signed
checkpoint. With the entry itself and a policy it can be checked by anybody, offline.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Self

from console.tlog import merkle, note
from console.tlog.checkpoint import decimal
from console.tlog.merkle import HASH
from console.tlog.note import MalformedNote
from console.tlog.policy import Accepted, Policy

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
"""What such a file's name ends in."""
MAX_EXTRA = 64 * 1024
"""Bytes of the extra line's data."""
MAX_HASHES = 63
"""Hashes of a proof: more than a tree of 2**63 entries needs are never read."""
_MAX_HEAD = 4096 + MAX_HASHES * 45 + MAX_EXTRA * 4 // 3


@dataclass(frozen=True)
class Proof:
    """One proof, not yet checked."""

    index: int
    """The entry's number, counted from zero."""
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    """The signed checkpoint, byte for byte."""
    extra: bytes | None = None
    """Anything; nothing vouches for it."""

    def __post_init__(self) -> None:
        if len(self.hashes) > MAX_HASHES or len(self.extra or b"") > MAX_EXTRA:
            raise MalformedNote("the proof is too large")

    def write(self) -> bytes:
        """The file."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append("extra " + encode64(self.extra))
        lines.append(f"index {self.index}")
        lines += [encode64(each) for each in self.hashes]
        return ("\n".join(lines) + "\n\n").encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read such a file.

        Raises:
            MalformedNote: it has another form, or is too large.
        """
        head, found, checkpoint = data[: _MAX_HEAD + 2].partition(b"\n\n")
        if not found:
            raise MalformedNote("the proof has no empty line before its checkpoint")
        checkpoint = data[len(head) + 2 :]
        note.parse(checkpoint)
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise MalformedNote("the proof is not ASCII before its checkpoint") from None
        if lines.pop(0) != HEADER:
            raise MalformedNote(f"a proof begins with the line {HEADER}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = note.decode64(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index "):
            raise MalformedNote("the proof does not say which entry it is about")
        index = decimal(lines.pop(0).removeprefix("index "))
        return cls(index, parse_hashes(lines), checkpoint, extra)

    def verify(self, leaf: bytes, policy: Policy) -> Accepted:
        """Check that this entry is in a log whose checkpoint the policy accepts.

        Raises:
            NoteError: the policy does not accept the checkpoint (see ``Policy.check``).
            ProofError: the entry is not where the proof says.
        """
        accepted = policy.check(self.checkpoint)
        point = accepted.checkpoint
        merkle.verify_inclusion(
            self.index, point.size, merkle.leaf_hash(leaf), self.hashes, point.root
        )
        return accepted


def encode64(data: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(data).decode("ascii")


def parse_hashes(lines: list[str]) -> tuple[bytes, ...]:
    """One hash a line. Raises ``MalformedNote``."""
    if len(lines) > MAX_HASHES:
        raise MalformedNote(f"a proof has at most {MAX_HASHES} hashes")
    hashes = tuple(note.decode64(line) for line in lines)
    if any(len(each) != HASH for each in hashes):
        raise MalformedNote(f"a hash has {HASH} bytes")
    return hashes
