"""Backends that break the contract, each in one way: small mutants of the estate's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from backends import paths, permit
from backends.contract import (
    Call,
    Capabilities,
    Match,
    Outcome,
    OutcomeState,
    ProbeResult,
    Proposal,
    Readable,
    Step,
    Support,
    Verb,
    WhoAmI,
)
from backends.errors import AuthFailed, NoIntent, NotFound, Unreachable
from backends.estate import Estate
from backends.model import (
    AuditEvent,
    Dependents,
    Found,
    Gap,
    GapKind,
    ScopeDone,
    Secret,
    Token,
    TokenRef,
    TokenState,
    known,
    never,
)


class SecretInName(Estate):
    def _token(self, row: Any, now: int) -> Token:
        token = super()._token(row, now)
        value = self.world.secret(self.spec.name, token.ref.id).reveal()
        return msgspec.structs.replace(token, name=f"{token.name} ({value})")


class UnstableIds(Estate):
    """Numbers its tokens by chance of the run, as one that takes places in a list does."""

    def _token(self, row: Any, now: int) -> Token:
        token = super()._token(row, now)
        ref = msgspec.structs.replace(token.ref, id=f"{token.ref.id}-{id(self)}")
        return msgspec.structs.replace(token, ref=ref)


class SameIdForAll(Estate):
    async def inventory(self) -> AsyncIterator[Found]:
        async for found in super().inventory():
            if isinstance(found, Token):
                ref = msgspec.structs.replace(found.ref, id=found.scope)
                found = msgspec.structs.replace(found, ref=ref)
            yield found


class UndeclaredKind(Estate):
    async def inventory(self) -> AsyncIterator[Found]:
        async for found in super().inventory():
            if isinstance(found, Token):
                ref = msgspec.structs.replace(found.ref, kind="surprise")
                found = msgspec.structs.replace(found, ref=ref)
            yield found


class NaiveTimes(Estate):
    def _token(self, row: Any, now: int) -> Token:
        token = super()._token(row, now)
        naive = datetime.fromtimestamp(row["created_at"], UTC).replace(tzinfo=None)
        return msgspec.structs.replace(token, created_at=known(naive, "record"))


class Milliseconds(Estate):
    def _token(self, row: Any, now: int) -> Token:
        token = super()._token(row, now)
        ahead = datetime.fromtimestamp(row["created_at"] * 3, UTC)
        return msgspec.structs.replace(token, created_at=known(ahead, "record"))


class DonePageDropped(Estate):
    """A page failed, which a gap says; and then the scope is called done all the same."""

    async def inventory(self) -> AsyncIterator[Found]:
        async for found in super().inventory():
            if isinstance(found, ScopeDone):
                yield Gap(found.scope, GapKind.FAILED, "page 2: 502")
            yield found


class CountsWrong(Estate):
    async def inventory(self) -> AsyncIterator[Found]:
        async for found in super().inventory():
            if isinstance(found, ScopeDone):
                found = ScopeDone(found.scope, found.seen + 1)
            yield found


class NeverDone(Estate):
    async def inventory(self) -> AsyncIterator[Found]:
        async for found in super().inventory():
            if not isinstance(found, ScopeDone):
                yield found


class HidesTheNewest(Estate):
    async def inventory(self) -> AsyncIterator[Found]:
        held: list[Token] = []
        async for found in super().inventory():
            if isinstance(found, Token) and found.name.startswith("throw_away"):
                held.append(found)
            else:
                yield found


class ReadsDifferently(Estate):
    async def read(self, ref: TokenRef) -> Token:
        return msgspec.structs.replace(await super().read(ref), owner=never("elsewhere"))


class EmptyForUnknown(Estate):
    async def read(self, ref: TokenRef) -> Token:
        try:
            return await super().read(ref)
        except NotFound:
            return Token(ref=ref, name="", scope="", state=TokenState.UNKNOWN)


class KeyErrorForUnknown(Estate):
    async def read(self, ref: TokenRef) -> Token:
        try:
            return await super().read(ref)
        except NotFound:
            raise KeyError(ref.id) from None


class IdentifyBurns(Estate):
    """Tries the secret to learn whose it is, and the system takes it once only."""

    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        found = await super().identify(secret)
        for match in found:
            self.world.change(Verb.REVOKE, self.spec.name, match.ref.id)
            self.world.travel(120)
        return found


class ClaimsNever(Estate):
    """Says "never used" where the system keeps no record."""

    def capabilities(self) -> Capabilities:
        declared = super().capabilities()
        kind = declared.kinds[0]
        kind = msgspec.structs.replace(kind, reads={**kind.reads, Readable.LAST_USED: Support.NONE})
        return msgspec.structs.replace(declared, kinds=(kind,))

    def _token(self, row: Any, now: int) -> Token:
        return msgspec.structs.replace(super()._token(row, now), last_used_at=never("guess"))


class EventIdsByPlace(Estate):
    readings = 0

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        self.readings += 1
        place = 0
        async for found in super().events(since, until):
            place += 1
            if isinstance(found, AuditEvent):
                found = msgspec.structs.replace(found, id=f"{self.readings}/{place}")
            yield found


class EventsOutsideTheSpan(Estate):
    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        async for found in super().events(since - timedelta(hours=9), until):
            yield found


class SilentAboutConsumers(Estate):
    async def dependents(self, ref: TokenRef) -> Dependents:
        found = await super().dependents(ref)
        return msgspec.structs.replace(found, consumers=(), gaps=())


class ForgetsItself(Estate):
    async def whoami(self) -> WhoAmI:
        own = (TokenRef(self.name, self.spec.kind, "self"),)
        return msgspec.structs.replace(await super().whoami(), own=own)


class AlwaysMayAct(Estate):
    async def whoami(self) -> WhoAmI:
        return msgspec.structs.replace(await super().whoami(), can_act=True)


class IdentifiesAnything(Estate):
    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        return (await super().identify(secret)) or (
            Match(TokenRef(self.name, self.spec.kind, "guess"), "prefix"),
        )


class EchoesTheSecret(Estate):
    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        return tuple(
            Match(match.ref, f"value {secret.reveal()}", match.token)
            for match in await super().identify(secret)
        )


class SwallowsCancel(Estate):
    async def inventory(self) -> AsyncIterator[Found]:
        async for found in super().inventory():
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                return
            yield found


class SaysWrongPassword(Estate):
    async def whoami(self) -> WhoAmI:
        try:
            return await super().whoami()
        except AuthFailed:
            assert self.config.read is not None
            raise AuthFailed(f"401 for Bearer {self.config.read.reveal()}") from None


class EmptyWhenAway(Estate):
    async def inventory(self) -> AsyncIterator[Found]:
        try:
            async for found in super().inventory():
                yield found
        except Unreachable:
            return


class PlansByChance(Estate):
    plans = 0

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        proposal = await super().plan(verb, token)
        self.plans += 1
        return msgspec.structs.replace(proposal, takes_effect=f"in {self.plans} s")


class PlansByDoing(Estate):
    async def plan(self, verb: Verb, token: Token) -> Proposal:
        proposal = await super().plan(verb, token)
        self.world.change(Verb.REVOKE, self.spec.name, token.ref.id)
        return proposal


class OffersAll(Estate):
    async def plan(self, verb: Verb, token: Token) -> Proposal:
        return await super().plan(Verb.REVOKE, token)


class NeedsNoPermit(Estate):
    async def perform(self, step: Step) -> Outcome:
        done = self.world.change(step.verb, self.spec.name, step.token.id)
        return Outcome(state=OutcomeState.APPLIED if done.changed else OutcomeState.ALREADY)


class ActsThenAsks(Estate):
    async def perform(self, step: Step) -> Outcome:
        self.world.change(step.verb, self.spec.name, step.token.id)
        self.world.travel(120)
        return await super().perform(step)


class AnyPermitWillDo(Estate):
    async def perform(self, step: Step) -> Outcome:
        current = permit._active.get()
        if current is None:
            raise NoIntent("none")
        permit.spend(current.step.call)
        return await NeedsNoPermit.perform(self, step)  # type: ignore[arg-type]


class RepeatsTheCall(Estate):
    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        self.world.change(step.verb, self.spec.name, step.token.id)
        return outcome


class RaisesOnTheSecond(Estate):
    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        if outcome.state is OutcomeState.ALREADY:
            raise NotFound("404")
        return outcome


class FailsOnTheSecond(Estate):
    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        if outcome.state is OutcomeState.ALREADY:
            return Outcome(state=OutcomeState.REJECTED, status="404")
        return outcome


class DoneWhenLost(Estate):
    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        if outcome.state is OutcomeState.UNKNOWN:
            return Outcome(state=OutcomeState.APPLIED)
        return outcome


class TakesNeighboursAlong(Estate):
    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        if step.verb is Verb.REVOKE:
            self.world.db.execute("UPDATE token SET dead_from = 0 WHERE name LIKE 'throw_away%'")
        return outcome


class ActsWithTheReader(Estate):
    def can_act(self) -> bool:
        return True


class RestoresLess(Estate):
    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        if step.verb is Verb.RESTORE:
            self.world.db.execute("UPDATE token SET grants = '[]' WHERE id = ?", (step.token.id,))
        return outcome


class RaisesWhenAway(Estate):
    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        if outcome.state is OutcomeState.NOT_SENT:
            raise Unreachable("down")
        return outcome


class BendsAPath(Estate):
    """Plans its calls by the token's id, quoted, as a thin HTTP backend does."""

    @staticmethod
    def target(id_: str) -> str:
        return f"/keys/{quote(id_, safe='')}"

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        call = Call("http", "DELETE", self.target(token.ref.id))
        step = Step(id="revoke", verb=verb, token=token.ref, title="Delete the key", call=call)
        return Proposal(steps=(step,))


class BendsAQuery(BendsAPath):
    """Refuses dots and nothing, and quotes nothing."""

    @staticmethod
    def target(id_: str) -> str:
        if paths.bent(f"/keys/{id_}", slash=False):
            raise NotFound("no such key")
        return f"/keys/{id_}"


class ProbesByRecord(Estate):
    async def probe(self, ref: TokenRef, secret: Secret) -> ProbeResult:
        return ProbeResult(True, "it has the right form")
