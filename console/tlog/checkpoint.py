"""Checkpoints: how long the log is, and the root over it (c2sp.org/tlog-checkpoint).

The text of a checkpoint is the log's origin, its size and its root, a line each. Signed
as a note by the log's key it says: this is my whole log, and I never said otherwise.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from console.tlog import note
from console.tlog.merkle import HASH, MAX_SIZE
from console.tlog.note import MalformedNote, Note, NotSigned, Signer, Verifier

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Checkpoint:
    """One state of one log."""

    origin: str
    """Which log it is; also the name of the log's key."""
    size: int
    """Number of entries."""
    root: bytes
    """RFC 6962 root over them, 32 bytes."""
    extensions: tuple[str, ...] = ()
    """Further lines. This log writes none; those of other logs are kept as they are."""

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if not all(lines) or any(c < " " for line in lines for c in line):
            raise MalformedNote("a checkpoint's lines are not empty and hold no control characters")
        if not 0 <= self.size <= MAX_SIZE:
            raise MalformedNote("a checkpoint's size is out of range")
        if len(self.root) != HASH:
            raise MalformedNote(f"a checkpoint's root has {HASH} bytes")

    def body(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint, without signatures. ``body`` gives it back exactly.

        Raises:
            MalformedNote: it has another form.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() != "":
            raise MalformedNote("a checkpoint has at least three lines")
        origin, size, root, *extensions = lines
        return cls(origin, decimal(size), note.decode64(root), tuple(extensions))


def sign(checkpoint: Checkpoint, *signers: Signer) -> bytes:
    """The checkpoint as a signed note."""
    return note.sign(checkpoint.body(), *signers)


def open_checkpoint(
    signed: bytes, log: Sequence[Verifier], others: Sequence[Verifier] = ()
) -> tuple[Checkpoint, Note]:
    """Read a signed checkpoint and check it against the log's keys and others' keys.

    A key counts as the log's only if its name is the checkpoint's origin. ``others`` are
    witnesses: their signatures are checked where present, and their absence is no error.

    Raises:
        MalformedNote: not a checkpoint.
        BadSignature: a signature of a known key is wrong.
        NotSigned: no key of this log has signed it.
    """
    opened = note.open_note(signed, [*log, *others])
    checkpoint = Checkpoint.parse(opened.text)
    own = {(each.name, each.key_id) for each in log if each.name == checkpoint.origin}
    if not any((each.name, each.key_id) in own for each in opened.verified):
        raise NotSigned("no known key of this log has signed this checkpoint")
    return checkpoint, opened


def decimal(text: str) -> int:
    """A number without sign, blanks or leading zeroes. Raises ``MalformedNote``."""
    if not _DECIMAL.fullmatch(text) or (number := int(text)) > MAX_SIZE:
        raise MalformedNote("a number is not in plain decimal form or too large")
    return number
