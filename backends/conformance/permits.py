"""Checks that nothing leaves but what was planned, under a permit, and once."""

from __future__ import annotations

import msgspec

from backends.conformance.checking import check
from backends.conformance.fixture import (
    OFFERED,
    Failure,
    Fixture,
    Made,
    kinds,
    listed,
    need,
    perform,
    planned,
    revocable,
    revoke,
    skip,
    steady,
)
from backends.contract import Ability, Backend, Call, OutcomeState, Phase, Proposal, Support, Verb
from backends.errors import NoIntent, NotFound, Unsupported
from backends.model import Token
from backends.permit import Permit
from backends.words import count


@check
async def planning_changes_nothing(fixture: Fixture) -> None:
    """A plan is pure: the same steps each time, and the token is as it was."""
    async with fixture.backend(act=True) as backend:
        for kind in kinds(fixture, backend):
            for verb in Verb:
                ability = kind.ability(verb)
                if ability.support not in OFFERED:
                    continue
                made = fixture.make_for(verb, kind.kind)
                token = await listed(fixture, backend, made)
                first = await backend.plan(verb, token)
                need(first == await backend.plan(verb, token), OFF_CHANCE.format(verb.value))
                _check_steps(backend, verb, ability, first)
                await _as_it_was(fixture, backend, made, token)


OFF_CHANCE = "two plans to {} differ; keep chance and the time of day out"


def _check_steps(backend: Backend, verb: Verb, ability: Ability, plan: Proposal) -> None:
    steps = (*plan.steps, *plan.undo_steps)
    ids = [step.id for step in steps]
    need(len(ids) == len(set(ids)), f"two steps of a plan have one id: {ids}")
    for step in steps:
        need(step.title, f"a step to {verb.value} has no title")
        need(step.token.backend == backend.name, "a step's token belongs to another backend")
        if step.verb is not verb or step.phase is Phase.RETIRE:
            # How a retirement may be repeated is the step's own affair.
            continue
        need(
            step.retry == ability.retry,
            f"the step to {verb.value} says {step.retry.value!r}, the "
            f"capabilities {ability.retry.value!r}",
        )
        need(
            ability.reversible or not step.reversible,
            f"a step to {verb.value} calls itself reversible; it is not declared",
        )


async def _as_it_was(fixture: Fixture, backend: Backend, made: Made, token: Token) -> None:
    name = made.ref.kind
    try:
        after = await backend.read(made.ref)
    except NotFound:
        raise Failure(f"a {name} is gone after it was only planned for") from None
    need(
        steady(after) == steady(token),
        f"a {name} reads differently after it was only planned for",
    )
    need(fixture.accepts(made), "a token is refused after it was only planned for")


@check
async def an_undeclared_verb_is_unsupported(fixture: Fixture) -> None:
    """What is not declared is not offered: ``plan`` raises ``Unsupported``."""
    async with fixture.backend(act=True) as backend:
        for kind in kinds(fixture, backend):
            token = await listed(fixture, backend, fixture.make(kind.kind))
            for verb in Verb:
                support = kind.ability(verb).support
                if support in OFFERED:
                    continue
                try:
                    proposal = await backend.plan(verb, token)
                except Unsupported:
                    continue
                need(
                    support is Support.MANUAL and not proposal.steps and proposal.manual,
                    f"plan() offers {verb.value} for a {kind.kind}, which is declared "
                    f"{support.value!r}; raise Unsupported, or declare it",
                )


@check
async def nothing_leaves_without_a_permit(fixture: Fixture) -> None:
    """No intent, no call: ``perform`` without a permit raises ``NoIntent``."""
    async with fixture.backend(act=True) as backend:
        for kind in revocable(fixture, backend):
            made = fixture.make(kind.kind)
            step = (await planned(fixture, backend, made, Verb.REVOKE)).steps[0]
            try:
                await backend.perform(step)
            except NoIntent:
                need(fixture.accepts(made), "perform() raised NoIntent after it had acted")
                continue
            raise Failure(
                "perform() works without a permit; send through Http.change, or call "
                "permit.spend(step.call) right before the call"
            )


@check
async def nothing_leaves_under_another_permit(fixture: Fixture) -> None:
    """A permit covers the very call that was planned: an altered step is refused."""
    async with fixture.backend(act=True) as backend:
        for kind in revocable(fixture, backend):
            made, other = fixture.make(kind.kind), fixture.make(kind.kind)
            step = (await planned(fixture, backend, made, Verb.REVOKE)).steps[0]
            foreign = (await planned(fixture, backend, other, Verb.REVOKE)).steps[0]
            harmless = msgspec.structs.replace(
                step, call=Call(step.call.transport, "GET", "/conformance", {})
            )
            for permitted in (harmless, foreign):
                with Permit("conformance", permitted).active():
                    try:
                        await backend.perform(step)
                    except NoIntent:
                        continue
                raise Failure(
                    "perform() sends a call under a permit for another call; spend the very "
                    "Call that is about to be sent"
                )
            need(fixture.accepts(made), "perform() raised NoIntent after it had acted")
            need(fixture.accepts(other), "perform() acted on another token")


@check
async def a_permit_is_good_for_one_call(fixture: Fixture) -> None:
    """A used permit sends nothing more."""
    async with fixture.backend(act=True) as backend:
        kind = revocable(fixture, backend)[0]
        made = fixture.make(kind.kind)
        step = (await planned(fixture, backend, made, Verb.REVOKE)).steps[0]
        with Permit("conformance", step).active():
            await backend.perform(step)
            try:
                await backend.perform(step)
            except NoIntent:
                return
        raise Failure("perform() works twice under one permit; spend it for each call")


@check
async def one_step_is_one_call(fixture: Fixture) -> None:
    """A step is one call, never repeated by the backend, whatever its answer."""
    async with fixture.backend(act=True) as backend:
        for kind in revocable(fixture, backend):
            made = fixture.make(kind.kind)
            before = fixture.calls(made)
            if before is None:
                skip("the fixture cannot count the calls that the system sees")
                return
            steps = await revoke(fixture, backend, made)
            made_calls = (fixture.calls(made) or 0) - before
            need(
                made_calls == len(steps),
                f"{count(len(steps), 'step')} made {count(made_calls, 'changing call')}; "
                "perform() sends one, and leaves repeating to the runner",
            )


@check
async def nothing_is_done_without_a_credential_to_act(fixture: Fixture) -> None:
    """Read and act credentials are apart: a backend without the latter changes nothing."""
    async with fixture.backend(act=False) as backend:
        for kind in revocable(fixture, backend):
            made = fixture.make(kind.kind)
            step = (await planned(fixture, backend, made, Verb.REVOKE)).steps[0]
            outcome = await perform(backend, step)
            need(
                outcome.state in (OutcomeState.REJECTED, OutcomeState.NOT_SENT),
                f"without a credential to act with, a revoke came back as "
                f"{outcome.state.value}; answer NOT_SENT and never act with the read one",
            )
            need(fixture.accepts(made), "a read-only backend ended a token")


@check
async def no_connection_is_not_sent(fixture: Fixture) -> None:
    """Where no byte left, the outcome says so, and nothing is raised."""
    backend = fixture.unreachable()
    if backend is None:
        skip("the fixture has no system that cannot be reached")
        return
    async with fixture.backend(act=True) as working:
        kind = revocable(fixture, working)[0]
        made = fixture.make(kind.kind)
        step = (await planned(fixture, working, made, Verb.REVOKE)).steps[0]
    async with backend:
        outcome = await perform(backend, step)
    need(
        outcome.state is OutcomeState.NOT_SENT,
        f"without a connection a revoke came back as {outcome.state.value}; it is NOT_SENT",
    )


CHECKS = (
    planning_changes_nothing,
    an_undeclared_verb_is_unsupported,
    nothing_leaves_without_a_permit,
    nothing_leaves_under_another_permit,
    a_permit_is_good_for_one_call,
    one_step_is_one_call,
    nothing_is_done_without_a_credential_to_act,
    no_connection_is_not_sent,
)
