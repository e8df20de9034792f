"""Checks of what else a backend tells: use, events, dependents, itself, and its bad days."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from backends.conformance.fixture import (
    CLOCK,
    Failure,
    Fixture,
    check_times,
    kinds,
    listed,
    listing,
    need,
    shown,
    skip,
)
from backends.contract import Backend, Readable, Support
from backends.errors import AuthFailed, BackendError, Unreachable
from backends.model import AuditEvent, Dependents, Secret


def a_use_is_seen(fixture: Fixture) -> None:
    """Where last use is declared full, using the token shows, in ``read`` and in ``events``."""

    async def check() -> None:
        tested = False
        async with fixture.backend() as backend:
            for kind in kinds(fixture, backend):
                if kind.can_read(Readable.LAST_USED) is not Support.FULL:
                    continue
                tested = True
                began = fixture.now() - CLOCK
                made = fixture.make(kind.kind)
                need(fixture.accepts(made), "a new token is refused; check Fixture.accepts")
                waited = 0
                while not (used := (await backend.read(made.ref)).last_used_at).known:
                    need(
                        waited < fixture.patience,
                        f"last_used_at of a used {kind.kind} reads {used.how.value!r}",
                    )
                    fixture.wait(1)
                    waited += 1
                if kind.can_read(Readable.EVENTS) is Support.FULL:
                    refs = [
                        found.token
                        async for found in backend.events(began)
                        if isinstance(found, AuditEvent)
                    ]
                    need(made.ref in refs, "events() has no line about a token that was used")
        if not tested:
            skip("no kind declares its last use as full")

    asyncio.run(check())


def events_are_typed(fixture: Fixture) -> None:
    """Events are inside the span asked for, in UTC, with ids that stay; no log is a ``Gap``."""

    async def check() -> None:
        async with fixture.backend() as backend:
            made = [fixture.make(kind) for kind in fixture.kinds()]
            for one in made:
                fixture.accepts(one)
            until = fixture.now()
            since = until - timedelta(hours=1)
            first = [found async for found in backend.events(since, until)]
            events = [found for found in first if isinstance(found, AuditEvent)]
            declared = {kind.can_read(Readable.EVENTS) for kind in backend.capabilities().kinds} & {
                Support.FULL,
                Support.PARTIAL,
            }
            need(
                events or declared or len(first) > 0,
                "events() yields nothing though no kind declares events; yield a Gap that says so",
            )
            for event in events:
                check_times("an event's ", event)
                need(since <= event.at <= until, f"events({since}, {until}) gave one of {event.at}")
                need(event.outcome in ("ok", "denied", "error"), f"outcome {event.outcome!r}")
                need(event.token is None or event.token.backend == backend.name, "a foreign ref")
                need(
                    not any(shown(one.secret, event) for one in made),
                    "an event holds a secret; redact it where the log is read",
                )
            ids = [event.id for event in events]
            need(len(ids) == len(set(ids)), "two events have one id; hash the whole line")
            again = {
                found.id
                async for found in backend.events(since, until)
                if isinstance(found, AuditEvent)
            }
            need(
                set(ids) <= again,
                "the same line has another id when it is read again, so that it would count twice",
            )

    asyncio.run(check())


def dependents_are_typed(fixture: Fixture) -> None:
    """``dependents`` gives consumers, and a gap for what it cannot see."""

    async def check() -> None:
        async with fixture.backend() as backend:
            for kind in kinds(fixture, backend):
                made = fixture.make(kind.kind)
                await listed(fixture, backend, made)
                found = await backend.dependents(made.ref)
                need(isinstance(found, Dependents), "dependents() gives no Dependents")
                check_times("a consumer's ", found)
                need(
                    found.consumers
                    or found.gaps
                    or kind.can_read(Readable.DEPENDENTS) is Support.FULL,
                    f"no consumers of a {kind.kind} and no gap, though they are not declared as "
                    "full: say in a Gap what cannot be seen, or nobody will look",
                )

    asyncio.run(check())


def the_console_knows_itself(fixture: Fixture) -> None:
    """``whoami`` names the console's own credentials, by refs that the inventory has too."""

    async def check() -> None:
        for act in (False, True):
            async with fixture.backend(act=act) as backend:
                me = await backend.whoami()
                need(me.name, "whoami() has no name")
                need(
                    me.can_act is act,
                    f"whoami().can_act is {me.can_act} "
                    + ("with" if act else "without")
                    + " a credential to act with",
                )
                check_times("whoami()", me)
                tokens = (await listing(backend)).tokens
                declared = {kind.kind for kind in backend.capabilities().kinds}
                for ref in me.own:
                    need(
                        ref in tokens or ref.kind not in declared,
                        f"whoami() names {ref.kind} {ref.id!r}, which inventory() does not list "
                        "under that ref: the console would not know itself in its own list",
                    )
                for secret in (backend.config.read, backend.config.act):
                    need(secret is None or not shown(secret, me), "whoami() shows a credential")

    asyncio.run(check())


def identify_finds_the_token(fixture: Fixture) -> None:
    """``identify`` knows a token by its value, and takes no other value for one."""

    async def check() -> None:
        tested = False
        async with fixture.backend() as backend:
            for kind in kinds(fixture, backend):
                if kind.can_read(Readable.IDENTIFY) not in (Support.FULL, Support.PARTIAL):
                    continue
                made = fixture.make(kind.kind)
                await listed(fixture, backend, made)
                refs = [match.ref for match in await backend.identify(made.secret)]
                if kind.can_read(Readable.IDENTIFY) is Support.FULL:
                    tested = True
                    need(refs == [made.ref], f"identify() of a {kind.kind} gave {refs}")
                else:
                    need(set(refs) <= {made.ref}, f"identify() gave another token: {refs}")
                others = await backend.identify(Secret("conformance-" + made.secret.reveal()[::-1]))
                need(not others, "identify() takes a value that it never saw for a token")
        if not tested:
            skip("no kind declares that it can be identified in full")

    asyncio.run(check())


def health_answers(fixture: Fixture) -> None:
    """``health`` answers with a time that it took."""

    async def check() -> None:
        async with fixture.backend() as backend:
            health = await backend.health()
        need(health.latency_ms >= 0, f"health() gave {health!r}")

    asyncio.run(check())


def stopping_half_way_is_safe(fixture: Fixture) -> None:
    """A listing that is dropped or cancelled harms nothing, and ``close`` may come twice."""

    async def check() -> None:
        backend = fixture.backend()
        await backend.close()
        await backend.open()
        whole = len((await listing(backend)).tokens)
        half = backend.inventory()
        await anext(half)
        await half.aclose()  # type: ignore[attr-defined]

        async def listing_on() -> None:
            while not asyncio.current_task().cancelling():  # type: ignore[union-attr]
                await listing(backend)
                await asyncio.sleep(0)

        task = asyncio.create_task(listing_on())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})
        need(task.cancelled(), "inventory() swallowed the cancellation: let CancelledError pass")
        again = len((await listing(backend)).tokens)
        need(again == whole, f"after a cancelled listing there are {again} tokens, not {whole}")
        await backend.close()
        await backend.close()

    asyncio.run(check())


def a_wrong_credential_is_said(fixture: Fixture) -> None:
    """A credential that the system does not accept is ``AuthFailed``, without the value."""

    async def check(backend: Backend, wrong: Secret) -> None:
        try:
            async with backend:
                await backend.whoami()
        except AuthFailed as error:
            need(not shown(wrong, error, error.hint), "the error shows the credential")
            return
        except BackendError as error:
            raise Failure(
                f"a wrong credential is {type(error).__name__}; it is AuthFailed"
            ) from error
        raise Failure("whoami() works with a wrong credential")

    pair = fixture.wrong_credential()
    if pair is None:
        skip("the fixture has no wrong credential")
    else:
        asyncio.run(check(*pair))


def no_connection_is_said(fixture: Fixture) -> None:
    """A system that cannot be reached is ``Unreachable``, from every reading method."""

    async def check() -> None:
        backend = fixture.unreachable()
        if backend is None:
            skip("the fixture has no system that cannot be reached")
            return
        try:
            async with backend:
                await listing(backend)
        except Unreachable:
            return
        except Exception as error:
            raise Failure(f"no connection is {type(error).__name__}; it is Unreachable") from error
        raise Failure("inventory() of a system that cannot be reached ends as if it were empty")

    asyncio.run(check())


CHECKS = (
    a_use_is_seen,
    events_are_typed,
    dependents_are_typed,
    the_console_knows_itself,
    identify_finds_the_token,
    health_answers,
    stopping_half_way_is_safe,
    a_wrong_credential_is_said,
    no_connection_is_said,
)
