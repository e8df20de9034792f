"""From a scope to a plan: nothing is dropped, the worst is first, a canary goes ahead."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from gate_scene import Scene, codes
from msgspec.structs import replace

import console
from backends.contract import Verb
from backends.estate import EstateWorld
from console.errors import PlanRefused
from console.inventory.search.inventory import Inventory
from console.response.approve.requirements import Requirements
from console.response.plan import priority
from console.response.plan.model import GONE_ALREADY, Plan
from console.settings import ResponseSettings

ADMIN = "rules the system"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, tokens=160)


def by_name(scene: Scene, system: str, name: str) -> str:
    inventory = Inventory(scene.paths.inventory)
    try:
        rows = [row for row in inventory.find(name) if row.backend == f"{system}-1"]
        return rows[0].handle
    finally:
        inventory.close()


def test_a_query_and_a_list_become_items_with_exact_calls_and_unique_steps(scene: Scene) -> None:
    told: list[tuple[int, int]] = []
    plan = scene.plan(
        Verb.REVOKE,
        query="grant:=ci-write",
        progress=lambda done, total: told.append((done, total)),
    )
    assert plan.scope is not None
    assert plan.scope.total == len(plan.items) > 5
    assert plan.scope.query == "grant:=ci-write"
    assert told[-1] == (len(plan.items), len(plan.items))
    steps = [step.id for item in plan.items for step in item.proposal.steps]
    assert len(set(steps)) == len(steps)
    assert [item.number for item in plan.items] == list(range(1, len(plan.items) + 1))
    assert all(
        step.id.startswith(f"{item.number}.") for item in plan.items for step in item.proposal.steps
    )
    # What was not to be seen at that moment is frozen with it, and so is for whom they speak.
    assert any(gap.what == "batch tokens" for _, gap in plan.scope.gaps)
    assert {name for name, _ in plan.scope.principals} == {"vault-1"}


def test_the_canary_is_one_of_each_kind_and_the_worst_comes_next(scene: Scene) -> None:
    plan = scene.plan(Verb.REVOKE, query="-principal:=token-console")
    canaries = [item for item in plan.items if item.wave == 0]
    kinds = {(item.backend, item.token.ref.kind) for item in plan.items if not item.fatal}
    assert {(item.backend, item.token.ref.kind) for item in canaries} == kinds
    assert len(canaries) == len(kinds)
    assert all(item.why.startswith("canary") and ADMIN not in item.why for item in canaries)
    first = [item for item in plan.items if item.wave == 1]
    assert len(first) == ResponseSettings().waves[0]
    assert ADMIN in first[0].why
    ruling = [item.number for item in plan.items if ADMIN in item.why and not item.fatal]
    harmless = [item.number for item in plan.items if "never used" in item.why and item.wave]
    assert max(ruling[:5]) < min(harmless)
    assert codes(plan.items[-1])


def test_a_backend_that_is_down_keeps_its_tokens_in_the_plan_as_not_dealt_with(
    scene: Scene,
) -> None:
    async def work() -> Plan:
        await scene.sync()
        await scene.close()
        scene.down.add("cloud-1")
        return await scene.gather(Verb.REVOKE, query="backend:cloud-1,vault-1")

    plan: Plan = scene.run(work)
    lost = [item for item in plan.items if item.backend == "cloud-1"]
    assert lost
    assert all(codes(item) == ["not-planned"] and item.fatal for item in lost)
    assert "Connection refused" in lost[0].fatal[0].text
    rest = [item for item in plan.items if item.backend == "vault-1"]
    assert rest
    assert not any("not-planned" in codes(item) for item in rest)


def test_a_token_that_ended_meanwhile_keeps_its_place(scene: Scene) -> None:
    async def work() -> Plan:
        await scene.sync()
        with scene.world() as world:
            id_ = Inventory(scene.paths.inventory).find(handle)[0].id
            world.change(Verb.REVOKE, "vault", id_)
        return await scene.gather(Verb.REVOKE, handles=[handle])

    scene.run(scene.sync)
    handle = by_name(scene, "vault", "ci-deploy")
    plan: Plan = scene.run(work)
    assert plan.only.token.ref.handle == handle
    assert not plan.only.fatal
    assert plan.only.proposal.steps or plan.only.proposal.manual == GONE_ALREADY


def test_verbs_that_a_system_does_not_have_are_told_and_not_lost(scene: Scene) -> None:
    plan = scene.plan(Verb.CONTAIN, query="name:ci-deploy")
    told = {item.backend: codes(item) for item in plan.items}
    assert "not-declared" in told["vault-1"]
    assert plan.scope is not None
    assert plan.scope.total == len(plan.items)


def test_rates_waves_and_the_bound(scene: Scene) -> None:
    plan = scene.plan(Verb.REVOKE, query="backend:vault-1 -principal:=token-console")
    calls = sum(len(item.proposal.steps) for item in plan.items if not item.fatal)
    assert plan.rates == {}, "nobody set one"
    guess = plan.paces["vault-1"].expected
    assert priority.estimate(plan) == {"vault-1": pytest.approx(calls / guess)}
    plan = replace(plan, rates={"vault-1": 5.0})
    assert priority.estimate(plan) == {"vault-1": calls / 5.0}
    assert priority.bound(plan) == pytest.approx(calls / 5.0)
    hidden = priority.bound(plan, {"vault-1": 3.0})
    assert hidden == pytest.approx(calls / 5.0 + 3.0), "the canary is waited for"
    assert Requirements().second_person(plan).startswith(f"{len(plan.items)} tokens")


def test_a_scope_without_a_token_is_refused(scene: Scene) -> None:
    scene.run(scene.sync)
    for given in (
        {"query": "name:no-such-token-anywhere"},
        {"query": "  "},
        {"handles": ["0" * 12]},
    ):
        with pytest.raises(PlanRefused):
            scene.plan(Verb.REVOKE, sync=False, **given)


def test_planning_changes_nothing(scene: Scene) -> None:
    scene.plan(Verb.REVOKE, query="backend:vault-1,cloud-1")
    with EstateWorld(scene.file) as world:
        assert world.all_changes() == {}


def test_nothing_else_in_the_console_makes_a_plan() -> None:
    root = Path(console.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr) == "Plan"
    }
    assert found == {"response/plan/build.py"}
