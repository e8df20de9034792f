"""One way to name a token: what every command and prompt understands, tried where it was not."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import tui_graph_scene
import tui_world as world
from msgspec.structs import replace
from real_systems import console
from tui_run_scene import Run, item
from tui_world import drive

from backends.contract import Verb
from backends.model import ScopeDone, TokenRef
from console.settings import Paths

REASON = "the vendor needs it until the move"
REF = TokenRef("vault-prod", "service", "acc-1")
PRINT = "5ca1ab1e" * 8
FORMS: dict[str, str] = {
    "a handle": REF.handle,
    "the beginning of a handle": REF.handle[:6],
    "an id": "acc-1",
    "a name": "ci-deploy",
    "the backend and the name": "vault-prod/ci-deploy",
    "the backend and the id": "vault-prod/acc-1",
    "the backend and the beginning of a handle": f"vault-prod/{REF.handle[:6]}",
    "a fingerprint": PRINT,
    "the beginning of a fingerprint": PRINT[:12],
}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """An inventory with two tokens of one name; the first one's value is fingerprinted."""
    made = world.where(tmp_path)
    made.config.write_text("")
    tokens = [
        world.token("vault-prod", "acc-1", "ci-deploy"),
        world.token("vault-prod", "acc-2", "twin"),
        world.token("vault-prod", "acc-3", "twin"),
    ]
    world.fill(made, [world.Still("vault-prod", [*tokens, ScopeDone("root/", len(tokens))])])
    fingerprint(made, REF.handle)
    return made


def fingerprint(paths: Paths, handle: str) -> None:
    with closing(sqlite3.connect(paths.inventory)) as store:
        store.execute("INSERT INTO fingerprint VALUES (?, ?, 'hand', 1)", (PRINT, handle))
        store.commit()


def cli(paths: Paths, *words: str) -> subprocess.CompletedProcess[str]:
    return console(paths.config.parent, *words)


def run_of(paths: Paths, *ids: str) -> Run:
    made = []
    for number, id_ in enumerate(ids, 1):
        one = item(number, Verb.REVOKE, f"name of {id_}", "vault-prod")
        ref = TokenRef("vault-prod", "service", id_)
        steps = tuple(replace(step, token=ref) for step in one.proposal.steps)
        proposal = replace(one.proposal, steps=steps)
        made.append(replace(one, token=replace(one.token, ref=ref), proposal=proposal))
    return Run(paths, made)


def states(paths: Paths, run: Run) -> list[str]:
    told = cli(paths, "run", "show", run.plan.id, "--json")
    return [each["state"] for each in json.loads(told.stdout)["items"]]


@pytest.mark.parametrize("form", FORMS)
def test_the_journal_is_listed_of_the_token_that_is_named(paths: Paths, form: str) -> None:
    run = run_of(paths, "acc-2", "acc-1")
    run.end([1, 2])
    done = cli(paths, "journal", "list", "--handle", FORMS[form], "--json")
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert {entry["act"]["target"]["handle"] for entry in entries} == {REF.handle}
    assert {"intent", "outcome", "evidence"} <= {entry["type"] for entry in entries}


@pytest.mark.parametrize("form", [*FORMS, "the number in the plan"])
def test_the_token_that_is_named_is_excepted_from_its_run(paths: Paths, form: str) -> None:
    run = run_of(paths, "acc-2", "acc-1")
    named = FORMS.get(form, "2")
    done = cli(paths, *excepting(run, named))
    assert done.returncode == 0, done.stderr
    assert states(paths, run) == ["left", "excepted"]


def excepting(run: Run, named: str) -> tuple[str, ...]:
    ends = ("--owner", "payments", "--until", "2096-01-31", "--reason", REASON)
    return ("run", "except", run.plan.id, named, *ends)


@pytest.mark.parametrize(
    "words",
    [lambda _: ("journal", "list", "--handle", "twin"), lambda run: excepting(run, "twin")],
    ids=["journal list", "run except"],
)
def test_a_name_of_two_is_no_name_and_both_are_listed(
    paths: Paths, words: Callable[[Run], tuple[str, ...]]
) -> None:
    """Even where only one of them is in the run: whoever names it may mean the other."""
    run = run_of(paths, "acc-2", "acc-1")
    done = cli(paths, *words(run))
    assert done.returncode == 2, done.stdout
    assert "2 tokens are meant by 'twin'; name one by its handle" in done.stderr
    for id_ in ("acc-2", "acc-3"):
        assert TokenRef("vault-prod", "service", id_).handle in done.stderr
    assert states(paths, run) == ["left", "left"]


def test_what_is_not_in_the_run_is_not_excepted(paths: Paths) -> None:
    run = run_of(paths, "acc-2")
    for named in ("ci-deploy", REF.handle, "nobody"):
        done = cli(paths, *excepting(run, named))
        assert done.returncode == 2, done.stdout
        assert "Traceback" not in done.stderr
    assert states(paths, run) == ["left"]


@pytest.mark.parametrize("form", FORMS)
def test_the_graphs_prompt_goes_to_the_token_that_is_named(tmp_path: Path, form: str) -> None:
    """The graph stands on another token that it is linked to, and the prompt leads to it."""
    made = tui_graph_scene.build(world.where(tmp_path))
    ref = TokenRef("vault-prod", "service", "acc-2")
    fingerprint(made, ref.handle)
    named = FORMS[form].replace("acc-1", "acc-2").replace("ci-deploy", "tok_child_a0")
    named = named.replace(REF.handle, ref.handle).replace(REF.handle[:6], ref.handle[:6])
    app = world.application(made)

    async def steps(pilot: Any) -> None:
        await tui_graph_scene.open_graph(pilot, app)
        assert app.screen.node().key != ref.handle
        await pilot.press("slash", *named, "enter")
        await tui_graph_scene.drawn(pilot, app)
        assert app.screen.node().key == ref.handle

    drive(app, steps, (120, 40))
