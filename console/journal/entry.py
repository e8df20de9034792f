"""The format of one journal entry, version 1: a closed schema and its exact bytes.

An entry's leaf is RFC 8785 JSON (JCS) in UTF-8. The stored bytes are what counts:
whoever checks the journal hashes them and never writes them anew. There are no floats,
no number reaches 2**53, and no field can hold a header, a body or a query's value.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from enum import StrEnum

import msgspec
import rfc8785

from console.errors import JournalError

VERSION = 1
MAX_LEAF = 32 * 1024
"""Bytes of one entry. The tile format for publishing the log ends at 65,535."""
GENESIS = "0" * 64
"""The ``prev`` of the first entry."""
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A UUIDv7 in lower case: safe in a file name and in SQL."""


class SchemaError(JournalError):
    """Something that the format has no room for. A defect of the caller, or a hostile name."""


class Kind(StrEnum):
    """What an entry records. Its value is the ``type`` in the leaf."""

    LOG_OPEN = "log.open"
    PLAN = "plan"
    """A plan was approved. The entry's id is the plan's own id."""
    INTENT = "intent"
    """The next thing to happen is one exact call."""
    OUTCOME = "outcome"
    EVIDENCE = "evidence"
    """How dead the token is, as a later read showed."""
    RECOVERY_CLAIM = "recovery.claim"
    """Somebody has begun to find out what became of an open intent."""
    RECOVERY = "recovery"
    """What became of it."""
    NOTE = "note"


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The base of all parts: unknown members are refused, defaults are left out."""


class Kernel(_Closed, frozen=True, kw_only=True):
    """What the kernel says about the writing process, which its user cannot forge.

    ``loginuid`` is the uid that logged in; it survives su and sudo. It is absent where the
    kernel has none for this process.
    """

    uid: int
    user: str
    pid: int
    loginuid: int | None = None
    login: str = ""
    tty: str = ""


class Claimed(_Closed, frozen=True, kw_only=True):
    """What the environment says. The user can set it to anything."""

    sudo_user: str = ""
    ssh_connection: str = ""


class Who(_Closed, frozen=True, kw_only=True):
    """Who acted, each part under the name of the one that vouches for it."""

    kernel: Kernel
    claimed: Claimed = Claimed()


class Host(_Closed, frozen=True, kw_only=True):
    """The machine and the program. ``machine`` is a hash of its machine id."""

    name: str
    console: str
    python: str
    machine: str = ""


class Target(_Closed, frozen=True, kw_only=True):
    """The token that is acted on. ``id`` is exact; ``name`` and ``owner`` may be cut."""

    kind: str
    id: str
    handle: str
    name: str = ""
    owner: str = ""


class CallMark(_Closed, frozen=True, kw_only=True):
    """The call for people to read, and the SHA-256 of the exact call in the plan's file."""

    transport: str
    method: str
    target: str
    sha256: str
    arguments: Mapping[str, str] = {}


class Act(_Closed, frozen=True, kw_only=True):
    """What is done to what. ``expect`` is what a later read must show."""

    verb: str
    backend: str
    target: Target
    step: str = ""
    call: CallMark | None = None
    retry: str = ""
    expect: str = ""
    plan_ref: str = ""


class PlanMark(_Closed, frozen=True, kw_only=True):
    """The approved plan: the SHA-256 of its file, and the hazards that were answered."""

    sha256: str
    steps: int
    answered: tuple[str, ...] = ()


class Out(_Closed, frozen=True, kw_only=True):
    """What came of the entry ``ref``.

    ``state`` is, by type: outcome: applied, already, rejected, not_sent, unknown;
    recovery: applied, not_applied; recovery.claim: claimed; evidence: seen, not_seen.
    ``how`` tells how it is known: answer, read, recovery.
    """

    ref: str
    state: str
    how: str = ""
    status: str = ""
    request_id: str = ""
    elapsed_ms: int = 0
    detail: str = ""
    evidence: int | None = None


class Body(_Closed, frozen=True, kw_only=True):
    """A whole entry. ``t`` is UTC, ``mono_us`` the machine's clock since ``boot_id``, both in µs.

    Microseconds and not nanoseconds, because nanoseconds since start-up pass 2**53, the
    largest integer that JSON can carry safely, after 104 days.
    """

    v: int
    type: Kind
    id: str
    seq: int
    prev: str
    log: str
    t: int
    boot_id: str
    mono_us: int
    host: Host
    who: Who
    why: str = ""
    incident: str = ""
    act: Act | None = None
    plan: PlanMark | None = None
    out: Out | None = None


NEEDS: Mapping[Kind, frozenset[str]] = {
    Kind.LOG_OPEN: frozenset(),
    Kind.PLAN: frozenset({"why", "act", "plan"}),
    Kind.INTENT: frozenset({"why", "act"}),
    Kind.OUTCOME: frozenset({"act", "out"}),
    Kind.EVIDENCE: frozenset({"act", "out"}),
    Kind.RECOVERY_CLAIM: frozenset({"act", "out"}),
    Kind.RECOVERY: frozenset({"act", "out"}),
    Kind.NOTE: frozenset({"why"}),
}
"""What an entry of each kind must have."""

OUT_STATES: Mapping[Kind, frozenset[str]] = {
    Kind.OUTCOME: frozenset({"applied", "already", "rejected", "not_sent", "unknown"}),
    Kind.EVIDENCE: frozenset({"seen", "not_seen"}),
    Kind.RECOVERY_CLAIM: frozenset({"claimed"}),
    Kind.RECOVERY: frozenset({"applied", "not_applied"}),
}


def uuid7() -> str:
    """A new UUIDv7 (RFC 9562, section 5.7). The standard library of Python 3.11 has none."""
    stamp = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (stamp & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def link(leaf: bytes) -> str:
    """The ``prev`` of the entry that follows this one."""
    return hashlib.sha256(leaf).hexdigest()


def leaf_of(body: Body) -> bytes:
    """The exact bytes to store.

    Raises:
        SchemaError: a member is missing or of the wrong type, or the entry is too large.
    """
    have = {name for name in ("why", "act", "plan", "out") if getattr(body, name)}
    missing = NEEDS[body.type] - have
    if missing:
        raise SchemaError(f"a journal entry of kind {body.type} needs {', '.join(sorted(missing))}")
    if (body.out is not None and body.out.state not in OUT_STATES.get(body.type, ())) or (
        body.plan is not None and body.type is not Kind.PLAN
    ):
        raise SchemaError(f"a journal entry of kind {body.type} cannot say that")
    if not ID.fullmatch(body.id):
        raise SchemaError("an entry's id must be a UUIDv7")
    try:
        leaf = rfc8785.dumps(msgspec.to_builtins(body))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, TypeError) as error:
        raise SchemaError(f"cannot be written as RFC 8785 JSON: {type(error).__name__}") from None
    if len(leaf) > MAX_LEAF:
        raise SchemaError(f"an entry of {len(leaf)} bytes; the format ends at {MAX_LEAF}")
    # Structs do not check types when they are made, so the bytes are read back once.
    parse(leaf)
    return leaf


_decoder = msgspec.json.Decoder(Body)


def parse(leaf: bytes) -> Body:
    """The entry that was stored.

    Raises:
        SchemaError: the bytes are not of this schema (an unknown member is enough).
    """
    try:
        body = _decoder.decode(leaf)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SchemaError(f"not an entry of version {VERSION}: {error}") from None
    if body.v != VERSION:
        raise SchemaError(f"an entry of version {body.v}; this console reads {VERSION}")
    return body
