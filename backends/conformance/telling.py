"""Checks of what else a backend tells: use, events, dependents, itself, and its bad days."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from backends.conformance.checking import check
from backends.conformance.fixture import (
    CLOCK,
    Failure,
    Fixture,
    check_times,
    kinds,
    listed,
    listing,
    living,
    need,
    skip,
)
from backends.conformance.traces import shown
from backends.contract import Backend, Readable, Support
from backends.errors import AuthFailed, BackendError, Unreachable
from backends.model import AuditEvent, Dependents, How, Secret
from backends.words import count

SAMPLE = 10
"""How many more tokens of a kind are asked for their consumers."""


@check
async def a_use_is_seen(fixture: Fixture) -> None:
    """Where last use is declared full, using the token shows, in ``read`` and in ``events``."""
    tested = False
    async with fixture.backend() as backend:
        for kind in kinds(fixture, backend):
            if kind.can_read(Readable.LAST_USED) is not Support.FULL:
                continue
            tested = True
            began = fixture.now() - CLOCK
            made = living(fixture, kind.kind)
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


@check
async def a_use_is_never_denied(fixture: Fixture) -> None:
    """Whatever is declared: a used token never reads "never", nor a time at which it was not."""
    async with fixture.backend() as backend:
        for kind in kinds(fixture, backend):
            before = fixture.now()
            made = living(fixture, kind.kind)
            after = fixture.now()
            waited = 0
            while (used := (await backend.read(made.ref)).last_used_at).how is How.NEVER:
                need(
                    waited < fixture.patience,
                    f"last_used_at of a used {kind.kind} reads 'never', "
                    f"{fixture.patience:.0f} s after its use. An empty field is never() only "
                    "where every use leaves a trace there; else it is not_tracked(), or not_read()",
                )
                fixture.wait(1)
                waited += 1
            if used.value is None:
                continue
            step = used.granularity or timedelta(0)
            need(
                before - step - CLOCK <= used.value <= max(after, fixture.now()) + CLOCK,
                f"a {kind.kind} was used between {before} and {after}, and last_used_at reads "
                f"{used.value}. Check the time zone, and say the granularity",
            )


@check
async def dependents_are_typed(fixture: Fixture) -> None:
    """``dependents`` gives consumers, and a gap for what it cannot see."""
    async with fixture.backend() as backend:
        for kind in kinds(fixture, backend):
            made = fixture.make(kind.kind)
            await listed(fixture, backend, made)
            # A token made just now has few consumers yet; some that were there may have more.
            others = [ref for ref in (await listing(backend)).tokens if ref.kind == kind.kind]
            for ref in (made.ref, *others[:SAMPLE]):
                found = await backend.dependents(ref)
                need(isinstance(found, Dependents), "dependents() gives no Dependents")
                check_times("a consumer's ", found)
                need(
                    found.consumers
                    or found.gaps
                    or kind.can_read(Readable.DEPENDENTS) is Support.FULL,
                    f"no consumers of a {kind.kind} and no gap, though they are not declared as "
                    "full: say in a Gap what cannot be seen, or nobody will look",
                )


@check
async def the_console_knows_itself(fixture: Fixture) -> None:
    """``whoami`` names the console's own credentials, by refs that the inventory has too."""
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
            ids = [ref.id for ref in (*me.own, *me.ancestors)]
            for secret in backend.config.secrets:
                need(not shown(secret, me, public=ids), "whoami() shows a credential")


@check
async def identify_finds_the_token(fixture: Fixture) -> None:
    """``identify`` knows a token by its value, and takes no other value for one."""
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


@check
async def health_answers(fixture: Fixture) -> None:
    """``health`` answers with a time that it took."""
    async with fixture.backend() as backend:
        health = await backend.health()
    need(health.latency_ms >= 0, f"health() gave {health!r}")


async def _cancelled(backend: Backend, after: int | None) -> asyncio.Task[None]:
    """A listing that was cancelled: after so many of its tokens, or while it waits at all.

    It lists again and again until then, since a small system is listed between two looks.
    """
    seen = 0
    far = asyncio.Event()

    async def listing_on() -> None:
        nonlocal seen
        while not asyncio.current_task().cancelling():  # type: ignore[union-attr]
            async for _ in backend.inventory():
                seen += 1
                if seen == after:
                    far.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(listing_on())
    moment = asyncio.create_task(asyncio.sleep(0.01) if after is None else far.wait())
    await asyncio.wait({task, moment}, return_when=asyncio.FIRST_COMPLETED)
    moment.cancel()
    task.cancel()
    await asyncio.wait({task})
    return task


@check
async def stopping_half_way_is_safe(fixture: Fixture) -> None:
    """A listing that is dropped or cancelled harms nothing, and ``close`` may come twice."""
    backend = fixture.backend()
    await backend.close()
    await backend.open()
    whole = len((await listing(backend)).tokens)
    half = backend.inventory()
    await anext(half)
    await half.aclose()  # type: ignore[attr-defined]

    for after in (None, *{1, whole // 2} - {0}) if whole else (None,):
        task = await _cancelled(backend, after)
        need(task.cancelled(), "inventory() swallowed the cancellation: let CancelledError pass")
    again = len((await listing(backend)).tokens)
    need(again == whole, f"after a cancelled listing {count(again, 'token')} listed, not {whole}")
    await backend.close()
    await backend.close()


@check
async def a_wrong_credential_is_said(fixture: Fixture) -> None:
    """A credential that the system does not accept is ``AuthFailed``, without the value."""
    pair = fixture.wrong_credential()
    if pair is None:
        skip("the fixture has no wrong credential")
        return
    backend, wrong = pair
    try:
        async with backend:
            await backend.whoami()
    except AuthFailed as error:
        need(not shown(wrong, error, error.hint), "the error shows the credential")
        return
    except BackendError as error:
        raise Failure(f"a wrong credential is {type(error).__name__}; it is AuthFailed") from error
    raise Failure("whoami() works with a wrong credential")


@check
async def no_connection_is_said(fixture: Fixture) -> None:
    """A system that cannot be reached is ``Unreachable``, from every reading method."""
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


CHECKS = (
    a_use_is_seen,
    a_use_is_never_denied,
    dependents_are_typed,
    the_console_knows_itself,
    identify_finds_the_token,
    health_answers,
    stopping_half_way_is_safe,
    a_wrong_credential_is_said,
    no_connection_is_said,
)
