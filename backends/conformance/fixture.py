"""What the kit must be told about a system, and the tools that its checks share."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from unittest import SkipTest
from uuid import uuid4

import msgspec

from backends.contract import (
    Backend,
    KindCapabilities,
    Outcome,
    OutcomeState,
    Proposal,
    Step,
    Support,
    Verb,
)
from backends.errors import NoIntent, NotFound
from backends.model import (
    Gap,
    Progress,
    Reading,
    ScopeDone,
    Secret,
    Token,
    TokenRef,
)
from backends.permit import Permit
from backends.words import count as counted

NO_SUCH = ("conformance-no-such-token", "../../sys\x1b[31m'; DROP TABLE x; --\x00")
"""Ids that no system has issued: one that is plain, and one that wants to break out."""


OFFERED = (Support.FULL, Support.PARTIAL)
"""What a verb must be declared as to be offered."""

CLOCK = timedelta(minutes=5)
"""How far two clocks may lie apart before a time counts as wrong."""


REPEATS = 1_000
"""How often a listing may name one token before it counts as one without end."""

MOST = 1_000_000
"""How much a listing may yield before it counts as one without end."""


class Failure(AssertionError):
    """A backend breaks the contract. The message says where, and what to mend."""


class FixtureFault(Failure):
    """The fixture is at fault, and nothing can be said of the backend yet."""


class Made(NamedTuple):
    """A throw-away token that a fixture made by the system's own means.

    ``owner`` is what the backend should read as its owner, None for "nobody said".
    """

    ref: TokenRef
    secret: Secret
    name: str
    owner: str | None = None


class Fixture(ABC):
    """Everything that the kit has to know about the system under test.

    The system should be one that nothing else changes while the kit runs. Whatever
    :meth:`make` made may be left behind or removed by the fixture afterwards.
    """

    patience: ClassVar[float] = 10.0
    """Seconds that the system may take to show something new in its list or its log."""

    limit: ClassVar[float] = 300.0
    """Seconds that one check may take. What takes longer hangs."""

    page: ClassVar[int] = 0
    """How many tokens the system has on one page of a list; 0 where lists have no pages."""

    refuses: ClassVar[frozenset[Verb]] = frozenset({Verb.REVOKE, Verb.CONTAIN, Verb.ROTATE})
    """The verbs after which this system really refuses the (old) value. An emulator may not."""

    @abstractmethod
    def backend(self, *, act: bool = False) -> Backend:
        """A fresh backend, not yet opened, with a credential to act with if ``act``."""

    @abstractmethod
    def make(self, kind: str) -> Made:
        """Issue a token of a kind by the system's own means, not through the backend."""

    @abstractmethod
    def accepts(self, made: Made) -> bool:
        """Use the value against the system itself, not through the backend."""

    def make_many(self, kind: str, count: int) -> list[Made]:
        """So many tokens of a kind, oldest first; for a system where one by one takes long."""
        return [self.make(kind) for _ in range(count)]

    def make_for(self, verb: Verb, kind: str) -> Made:
        """A new token that the verb applies to, where it applies to some of a kind only."""
        return self.make(kind)

    def successor(self, made: Made, ref: TokenRef, secret: Secret) -> Made:
        """What :meth:`accepts` needs for the value that a rotation of ``made`` delivered."""
        return Made(ref, secret, made.name, made.owner)

    def crowded(self, kind: str) -> Made | None:
        """A token whose principal has no slot left for another; None where slots are free."""
        return None

    def kinds(self) -> tuple[str, ...]:
        """The kinds that :meth:`make` can make: by default all that the backend declares."""
        return tuple(kind.kind for kind in self.backend().capabilities().kinds)

    def now(self) -> datetime:
        """The system's own time."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> None:
        """Let time pass at the system."""
        time.sleep(seconds)

    def calls(self, made: Made) -> int | None:
        """How many changing calls on the token the system has seen; None if it cannot tell."""
        return None

    def wrong_credential(self) -> tuple[Backend, Secret] | None:
        """A backend with a credential that the system does not know, and that credential."""
        return None

    def unreachable(self) -> Backend | None:
        """A backend with a credential to act with, whose system cannot be reached."""
        return None

    def powerless(self) -> Backend | None:
        """A backend whose credential to act is a known one that may change nothing."""
        return None

    def losing_answers(self) -> AbstractContextManager[None] | None:
        """A span in which the answers to changes get lost on the way back."""
        return None

    def late_answers(self, seconds: float) -> AbstractContextManager[None] | None:
        """A span in which the answers to changes come so much later."""
        return None


class Listing(NamedTuple):
    """One whole enumeration, sorted out, and the tokens by their refs."""

    order: list[Token | ScopeDone | Gap]
    tokens: dict[TokenRef, Token]
    gaps: list[Gap]
    done: list[ScopeDone]


def need(condition: object, message: str) -> None:
    """Fail with the message unless the condition holds."""
    if not condition:
        raise Failure(message)


def skip(why: str) -> None:
    """Leave a check that does not apply to this backend. pytest shows it as skipped."""
    raise SkipTest(why)


async def listing(backend: Backend) -> Listing:
    """Enumerate once, to the end."""
    order: list[Token | ScopeDone | Gap] = []
    named: dict[TokenRef, int] = {}
    count = 0
    async for found in backend.inventory():
        count += 1
        if not count % 100:
            await asyncio.sleep(0)  # A generator that never waits must not keep the limit out.
        if isinstance(found, Token):
            named[found.ref] = named.get(found.ref, 0) + 1
        endless = isinstance(found, Token) and named[found.ref] > REPEATS
        tokens = counted(len(named), "token")
        need(
            not endless and count <= MOST,
            f"inventory() goes on and on, after {count:,} items and {tokens}. A page "
            "that repeats itself, or has no end, is a Gap of the kind LIMITED",
        )
        if not isinstance(found, Progress):
            order.append(found)
    return Listing(
        order,
        {found.ref: found for found in order if isinstance(found, Token)},
        [found for found in order if isinstance(found, Gap)],
        [found for found in order if isinstance(found, ScopeDone)],
    )


def public(made: Made) -> tuple[str, ...]:
    """What of a token's value belongs to its record anyway, such as an id that it begins with."""
    return (made.ref.id, made.name, made.owner or "")


def living(fixture: Fixture, kind: str) -> Made:
    """A new token that was just used, to show that it works.

    Raises:
        FixtureFault: the system refuses it, by the fixture's word.
    """
    made = fixture.make(kind)
    if not fixture.accepts(made):
        raise FixtureFault(
            f"a new {kind} is refused. Mend Fixture.make() or Fixture.accepts(); nothing is "
            "said of the backend yet"
        )
    return made


async def listed(fixture: Fixture, backend: Backend, made: Made) -> Token:
    """The new token out of a listing, given the system's patience to show up."""
    waited = 0.0
    while True:
        found = (await listing(backend)).tokens.get(made.ref)
        if found is not None:
            return found
        need(
            waited < fixture.patience,
            f"a new {made.ref.kind} is not in inventory() after {fixture.patience:.0f} s; "
            "list it, or yield a Gap and declare Readable.LIST as less than full",
        )
        fixture.wait(1)
        waited += 1


def kinds(fixture: Fixture, backend: Backend) -> Iterator[KindCapabilities]:
    """The declarations of the kinds that can be tested."""
    capabilities = backend.capabilities()
    for kind in fixture.kinds():
        yield capabilities.of(kind)


def steady(token: Token) -> Token:
    """The token without what changes by itself: its last use, and when things were read."""
    kept: dict[str, Any] = {}
    for name in token.__struct_fields__:
        value = getattr(token, name)
        if isinstance(value, Reading):
            value = msgspec.structs.replace(value, as_of=None)
            if name.startswith("last_used"):
                value = None
        kept[name] = value
    return Token(**{key: value for key, value in kept.items() if value is not None})


def times(value: object) -> Iterable[tuple[str, datetime]]:
    """Every datetime anywhere inside a value, with the path that leads to it."""
    if isinstance(value, datetime):
        yield "", value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            for path, found in times(getattr(value, name)):
                yield f".{name}{path}", found
    elif isinstance(value, tuple | list):
        for place, inner in enumerate(value):
            for path, found in times(inner):
                yield f"[{place}]{path}", found


def check_times(what: str, value: object) -> None:
    """Every datetime inside has a zone, and it is UTC."""
    for path, moment in times(value):
        need(
            moment.utcoffset() == timedelta(0),
            f"{what}{path} is {moment!r}, which is not in UTC; "
            "make it with datetime.fromtimestamp(seconds, UTC) or .astimezone(UTC)",
        )


async def perform(backend: Backend, step: Step, permit: Permit | None = None) -> Outcome:
    """Perform a step as the runner does, under a permit of its own unless one is given."""
    with (permit or Permit(f"conformance-{uuid4()}", step)).active():
        try:
            outcome = await backend.perform(step)
        except NoIntent as error:
            raise Failure(
                f"perform({step.call.line}) asked for a permit that it already had or that "
                f"differs from its step: {error.message}. Send step.call as planned, once, "
                "and call permit.spend(step.call) once"
            ) from None
        except Exception as error:
            raise Failure(
                f"perform({step.call.line}) raised {type(error).__name__}; every answer and "
                "every lost one must come back as an Outcome"
            ) from error
    need(isinstance(outcome, Outcome), f"perform returned a {type(outcome).__name__}")
    return outcome


async def is_taken(fixture: Fixture, made: Made, within: timedelta | None) -> bool:
    """Whether the system comes to accept a new value within the declared window."""
    limit = fixture.patience if within is None else within.total_seconds()
    waited = 0.0
    while not fixture.accepts(made):
        if waited > limit:
            return False
        fixture.wait(1)
        waited += 1
    return True


async def is_refused(fixture: Fixture, made: Made, within: timedelta | None) -> bool:
    """Whether the system comes to refuse the value within the declared window."""
    limit = fixture.patience if within is None else within.total_seconds()
    waited = 0.0
    while fixture.accepts(made):
        if waited > limit:
            return False
        fixture.wait(1)
        waited += 1
    return True


async def shows(
    fixture: Fixture, backend: Backend, ref: TokenRef, expect: str, within: timedelta | None
) -> str:
    """What a later read shows, given the declared window: "gone" or a state."""
    limit = fixture.patience if within is None else within.total_seconds()
    waited = 0.0
    while True:
        try:
            state = (await backend.read(ref)).state.value
        except NotFound:
            state = "gone"
        if state == expect or waited > limit:
            return str(state)
        fixture.wait(1)
        waited += 1


def revocable(fixture: Fixture, backend: Backend) -> list[KindCapabilities]:
    """The kinds that the backend can revoke; skips the check where there is none."""
    found = [
        kind for kind in kinds(fixture, backend) if kind.ability(Verb.REVOKE).support in OFFERED
    ]
    if not found:
        skip("no kind declares that it can be revoked")
    return found


async def planned(fixture: Fixture, backend: Backend, made: Made, verb: Verb) -> Proposal:
    """The plan for a verb on a new token; it has steps."""
    proposal = await backend.plan(verb, await listed(fixture, backend, made))
    need(proposal.steps, f"the plan to {verb.value} a {made.ref.kind} has no steps")
    return proposal


async def revoke(fixture: Fixture, backend: Backend, made: Made) -> tuple[Step, ...]:
    """Revoke a new token, all steps of it, and return the steps."""
    steps = (await planned(fixture, backend, made, Verb.REVOKE)).steps
    for step in steps:
        outcome = await perform(backend, step)
        need(
            outcome.state is OutcomeState.APPLIED,
            f"{step.call.line} on a token that was alive came back as {outcome.state.value}: "
            f"{outcome.status} {outcome.detail}",
        )
    return steps
