"""The format of one journal entry, version 5: a closed schema and its exact bytes.

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

from backends.words import count
from console.errors import JournalError, UsageError
from console.journal.format import incident_mark
from console.journal.format.incident_mark import IncidentMark
from console.journal.format.parts import Act as Act
from console.journal.format.parts import CallMark as CallMark
from console.journal.format.parts import Claimed as Claimed
from console.journal.format.parts import (
    ClockStep,
    Export,
    KeyMark,
    Part,
    Seal,
    Session,
    Sig,
    Witnessing,
)
from console.journal.format.parts import Config as Config
from console.journal.format.parts import Host as Host
from console.journal.format.parts import Kernel as Kernel
from console.journal.format.parts import Out as Out
from console.journal.format.parts import PlanMark as PlanMark
from console.journal.format.parts import RunMark as RunMark
from console.journal.format.parts import Target as Target
from console.journal.format.parts import Who as Who

VERSION = 5
READS = (1, 2, 3, 4, 5)
"""Older versions had fewer kinds and parts; their entries stay as they are and are read as such."""
ANSWERS_SIGNED = 4
"""The version from which on a session's key signs what came of its calls too."""
MAX_LEAF = 32 * 1024
"""Bytes of one entry. The tile format for publishing the log ends at 65,535."""
FARTHEST = 8.8e9
"""Unix seconds: JSON can carry integers up to 2**53 safely, which in µs is the year 2255."""
GENESIS = "0" * 64
"""The ``prev`` of the first entry."""
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A UUIDv7 in lower case: safe in a file name and in SQL."""


class SchemaError(JournalError):
    """Something that the format has no room for. A defect of the caller, or a hostile name."""


class Kind(StrEnum):
    """What an entry records. Its value is the ``type`` in the leaf."""

    LOG_OPEN = "log.open"
    LOG_UPGRADE = "log.upgrade"
    """From here on there are a tree and signed checkpoints; they cover what was before."""
    SESSION_OPEN = "session.open"
    SESSION_CLOSE = "session.close"
    PLAN_MADE = "plan.made"
    """A plan was made and waits to be approved: from here on its file may not change."""
    PLAN = "plan"
    """A plan was approved. The entry's id is the plan's own id."""
    APPROVAL = "approval"
    """A second person approved the same plan."""
    RUN = "run"
    """Somebody, or the runner, decided something about a run."""
    INTENT = "intent"
    """The next thing to happen is one exact call."""
    OUTCOME = "outcome"
    EVIDENCE = "evidence"
    """How dead the token is, as a later read showed."""
    RECOVERY_CLAIM = "recovery.claim"
    """Somebody has begun to find out what became of an open intent."""
    RECOVERY = "recovery"
    """What became of it."""
    OBSERVE = "observe"
    """A read that matters, such as a recovery's question."""
    BREAKGLASS = "breakglass"
    """A rule of the console was set aside, and why."""
    CONFIG = "config"
    """From here on this user acts here under another configuration than before."""
    KEY_ROTATE = "key.rotate"
    AUDIT_SEAL = "audit.seal"
    """The root over stored audit events, so that a later change to them is found."""
    EXPORT = "export"
    WITNESS_STATUS = "witness.status"
    CLOCK_STEP = "clock.step"
    NOTE = "note"
    INCIDENT = "incident"
    """Somebody decided something about an incident, which the entry names."""


class Body(Part, frozen=True, kw_only=True):
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
    config: Config | None = None
    run: RunMark | None = None
    out: Out | None = None
    sig: Sig | None = None
    session: Session | None = None
    key: KeyMark | None = None
    seal: Seal | None = None
    export: Export | None = None
    witness: Witnessing | None = None
    clock: ClockStep | None = None
    case: IncidentMark | None = None


NEEDS: Mapping[Kind, frozenset[str]] = {
    Kind.LOG_OPEN: frozenset(),
    Kind.LOG_UPGRADE: frozenset({"why", "key"}),
    Kind.SESSION_OPEN: frozenset({"why", "session"}),
    Kind.SESSION_CLOSE: frozenset({"out"}),
    Kind.PLAN_MADE: frozenset({"why", "act", "plan"}),
    Kind.PLAN: frozenset({"why", "act", "plan"}),
    Kind.APPROVAL: frozenset({"act", "plan"}),
    Kind.RUN: frozenset({"run"}),
    Kind.INTENT: frozenset({"why", "act"}),
    Kind.OUTCOME: frozenset({"act", "out"}),
    Kind.EVIDENCE: frozenset({"act", "out"}),
    Kind.RECOVERY_CLAIM: frozenset({"act", "out"}),
    Kind.RECOVERY: frozenset({"act", "out"}),
    Kind.OBSERVE: frozenset({"act"}),
    Kind.BREAKGLASS: frozenset({"why"}),
    Kind.CONFIG: frozenset({"config"}),
    Kind.KEY_ROTATE: frozenset({"why", "key"}),
    Kind.AUDIT_SEAL: frozenset({"seal"}),
    Kind.EXPORT: frozenset({"why", "export"}),
    Kind.WITNESS_STATUS: frozenset({"witness"}),
    Kind.CLOCK_STEP: frozenset({"clock"}),
    Kind.NOTE: frozenset({"why"}),
    Kind.INCIDENT: frozenset({"why", "incident", "case"}),
}
"""What an entry of each kind must have."""

ONLY: Mapping[str, frozenset[Kind]] = {
    "plan": frozenset({Kind.PLAN_MADE, Kind.PLAN, Kind.APPROVAL}),
    "config": frozenset(
        {
            Kind.SESSION_OPEN,
            Kind.PLAN_MADE,
            Kind.PLAN,
            Kind.APPROVAL,
            Kind.BREAKGLASS,
            Kind.CONFIG,
        }
    ),
    "run": frozenset({Kind.RUN, Kind.BREAKGLASS}),
    "sig": frozenset(
        {
            Kind.SESSION_OPEN,
            Kind.PLAN,
            Kind.APPROVAL,
            Kind.RUN,
            Kind.INTENT,
            Kind.OUTCOME,
            Kind.EVIDENCE,
            Kind.OBSERVE,
            Kind.BREAKGLASS,
            Kind.RECOVERY,
        }
    ),
    "session": frozenset({Kind.SESSION_OPEN}),
    "key": frozenset({Kind.LOG_OPEN, Kind.LOG_UPGRADE, Kind.KEY_ROTATE}),
    "seal": frozenset({Kind.AUDIT_SEAL}),
    "export": frozenset({Kind.EXPORT}),
    "witness": frozenset({Kind.WITNESS_STATUS}),
    "clock": frozenset({Kind.CLOCK_STEP}),
    "case": frozenset({Kind.INCIDENT}),
}
"""Parts that only these kinds may have."""

OUT_STATES: Mapping[Kind, frozenset[str]] = {
    Kind.OUTCOME: frozenset({"applied", "already", "rejected", "not_sent", "unknown"}),
    Kind.EVIDENCE: frozenset({"seen", "not_seen"}),
    Kind.RECOVERY_CLAIM: frozenset({"claimed"}),
    Kind.RECOVERY: frozenset({"applied", "not_applied", "acknowledged"}),
    Kind.OBSERVE: frozenset({"seen", "not_seen", "unclear"}),
    Kind.SESSION_CLOSE: frozenset({"closed"}),
}
"""What may have come of an entry, by the kind of the answer; no other kind has ``out``."""

ANSWERS: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.OUTCOME: (Kind.INTENT, Kind.PLAN),
    Kind.EVIDENCE: (Kind.INTENT, Kind.PLAN),
    Kind.RECOVERY_CLAIM: (Kind.INTENT,),
    Kind.RECOVERY: (Kind.INTENT,),
    Kind.SESSION_CLOSE: (Kind.SESSION_OPEN,),
}
"""Of what kind the entry must be that an answer refers to."""

RUN_WHATS: Mapping[Kind, frozenset[str]] = {
    Kind.RUN: frozenset(
        {
            "start", "pause", "resume", "abort", "halt", "unhalt", "waive", "except", "late",
            "wave", "close", "alarm", "moved", "taken",
        }
    ),
    Kind.BREAKGLASS: frozenset({"breakglass"}),
}  # fmt: skip
"""What may be said about a run, by the kind of the entry."""

NEED_WHY = frozenset({"unhalt", "waive", "except"})
"""Decisions that set a rule aside: never without a reason. To stop waits for none."""

STATEMENT = (
    "type", "id", "log", "why", "incident", "act", "plan", "config", "run", "out", "session",
    "case",
)  # fmt: skip
"""The members that a responder signs: what is done and why, not where the entry stands."""


def uuid7() -> str:
    """A new UUIDv7 (RFC 9562, section 5.7). The standard library of Python 3.11 has none."""
    stamp = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (stamp & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def instant(seconds: float) -> int:
    """A moment that a person gave, from unix seconds to the µs that entries hold.

    Raises:
        UsageError: it lies so far away that no entry can hold it.
    """
    if abs(seconds) > FARTHEST:
        raise UsageError("that date is too far away", "Give one between 1700 and 2250.")
    return int(seconds * 1_000_000)


def link(leaf: bytes) -> str:
    """The ``prev`` of the entry that follows this one."""
    return hashlib.sha256(leaf).hexdigest()


def leaf_of(body: Body) -> bytes:
    """The exact bytes to store.

    Raises:
        SchemaError: a member is missing or of the wrong type, or the entry is too large.
    """
    if problem := misuse(body):
        raise SchemaError(problem)
    if not ID.fullmatch(body.id):
        raise SchemaError("an entry's id must be a UUIDv7")
    try:
        leaf = canonical(body)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, TypeError) as error:
        raise SchemaError(f"cannot be written as RFC 8785 JSON: {type(error).__name__}") from None
    if len(leaf) > MAX_LEAF:
        raise SchemaError(f"an entry of {count(len(leaf), 'byte')}; the format ends at {MAX_LEAF}")
    # Structs do not check types when they are made, so the bytes are read back once.
    parse(leaf)
    return leaf


def misuse(body: Body) -> str:
    """What an entry of this kind lacks or may not have; empty when it is as it should be."""
    kind = body.type
    missing = [name for name in NEEDS[kind] if not getattr(body, name)]
    if missing:
        return f"a journal entry of kind {kind} needs {', '.join(sorted(missing))}"
    for name, kinds in ONLY.items():
        if kind not in kinds and getattr(body, name) is not None:
            return f"a journal entry of kind {kind} cannot have {name}"
    if body.out is not None and body.out.state not in OUT_STATES.get(kind, ()):
        return f"a journal entry of kind {kind} cannot say that"
    if body.out is not None and body.out.state == "acknowledged" and not body.why:
        return "to settle a call by a person's word needs a reason"
    if kind in (Kind.PLAN_MADE, Kind.APPROVAL) and not (body.act and body.act.plan_ref):
        return f"a journal entry of kind {kind} must name its plan"
    if (run := body.run) is not None:
        if not run.plan or run.what not in RUN_WHATS[kind]:
            return f"a journal entry of kind {kind} cannot say that of a run"
        if run.what in NEED_WHY and not body.why:
            return f"to {run.what} needs a reason"
    return incident_mark.misuse(body.case) if body.case is not None else ""


def canonical(value: object) -> bytes:
    """RFC 8785 JSON (JCS) of structs, mappings, sequences, text and numbers.

    msgspec writes the same bytes twenty times as fast, but for what is looked for here: it
    sorts names by their code points and not by UTF-16, and writes numbers that JCS refuses or
    writes otherwise. Then, and where a text only looks so, ``rfc8785`` writes it.

    Raises:
        CanonicalizationError: of ``rfc8785``; JCS has no form for it.
    """
    try:
        data = _encoder.encode(value)
    except UnicodeEncodeError:
        data = b""
    astral = not data.isascii() and _ASTRAL.search(data)
    if not data or astral or _DOUBTFUL.search(data):
        return rfc8785.dumps(msgspec.to_builtins(value))
    return data


def statement(body: Body) -> bytes:
    """What the responder's signature in an entry is over, in RFC 8785 JSON."""
    return statement_in(canonical(body))


def statement_in(leaf: bytes) -> bytes:
    """As ``statement``, cut out of an entry's own bytes, which are RFC 8785 JSON already.

    Twenty times as fast. Bytes that are not in that form give another statement, which no
    signature fits.
    """
    members = _members.decode(leaf)
    parts = [name + bytes(members[key]) for key, name in _SAID if key in members]
    return b"{" + b",".join(parts) + b"}"


_SAID = tuple((name, b'"%s":' % name.encode()) for name in sorted(STATEMENT))
_ASTRAL = re.compile(rb"[\xf0-\xff]")
"""Beyond UTF-16's first plane, where the two orders differ."""
_DOUBTFUL = re.compile(rb"[:,\[]-?(?:9\d{15}|\d{17}|\d+[.eE])")
"""A number that may be too large, or no integer; or a text that reads like one."""
_encoder = msgspec.json.Encoder(order="sorted")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decoder = msgspec.json.Decoder(Body)


def parse(leaf: bytes) -> Body:
    """The entry that was stored.

    Raises:
        SchemaError: the bytes are not of this schema (an unknown member is enough).
    """
    try:
        body = _decoder.decode(leaf)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SchemaError(f"not an entry of this format: {error}") from None
    if body.v not in READS:
        raise SchemaError(f"an entry of version {body.v}; this console reads up to {VERSION}")
    return body
