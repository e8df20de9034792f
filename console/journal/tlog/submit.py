"""Asks a witness for its cosignature: the client's side of c2sp.org/tlog-witness."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from console.errors import ConsoleError
from console.journal.tlog import merkle, note
from console.journal.tlog.checkpoint import Checkpoint, decimal
from console.journal.tlog.cosign import CosignatureVerifier
from console.journal.tlog.merkle import Nodes
from console.journal.tlog.note import MalformedNote, NoteError, Signature
from console.journal.tlog.proof import MAX_HASHES, encode64, parse_hashes

if TYPE_CHECKING:
    import httpx

PATH = "/add-checkpoint"
MAX_REQUEST = 64 + (MAX_HASHES + 1) * 45 + note.MAX_BYTES
"""Bytes of a request that are read at most."""
MAX_ANSWER = note.MAX_BYTES
"""Bytes of an answer that are read at most."""
TIMEOUT = 5.0
"""Seconds for the whole exchange."""
TRIES = 3
"""How often a witness's newer knowledge is followed before giving up."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class WitnessError(ConsoleError):
    """A witness did not cosign the checkpoint."""


class Unreachable(WitnessError):
    """No answer, or none in time. Whether the witness stored the checkpoint is unknown."""


class BadAnswer(WitnessError):
    """An answer that the protocol does not have, or without a good cosignature."""


class UnknownLog(WitnessError):
    """The witness does not follow this log (404)."""


class Forbidden(WitnessError):
    """The witness does not accept the signature of the log (403)."""


class BadProof(WitnessError):
    """The witness saw that this checkpoint does not follow from the one it has (422).

    Either the log was forked or rewritten, or the proof was made wrongly.
    """


class Conflict(WitnessError):
    """The witness's newest checkpoint has another size than was assumed (409)."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness has seen this log up to size {size}")
        self.size = size


class Ahead(WitnessError):
    """The witness has seen more entries than the checkpoint has.

    That is no alarm while another process of this console has written and submitted those
    entries since. If the journal itself has fewer than ``seen``, it was rolled back.
    """

    def __init__(self, seen: int, size: int) -> None:
        super().__init__(
            f"the witness has seen this log up to size {seen}, the checkpoint is of size {size}",
            "If the journal has no more, it was cut or an older copy was restored.",
        )
        self.seen = seen
        self.size = size


class Forgot(WitnessError):
    """The witness has seen fewer entries than it cosigned before: it lost its memory.

    Its word is worth nothing until somebody has found out why.
    """

    def __init__(self, seen: int, known: int) -> None:
        super().__init__(
            f"the witness cosigned this log up to size {known} and now knows it up to {seen}",
            "It was restored from an older copy, or begun anew with the same key.",
        )
        self.seen = seen
        self.known = known


@dataclass(frozen=True)
class Submission:
    """What is sent: the size that the witness is thought to have, the proof, the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    signed: bytes

    def body(self) -> bytes:
        """The body of the request."""
        lines = [f"old {self.old}", *(encode64(each) for each in self.proof)]
        return ("\n".join(lines) + "\n\n").encode() + self.signed

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a request.

        Raises:
            MalformedNote: it has another form, or is too large.
        """
        if len(body) > MAX_REQUEST:
            raise MalformedNote(f"a request has at most {MAX_REQUEST} bytes")
        head, found, signed = body.partition(b"\n\n")
        if not found:
            raise MalformedNote("the request has no empty line before its checkpoint")
        try:
            first, *rest = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise MalformedNote("the request is not ASCII before its checkpoint") from None
        if not (match := _OLD.fullmatch(first)):
            raise MalformedNote("the request does not begin with the old size")
        return cls(decimal(match[1]), parse_hashes(rest), signed)


def submit(
    url: str,
    old_size: int,
    proof: Sequence[bytes],
    signed: bytes,
    verifier: CosignatureVerifier,
    *,
    timeout: float = TIMEOUT,
) -> Signature:
    """Send one checkpoint to a witness; its cosignature, checked.

    Args:
        url: the witness's submission prefix.
        old_size: the size of the checkpoint that the witness cosigned last; 0 at first.
        proof: consistency from there to the checkpoint; empty for 0.
        signed: the checkpoint with the log's signature.
        verifier: the witness's key.
        timeout: seconds for all of it.

    Raises:
        Conflict, Forbidden, UnknownLog, BadProof: the witness's refusals.
        BadAnswer, Unreachable: there was no usable answer.
        MalformedNote: ``signed`` is not a signed note.
    """
    text, _ = note.parse(signed)
    body = Submission(old_size, tuple(proof), signed).body()
    status, answer = _exchange("POST", url.rstrip("/") + PATH, body, timeout)
    if status == 200:
        return _cosignature(answer, text, verifier)
    if status == 409:
        try:
            raise Conflict(decimal(answer.decode("ascii", "replace").removesuffix("\n")))
        except NoteError:
            raise BadAnswer("the witness answered 409 without a size") from None
    if status == 404:
        raise UnknownLog(
            "the witness does not follow this log, or the address is wrong",
            "Give the log's verifier key to whoever runs the witness.",
        )
    if status == 403:
        raise Forbidden(
            "the witness does not accept the log's signature",
            "After a change of the log's key, the witness needs the new verifier key.",
        )
    if status == 422:
        raise BadProof(
            "the witness refuses: this is not a continuation of the log that it has seen",
            "The journal was forked or rewritten. Compare it with the witness's checkpoint.",
        )
    raise BadAnswer(f"the witness answered with the unexpected status {status}")


def cosign(
    url: str,
    signed: bytes,
    get: Nodes,
    verifier: CosignatureVerifier,
    *,
    known: int = 0,
    timeout: float = TIMEOUT,
) -> Signature:
    """Have a checkpoint cosigned, whatever the witness has seen of the log before.

    Follows a witness that has moved on since ``known``, as after a lost answer.

    Args:
        get: the full nodes of the log at the checkpoint's size or later.
        known: the largest size that this witness's cosignature was had for; 0 for none.

    Raises:
        Forgot: it has seen fewer entries than ``known``.
        Ahead: it has seen more entries than the checkpoint has.
        WitnessError: as ``submit`` says.
    """
    size = Checkpoint.parse(note.parse(signed)[0]).size
    old = min(known, size)
    for _ in range(TRIES):
        try:
            proof = merkle.consistency(old, size, get)
            return submit(url, old, proof, signed, verifier, timeout=timeout)
        except Conflict as conflict:
            if conflict.size < known:
                raise Forgot(conflict.size, known) from None
            if conflict.size > size:
                raise Ahead(conflict.size, size) from None
            if conflict.size == old:
                raise BadAnswer("the witness contradicts itself about the size it has") from None
            old = conflict.size
    raise BadAnswer("the witness kept changing its mind about the size it has")


def _cosignature(answer: bytes, text: str, verifier: CosignatureVerifier) -> Signature:
    try:
        lines = note.parse_lines(answer.decode("utf-8"))
        for each in lines:
            if (each.name, each.key_id) == (verifier.name, verifier.key_id):
                verifier.verify(text.encode(), each.value)
                return each
    except (NoteError, UnicodeDecodeError) as error:
        raise BadAnswer(f"the witness's cosignature cannot be used: {error}") from None
    raise BadAnswer(
        "the witness answered without a cosignature of the key that is expected",
        "Compare the witness's verifier key with the one that it prints.",
    )


def newest(url: str, origin: str, *, timeout: float = TIMEOUT) -> bytes | None:
    """The newest checkpoint of a log that the witness cosigned, unchecked; None if it has none.

    To be opened with the keys of both. ``url`` is the witness's monitoring prefix.

    Raises:
        BadAnswer, Unreachable: there was no usable answer.
    """
    place = hashlib.sha256(origin.encode()).hexdigest()
    status, answer = _exchange("GET", f"{url.rstrip('/')}/{place}/checkpoint", b"", timeout)
    if status == 404:
        return None
    if status != 200:
        raise BadAnswer(f"the witness answered with the unexpected status {status}")
    return answer


def _exchange(method: str, url: str, body: bytes, timeout: float) -> tuple[int, bytes]:
    """Status and body. Follows no redirect, reads no more than an answer can have."""
    import httpx

    deadline = time.monotonic() + timeout
    try:
        with _client(os.getpid()).stream(
            method,
            url,
            content=body,
            headers={"Accept-Encoding": "identity"},
            timeout=timeout,
            follow_redirects=False,
        ) as response:
            return response.status_code, _bounded(response, deadline)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(
            f"the witness cannot be reached: {type(error).__name__}",
            "Its last answer may be lost; asking again is safe.",
        ) from None


@lru_cache(maxsize=1)
def _client(process: int) -> httpx.Client:
    """One for each process: making it takes longer than asking. Its connections stay open."""
    import httpx

    # Shorter than a server keeps a silent connection, so that none is closed under a request.
    return httpx.Client(limits=httpx.Limits(max_connections=16, keepalive_expiry=2.0))


def _bounded(response: httpx.Response, deadline: float) -> bytes:
    data = bytearray()
    for piece in response.iter_raw():
        data += piece
        if len(data) > MAX_ANSWER:
            raise BadAnswer(f"the witness answered with more than {MAX_ANSWER} bytes")
        if time.monotonic() > deadline:
            raise Unreachable("the witness did not finish its answer in time")
    return bytes(data)
