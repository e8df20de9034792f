"""Checks that a rotation makes one value, loses none, and ends the old one when it says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

from backends.conformance.checking import check
from backends.conformance.fixture import (
    OFFERED,
    Failure,
    Fixture,
    ThrowAway,
    is_refused,
    is_taken,
    kinds,
    listed,
    listing,
    need,
    perform,
    shows,
    skip,
)
from backends.conformance.traces import Records, kept, shown, surroundings
from backends.contract import (
    Backend,
    KindCapabilities,
    Outcome,
    OutcomeState,
    Phase,
    Proposal,
    Retry,
    Rotation,
    Step,
    Value,
    Verb,
)
from backends.errors import NoIntent, NotFound
from backends.model import Secret, TokenRef
from backends.permit import Permit
from backends.words import count

AT_ONCE = (Rotation.IN_PLACE, Rotation.REPLACE)
"""The classes in which minting ends the old value."""

TICK = 1.1
"""Seconds after which a system that counts whole ones tells "before" from "after"."""


class Minted(NamedTuple):
    """A rotation whose first step was made."""

    made: ThrowAway
    proposal: Proposal
    permit: Permit
    outcome: Outcome
    since: datetime
    """The system's own time right before the call."""

    @property
    def step(self) -> Step:
        """The step that minted."""
        return self.proposal.steps[0]

    @property
    def one(self) -> tuple[TokenRef, Secret]:
        """The one value that the call delivered."""
        need(
            self.outcome.state is OutcomeState.APPLIED,
            f"{self.step.call.line} came back as {self.outcome.state.value}: "
            f"{self.outcome.status} {self.outcome.detail}",
        )
        found = self.permit.minted
        need(
            len(found) == 1,
            f"a minting step delivered {count(len(found), 'value')}; call "
            "permit.deliver(ref, value) once, as soon as the answer is there",
        )
        return found[0]


def rotatable(fixture: Fixture, backend: Backend) -> Iterator[KindCapabilities]:
    """The kinds that the backend can rotate; skips the check where there is none."""
    found = [
        kind for kind in kinds(fixture, backend) if kind.ability(Verb.ROTATE).support in OFFERED
    ]
    if not found:
        skip("no kind declares that it can be rotated")
    yield from found


async def rotation(fixture: Fixture, backend: Backend, kind: str) -> tuple[ThrowAway, Proposal]:
    """A new token, and the plan to rotate it."""
    made = fixture.make_for(Verb.ROTATE, kind)
    proposal = await backend.plan(Verb.ROTATE, await listed(fixture, backend, made))
    need(
        proposal.steps and proposal.steps[0].phase is Phase.MINT,
        f"the plan to rotate a {kind} does not begin with a step of the phase MINT",
    )
    return made, proposal


async def mint(fixture: Fixture, backend: Backend, kind: str, *, losing: bool = False) -> Minted:
    """Plan a rotation and make its first step, with its answer lost on the way if so wished."""
    made, proposal = await rotation(fixture, backend, kind)
    fixture.wait(TICK)
    step, since = proposal.steps[0], fixture.now()
    value = backend.new_value(step) if step.value is Value.CHOSEN else None
    permit = Permit(f"conformance-{uuid4()}", step, value=value)
    span = fixture.losing_answers() if losing else None
    if span is None:
        outcome = await perform(backend, step, permit)
    else:
        with span:
            outcome = await perform(backend, step, permit)
    return Minted(made, proposal, permit, outcome, since)


@check
async def a_rotation_is_planned_in_order(fixture: Fixture) -> None:
    """A rotation begins with the one step that mints, says whose value, and ends the old last."""
    async with fixture.backend(act=True) as backend:
        for kind in rotatable(fixture, backend):
            made, proposal = await rotation(fixture, backend, kind.kind)
            first, *rest = proposal.steps
            name = f"the plan to rotate a {kind.kind}"
            need(
                first.value is not Value.NONE,
                f"{name} does not say whether its value is CHOSEN or ISSUED",
            )
            need(
                first.value is not Value.ISSUED or first.retry is Retry.NEVER,
                f"{name} mints with a step that may be repeated ({first.retry.value}): each "
                "repetition would issue one value more. Its retry class is NEVER",
            )
            need(
                all(step.phase is Phase.RETIRE for step in rest),
                f"{name} has more than one MINT, or a step without a phase",
            )
            need(
                all(step.value is Value.NONE for step in rest),
                f"{name} retires with a step that needs a new value",
            )
            need(not first.expect, "a step that mints expects nothing of the old token")
            need(
                first.token == made.ref and all(step.token == made.ref for step in rest),
                f"{name} has a step on another token",
            )
            ends_at_once = kind.rotation in AT_ONCE
            need(
                ends_at_once or rest,
                f"{name} never ends the old one, and it is declared {kind.rotation.value!r}",
            )
            need(
                ends_at_once or any(step.expect for step in rest),
                f"{name} ends the old one, and no step says what a read then shows",
            )


@check
async def a_full_house_is_said(fixture: Fixture) -> None:
    """Where no slot is free for a successor the plan says so, and cannot be answered away."""
    tested = False
    async with fixture.backend(act=True) as backend:
        for kind in rotatable(fixture, backend):
            made = fixture.crowded(kind.kind)
            if made is None:
                continue
            tested = True
            proposal = await backend.plan(Verb.ROTATE, await listed(fixture, backend, made))
            need(
                any(found.code == "slot-full" and found.fatal for found in proposal.hazards),
                f"no slot is free beside a {kind.kind}, and the plan to rotate it has no "
                'fatal hazard "slot-full"',
            )
    if not tested:
        skip("the fixture knows of no limit on slots")


@check
async def a_rotation_delivers_one_value(fixture: Fixture) -> None:
    """Minting delivers exactly one value with its ref, which the system accepts."""
    async with fixture.backend(act=True) as backend:
        for kind in rotatable(fixture, backend):
            minted = await mint(fixture, backend, kind.kind)
            ref, secret = minted.one
            if minted.step.value is Value.CHOSEN:
                need(
                    secret == minted.permit._value,
                    "the delivered value is not the one that the permit carried",
                )
            same = ref == minted.made.ref
            need(
                same is (kind.rotation is Rotation.IN_PLACE),
                f"a rotation {kind.rotation.value!r} delivered "
                + ("the old ref" if same else "another ref"),
            )
            try:
                await backend.read(ref)
            except NotFound:
                raise Failure(f"read() does not know the ref of a new {kind.kind}") from None
            new = fixture.successor(minted.made, ref, secret)
            need(
                await is_taken(fixture, new, kind.propagation),
                f"the system does not accept the delivered value of a {kind.kind}",
            )
            if kind.probe_effects is not None:
                probed = await backend.probe(ref, secret)
                need(probed.accepted is not False, "probe() refuses the delivered value")


@check
async def a_rotation_ends_the_old_one_when_it_says(fixture: Fixture) -> None:
    """The old value lives until its class ends it: by the minting, or by the retirement."""
    async with fixture.backend(act=True) as backend:
        for kind in rotatable(fixture, backend):
            minted = await mint(fixture, backend, kind.kind)
            old, new = minted.made, fixture.successor(minted.made, *minted.one)
            if kind.rotation not in AT_ONCE:
                need(
                    fixture.accepts(old),
                    f"the old value of a {kind.kind} died of the minting, though it is "
                    f"declared {kind.rotation.value!r}",
                )
            for step in minted.proposal.steps[1:]:
                outcome = await perform(backend, step)
                need(
                    outcome.state is OutcomeState.APPLIED,
                    f"{step.call.line} came back as {outcome.state.value}: {outcome.detail}",
                )
                seen = await shows(fixture, backend, old.ref, step.expect, kind.propagation)
                need(
                    not step.expect or seen == step.expect,
                    f"after {step.call.line} read() shows {seen!r}, not {step.expect!r}",
                )
            need(
                Verb.ROTATE not in fixture.refuses
                or await is_refused(fixture, old, kind.propagation),
                f"the old value of a rotated {kind.kind} still works",
            )
            need(
                await is_taken(fixture, new, kind.propagation),
                f"the retirement of a {kind.kind} ended its successor",
            )


@check
async def an_orphan_is_found(fixture: Fixture) -> None:
    """What a lost answer minted is found by the intent's id, and nothing else is taken for it."""
    async with fixture.backend(act=True) as backend:
        for kind in rotatable(fixture, backend):
            if kind.rotation is Rotation.IN_PLACE:
                continue
            minted = await mint(fixture, backend, kind.kind, losing=True)
            if minted.outcome.state is OutcomeState.UNKNOWN:
                need(
                    not minted.permit.minted,
                    "a value was delivered though its answer was lost",
                )
                expected = None
            else:
                expected = (minted.one[0],)
            await _orphan(fixture, backend, minted, expected)


async def _orphan(
    fixture: Fixture, backend: Backend, minted: Minted, expected: tuple[TokenRef, ...] | None
) -> None:
    step, old = minted.step, minted.made.ref
    found = await backend.minted(step, minted.permit.intent_id, minted.since)
    need(
        len(found) == 1 and old not in found and expected in (None, found),
        f"minted() of a {old.kind} gave {[ref.id for ref in found]}, not the one new token",
    )
    await backend.read(found[0])
    marked = "<intent id>" in step.call.line
    fixture.wait(TICK)
    since = minted.since if marked else fixture.now()
    foreign = await backend.minted(step, f"conformance-{uuid4()}", since)
    need(
        not foreign,
        f"minted() for another intent gave {[ref.id for ref in foreign]}; compare the "
        "intent's id, or, where the system keeps no label, the time",
    )


@check
async def a_new_value_is_shown_to_nobody(fixture: Fixture) -> None:
    """A minted value is in no outcome, call, log or error; one permit mints it once."""
    async with fixture.backend(act=True) as backend:
        for kind in rotatable(fixture, backend):
            with Records() as records:
                minted = await mint(fixture, backend, kind.kind)
                try:
                    with minted.permit.active():
                        await backend.perform(minted.step)
                except NoIntent as error:
                    refusal: object = error.message
                else:
                    raise Failure("perform() mints twice under one permit; spend it each time")
            ref, secret = minted.one
            told = (minted.outcome, minted.proposal, refusal, minted.permit, backend)
            need(
                not shown(secret, *told, public=(ref.id,)),
                f"the new value of a {kind.kind} is in what perform() returned",
            )
            need(
                not shown(secret, records.texts, public=(ref.id,)),
                f"the new value of a {kind.kind} was logged",
            )
            place = kept(secret, backend, *surroundings(backend))
            need(
                not place,
                f"the new value of a {kind.kind} is kept in {place} after the call; hand it over "
                "with permit.deliver() and let go of it",
            )


@check
async def nothing_is_minted_without_a_permit(fixture: Fixture) -> None:
    """A minting step without a permit raises ``NoIntent``, and nothing was made."""
    async with fixture.backend(act=True) as backend:
        for kind in rotatable(fixture, backend):
            made, proposal = await rotation(fixture, backend, kind.kind)
            before = (await listing(backend)).tokens.keys()
            try:
                await backend.perform(proposal.steps[0])
            except NoIntent:
                pass
            else:
                raise Failure("perform() mints without a permit")
            need(
                (await listing(backend)).tokens.keys() == before and fixture.accepts(made),
                "perform() raised NoIntent after it had minted",
            )


CHECKS = (
    a_rotation_is_planned_in_order,
    a_full_house_is_said,
    a_rotation_delivers_one_value,
    a_rotation_ends_the_old_one_when_it_says,
    an_orphan_is_found,
    a_new_value_is_shown_to_nobody,
    nothing_is_minted_without_a_permit,
)
