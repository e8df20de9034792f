"""What a plan takes in: no term is dropped, no token is in it unexplained, none of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gate_scene import Scene
from real_systems import console

from backends.contract import Verb
from console.errors import PlanRefused
from console.inventory.search.inventory import Inventory
from console.inventory.search.query import QueryError
from console.response.run import late_arrivals
from console.response.state import report

WHY = "the vendor was broken into"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    made = Scene(tmp_path_factory.mktemp("scope"), tokens=160)
    made.run(made.sync)
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("demo")
    done = console(place, "demo", "--prepare", "--tokens", "300", "--seed", "3")
    assert done.returncode == 0, done.stderr
    return place / "demo"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("owner:partner used:>90", "used:>90: say the unit: used:>90d"),
        ("state:disa", "state:disa: did you mean state:disabled?"),
        ("onwer:partner", "did you mean owner:?"),
    ],
)
def test_no_command_goes_on_without_a_term(home: Path, query: str, told: str) -> None:
    reason = ("--reason", WHY, "--dry-run")
    for words in (("list", query), ("list", query, "--csv"), ("plan", "revoke", query, *reason)):
        done = console(home, *words)
        assert done.returncode == 2, words
        assert told in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize("query", ["grant:=ci-write used:>90", "used:", "state:act", "onwer:x"])
def test_no_plan_is_made_without_a_term(scene: Scene, query: str) -> None:
    """Whoever asks: the screen's worker and the command line both come through here."""
    with pytest.raises(QueryError) as caught:
        scene.plan(Verb.REVOKE, sync=False, query=query)
    assert query.split()[-1] in str(caught.value)


def test_a_free_word_takes_in_no_grants_and_the_plan_says_how_many_it_left(scene: Scene) -> None:
    with pytest.raises(PlanRefused) as caught:
        scene.plan(Verb.REVOKE, sync=False, query="ci-write")
    assert "grant:WORD" in caught.value.hint
    carriers = scene.plan(Verb.REVOKE, sync=False, query="grant:ci-write")
    assert f"{len(carriers.items)} hold" in caught.value.hint
    assert all("grant ci-write" in item.matched for item in carriers.items)
    plan = scene.plan(Verb.REVOKE, sync=False, query="ci")
    assert plan.scope is not None
    assert plan.scope.query == "text:ci"
    assert all("ci" in item.matched.casefold() for item in plan.items)
    assert not any(item.matched.startswith(("backend", "grant", "kind")) for item in plan.items)
    assert plan.scope.beside > 0, "ci-write is a grant of many more"
    assert f"{plan.scope.beside:,} more hold the words only in" in "\n".join(
        report.plan_lines(plan)
    )


def test_a_plan_says_of_each_token_what_matched(scene: Scene) -> None:
    plan = scene.plan(Verb.REVOKE, sync=False, query="owner:payments,sre used:>1d -state:gone")
    assert len(plan.items) > 1
    for item in plan.items:
        owner = item.token.owner.value
        assert f"owner {owner}" in item.matched
        assert "last used 2" in item.matched or "never used" in item.matched
        assert "gone" not in item.matched
    said = report.plan_lines(plan)
    assert sum("matched      owner " in line for line in said) == min(len(plan.items), 20)


def test_the_consoles_own_credential_is_left_out_by_name_and_never_comes_late(
    scene: Scene,
) -> None:
    plan = scene.plan(Verb.REVOKE, sync=False, query="backend:vault-1")
    assert plan.scope is not None
    own = {one.ref.handle: one for one in plan.scope.left_out}
    assert own
    assert not any(item.token.ref.handle in own for item in plan.items)
    said = "\n".join(report.plan_lines(plan))
    for handle, one in own.items():
        assert f"left out      {one.name} on vault-1, handle {handle}: it is the console's" in said
    found = late_arrivals._find(
        plan, plan.scope, ["vault-1"], late_arrivals._known({}, plan), scene.paths
    )
    assert not any(token.ref.handle in own for token, _ in found)
    # Named by its handle it is in the plan, which says why it cannot be done.
    named = scene.plan(Verb.REVOKE, sync=False, handles=[next(iter(own))])
    assert [hazard.code for hazard in named.only.fatal] == ["own-credential"]
    only = f"handle:{next(iter(own))}"
    with pytest.raises(PlanRefused, match="only the console's own"):
        scene.plan(Verb.REVOKE, sync=False, query=only)


def test_what_matched_is_in_the_plan_shown_and_in_json(home: Path) -> None:
    with_ = ("plan", "revoke", "owner:payments", "state:active", "--dry-run", "--reason", WHY)
    shown = console(home, *with_)
    assert shown.returncode == 0, shown.stderr
    assert "        matched      owner payments; state active\n" in shown.stdout
    told = json.loads(console(home, *with_, "--json").stdout)
    assert told["items"]
    assert all(item["matched"].startswith("owner payments; state active") for item in told["items"])


def test_a_handle_and_a_backend_with_a_name_are_found_by_any_query(scene: Scene) -> None:
    from console.inventory.search.inventory import Sort
    from console.inventory.search.query import parse, scope

    inventory = Inventory(scene.paths.inventory)
    try:
        rows = inventory.window(parse("backend:vault-1"), Sort(), 0, 1_000)
        row = next(row for row in rows if row.name == "ci-deploy")
        for text in (row.handle, f"{row.backend}/{row.name}", f"{row.backend}/{row.id}"):
            for query in (parse(text), scope(text)):
                handles = inventory.handles(query, Sort(), 0, 100)
                assert row.handle in handles, (text, query)
                assert inventory.count(query) == len(handles)
                assert len(handles) < 10
                others = inventory.count(parse(f"!{text}"))
                assert others + inventory.count(parse(text)) == inventory.total()
    finally:
        inventory.close()
