"""Rotation in the estate: each class as its system does it, and what becomes of the old value."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from estate_fixture import estate, template

from backends.contract import (
    Backend,
    BackendConfig,
    Outcome,
    OutcomeState,
    Phase,
    Proposal,
    Rotation,
    Step,
    Value,
    Verb,
)
from backends.errors import NoIntent, NotFound, Unsupported
from backends.estate import SYSTEMS, Estate, EstateWorld, hazard_cases, set_trouble
from backends.model import AuditEvent, Secret, Token, TokenRef, TokenState
from backends.permit import Permit

__all__ = ["estate", "template"]

KINDS = (
    ("vault", "service_token"),
    ("cloud", "access_key"),
    ("database", "role"),
    ("codehost", "deploy_token"),
    ("codehost", "app_secret"),
)
OTHER_ID = tuple(one for one in KINDS if one[0] != "database")


@pytest.fixture
def world(estate: Path) -> Iterator[EstateWorld]:
    with EstateWorld(estate) as opened:
        yield opened


def backend(path: Path, system: str) -> Backend:
    options = {"path": str(path), "system": system, "act_allowed": True}
    return Estate(BackendConfig(name="here", type="estate", options=options))


class Rotating:
    """One token, its plan, and its steps made one by one."""

    def __init__(self, world: EstateWorld, system: str, kind: str, id_: str = "") -> None:
        self.world, self.system, self.kind = world, system, kind
        if not id_:
            id_, _ = world.mint(system, "app", principal="svc-app", kind=kind)
        self.id, self.old = id_, world.secret(system, id_)
        self.ref = TokenRef("here", kind, id_)
        self.since = datetime.fromtimestamp(world.now(), UTC)

    def plan(self, verb: Verb = Verb.ROTATE) -> Proposal:
        async def go() -> Proposal:
            async with backend(self.world.path, self.system) as opened:
                return await opened.plan(verb, await opened.read(self.ref))

        return asyncio.run(go())

    def make(self, step: Step, intent: str = "intent-1") -> tuple[Outcome, Permit]:
        async def go() -> tuple[Outcome, Permit]:
            async with backend(self.world.path, self.system) as opened:
                value = opened.new_value(step) if step.value is Value.CHOSEN else None
                permit = Permit(intent, step, value=value)
                with permit.active():
                    return await opened.perform(step), permit

        return asyncio.run(go())

    def minted(self, step: Step, intent: str = "intent-1") -> list[str]:
        async def go() -> list[str]:
            async with backend(self.world.path, self.system) as opened:
                return [ref.id for ref in await opened.minted(step, intent, self.since)]

        return asyncio.run(go())

    def read(self, id_: str) -> Token | None:
        async def go() -> Token | None:
            async with backend(self.world.path, self.system) as opened:
                try:
                    return await opened.read(TokenRef("here", self.kind, id_))
                except NotFound:
                    return None

        return asyncio.run(go())


@pytest.mark.parametrize(("system", "kind"), KINDS)
def test_every_class_ends_with_the_new_value_alone(
    world: EstateWorld, system: str, kind: str
) -> None:
    one = Rotating(world, system, kind)
    declared = SYSTEMS[system].capabilities.of(kind)
    mint, *retire = one.plan().steps
    outcome, permit = one.make(mint)
    assert outcome.state is OutcomeState.APPLIED
    [(ref, new)] = permit.minted
    assert (ref.id == one.id) is (declared.rotation is Rotation.IN_PLACE)
    overlaps = declared.rotation in (Rotation.CREATE_RETIRE, Rotation.OVERLAP)
    assert world.accepts(one.old) is overlaps
    assert world.accepts(new)
    assert all(step.phase is Phase.RETIRE and step.token.id == one.id for step in retire)
    for step in retire:
        assert one.make(step)[0].state is OutcomeState.APPLIED
    world.travel(10)
    assert (world.accepts(one.old), world.accepts(new)) == (False, True)
    assert one.read(ref.id) is not None
    assert world.changes(system, one.id, "rotate") == 1
    assert world.changes(system, one.id) == 1 + len(retire)


def test_the_five_classes_are_all_there() -> None:
    found = {kind.rotation for one in SYSTEMS.values() for kind in one.capabilities.kinds}
    assert found == set(Rotation) - {Rotation.UNKNOWN}


def test_a_person_gets_a_card_and_no_step(world: EstateWorld) -> None:
    proposal = Rotating(world, "codehost", "access_token").plan()
    assert proposal.steps == ()
    assert "Regenerate" in proposal.manual


def test_a_grace_value_ends_by_itself_or_by_the_step_for_a_leak(world: EstateWorld) -> None:
    one = Rotating(world, "codehost", "app_secret")
    mint, end = one.plan().steps
    assert (mint.leak_only, end.leak_only) == (False, True)
    one.make(mint)
    old = one.read(one.id)
    assert old is not None
    assert old.state is TokenState.SUPERSEDED
    world.travel(3_599)
    assert world.accepts(one.old)
    world.travel(1)
    assert not world.accepts(one.old)
    leaked = Rotating(world, "codehost", "app_secret")
    mint, end = leaked.plan().steps
    leaked.make(mint)
    leaked.make(end)
    world.travel(3)
    assert not world.accepts(leaked.old)


@pytest.mark.parametrize(("system", "kind"), KINDS)
def test_a_lost_answer_leaves_an_orphan_that_is_found(
    world: EstateWorld, system: str, kind: str
) -> None:
    one = Rotating(world, system, kind)
    mint = one.plan().steps[0]
    assert one.minted(mint) == []
    set_trouble(world.path, system, lose="dropped")
    outcome, permit = one.make(mint)
    assert (outcome.state, permit.minted) == (OutcomeState.UNKNOWN, [])
    assert one.minted(mint) == []
    assert world.changes(system, one.id) == 0
    set_trouble(world.path, system, lose="applied")
    outcome, permit = one.make(mint)
    assert (outcome.state, permit.minted) == (OutcomeState.UNKNOWN, [])
    [orphan] = one.minted(mint)
    assert (orphan == one.id) is (system == "database")
    world.travel(7_200)
    assert one.minted(mint) == [orphan], "two hours later as well"


@pytest.mark.parametrize(("system", "kind"), OTHER_ID)
def test_what_an_attacker_made_meanwhile_is_not_taken_for_ours(
    world: EstateWorld, system: str, kind: str
) -> None:
    one = Rotating(world, system, kind)
    mint = one.plan().steps[0]
    assert world.remint(system, one.id)
    assert one.minted(mint) == []


def test_a_yes_without_effect_hands_out_a_value_that_nobody_knows(world: EstateWorld) -> None:
    for system, kind in KINDS:
        one = Rotating(world, system, kind)
        mint = one.plan().steps[0]
        set_trouble(world.path, system, no_effect=True)
        outcome, permit = one.make(mint)
        assert outcome.state is OutcomeState.APPLIED
        assert not world.accepts(permit.minted[0][1])
        assert world.accepts(one.old)
        assert one.minted(mint) == []


def test_grace_keeps_a_replaced_value_alive_and_the_undead_for_ever(world: EstateWorld) -> None:
    one = Rotating(world, "codehost", "deploy_token")
    set_trouble(world.path, "codehost", grace=300)
    one.make(one.plan().steps[0])
    assert world.accepts(one.old)
    world.travel(300)
    assert not world.accepts(one.old)
    role = Rotating(world, "database", "role")
    set_trouble(world.path, "database", undead=True)
    role.make(role.plan().steps[0])
    world.travel(86_400)
    assert world.accepts(role.old)


def test_a_full_user_cannot_be_rotated(world: EstateWorld) -> None:
    planted = hazard_cases.plant(world, "slot-full")
    proposal = Rotating(world, "cloud", "access_key", planted.id).plan()
    assert [(hazard.code, hazard.fatal) for hazard in proposal.hazards] == [("slot-full", True)]
    one = Rotating(world, "cloud", "access_key", planted.id)
    outcome, permit = one.make(proposal.steps[0])
    assert (outcome.state, permit.minted) == (OutcomeState.REJECTED, [])


@pytest.mark.parametrize("again", ["use", "probe", "rotate"])
def test_reuse_ends_the_successor_too(world: EstateWorld, again: str) -> None:
    one = Rotating(world, "codehost", "deploy_token")
    mint = one.plan().steps[0]
    new = one.make(mint)[1].minted[0][1]
    world.travel(5)
    assert world.accepts(new)
    if again == "use":
        assert not world.attempt(one.old)
    elif again == "rotate":
        assert one.make(mint, "intent-2")[0].state is OutcomeState.REJECTED
    else:

        async def probe() -> bool | None:
            async with backend(world.path, "codehost") as opened:
                return (await opened.probe(one.ref, one.old)).accepted

        assert asyncio.run(probe()) is False
    assert not world.accepts(new)


def test_a_chosen_value_is_kept_nowhere(world: EstateWorld) -> None:
    one = Rotating(world, "database", "role")
    step = one.plan().steps[0]
    assert "<new value>" in step.call.line
    outcome, permit = one.make(step)
    value = permit.minted[0][1].reveal()
    assert value not in repr((outcome, step))
    for ending in ("", "-wal"):
        held = world.path.with_name(world.path.name + ending)
        assert not held.exists() or value.encode() not in held.read_bytes()
    with pytest.raises(NotFound):
        world.secret("database", one.id)
    assert world.secret("database", one.id, 1) == one.old


def test_a_value_that_no_permit_carries_is_not_set(world: EstateWorld) -> None:
    one = Rotating(world, "database", "role")
    step = one.plan().steps[0]

    async def go() -> None:
        async with backend(world.path, "database") as opened:
            with Permit("intent", step).active():
                await opened.perform(step)

    with pytest.raises(NoIntent):
        asyncio.run(go())
    assert world.accepts(one.old)


def test_the_label_names_the_intent_and_children_end_with_the_old_one(world: EstateWorld) -> None:
    planted = hazard_cases.plant(world, "cascade")
    one = Rotating(world, "vault", "service_token", planted.id)
    proposal = one.plan()
    assert len(proposal.also_ends) == 2
    assert proposal.steps[0].call.arguments["meta.intent"] == "<intent id>"
    ref = one.make(proposal.steps[0], "intent-77")[1].minted[0][0]
    new = one.read(ref.id)
    assert new is not None
    assert ("intent", "intent-77") in new.facts
    one.make(proposal.steps[1])
    assert [one.read(child.id) for child in proposal.also_ends] == [None, None]
    assert one.read(ref.id) is not None


def consumers(world: EstateWorld, system: str, kind: str, id_: str) -> set[str]:
    async def go() -> set[str]:
        async with backend(world.path, system) as opened:
            found = await opened.dependents(TokenRef("here", kind, id_))
            return {one.name for one in found.consumers}

    return asyncio.run(go())


def test_consumers_move_by_and_by_and_a_stale_one_never(world: EstateWorld) -> None:
    one = Rotating(world, "cloud", "access_key")
    for name, stale in (("pod/a", False), ("pod/b", False), ("pod/left", True)):
        hazard_cases.employ(world, "cloud", one.id, name, stale=stale)
    world.travel(200)
    assert consumers(world, "cloud", one.kind, one.id) == {"pod/a", "pod/b", "pod/left"}
    steps = one.plan().steps
    new = one.make(steps[0])[1].minted[0][0].id
    assert consumers(world, "cloud", one.kind, new) == set()
    world.travel(600)
    assert consumers(world, "cloud", one.kind, one.id) == {"pod/left"}
    assert consumers(world, "cloud", one.kind, new) == {"pod/a", "pod/b"}

    async def refused() -> set[str]:
        async with backend(world.path, "cloud") as opened:
            return {
                event.source
                async for event in opened.events(datetime.fromtimestamp(world.now() - 300, UTC))
                if isinstance(event, AuditEvent)
                and event.outcome == "denied"
                and event.token == one.ref
            }

    for step in steps[1:]:
        one.make(step)
    world.travel(280)
    assert asyncio.run(refused()) == {"10.21.4.4"}, "the stale one is refused in the log"


def test_consumers_go_back_when_the_successor_is_taken_back(world: EstateWorld) -> None:
    one = Rotating(world, "vault", "service_token")
    hazard_cases.employ(world, "vault", one.id, "pod/a")
    new = one.make(one.plan().steps[0])[1].minted[0][0].id
    world.travel(600)
    assert consumers(world, "vault", one.kind, new) == {"pod/a"}
    world.change(Verb.REVOKE, "vault", new)
    world.travel(120)
    assert consumers(world, "vault", one.kind, one.id) == {"pod/a"}


def test_a_consumer_of_a_role_is_refused_until_it_moves(world: EstateWorld) -> None:
    one = Rotating(world, "database", "role")
    hazard_cases.employ(world, "database", one.id, "job", stale=True)
    one.make(one.plan().steps[0])
    world.travel(300)
    world.advance()
    n = world.row("database", one.id)
    assert n is not None
    told = world.db.execute(
        "SELECT DISTINCT outcome FROM event WHERE token = ? AND source = '10.21.4.4'", (n["n"],)
    ).fetchall()
    assert [row["outcome"] for row in told] == ["denied"]


def test_an_unknown_kind_of_step_is_refused(world: EstateWorld) -> None:
    one = Rotating(world, "vault", "service_token")
    with pytest.raises(Unsupported):
        one.plan(Verb.CONTAIN)


def test_a_value_is_never_shown(world: EstateWorld) -> None:
    one = Rotating(world, "vault", "service_token")
    made = one.make(one.plan().steps[0])[1].minted[0][1]
    assert isinstance(made, Secret)
    assert made.reveal() not in repr(world.rotate("vault", one.id))
