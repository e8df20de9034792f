"""Whole runs as processes: killed at any moment, started twice, two at once, no terminal."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from patience import HANG
from run_scene import plan_for

from backends import registry
from backends.contract import Backend
from backends.estate import SYSTEMS, EstateWorld, create
from backends.model import Secret, Token, TokenState
from console import settings
from console.errors import PlanRefused
from console.journal.write.journal import Journal
from console.response.approve.approval import approve
from console.response.plan.model import Plan
from console.response.run import decisions, process
from console.response.state.run import Board

PATIENCE = HANG


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE:.0f} s for: {what}")
        time.sleep(0.02)


class Estates:
    """A console's home over the four systems of one estate, and plans over their tokens."""

    def __init__(self, tmp: Path, tokens: int = 400) -> None:
        self.file = tmp / "estate.db"
        create(self.file, seed=11, tokens=tokens)
        self.paths = settings.paths(tmp / "home")
        self.paths.make()
        self.paths.config.write_text(
            "[response]\nsecond_person_over = 1000\n"
            + "\n".join(
                f'[backend.{system}]\ntype = "estate"\npath = "{self.file}"\n'
                f'system = "{system}"\nact_allowed = true\n'
                for system in SYSTEMS
            )
        )
        self.journal = Journal(self.paths.journal)

    def open(self, system: str) -> Backend:
        table = {"type": "estate", "path": str(self.file), "system": system, "act_allowed": True}
        return registry.configure(system, table, act=True)

    def plans(self, count: int, each: int, **more: object) -> list[Plan]:
        """So many approved plans over the same tokens, ``each`` of every system."""

        async def made() -> list[Plan]:
            found: list[tuple[Backend, Token]] = []
            for system in SYSTEMS:
                backend = self.open(system)
                await backend.open()
                me = await backend.whoami()
                own = {ref.id for ref in (*me.own, *me.ancestors)}
                listed = [
                    token
                    async for token in backend.inventory()
                    if isinstance(token, Token)
                    and token.state is TokenState.ACTIVE
                    and token.ref.id not in own
                    and token.parent.value is None
                ]
                found += [(backend, token) for token in listed[:each]]
            plans = [await plan_for(found, **more) for _ in range(count)]
            for backend in {id(backend): backend for backend, _ in found}.values():
                await backend.close()
            return plans

        plans = asyncio.run(made())
        for plan in plans:
            questions = {raised.hazard.code: "looked at, and wanted" for raised in plan.questions}
            approve(plan, self.journal, self.paths, plan.typed_word, questions)
        return plans

    def board(self, plan: Plan) -> Board:
        board = Board(plan)
        board.feed(self.journal.of_plan(plan.id))
        assert sum(board.sums().values()) == board.total == len(plan.items)
        return board

    def twice(self) -> list[tuple[str, str]]:
        """The tokens that more than one changing call has really reached, as the systems count."""
        with EstateWorld(self.file) as world:
            return [at for at, calls in world.all_changes().items() if sum(calls.values()) > 1]

    def reached(self) -> int:
        """How many tokens a changing call has reached."""
        with EstateWorld(self.file) as world:
            return len(world.all_changes())

    def ended(self, plan: Plan) -> None:
        wait_for(lambda: not process.alive(plan.id, self.paths), "the end of the runner")


@pytest.fixture
def estates(tmp_path: Path) -> Iterator[Estates]:
    made = Estates(tmp_path)
    yield made
    made.journal.close()


def test_killed_again_and_again_a_run_ends_with_no_token_called_about_twice(
    estates: Estates,
) -> None:
    rates = dict.fromkeys(SYSTEMS, 20.0)
    (plan,) = estates.plans(1, 15, rates=rates, budget=50)
    chance = random.Random(4)

    def written() -> int:
        return len(estates.journal.of_plan(plan.id))

    for kills in range(7):
        pid = process.start(plan.id, estates.paths, climb=8)
        if kills < 6:
            wanted = written() + chance.randrange(2, 40)
            wait_for(lambda: written() >= wanted, "the run to go on")  # noqa: B023
            os.kill(pid, signal.SIGKILL)
        estates.ended(plan)
        estates.board(plan)
    applied = [e.handle for e in estates.journal.of_plan(plan.id) if e.state == "applied"]
    assert len(applied) == len(set(applied))
    assert estates.twice() == []
    assert estates.reached() == len(plan.items)
    assert estates.journal.open_intents() == []
    # A session that was open before its role was dropped goes on, which is an alarm.
    ended = {
        row.item.token.name: row.words
        for row in estates.board(plan).rows.values()
        if row.state != "recorded" and "in a session opened before" not in row.alarm
    }
    assert ended == {}
    assert estates.journal.check() == (True, "")


def test_two_runners_of_two_plans_over_the_same_tokens_act_once_on_each(estates: Estates) -> None:
    rates = dict.fromkeys(SYSTEMS, 40.0)
    plans = estates.plans(2, 25, rates=rates, budget=500)
    for plan in plans:
        process.start(plan.id, estates.paths, climb=3)
    for plan in plans:
        estates.ended(plan)
    assert estates.twice() == []
    assert estates.reached() == 100
    entries = [entry for plan in plans for entry in estates.journal.of_plan(plan.id)]
    called = [entry.handle for entry in entries if entry.kind == "intent"]
    assert len(called) == len(set(called)) == 100
    for plan in plans:
        assert estates.board(plan).sums()["recorded"] == 100, "both know that it is done"


def test_a_paused_runner_outlives_its_terminal_and_ends_when_it_is_told_to(
    estates: Estates,
) -> None:
    (plan,) = estates.plans(1, 5, rates=dict.fromkeys(SYSTEMS, 4.0))
    decisions.pause(plan, estates.journal)
    pid = process.start(plan.id, estates.paths, climb=0)
    wait_for(lambda: bool(estates.board(plan).began), "the run to begin")
    decisions.pause(plan, estates.journal)
    os.kill(pid, signal.SIGHUP)
    with pytest.raises(PlanRefused, match="another runner") as refused:
        process.start(plan.id, estates.paths)
    assert refused.value.hint == f"Watch it: token-console run watch {plan.id[-8:]}"
    assert process.alive(plan.id, estates.paths)
    os.kill(pid, signal.SIGTERM)
    estates.ended(plan)
    assert estates.journal.open_intents() == []
    assert estates.board(plan).sums()["left"]
    process.start(plan.id, estates.paths, climb=0)
    wait_for(lambda: not estates.board(plan).sums()["left"], "the rest of the run")
    estates.ended(plan)
    assert estates.twice() == []


def test_a_lane_that_cannot_be_opened_halts_and_the_others_finish(estates: Estates) -> None:
    (plan,) = estates.plans(1, 3)
    config = estates.paths.config.read_text()
    estates.paths.config.write_text(config.replace("[backend.cloud]", "[backend.moved]"))
    pid = process.start(plan.id, estates.paths, climb=0)
    wait_for(lambda: estates.board(plan).sums()["left"] == 3, "the other lanes")
    assert "no backend 'cloud'" in estates.board(plan).halted["cloud"]
    os.kill(pid, signal.SIGTERM)
    estates.ended(plan)


def test_the_values_in_hand_reach_the_runner_and_no_file(estates: Estates) -> None:
    (plan,) = estates.plans(1, 1)
    values = {
        item.token.ref.handle: Secret(f"in-hand-7f3a-{item.number}-" + "x" * 40_000)
        for item in plan.items
    }
    process.start(plan.id, estates.paths, secrets=values, climb=0)
    estates.ended(plan)
    assert estates.board(plan).sums()["left"] == 0
    prints = [
        entry.body.act.target.fp
        for entry in estates.journal.of_plan(plan.id)
        if entry.kind == "intent" and entry.body.act is not None
    ]
    assert all(prints)
    assert len(set(prints)) == len(plan.items)
    for file in estates.paths.state.rglob("*"):
        # A canary that no name of the estate has: some are called canary.
        assert not file.is_file() or b"in-hand-7f3a-" not in file.read_bytes()
