"""After a kill at the worst moment: what is open is found, asked about, and settled once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import rotation_scene
import scripted_system
from runner_scene import Scene, wait_for
from scripted_system import calls

from backends.contract import Verb
from console.journal.format.entry import Kind
from console.journal.write.journal import Journal
from console.lock import only_one
from console.response.plan import entry_parts
from console.response.plan.model import Plan
from console.response.run import process
from console.response.run.recovery import Recovered, recover
from console.response.state.runner_lock import lock_of


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(tmp_path, monkeypatch)
    yield made
    made.say("go")  # A test that failed leaves no runner behind that waits for ever.


def ask(scene: Scene, *backends: scripted_system.Scripted, settle: float = 0) -> list[Recovered]:
    with Journal(scene.paths.journal) as journal:
        return asyncio.run(recover(backends, journal, scene.paths, settle=settle))


def killed(scene: Scene, moment: str) -> str:
    """The plan of a runner that was killed right before or right after its call."""
    plan = scene.approve()
    scene.say(f"hold-{moment}")
    pid = process.start(plan, scene.paths)
    scene.reached(moment)
    os.kill(pid, signal.SIGKILL)
    scene.ended(plan)
    assert [entry.plan for entry in scene.view.open_intents()] == [plan]
    return plan


def test_killed_after_the_call_it_is_found_to_be_done(scene: Scene) -> None:
    plan = killed(scene, "after")
    (found,) = ask(scene, scene.system)
    assert (found.state, found.handle) == ("applied", scene.ref.handle)
    assert "Revoke k (key) in sys" in found.sentence
    assert scene.kinds(plan) == [
        ("intent", ""),
        ("recovery.claim", "claimed"),
        ("recovery", "applied"),
    ]
    assert scene.told(plan)[-1].evidence == 2
    assert scene.view.open_intents() == []
    assert ask(scene, scene.system) == []
    assert len(calls(scene.system)) == 1


def test_killed_before_the_call_it_is_found_not_to_be_done_and_a_resumed_run_does_it(
    scene: Scene,
) -> None:
    plan = killed(scene, "before")
    (found,) = ask(scene, scene.system)
    assert found.state == "not_applied"
    assert f"run start {plan}" in found.sentence
    assert calls(scene.system) == [], "a recovery sends nothing"
    assert scene.view.open_intents() == []
    scene.say("go")
    process.start(plan, scene.paths)
    scene.ended(plan)
    assert len(calls(scene.system)) == 1
    assert [kind for kind, _ in scene.kinds(plan)].count("intent") == 2


def test_a_living_runner_is_left_alone(scene: Scene) -> None:
    plan = scene.approve()
    scene.say("hold-after")
    process.start(plan, scene.paths)
    scene.reached("after")
    assert ask(scene, scene.system) == []
    scene.say("go")
    scene.ended(plan)
    assert ("outcome", "applied") in scene.kinds(plan)
    assert "recovery" not in [kind for kind, _ in scene.kinds(plan)]


def test_a_system_that_cannot_be_asked_leaves_it_open_and_listed(scene: Scene) -> None:
    plan = killed(scene, "after")
    scene.say("down")
    for _ in range(2):
        (found,) = ask(scene, scene.system)
        assert found.state == "open"
        assert "cannot be asked" in found.sentence
    (found,) = ask(scene)
    assert "not configured" in found.sentence
    (scene.system.path / "down").unlink()
    (found,) = ask(scene, scene.system)
    assert found.state == "applied"
    assert [kind for kind, _ in scene.kinds(plan)].count("recovery.claim") == 1


def test_what_must_not_be_repeated_is_not_called_undone_by_a_look(scene: Scene) -> None:
    scene.say("abilities", json.dumps({"retry": "never"}))
    killed(scene, "before")
    (found,) = ask(scene, scene.system)
    assert found.state == "open"
    assert len(scene.view.open_intents()) == 1


def test_a_young_intent_is_given_time_before_it_is_called_undone(scene: Scene) -> None:
    killed(scene, "before")
    (found,) = ask(scene, scene.system, settle=3600)
    assert found.state == "open"
    assert "too early" in found.sentence
    assert len(scene.view.open_intents()) == 1


def test_one_recovery_at_a_time(scene: Scene) -> None:
    killed(scene, "after")
    with only_one(scene.paths.state / "recover.lock"):
        assert ask(scene, scene.system) == []
    assert len(ask(scene, scene.system)) == 1


def test_a_recovery_keeps_runners_of_that_plan_away(scene: Scene) -> None:
    plan = killed(scene, "after")
    with only_one(lock_of(plan, scene.paths)):
        assert ask(scene, scene.system) == []
    wait_for(lambda: len(ask(scene, scene.system)) == 1, "the recovery")


def test_an_intent_without_a_plan_is_settled_too(scene: Scene) -> None:
    token = asyncio.run(scene.system.read(scene.ref))
    step = asyncio.run(scene.system.plan(Verb.REVOKE, token)).steps[0]
    with Journal(scene.paths.journal) as journal:
        journal.append(
            Kind.INTENT, why="leaked somewhere public", act=entry_parts.act("revoke", token, step)
        )
    (found,) = ask(scene, scene.system)
    assert found.state == "not_applied"


def test_what_a_lost_answer_minted_is_found_and_named(tmp_path: Path) -> None:
    """By the intent's id in its label, by its time; what was not made is told so too."""
    for number, (system, kind, moment, state) in enumerate(
        [
            ("vault", "service_token", 4, "applied"),
            ("cloud", "access_key", 4, "applied"),
            ("vault", "service_token", 3, "not_applied"),
            ("database", "role", 6, "applied"),
        ]
    ):
        (folder := tmp_path / f"{number}").mkdir()
        scene = rotation_scene.Scene(folder, system, kind)
        plan = scene.approve("file")
        assert scene.killed(plan, moment), "right before, or right after, the call"

        async def ask(scene: rotation_scene.Scene = scene) -> list[Recovered]:
            async with scene.backend() as backend:
                with Journal(scene.paths.journal) as journal:
                    return await recover([backend], journal, scene.paths, settle=0)

        (found,) = asyncio.run(ask())
        assert (found.state, found.handle) == (state, scene.ref.handle)
        assert f"run start {plan.id}" in found.sentence
        (entry,) = [e for e in scene.told(plan) if e.kind == Kind.RECOVERY]
        out = entry.body.out
        assert out is not None
        new = {id_ for id_ in scene.living() if id_ != scene.ref.id} or {scene.ref.id}
        assert (out.made.id if out.made else None) == (new.pop() if state == "applied" else None)
        assert asyncio.run(ask()) == []
        assert scene.living(), "a recovery ends nothing"


def test_a_delivery_is_not_judged_by_looking_at_the_token(tmp_path: Path) -> None:
    scene = rotation_scene.Scene(tmp_path, "cloud", "access_key")
    plan = scene.approve("file")
    moment = next(n for n in range(10, 16) if scene.killed(plan, n) and _delivering(scene, plan))
    assert moment

    async def ask() -> list[Recovered]:
        async with scene.backend() as backend:
            with Journal(scene.paths.journal) as journal:
                return await recover([backend], journal, scene.paths, settle=0)

    (found,) = asyncio.run(ask())
    assert found.state == "open"
    assert "run that has the sinks" in found.sentence


def _delivering(scene: rotation_scene.Scene, plan: Plan) -> bool:
    with Journal(scene.paths.journal) as journal:
        return any(".deliver." in entry.step for entry in journal.open_intents())
