"""The old value ends when its consumers have moved, one by one, or somebody answers for them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from patience import HANG
from rotation_scene import Scene

from backends.estate import World, create
from console.journal.entry import Kind
from console.response import cutover, rotation
from console.response.plan import Mode, Plan
from console.response.steps import End

HOUR = 3600


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("estate") / "estate.db"
    create(file, seed=11, tokens=60)
    return file


def scene_with(
    tmp: Path, made: Path, system: str, kind: str, *names: str, stale: tuple[str, ...] = ()
) -> Scene:
    """A scene whose token is used every few minutes by each of these."""
    scene = Scene(tmp, system, kind, made=made)
    with World(scene.file) as world:
        for number, name in enumerate(names):
            world.employ(
                system,
                scene.ref.id,
                name,
                address=f"10.7.0.{number + 1}",
                agent=f"{name}/1.0",
                period=240,
                stale=name in stale,
            )
    scene.travel(2 * HOUR)
    return scene


def moved(scene: Scene, plan: Plan) -> list[str]:
    """Whose moves the journal has."""
    marks = [entry.run for entry in scene.told(plan) if entry.kind == Kind.RUN]
    return [mark.detail for mark in marks if mark is not None and mark.what == "moved"]


def test_a_routine_rotation_waits_for_every_consumer(made: Path, tmp_path: Path) -> None:
    scene = scene_with(tmp_path, made, "cloud", "access_key", "api", "batch")
    plan = scene.approve("file")
    done = scene.run(plan)
    assert done.end is End.WAITING
    assert "0 of 2 consumers" in done.words
    assert "api" in done.words
    assert "batch" in done.words
    assert scene.accepts(scene.old)
    assert moved(scene, plan) == []
    scene.travel(HOUR)
    assert scene.run(plan).end is End.DONE
    assert sorted(moved(scene, plan)) == ["api", "batch"], "each once"
    scene.travel(61)
    assert not scene.accepts(scene.old)
    assert len(scene.living()) == 1


def test_a_stale_consumer_keeps_the_old_value_alive_until_it_is_waived(
    made: Path, tmp_path: Path
) -> None:
    scene = scene_with(
        tmp_path, made, "cloud", "access_key", "api", "forgotten", stale=("forgotten",)
    )
    plan = scene.approve("file")
    for _ in range(3):
        done = scene.run(plan)
        assert done.end is End.WAITING
        assert "forgotten" in done.words
        scene.travel(HOUR)
    assert moved(scene, plan) == ["api"], "journaled once, however often it is looked at"
    assert scene.accepts(scene.old)
    assert "run waive" in done.words
    scene.waive(plan)
    assert scene.run(plan).end is End.DONE
    notes = [entry.why for entry in scene.told(plan) if entry.kind == Kind.NOTE]
    assert any("forgotten" in why for why in notes), "and whom it meets is in the journal"
    scene.travel(61)
    assert not scene.accepts(scene.old)


def test_a_leak_does_not_wait_and_says_who_had_not_moved(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Asking for the consumers is bounded in a leak; a busy machine must not reach the bound.
    monkeypatch.setattr(rotation, "LEAK_PATIENCE", HANG)
    scene = scene_with(tmp_path, made, "cloud", "access_key", "api", "batch")
    plan = scene.approve("file", mode=Mode.LEAK)
    assert scene.run(plan).end is End.DONE
    (note,) = [entry.why for entry in scene.told(plan) if entry.kind == Kind.NOTE]
    assert "api" in note
    assert "batch" in note
    scene.travel(61)
    assert not scene.accepts(scene.old)


def test_in_a_leak_a_log_that_never_answers_keeps_nothing_alive(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    # A system that does not tell at all reaches the bound, whatever its length.
    monkeypatch.setattr(cutover, "survey", never)
    monkeypatch.setattr(rotation, "LEAK_PATIENCE", 0.0)
    scene = scene_with(tmp_path, made, "cloud", "access_key", "api")
    plan = scene.approve("file", mode=Mode.LEAK)
    done = scene.run(plan)
    assert done.end is End.DONE
    assert "who uses it was not told" in done.words
    (note,) = [entry.why for entry in scene.told(plan) if entry.kind == Kind.NOTE]
    assert "The old one is retired although not all have moved" in note
    scene.travel(61)
    assert not scene.accepts(scene.old)


def test_in_place_the_moves_are_told_afterwards(made: Path, tmp_path: Path) -> None:
    scene = scene_with(tmp_path, made, "database", "role", "api", "batch", stale=("batch",))
    plan = scene.approve("file")
    done = scene.run(plan)
    assert done.end is End.DONE, "the old value is dead: nothing is to be waited for"
    assert "0 of 2 consumers" in done.words
    scene.travel(HOUR)
    seen = scene.follow(plan)
    api, batch = "api/1.0 from 10.7.0.1", "batch/1.0 from 10.7.0.2"
    assert {each.name: each.moved for each in seen.consumers} == {api: True, batch: False}
    assert moved(scene, plan) == [api]


def test_the_consoles_own_probes_are_no_use(made: Path, tmp_path: Path) -> None:
    scene = scene_with(tmp_path, made, "vault", "service_token")
    with World(scene.file) as world:
        world.attempt(scene.old, "probe", source="10.20.0.5", agent="token-console")
    plan = scene.approve("file")
    assert scene.run(plan).end is End.DONE


def test_one_more_use_of_the_old_value_takes_a_move_back(made: Path, tmp_path: Path) -> None:
    scene = Scene(tmp_path, "cloud", "access_key", made=made)
    use = {"source": "10.7.0.9", "agent": "cron/2"}
    with World(scene.file) as world:
        for _ in range(3):
            world.attempt(scene.old, "list", **use)
            world.travel(300)
    scene.travel(0)
    plan = scene.approve("file")
    assert scene.run(plan).end is End.WAITING
    with World(scene.file) as world:
        world.attempt(scene.given(), "list", **use)
        world.travel(10)
        world.attempt(scene.old, "list", **use)
        world.travel(4000)
    done = scene.run(plan)
    assert done.end is End.WAITING
    assert "used the old one again" in done.words
    with World(scene.file) as world:
        world.attempt(scene.given(), "list", **use)
    assert scene.run(plan).end is End.DONE
