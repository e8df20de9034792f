"""What a backend is: what it declares, and the few things it does.

A backend declares before it acts. What it does not declare is not offered, and counts
as dangerous: no retry, not reversible, side effects not known.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import msgspec

from backends.declare import Ability as Ability
from backends.declare import Capabilities as Capabilities
from backends.declare import KindCapabilities as KindCapabilities
from backends.declare import Readable as Readable
from backends.declare import Retry as Retry
from backends.declare import Rotation as Rotation
from backends.declare import Support as Support
from backends.declare import Verb as Verb
from backends.errors import ConfigError, Unsupported
from backends.model import (
    AuditEvent,
    Dependents,
    Found,
    Gap,
    GapKind,
    Secret,
    Token,
    TokenRef,
)
from backends.permissions import Answer, Decision, Permissions
from backends.traffic import Limits, Traffic

VERSION: Final = 2
"""The edition of the contract in this module. It grows by one with every edition: a backend
that uses what is new in it states that number, and an older console refuses it."""
OLDEST: Final = 1
"""The oldest edition whose backends still keep this contract. It grows with a change that
would break them."""


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


class Phase(StrEnum):
    """Where in a rotation a step stands; every other verb's steps are ``act``."""

    ACT = "act"
    MINT = "mint"
    """Brings the new value into being (in place, where the system has one value only)."""
    RETIRE = "retire"
    """Ends the old one, once its consumers have moved."""


class Value(StrEnum):
    """What a step's call has to do with a new value."""

    NONE = ""
    CHOSEN = "chosen"
    """We choose it (``Backend.new_value``), and the permit carries it into the call."""
    ISSUED = "issued"
    """The system makes it, and only the call's answer has it."""
    HELD = "held"
    """No new one: the call names its token by the old value, which has to be in hand."""


HELD_VALUE: Final = "<secret>"
"""What stands in a call for the value by which it names its token: in a path, where the HTTP
client fills it in, or in an argument, where the backend does. Such a step's ``value`` is
``HELD``, and the permit carries the value."""


NO_SESSIONS = "no sessions"
"""What a step expects that ends open sessions: ``dependents`` then tells of none."""


class Step(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One exact call of a plan, and what it means.

    ``expect`` is what a later read must show for evidence level 2: "gone" (the system
    no longer has it), a token state, or ``NO_SESSIONS``; a step that mints expects
    nothing of the old token. ``also`` names further tokens that the same call acts on,
    where a system takes a list. ``leak_only`` marks a step that is left out of a routine
    rotation: it ends what a grace period would leave alive.
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
    phase: Phase = Phase.ACT
    value: Value = Value.NONE
    leak_only: bool = False


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
    system whose "disable" forgets it (policies, roles, a CIDR list). ``also_ends`` names
    the tokens that the system ends along with this one (children): each is read again
    afterwards, and one that lives on is reported. ``manual`` without steps makes the plan
    a card for a person: there is nothing to approve then. ``not_known`` says, for people,
    what bears on the plan and could not be found out (children, where no log tells them).
    ``log_names`` are what the system's own log calls the token, as far as that was found out:
    they are handed to the backend of the process that carries the plan out (``recall``).
    """

    steps: tuple[Step, ...]
    hazards: tuple[Hazard, ...] = ()
    collateral: tuple[str, ...] = ()
    takes_effect: str = ""
    undo: str = ""
    undo_steps: tuple[Step, ...] = ()
    manual: str = ""
    also_ends: tuple[TokenRef, ...] = ()
    not_known: tuple[str, ...] = ()
    log_names: tuple[str, ...] = ()


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
    """One entry that a backend, a sink or a log source takes from the configuration file.

    ``kind`` is str, int, float, bool or list (of strings).
    """

    name: str
    help: str
    kind: type = str
    default: Any = None
    required: bool = False


class BackendConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A configured backend: its name, its checked options, and its two credentials.

    ``act`` absent means read-only. ``production`` makes the screen say so. ``rate`` is
    how many changing calls a second the system is to be given, where the file says so.
    Where a credential has several parts, ``read_parts`` and ``act_parts`` have them by the
    names in ``Backend.credential_parts``, and ``read`` and ``act`` are absent.
    """

    name: str
    type: str
    options: Mapping[str, Any] = {}
    read: Secret | None = None
    act: Secret | None = None
    read_parts: Mapping[str, Secret] = {}
    act_parts: Mapping[str, Secret] = {}
    production: bool = False
    rate: float | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every value that the file refers to, for whoever has to keep them out of a text."""
        whole = [secret for secret in (self.read, self.act) if secret is not None]
        return (*whole, *self.read_parts.values(), *self.act_parts.values())


class Backend(ABC):
    """A token system behind one contract. One instance serves one configured system.

    An instance is opened with ``async with``; ``__init__`` only checks the
    configuration, raises ``ConfigError`` for a wrong one, and contacts nobody.

    Every method may raise the errors in ``backends.errors``.
    """

    contract: ClassVar[int] = 1
    """The ``VERSION`` that the class was written for. One that does not say so was written
    for the first: this number stays 1 when ``VERSION`` grows."""
    credential_parts: ClassVar[tuple[str, ...]] = ()
    """The names of the parts of a credential, for a system that wants more than one value with
    each call: ``read = { parts = { NAME = { env = "..." }, ... } }``. Empty: it is one value."""
    type_name: ClassVar[str]
    """The name of its entry point, and the ``type`` in the configuration file."""
    title: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()
    needs_credential: ClassVar[bool] = True
    log_by_stretch: ClassVar[bool] = False
    """Whether :meth:`events` for a stretch of time costs no more than that stretch. Such a log
    is first read from its newest day backwards; any other is read once, oldest first."""

    def __init__(self, config: BackendConfig) -> None:
        if self.needs_credential and config.read is None and not config.read_parts:
            reference = '{ env = "NAME" }, { file = "PATH" } or { command = [...] }'
            if self.credential_parts:
                reference = ", ".join(f"{part} = {{ ... }}" for part in self.credential_parts)
                reference = f"{{ parts = {{ {reference} }} }}"
            raise ConfigError(
                f"{config.name} has no credential to read with",
                f"Add: read = {reference}.",
                option="read",
            )
        self.config = config
        self.name = config.name
        self.traffic = Traffic()
        """What all of its requests wait for, where the backend has them wait."""

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

    async def limits(self) -> Limits:
        """What the system tells of how often it may be asked. Reads.

        The backend keeps to it from then on, with every request. Asked before many requests.
        """
        return Limits(words="its backend reads no limits")

    @abstractmethod
    def inventory(self) -> AsyncIterator[Found]:
        """Stream every token that can be seen, and a ``Gap`` for what cannot.

        A scope that was enumerated to its end yields ``ScopeDone``. A trouble with one
        scope becomes a ``Gap`` and the others go on; only a trouble with everything raises.
        """

    @abstractmethod
    async def read(self, ref: TokenRef) -> Token:
        """One token as it is now. Raises ``NotFound`` when the system says it has none such."""

    async def read_many(self, refs: Sequence[TokenRef]) -> Mapping[TokenRef, Token]:
        """Many tokens as they are now, each as :meth:`read` gives it. For kinds ``in_bulk``.

        What is not there, and what could not be read with the others, is missing from the
        answer and is asked for by itself.
        """
        return {}

    async def gone(self, tokens: Sequence[Token]) -> frozenset[TokenRef]:
        """Those of these tokens that the system no longer has. For kinds ``in_bulk``.

        As certain as a :meth:`read` that raises ``NotFound``: a token is in the answer only
        where a whole list of the system's, asked for since the call began, does not have it.
        What is not in the answer is not thereby alive; it is read by itself.
        """
        return frozenset()

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        """Stream audit events from ``since`` (inclusive), those of one log oldest first."""
        yield Gap(self.name, GapKind.UNLISTABLE, "audit events", "This system offers none.")

    async def log_names(self, refs: Iterable[TokenRef]) -> Mapping[str, TokenRef]:
        """What the system's own log calls these tokens, where that is not their id or name."""
        return {}

    def recall(self, names: Mapping[str, TokenRef]) -> None:
        """Take up what the log calls tokens, as a plan has it that was made elsewhere.

        Contacts nobody. Where ``events`` needs those names, it finds the tokens' lines by them.
        """

    async def watch(self) -> AsyncIterator[TokenRef | None]:
        """Yield a token that changed, or None for "something did". Only where it can push.

        The first is None, as soon as nothing that changes from then on is missed: whatever a
        listing, :meth:`read` or :meth:`events` would tell otherwise, a token's end and what the
        clock brings included. While this goes on and yields nothing, the console takes what it
        has read for what there is. It raises, and never just falls silent, where it may miss
        something.
        """
        for _ in ():
            yield None
        raise Unsupported(f"{self.name} cannot push changes")

    async def dependents(self, ref: TokenRef) -> Dependents:
        """What uses the token, as far as the system can tell."""
        return Dependents(
            gaps=(Gap(ref.id, GapKind.UNLISTABLE, "consumers", "This system tells of none."),)
        )

    async def permissions(self, token: Token) -> Permissions:
        """What the token's grants let it do: each opened, row by row. Reads, never changes.

        Asked for one token at a time, when somebody wants to see it. A grant that cannot be
        opened is a ``Gap`` in the answer, with a hint at the right that is missing, and the
        others are opened all the same; only a trouble with everything raises. No row holds a
        secret's value. A backend that opens grants declares ``Readable.PERMISSIONS``.
        """
        gap = Gap(
            token.ref.id,
            GapKind.UNLISTABLE,
            "grants",
            "This system's backend does not open grants.",
        )
        return Permissions(ref=token.ref, gaps=(gap,), as_of=datetime.now(UTC))

    def permits(self, permissions: Permissions, action: str, resource: str) -> Answer:
        """Whether what :meth:`permissions` gave allows an action on a resource. Contacts nobody.

        Both are in the system's words, and name one action and one resource, not a pattern. It
        goes by ``permissions`` alone, so that an answer can be had later from what was kept, and
        weighs its gaps (``permissions.weighed``): "allowed" and "denied" are said only where
        nothing that was not read could make it otherwise.
        """
        return Answer(Decision.UNKNOWN, detail="this system's backend answers no such question")

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

    def new_value(self, step: Step) -> Secret:
        """A new value for a step whose ``value`` is ``CHOSEN``, as strong as the system takes.

        Asked before the intent, so that the value is in escrow before the call is made.
        """
        return Secret(secrets.token_urlsafe(32))

    async def minted(self, step: Step, intent_id: str, since: datetime) -> tuple[TokenRef, ...]:
        """What a minting step whose answer was lost has left behind. Reads, never changes.

        ``intent_id`` is in the new token's name or label where the system keeps one;
        ``since`` is when the intent was written. Empty says, with certainty, that there is
        nothing: raise where the system cannot tell.
        """
        raise Unsupported(f"{self.name} cannot tell what a lost answer minted")
