"""Checks that what a backend did is what it says, no more and no less."""

from __future__ import annotations

from datetime import timedelta

from backends.conformance.checking import check
from backends.conformance.fixture import (
    OFFERED,
    Failure,
    Fixture,
    ThrowAway,
    is_refused,
    kinds,
    listed,
    listing,
    living,
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
from backends.words import count

LATE = 1.5
"""Seconds by which an answer is held back: longer than an impatient client waits."""


@check
async def a_revoke_kills(fixture: Fixture) -> None:
    """After a revoke the record shows what the step expects, and the value is refused."""
    async with fixture.backend(act=True) as backend:
        for kind in revocable(fixture, backend):
            made = living(fixture, kind.kind)
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


@check
async def a_revoke_spares_the_others(fixture: Fixture) -> None:
    """A revoke ends what its plan named, and nothing beside it."""
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


@check
async def a_second_revoke_is_already(fixture: Fixture) -> None:
    """Each system says "gone already" in its own way; here it is an outcome, not an error."""
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


@check
async def contain_and_restore_are_one_another(fixture: Fixture) -> None:
    """What contain did, restore undoes: the token reads and works as before."""
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


async def _switched(
    fixture: Fixture,
    backend: Backend,
    kind: KindCapabilities,
    made: ThrowAway,
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
    made: ThrowAway,
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
    made: ThrowAway,
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


@check
async def a_lost_answer_is_unknown(fixture: Fixture) -> None:
    """A call that may have happened is neither failed nor done: it is UNKNOWN."""
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


@check
async def a_refusal_is_said(fixture: Fixture) -> None:
    """A change that the system declines is REJECTED, and has no effect."""
    backend = fixture.powerless()
    if backend is None:
        skip("the fixture has no credential that may change nothing")
        return
    async with backend:
        for kind in revocable(fixture, backend):
            made = living(fixture, kind.kind)
            step = (await planned(fixture, backend, made, Verb.REVOKE)).steps[0]
            outcome = await perform(backend, step)
            need(
                fixture.accepts(made),
                "a credential that may change nothing ended a token; mend Fixture.powerless(), "
                "or act with no other credential than the one to act with",
            )
            need(
                outcome.state is OutcomeState.REJECTED,
                f"the system declined, and the outcome says {outcome.state.value} "
                f"({outcome.status} {outcome.detail}); it is REJECTED",
            )


@check
async def a_late_answer_is_waited_for(fixture: Fixture) -> None:
    """A slow answer is waited for, or UNKNOWN; the call is not made again meanwhile."""
    async with fixture.backend(act=True) as backend:
        for kind in revocable(fixture, backend):
            made = fixture.make(kind.kind)
            step = (await planned(fixture, backend, made, Verb.REVOKE)).steps[0]
            before, span = fixture.calls(made), fixture.late_answers(LATE)
            if span is None:
                skip("the fixture cannot delay an answer")
                return
            with span:
                outcome = await perform(backend, step)
            need(
                outcome.state in (OutcomeState.APPLIED, OutcomeState.UNKNOWN),
                f"an answer that came {LATE:g} s late came back as {outcome.state.value}",
            )
            fixture.wait(LATE)
            made_calls = 1 if before is None else (fixture.calls(made) or 0) - before
            need(
                made_calls == 1,
                f"a call whose answer came {LATE:g} s late was made "
                f"{count(made_calls, 'time')}; a change is sent once, "
                "however long its answer takes",
            )


@check
async def a_probe_tells_the_truth(fixture: Fixture) -> None:
    """Where probes are declared, one accepts a living value and not a dead one."""
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
            for _ in range(kind.probe_runs):
                dead = await backend.probe(made.ref, made.secret)
                need(dead.accepted is not True, "probe() calls a dead value accepted")
    if not tested:
        skip("no kind declares what a probe does besides")


CHECKS = (
    a_revoke_kills,
    a_revoke_spares_the_others,
    a_second_revoke_is_already,
    contain_and_restore_are_one_another,
    a_lost_answer_is_unknown,
    a_refusal_is_said,
    a_late_answer_is_waited_for,
    a_probe_tells_the_truth,
)
