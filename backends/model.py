"""What a token system tells us, in one vocabulary.

Everything here is plain, immutable data that can be written to JSON and read back
(``encode`` and ``decode``). Names that come from a system are kept exactly as the
system gave them: they are hostile until a screen or an export makes them safe.

All points in time are timezone-aware UTC datetimes.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

T = TypeVar("T")
S = TypeVar("S")


class Secret:
    """A secret's value, which no representation, format, pickle or comparison can show.

    Only :meth:`reveal` gives the value, so that a search for that word finds every
    place where a secret leaves this type.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one call that has to send it."""
        return self._value

    def fingerprint(self, key: bytes) -> str:
        """HMAC-SHA256 of the value in hexadecimal: answers "is it this one?" and nothing else."""
        return hmac.new(key, self._value.encode(), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "Secret(redacted)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not to be pickled or copied to another process")


class How(StrEnum):
    """How a value is known. The four ways of not having one are never mixed up."""

    KNOWN = "known"
    NEVER = "never"
    """The system keeps track, and says that it has not happened (or, for an expiry, never will)."""
    NOT_TRACKED = "not_tracked"
    """The system does not record this at all."""
    NOT_PERMITTED = "not_permitted"
    """The system knows, but this credential may not ask."""
    NOT_READ = "not_read"
    """Nobody has asked yet, or the answer did not arrive."""


class Reading(msgspec.Struct, Generic[T], frozen=True, omit_defaults=True):
    """A value that knows how it is known.

    ``granularity`` is the step in which the system keeps the value: a last use with a
    granularity of a day may be anything up to a day later than it says.

    Raises:
        ValueError: when a known reading has no value, or another kind has one.
    """

    how: How
    value: T | None = None
    source: str = ""
    as_of: datetime | None = None
    granularity: timedelta | None = None

    def __post_init__(self) -> None:
        if (self.how is How.KNOWN) != (self.value is not None):
            raise ValueError(f"a reading that is {self.how.value} with the value {self.value!r}")

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.how is How.KNOWN

    def or_else(self, default: S) -> T | S:
        """The value where it is known, else ``default``."""
        return default if self.value is None else self.value


def known(
    value: T,
    source: str,
    as_of: datetime | None = None,
    granularity: timedelta | None = None,
) -> Reading[T]:
    """A reading with a value, and where it comes from."""
    return Reading(How.KNOWN, value, source, as_of, granularity)


def never(source: str = "", as_of: datetime | None = None) -> Reading[Any]:
    """The system keeps track and says: it has not happened."""
    return Reading(How.NEVER, None, source, as_of)


def not_tracked(why: str = "") -> Reading[Any]:
    """The system keeps no record of this. ``why`` becomes the reading's source."""
    return Reading(How.NOT_TRACKED, None, why)


def not_permitted(why: str = "") -> Reading[Any]:
    """The credential in use may not read this. ``why`` names the missing permission."""
    return Reading(How.NOT_PERMITTED, None, why)


def not_read(why: str = "") -> Reading[Any]:
    """Not asked yet, or not answered."""
    return Reading(How.NOT_READ, None, why)


class TokenRef(msgspec.Struct, frozen=True, order=True):
    """Names one token for ever: the configured backend, the kind, and the system's own id.

    ``id`` must be stable, unique within the backend and kind, and never the secret.
    """

    backend: str
    kind: str
    id: str

    @property
    def handle(self) -> str:
        """Twelve hexadecimal digits that are safe to print and type, whatever the id holds."""
        joined = "\0".join((self.backend, self.kind, self.id))
        return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:12]


class TokenState(StrEnum):
    """Where a token is in its life. What the console saw (gone, back) is the store's to say."""

    ACTIVE = "active"
    RESTRICTED = "restricted"
    """Works, with fewer powers than it was issued with."""
    DISABLED = "disabled"
    SUPERSEDED = "superseded"
    """A successor exists and this one still works."""
    REVOKED = "revoked"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class Principal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a token speaks for. ``kind`` is the system's word: user, entity, role, bot."""

    id: str
    name: str
    kind: str = ""
    disabled: bool = False


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """A policy, role or scope that a token carries.

    ``via`` says where it comes from when it is not given to the token itself
    ("group admins", "entity jenkins-ci"); ``on`` limits it to a resource.
    """

    kind: str
    name: str
    on: str = ""
    via: str = ""


class Token(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One token's record as its system tells it. Never the value.

    ``scope`` names the part of the system in which it was listed (a namespace, an
    account, a role); only a scope that was enumerated to its end can show that a token
    is gone. ``facts`` carries what else the system says, in its own words, for people
    to read. ``binding`` tells what ties the token to a holder, "bearer" if nothing does.
    """

    ref: TokenRef
    name: str
    scope: str
    state: TokenState = TokenState.ACTIVE
    principal: Reading[Principal] = not_read()
    owner: Reading[str] = not_read()
    created_at: Reading[datetime] = not_read()
    created_by: Reading[str] = not_read()
    last_used_at: Reading[datetime] = not_read()
    last_used_from: Reading[str] = not_read()
    last_used_for: Reading[str] = not_read()
    expires_at: Reading[datetime] = not_read()
    grants: Reading[tuple[Grant, ...]] = not_read()
    parent: Reading[TokenRef] = not_read()
    binding: Reading[str] = not_read()
    facts: tuple[tuple[str, str], ...] = ()


class GapKind(StrEnum):
    """Why a part of a system was not seen."""

    REFUSED = "refused"
    """This credential may not look there."""
    UNLISTABLE = "unlistable"
    """The system itself offers no list of these."""
    FAILED = "failed"
    """The look-up went wrong; another try may see it."""
    LIMITED = "limited"
    """A limit of ours stopped the listing (a page that never ends, a size cap)."""


class Gap(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part that an enumeration did not see, why, and what would mend it."""

    scope: str
    kind: GapKind
    what: str
    hint: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """The stretch of time that was not seen, where it is one; None is "without end"."""


class ScopeDone(msgspec.Struct, frozen=True, omit_defaults=True):
    """Says that a scope was enumerated to its end: whatever it did not list is not there."""

    scope: str
    seen: int


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a long enumeration has come. ``total`` is absent where it cannot be known."""

    done: int
    total: int | None = None
    what: str = ""


Found = Token | Gap | ScopeDone | Progress
"""What ``Backend.inventory`` streams."""


class EventClass(StrEnum):
    """What an event is to its token. Only whoever reads the log can say: the words differ."""

    LIFE = "life"
    """It was made, changed, replaced or ended. No use of its value."""
    PERMISSION = "permission"
    """What it may do was changed. No use of its value either."""
    USE = "use"
    """Its value was shown, and let in (or let in and then something else went wrong)."""
    DENIED = "denied"
    """Its value was shown, and refused."""
    OTHER = "other"
    """Nobody told. It counts as no use, and where there is one there is no silence."""

    @property
    def shown(self) -> bool:
        """Whether somebody had the token's value in hand."""
        return self in (EventClass.USE, EventClass.DENIED)


class Effect(StrEnum):
    """What an event of the class ``life`` did to its token, where the log says so."""

    UNSAID = ""
    CREATED = "created"
    CONTAINED = "contained"
    RESTORED = "restored"
    ROTATED = "rotated"
    REVOKED = "revoked"
    DISCONNECTED = "disconnected"
    OWNER = "owner"
    """Somebody else answers for it."""


class Covers(StrEnum):
    """What a log tells of tokens, and so what its silence can show."""

    CHANGES = "changes"
    """Each time one was made, changed or ended, and no use."""
    USES = "uses"
    """Every use."""
    BOTH = "both"
    PART = "part"
    """Some of it, or nobody told: such a log shows use, and never that there was none."""

    @property
    def all_uses(self) -> bool:
        """Whether a use that is not in it did not take place."""
        return self in (Covers.USES, Covers.BOTH)


class AuditEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line of a system's own audit trail.

    ``id`` is the system's, or a hash of the line where it has none, so that the same
    line read twice is one event. ``outcome`` is "ok", "denied" or "error". ``sort`` says
    what it is to ``token``; one line that tells of two tokens is two events.
    """

    id: str
    at: datetime
    action: str
    sort: EventClass = EventClass.OTHER
    effect: Effect = Effect.UNSAID
    outcome: str = "ok"
    token: TokenRef | None = None
    actor: str = ""
    target: str = ""
    source: str = ""
    """The address that the request came from."""
    agent: str = ""
    origin: str = ""
    """Which log this was read from."""
    detail: str = ""

    @property
    def settled(self) -> EventClass:
        """The class that counts, with the outcome weighed in.

        A use that was refused is a refusal; a "refusal" that was let in is a use, for of two
        words that contradict each other the one that alarms is believed.
        """
        return settled(self.sort, self.outcome)


def settled(sort: EventClass, outcome: str) -> EventClass:
    """The class of an event that counts. See ``AuditEvent.settled``."""
    return use(outcome) if sort.shown else sort


def use(outcome: str) -> EventClass:
    """The class of an event in which a token's value was shown and that ended so."""
    return EventClass.DENIED if outcome == "denied" else EventClass.USE


class Consumer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A system that would break without the token.

    ``kind`` is session, object, lease, address, workload or token (a child).
    """

    name: str
    kind: str
    detail: str = ""
    source: str = ""
    last_seen: Reading[datetime] = not_read()


class Dependents(msgspec.Struct, frozen=True, omit_defaults=True):
    """The consumers that can be seen, and what cannot be seen."""

    consumers: tuple[Consumer, ...] = ()
    gaps: tuple[Gap, ...] = ()


class EvidenceLevel(IntEnum):
    """How dead a token is."""

    ASKED = 0
    ACCEPTED = 1
    """The system answered that it did it (2xx)."""
    RECORDED = 2
    """The issuer's own record says so, read again afterwards."""
    REFUSED = 3
    """The old value was tried and refused."""
    SILENT = 4
    """No use in the log for the system's whole propagation window."""


def encode(value: Any) -> bytes:
    """Compact JSON of anything in this module or in ``contract``."""
    return msgspec.json.encode(value)


def decode(data: bytes | str, kind: type[T]) -> T:
    """The value of the given type that :func:`encode` wrote.

    Raises:
        msgspec.ValidationError: when the JSON is not of that type.
    """
    return msgspec.json.decode(data, type=kind)
