"""The parts of a journal entry: a closed set of members, each with one meaning.

No part has a member for a header, a body or a query's value, so none can be recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from console.sshsig.mark import SignatureMark as Sig
from console.sshsig.mark import Sshd

__all__ = [
    "DONE",
    "SETTLED",
    "Act",
    "CallMark",
    "Claimed",
    "ClockStep",
    "Config",
    "Export",
    "Host",
    "Kernel",
    "KeyMark",
    "KnownBy",
    "Out",
    "OutState",
    "Part",
    "PlanMark",
    "RunEvent",
    "RunMark",
    "Seal",
    "Session",
    "Sig",
    "Sshd",
    "Target",
    "Who",
    "Witnessing",
]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The base of all parts: unknown members are refused, defaults are left out."""


class Kernel(Part, frozen=True, kw_only=True):
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


class Claimed(Part, frozen=True, kw_only=True):
    """What the environment says. The user can set it to anything.

    ``sshd`` is what the file says that ``SSH_USER_AUTH`` names. sshd writes it with the
    user's own rights, so that they can write another, or change this one.
    """

    sudo_user: str = ""
    ssh_connection: str = ""
    sshd: Sshd | None = None


class Who(Part, frozen=True, kw_only=True):
    """Who acted, each part under the name of the one that vouches for it."""

    kernel: Kernel
    claimed: Claimed = Claimed()


class Host(Part, frozen=True, kw_only=True):
    """The machine and the program. ``machine`` is a hash of its machine id."""

    name: str
    console: str
    python: str
    machine: str = ""


class Target(Part, frozen=True, kw_only=True):
    """The token that is acted on. ``id`` is exact; ``name`` and ``owner`` may be cut.

    ``fp`` is the keyed fingerprint of the token's value, where the value was in hand.
    """

    kind: str
    id: str
    handle: str
    name: str = ""
    owner: str = ""
    fp: str = ""


class CallMark(Part, frozen=True, kw_only=True):
    """The call for people to read, and the SHA-256 of the exact call in the plan's file."""

    transport: str
    method: str
    target: str
    sha256: str
    arguments: Mapping[str, str] = {}


class Act(Part, frozen=True, kw_only=True):
    """What is done to what. ``expect`` is what a later read must show."""

    verb: str
    backend: str
    target: Target
    step: str = ""
    call: CallMark | None = None
    retry: str = ""
    expect: str = ""
    plan_ref: str = ""


class PlanMark(Part, frozen=True, kw_only=True):
    """The approved plan: the SHA-256 of its file, and the hazards that were answered.

    ``answers`` has the reason that was given for each, by its code; version 2 had no more
    than the codes, in ``answered``. ``tokens`` is how many tokens it is about.
    """

    sha256: str
    steps: int
    tokens: int = 1
    answered: tuple[str, ...] = ()
    answers: Mapping[str, str] = {}


class RunEvent(StrEnum):
    """What was decided about a run, or came about in it."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    """Ended for good, whatever is left."""
    CLOSE = "close"
    """Declared done."""
    HALT = "halt"
    """A backend's lane stopped, because too much failed there."""
    UNHALT = "unhalt"
    WAVE = "wave"
    """A wave of the plan began; ``item`` is the wave's number."""
    LATE = "late"
    """A token appeared after the scope was frozen."""
    EXCEPT = "except"
    """Somebody answers for letting a token be."""
    WAIVE = "waive"
    """Somebody answers for consumers that were not seen to move."""
    MOVED = "moved"
    """A consumer was seen with the new value."""
    TAKEN = "taken"
    """Another plan is at the token, or changed it."""
    ALARM = "alarm"
    """What was taken for dead shows signs of life."""
    BREAKGLASS = "breakglass"
    """The second person was not waited for. In an entry of that kind only."""


class RunMark(Part, frozen=True, kw_only=True):
    """What was decided about the run of ``plan``, by a responder or by the runner.

    It is about the plan's item ``item`` (from 1; 0: about no single one) or the
    lane ``backend``. ``owner`` answers for an exception until ``expires`` (UTC in µs; 0: never).
    """

    plan: str
    what: RunEvent
    item: int = 0
    backend: str = ""
    owner: str = ""
    expires: int = 0
    detail: str = ""


class OutState(StrEnum):
    """What came of an entry. Which of them an answer may say goes by its kind."""

    APPLIED = "applied"
    ALREADY = "already"
    """It was so before anything was sent."""
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    """It may have happened."""
    NOT_APPLIED = "not_applied"
    """A recovery found that it did not happen."""
    ACKNOWLEDGED = "acknowledged"
    """A person's word settles it."""
    CLAIMED = "claimed"
    """A recovery is looking into it."""
    SEEN = "seen"
    """What was looked for is so: the end of a token. Of a value that was tried: it is refused."""
    NOT_SEEN = "not_seen"
    UNCLEAR = "unclear"
    """A try of a value got no answer that tells."""
    CLOSED = "closed"


DONE = (OutState.APPLIED, OutState.ALREADY)
"""The states that say that a call was made, or that it was so before anything was sent."""
SETTLED = (
    *DONE,
    OutState.REJECTED,
    OutState.NOT_SENT,
    OutState.NOT_APPLIED,
    OutState.ACKNOWLEDGED,
)
"""The states after which nothing is left to find out about an intent."""


class KnownBy(StrEnum):
    """How it is known what came of an entry."""

    UNSAID = ""
    ANSWER = "answer"
    """The system's answer to the call."""
    READ = "read"
    """The system's record, read again."""
    PROBE = "probe"
    """The value was tried."""
    LOG = "log"
    """The system's own log."""
    RECOVERY = "recovery"
    """A look after the runner had died."""
    PERSON = "person"


class Out(Part, frozen=True, kw_only=True):
    """What came of the entry ``ref``.

    ``made`` is the token that the call brought into being,
    or whose value it replaced; its ``fp`` is that of the new value, where it was in hand.
    """

    ref: str
    state: OutState
    how: KnownBy = KnownBy.UNSAID
    status: str = ""
    request_id: str = ""
    elapsed_ms: int = 0
    detail: str = ""
    evidence: int | None = None
    made: Target | None = None


class Session(Part, frozen=True, kw_only=True):
    """A responder's session: the key in memory that signs its intents, until ``expires``.

    ``key`` is the public key as OpenSSH writes it; ``expires`` is UTC in µs.
    """

    key: str
    expires: int


class Config(Part, frozen=True, kw_only=True):
    """The configuration that was in force.

    ``sha256`` is that of its file, empty where there is none; ``signers`` that of the list
    of allowed signers, empty where none is named. ``rules`` says in words what the two ask
    for, in the entry that tells of a configuration for the first time.
    """

    sha256: str
    signers: str = ""
    rules: str = ""


class KeyMark(Part, frozen=True, kw_only=True):
    """The key that signs the checkpoints from this entry on, as a C2SP verifier key."""

    vkey: str


class Seal(Part, frozen=True, kw_only=True):
    """A batch of a backend's audit events as it was stored: RFC 6962 root in hex over them.

    ``first`` and ``last`` name the first and the last event as the store counts them.
    """

    backend: str
    first: str
    last: str
    count: int
    root: str


class Export(Part, frozen=True, kw_only=True):
    """An export of the first ``size`` entries, whose root (hex) was ``root``."""

    form: str
    size: int
    root: str


class Witnessing(Part, frozen=True, kw_only=True):
    """What witnesses said to the checkpoint of ``size``: who cosigned, and who did not."""

    size: int
    cosigned: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    detail: str = ""


class ClockStep(Part, frozen=True, kw_only=True):
    """How far the wall clock moved against the clock since start-up, in µs; negative: back.

    It was set, or the machine slept.
    """

    step: int
