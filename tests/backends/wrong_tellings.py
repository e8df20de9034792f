"""Backends that tell less, more or later than is true, each in one way: mutants of the estate's."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec
from wrong_rotations import AfterMinting

from backends import permit
from backends.contract import (
    Capabilities,
    Health,
    KindCapabilities,
    Match,
    Outcome,
    OutcomeState,
    Phase,
    ProbeResult,
    Proposal,
    Readable,
    Retry,
    Step,
    Support,
    Verb,
)
from backends.estate import Estate
from backends.model import (
    AuditEvent,
    Dependents,
    EventClass,
    Found,
    Gap,
    Progress,
    ScopeDone,
    Secret,
    Token,
    TokenRef,
    known,
    never,
)

# -- lists


class FirstPageOnly(Estate):
    """Takes the first page for the whole list, and calls it done."""

    async def inventory(self) -> AsyncIterator[Found]:
        whole, seen = True, 0
        async for found in super().inventory():
            if isinstance(found, ScopeDone):
                yield ScopeDone(found.scope, seen)
                whole, seen = True, 0
            elif isinstance(found, Progress):
                whole = False
            elif not isinstance(found, Token):
                yield found
            elif whole:
                seen += 1
                yield found


class RepeatsItsPage(Estate):
    """Asks for the next page by a marker that the system does not know, for ever."""

    async def inventory(self) -> AsyncIterator[Found]:
        while True:
            async for found in super().inventory():
                if isinstance(found, Token):
                    yield found


class NeverComesBack(Estate):
    """Waits for a page that does not come, without a time limit."""

    async def inventory(self) -> AsyncIterator[Found]:
        async for found in super().inventory():
            yield found
            await asyncio.Event().wait()


class SpinsForEver(Estate):
    """Never lets go of the processor while it looks for the next page."""

    async def inventory(self) -> AsyncIterator[Found]:
        async for found in super().inventory():
            yield found
            while found is not None:
                pass


class HangsInHealth(Estate):
    async def health(self) -> Health:
        await asyncio.Event().wait()
        return await super().health()


# -- secrets


class InAFact(Estate):
    """Keeps the value among the facts, in some other writing."""

    written: ClassVar[Callable[[str], str]]

    def _token(self, row: Any, now: int) -> Token:
        token = super()._token(row, now)
        value = self.world.secret(self.spec.name, token.ref.id).reveal()
        fact = ("raw", f"<{type(self).written(value)}>")
        return msgspec.structs.replace(token, facts=(*token.facts, fact))


class AsBase64(InAFact):
    written = staticmethod(lambda value: base64.b64encode(f"key:{value}:x".encode()).decode())


class UrlEncoded(InAFact):
    written = staticmethod(lambda value: quote("".join(f"%{ord(each):02x}" for each in value), "%"))


class Reversed(InAFact):
    written = staticmethod(lambda value: value[::-1])


class InPart(InAFact):
    written = staticmethod(lambda value: value[: len(value) // 2] + "...")


class AsHex(InAFact):
    written = staticmethod(lambda value: value.encode().hex())


class LogsTheSecret(Estate):
    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        logging.getLogger("mysystem").debug("asked about %s", secret.reveal())
        return await super().identify(secret)


class KeepsASecret(AfterMinting):
    """The attribute's text is "Secret(redacted)", and the value is in there."""

    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        self.last = held.minted[0][1]
        return outcome


class KeepsItDeepDown(AfterMinting):
    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        answer = {"auth": [{"token": held.minted[0][1].reveal()}]}
        self.again = lambda: answer
        return outcome


CACHE: dict[str, Secret] = {}


class KeepsItForAll(AfterMinting):
    """In a cache of its module, which outlives the backend."""

    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        CACHE[step.token.id] = held.minted[0][1]
        return outcome


# -- use


class NoneIsNever(Estate):
    """Declares that some uses leave no trace, and takes an empty field for "never"."""

    def capabilities(self) -> Capabilities:
        return _declaring(super().capabilities(), Readable.LAST_USED, Support.PARTIAL)

    def _token(self, row: Any, now: int) -> Token:
        return msgspec.structs.replace(super()._token(row, now), last_used_at=never("record"))


class HoursOff(Estate):
    """Takes the system's local time for UTC."""

    def _token(self, row: Any, now: int) -> Token:
        token = super()._token(row, now)
        if token.last_used_at.value is None:
            return token
        local = token.last_used_at.value - timedelta(hours=5)
        return msgspec.structs.replace(token, last_used_at=known(local, "record"))


def _declaring(declared: Capabilities, what: Readable, support: Support) -> Capabilities:
    kinds = tuple(
        msgspec.structs.replace(kind, reads={**kind.reads, what: support})
        for kind in declared.kinds
    )
    return msgspec.structs.replace(declared, kinds=kinds)


# -- events


class NewestFirst(Estate):
    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        found = [each async for each in super().events(since, until)]
        for each in reversed(found):
            yield each


class NamesNobody(Estate):
    """Takes the line's own name for the token's id."""

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        async for found in super().events(since, until):
            if isinstance(found, AuditEvent) and found.token is not None:
                ref = msgspec.structs.replace(found.token, id=f"hmac:{found.token.id}")
                found = msgspec.structs.replace(found, token=ref)
            yield found


class MakingIsUse(Estate):
    """Tells the making of a token as a use of it."""

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        async for found in super().events(since, until):
            if isinstance(found, AuditEvent):
                found = msgspec.structs.replace(found, sort=EventClass.USE)
            yield found


class UseIsNothing(Estate):
    """Says of no event what it is."""

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        async for found in super().events(since, until):
            if isinstance(found, AuditEvent):
                found = msgspec.structs.replace(found, sort=EventClass.OTHER)
            yield found


class NaiveEvents(Estate):
    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        async for found in super().events(since, until):
            if isinstance(found, AuditEvent):
                found = msgspec.structs.replace(found, at=found.at.replace(tzinfo=None))
            yield found


class NewWords(Estate):
    """Outcomes in the system's own words."""

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        async for found in super().events(since, until):
            if isinstance(found, AuditEvent):
                found = msgspec.structs.replace(found, outcome="SUCCESS")
            yield found


# -- itself, and others


class KnowsNobody(Estate):
    """Declares that it identifies in full, and never does."""

    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        return ()


class ConsumersInLocalTime(Estate):
    async def dependents(self, ref: TokenRef) -> Dependents:
        found = await super().dependents(ref)
        seen = tuple(
            msgspec.structs.replace(
                each, last_seen=known(each.last_seen.value.replace(tzinfo=None), "x")
            )
            if each.last_seen.value
            else each
            for each in found.consumers
        )
        return msgspec.structs.replace(found, consumers=seen)


class ProbesNothing(Estate):
    """Calls every value refused, which would pass for proof."""

    async def probe(self, ref: TokenRef, secret: Secret) -> ProbeResult:
        return ProbeResult(False, "401")


# -- changes


class MintsFreely(Estate):
    """Says of a step that issues a value that it may be repeated."""

    def capabilities(self) -> Capabilities:
        declared = super().capabilities()
        return msgspec.structs.replace(declared, kinds=tuple(map(_free, declared.kinds)))

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        proposal = await super().plan(verb, token)
        steps = tuple(
            msgspec.structs.replace(step, retry=Retry.FREE) if step.phase is Phase.MINT else step
            for step in proposal.steps
        )
        return msgspec.structs.replace(proposal, steps=steps)


def _free(kind: KindCapabilities) -> KindCapabilities:
    ability = msgspec.structs.replace(kind.ability(Verb.ROTATE), retry=Retry.FREE)
    return msgspec.structs.replace(kind, verbs={**kind.verbs, Verb.ROTATE: ability})


class YesToEveryAnswer(Estate):
    """Does not look at the status."""

    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        if outcome.state is OutcomeState.REJECTED:
            return Outcome(state=OutcomeState.APPLIED, status=outcome.status)
        return outcome


class ActsAsTheReader(Estate):
    """Falls back on the other credential where the one to act with is declined."""

    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        if outcome.state is OutcomeState.REJECTED and outcome.status == "403":
            self.world.change(step.verb, self.spec.name, step.token.id)
            self.world.travel(120)
        return outcome


class Impatient(Estate):
    """Sends a change again when its answer takes longer than a second."""

    async def perform(self, step: Step) -> Outcome:
        try:
            async with asyncio.timeout(1):
                return await super().perform(step)
        except TimeoutError:
            done = [self.world.change(step.verb, self.spec.name, step.token.id) for _ in "12"]
            return Outcome(state=OutcomeState.APPLIED, detail=f"{len(done)} tries")
