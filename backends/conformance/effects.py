"""Checks that what a backend did is what it says, no more and no less."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from backends.conformance.fixture import (
    OFFERED,
    Failure,
    Fixture,
    Made,
    is_refused,
    kinds,
    listed,
    listing,
    need,
    perform,
    planned,
    revocable,
    revoke,
    shows,
    skip,
    steady,
)
from backends.contract import Backend, KindCapabilities, OutcomeState, Retry, Step, Verb
from backends.errors import NotFound
from backends.model import Token


def a_revoke_kills(fixture: Fixture) -> None:
    """After a revoke the record shows what the step expects, and the value is refused."""

    async def check() -> None:
        async with fixture.backend(act=True) as backend:
            for kind in revocable(fixture, backend):
                made = fixture.make(kind.kind)
                need(fixture.accepts(made), "a new token is refused; check Fixture.accepts")
                last = (await revoke(fixture, backend, made))[-1]
                shown = await shows(fixture, backend, made.ref, last.expect, kind.propagation)
                need(
                    shown == last.expect,
                    f"after the revoke of a {kind.kind} read() shows {shown!r}; the step expects "
                    f"{last.expect!r}. Mend the read, or Step.expect",
                )
                need(
                    Verb.REVOKE not in fixture.refuses
                    or await is_refused(fixture, made, kind.propagation),
                    f"the value of a revoked {kind.kind} still works after its propagation "
                    f"window ({kind.propagation}); widen the window, or mend the call",
                )
                found = (await listing(backend)).tokens.get(made.ref)
                need(
                    found is None or found.state.value == last.expect,
                    f"inventory() still lists a revoked {kind.kind} as if nothing had happened",
                )

    asyncio.run(check())


def a_revoke_spares_the_others(fixture: Fixture) -> None:
    """A revoke ends what its plan named, and nothing beside it."""

    async def check() -> None:
        async with fixture.backend(act=True) as backend:
            for kind in revocable(fixture, backend):
                made, other = fixture.make(kind.kind), fixture.make(kind.kind)
                await revoke(fixture, backend, made)
                await is_refused(fixture, made, kind.propagation)
                need(fixture.accepts(other), f"the revoke of one {kind.kind} ended another one")
                try:
                    await backend.read(other.ref)
                except NotFound:
                    raise Failure(f"the revoke of one {kind.kind} removed another one") from None

    asyncio.run(check())


def a_second_revoke_is_already(fixture: Fixture) -> None:
    """Each system says "gone already" in its own way; here it is an outcome, not an error."""

    async def check() -> None:
        async with fixture.backend(act=True) as backend:
            for kind in revocable(fixture, backend):
                made = fixture.make(kind.kind)
                last = (await revoke(fixture, backend, made))[-1]
                await shows(fixture, backend, made.ref, last.expect, kind.propagation)
                outcome = await perform(backend, last)
                good = {OutcomeState.ALREADY}
                if last.retry is Retry.FREE:
                    # Some systems answer a repeat like the first one (Consul's "true").
                    good.add(OutcomeState.APPLIED)
                need(
                    outcome.state in good,
                    f"a second revoke of a {kind.kind} came back as {outcome.state.value} "
                    f"({outcome.status} {outcome.detail}); map the system's own "
                    '"no such" to ALREADY, after a confirming read',
                )

    asyncio.run(check())


def contain_and_restore_are_one_another(fixture: Fixture) -> None:
    """What contain did, restore undoes: the token reads and works as before."""

    async def check() -> None:
        tested = False
        async with fixture.backend(act=True) as backend:
            for kind in kinds(fixture, backend):
                ability = kind.ability(Verb.CONTAIN)
                if ability.support not in OFFERED or not ability.reversible:
                    continue
                tested = True
                made = fixture.make_for(Verb.CONTAIN, kind.kind)
                before = await listed(fixture, backend, made)
                plan = await backend.plan(Verb.CONTAIN, before)
                need(plan.steps, f"the plan to contain a {kind.kind} has no steps")
                await _contained(fixture, backend, kind, made, plan.steps)
                undo = (await backend.plan(Verb.RESTORE, await backend.read(made.ref))).steps
                await _restored(fixture, backend, kind, made, before, undo)
                if plan.undo_steps:
                    # What was saved with the plan is good for as long as the plan is kept.
                    await _contained(fixture, backend, kind, made, plan.steps)
                    await _restored(fixture, backend, kind, made, before, plan.undo_steps)
        if not tested:
            skip("no kind can be contained and restored")

    asyncio.run(check())


async def _switched(
    fixture: Fixture,
    backend: Backend,
    kind: KindCapabilities,
    made: Made,
    steps: tuple[Step, ...],
) -> None:
    for step in steps:
        outcome = await perform(backend, step)
        need(
            outcome.state is OutcomeState.APPLIED,
            f"{step.verb.value} came back as {outcome.state.value}: {outcome.detail}",
        )
        shown = await shows(fixture, backend, made.ref, step.expect, kind.propagation)
        need(
            not step.expect or shown == step.expect,
            f"after {step.verb.value} read() shows {shown!r}, not {step.expect!r}",
        )


async def _contained(
    fixture: Fixture,
    backend: Backend,
    kind: KindCapabilities,
    made: Made,
    steps: tuple[Step, ...],
) -> None:
    await _switched(fixture, backend, kind, made, steps)
    need(
        Verb.CONTAIN not in fixture.refuses or await is_refused(fixture, made, kind.propagation),
        f"a contained {kind.kind} still works after {kind.propagation}",
    )


async def _restored(
    fixture: Fixture,
    backend: Backend,
    kind: KindCapabilities,
    made: Made,
    before: Token,
    steps: tuple[Step, ...],
) -> None:
    await _switched(fixture, backend, kind, made, steps)
    after = await backend.read(made.ref)
    need(
        steady(after) == steady(before),
        f"a {kind.kind} reads differently after contain and restore",
    )
    need(fixture.accepts(made), f"a restored {kind.kind} is refused")


def a_lost_answer_is_unknown(fixture: Fixture) -> None:
    """A call that may have happened is neither failed nor done: it is UNKNOWN."""

    async def check() -> None:
        async with fixture.backend(act=True) as backend:
            for kind in revocable(fixture, backend):
                made = fixture.make(kind.kind)
                step = (await planned(fixture, backend, made, Verb.REVOKE)).steps[0]
                span = fixture.losing_answers()
                if span is None:
                    skip("the fixture cannot lose an answer")
                    return
                with span:
                    outcome = await perform(backend, step)
                need(
                    outcome.state is OutcomeState.UNKNOWN,
                    f"a lost answer came back as {outcome.state.value}; a timeout, a reset and a "
                    "5xx after the request left are UNKNOWN",
                )

    asyncio.run(check())


def a_probe_tells_the_truth(fixture: Fixture) -> None:
    """Where probes are declared, one accepts a living value and not a dead one."""

    async def check() -> None:
        tested = False
        async with fixture.backend(act=True) as backend:
            for kind in kinds(fixture, backend):
                if kind.probe_effects is None:
                    continue
                tested = True
                made = fixture.make(kind.kind)
                alive = await backend.probe(made.ref, made.secret)
                need(alive.accepted is not False, "probe() calls a living value refused")
                if kind.ability(Verb.REVOKE).support not in OFFERED:
                    continue
                await revoke(fixture, backend, made)
                fixture.wait((kind.propagation or timedelta(seconds=1)).total_seconds())
                dead = await backend.probe(made.ref, made.secret)
                need(dead.accepted is not True, "probe() calls a dead value accepted")
        if not tested:
            skip("no kind declares what a probe does besides")

    asyncio.run(check())


CHECKS = (
    a_revoke_kills,
    a_revoke_spares_the_others,
    a_second_revoke_is_already,
    contain_and_restore_are_one_another,
    a_lost_answer_is_unknown,
    a_probe_tells_the_truth,
)
