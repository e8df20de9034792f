"""What a backend is: what it declares, and the few things it does.

A backend declares before it acts. What it does not declare is not offered, and counts
as dangerous: no retry, not reversible, side effects not known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Any, ClassVar, Self

import msgspec

from backends.errors import ConfigError, Unsupported
from backends.model import (
    AuditEvent,
    Dependents,
    EvidenceLevel,
    Found,
    Gap,
    GapKind,
    Secret,
    Token,
    TokenRef,
)


class Support(StrEnum):
    """How well a backend can do something, for one kind of token."""

    FULL = "full"
    PARTIAL = "partial"
    MANUAL = "manual"
    """Only a person can, outside the system's API."""
    NONE = "none"
    UNKNOWN = "unknown"


class Verb(StrEnum):
    """What can be done to a token."""

    CONTAIN = "contain"
    RESTORE = "restore"
    """The exact undo of contain."""
    ROTATE = "rotate"
    REVOKE = "revoke"
    DISCONNECT = "disconnect"


class Rotation(StrEnum):
    """The five ways in which systems replace a value, and "not known"."""

    IN_PLACE = "in place"
    """One call, same id, the old value dies at once."""
    REPLACE = "native replace"
    """One call, new id, the old token dies at once."""
    OVERLAP = "native overlap"
    """The old value stays valid for a while, by the system's own doing."""
    CREATE_RETIRE = "create, then retire"
    """Two tokens for a while; the console owns the order."""
    NO_API = "no API"
    """Only a person can mint the successor."""
    UNKNOWN = "not known"


class Retry(StrEnum):
    """What may be done when the answer to a call is lost."""

    FREE = "repeat freely"
    CONFIRM = "confirm, then repeat"
    """Read first: the repeat fails, or does harm, when the first call worked."""
    NEVER = "never"
    """A repeat mints, kills or burns something. Only reading may follow."""


class Readable(StrEnum):
    """What may be asked about a kind of token."""

    LIST = "list"
    OWNER = "owner"
    CREATED = "created"
    CREATOR = "creator"
    LAST_USED = "last used"
    GRANTS = "grants"
    EXPIRY = "expiry"
    PARENT = "parent"
    DEPENDENTS = "dependents"
    EVENTS = "events"
    IDENTIFY = "identify"


class Ability(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a verb works on one kind of token. The defaults are the careful ones."""

    support: Support = Support.UNKNOWN
    reversible: bool = False
    retry: Retry = Retry.NEVER
    note: str = ""


class KindCapabilities(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Everything that a backend declares about one kind of token.

    ``propagation`` is how long the old value may go on working after the system said
    yes; None means that nobody knows. ``probe_effects`` lists what trying the secret
    does besides answering (writes an audit line, renews an idle timer); None means
    undeclared, and such a probe is not offered. ``slots`` is how many tokens of the kind
    one principal may have. ``ceiling`` is the highest evidence level that the system
    lets anyone reach.
    """

    kind: str
    title: str
    reads: Mapping[Readable, Support] = {}
    verbs: Mapping[Verb, Ability] = {}
    rotation: Rotation = Rotation.UNKNOWN
    propagation: timedelta | None = None
    probe_effects: tuple[str, ...] | None = None
    slots: int | None = None
    ceiling: EvidenceLevel = EvidenceLevel.ACCEPTED
    notes: tuple[str, ...] = ()

    def can_read(self, what: Readable) -> Support:
        return self.reads.get(what, Support.UNKNOWN)

    def ability(self, verb: Verb) -> Ability:
        return self.verbs.get(verb, Ability())


class Capabilities(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a backend can do, kind by kind. ``unlistable`` names what nobody can list."""

    kinds: tuple[KindCapabilities, ...]
    watch: Support = Support.NONE
    unlistable: tuple[str, ...] = ()

    def of(self, kind: str) -> KindCapabilities:
        """The declaration for a kind; an undeclared kind can do nothing."""
        for declared in self.kinds:
            if declared.kind == kind:
                return declared
        return KindCapabilities(kind=kind, title=kind)


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """One exact call, as it will be sent. Holds no secret: a chosen value is "<new value>".

    ``transport`` is http, aws, sql or estate; ``method`` the HTTP method, the API
    operation or the SQL verb; ``target`` the path or the statement.
    """

    transport: str
    method: str
    target: str
    arguments: dict[str, str] = {}

    @property
    def line(self) -> str:
        """The call on one line, for plans and the journal."""
        inside = ", ".join(f"{key}: {value}" for key, value in self.arguments.items())
        return f"{self.method} {self.target}" + (f" {{{inside}}}" if inside else "")


class Step(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One exact call of a plan, and what it means.

    ``expect`` is what a later read must show for evidence level 2: "gone" (the system
    no longer has it) or a token state. ``also`` names further tokens that the same call
    acts on, where a system takes a list.
    """

    id: str
    verb: Verb
    token: TokenRef
    title: str
    call: Call
    retry: Retry = Retry.NEVER
    reversible: bool = False
    expect: str = ""
    also: tuple[TokenRef, ...] = ()


class Hazard(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A reason to stop. A ``fatal`` one cannot be answered away."""

    code: str
    text: str
    fatal: bool = False


class Proposal(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A backend's answer to "how would you do that": steps, and what goes with them.

    ``collateral`` lists, for people, what dies too; ``undo`` says how to take it back,
    empty where nothing can; ``manual`` says what a person has to do outside.
    ``undo_steps`` are the calls that put back exactly what was read for this plan, for a
    system whose "disable" forgets it (policies, roles, a CIDR list).
    """

    steps: tuple[Step, ...]
    hazards: tuple[Hazard, ...] = ()
    collateral: tuple[str, ...] = ()
    takes_effect: str = ""
    undo: str = ""
    undo_steps: tuple[Step, ...] = ()
    manual: str = ""


class OutcomeState(StrEnum):
    """How a call ended. A timeout is not a failure: it is ``unknown``."""

    APPLIED = "applied"
    ALREADY = "already"
    """It was so before, as a confirming read showed."""
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    """Not one byte of the request left this machine."""
    UNKNOWN = "unknown"


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What came of a step. ``status`` and ``request_id`` are the system's own words."""

    state: OutcomeState
    status: str = ""
    request_id: str = ""
    elapsed_ms: int = 0
    detail: str = ""


class Health(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a system is. ``skew`` is the system's clock minus ours, where it tells the time."""

    version: str = ""
    latency_ms: int = 0
    skew: timedelta | None = None
    notes: tuple[str, ...] = ()


class WhoAmI(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The console's own credentials at a system, which it must never saw off.

    ``own`` are the tokens in use (for reading and for acting), ``ancestors`` those whose
    end would end them, ``principals`` the ids of the principals that they speak for.
    """

    name: str
    own: tuple[TokenRef, ...] = ()
    ancestors: tuple[TokenRef, ...] = ()
    principals: tuple[str, ...] = ()
    expires_at: datetime | None = None
    can_act: bool = False


class Match(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token that a secret turned out to be, and how that is known."""

    ref: TokenRef
    how: str
    token: Token | None = None


class ProbeResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a system still accepts a value. ``accepted`` None means that it did not say."""

    accepted: bool | None
    detail: str = ""


class Option(msgspec.Struct, frozen=True):
    """One entry that a backend takes from the configuration file.

    ``kind`` is str, int, float, bool or list (of strings).
    """

    name: str
    help: str
    kind: type = str
    default: Any = None
    required: bool = False


class BackendConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A configured backend: its name, its checked options, and its two credentials.

    ``act`` absent means read-only. ``production`` makes the screen say so.
    """

    name: str
    type: str
    options: Mapping[str, Any] = {}
    read: Secret | None = None
    act: Secret | None = None
    production: bool = False


class Backend(ABC):
    """A token system behind one contract. One instance serves one configured system.

    An instance is opened with ``async with``; ``__init__`` only checks the
    configuration, raises ``ConfigError`` for a wrong one, and contacts nobody.

    Every method may raise the errors in ``backends.errors``.
    """

    type_name: ClassVar[str]
    """The name of its entry point, and the ``type`` in the configuration file."""
    title: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()
    needs_credential: ClassVar[bool] = True

    def __init__(self, config: BackendConfig) -> None:
        if self.needs_credential and config.read is None:
            raise ConfigError(
                f"{config.name} has no credential to read with",
                'Add: read = { env = "NAME" }, { file = "PATH" } or { command = [...] }.',
                option="read",
            )
        self.config = config
        self.name = config.name

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this backend declares, by its type and its options. Contacts nobody."""

    async def open(self) -> None:
        """Make connections ready. Contacts the system at most to log in."""

    async def close(self) -> None:
        """Give back whatever :meth:`open` took."""

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @abstractmethod
    async def health(self) -> Health:
        """Whether the system answers, and how fast. Raises where it does not."""

    @abstractmethod
    async def whoami(self) -> WhoAmI:
        """The console's own credentials, so that it never acts on them."""

    @abstractmethod
    def inventory(self) -> AsyncIterator[Found]:
        """Stream every token that can be seen, and a ``Gap`` for what cannot.

        A scope that was enumerated to its end yields ``ScopeDone``. A trouble with one
        scope becomes a ``Gap`` and the others go on; only a trouble with everything raises.
        """

    @abstractmethod
    async def read(self, ref: TokenRef) -> Token:
        """One token as it is now. Raises ``NotFound`` when the system says it has none such."""

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        """Stream audit events from ``since`` (inclusive), oldest first where the system can."""
        yield Gap(self.name, GapKind.UNLISTABLE, "audit events", "This system offers none.")

    async def watch(self) -> AsyncIterator[TokenRef | None]:
        """Yield a token that changed, or None for "something did". Only where it can push."""
        for _ in ():
            yield None
        raise Unsupported(f"{self.name} cannot push changes")

    async def dependents(self, ref: TokenRef) -> Dependents:
        """What uses the token, as far as the system can tell."""
        return Dependents(
            gaps=(Gap(ref.id, GapKind.UNLISTABLE, "consumers", "This system tells of none."),)
        )

    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        """Which tokens this secret is, without using the secret where that can be helped."""
        return ()

    @abstractmethod
    async def plan(self, verb: Verb, token: Token) -> Proposal:
        """The exact steps for a verb. Reads, never changes. Raises ``Unsupported``."""

    @abstractmethod
    async def perform(self, step: Step) -> Outcome:
        """Make the one call of a step, once, under the active permit.

        Returns an ``Outcome`` for every answer and for every lost one, and raises only
        ``NoIntent``. Never repeats the call.
        """

    async def probe(self, ref: TokenRef, secret: Secret) -> ProbeResult:
        """Try the value against the system. Only for kinds that declare ``probe_effects``."""
        raise Unsupported(f"{self.name} has no probe")
