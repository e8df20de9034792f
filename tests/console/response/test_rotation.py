"""Rotations that meet the day as it is: modes, lost answers, lies, sinks that are away."""

from __future__ import annotations

from pathlib import Path

import pytest
from rotation_scene import Scene

from backends.errors import Unsupported
from backends.estate import Estate, EstateWorld, create, set_trouble
from backends.model import Secret
from console.journal.format.entry import Kind
from console.journal.write.journal import Journal
from console.response import escrow
from console.response.plan.model import Mode, Plan
from console.response.step.attempt import Done, End

IN_PLACE = ("database", "role")
REPLACE = ("codehost", "deploy_token")
OVERLAP = ("codehost", "app_secret")
SECOND = ("cloud", "access_key")
LABELLED = ("vault", "service_token")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("estate") / "estate.db"
    create(file, seed=11, tokens=60)
    return file


def again(scene: Scene, plan: Plan, times: int = 3) -> Done:
    done = scene.run(plan)
    for _ in range(times):
        if done.end is End.DONE:
            break
        scene.travel(61)
        done = scene.run(plan)
    return done


def steps(scene: Scene, plan: Plan) -> list[str]:
    """The calls that were made, in order."""
    return [entry.step for entry in scene.told(plan) if entry.kind == Kind.INTENT]


@pytest.mark.parametrize(
    ("which", "calls"),
    [
        (IN_PLACE, ["1.mint", "1.deliver.file"]),
        (REPLACE, ["1.mint", "1.deliver.file"]),
        (OVERLAP, ["1.mint", "1.deliver.file", "1.revoke"]),
        (SECOND, ["1.mint", "1.deliver.file", "1.disable", "1.revoke"]),
        (LABELLED, ["1.mint", "1.deliver.file", "1.revoke"]),
    ],
)
def test_each_class_in_leak_mode_ends_the_old_value_at_once(
    made: Path, tmp_path: Path, which: tuple[str, str], calls: list[str]
) -> None:
    scene = Scene(tmp_path, *which, made=made)
    plan = scene.approve("file", mode=Mode.LEAK)
    assert scene.run(plan).end is End.DONE
    assert steps(scene, plan) == calls
    scene.travel(61)
    assert not scene.accepts(scene.old)
    assert scene.accepts(scene.given())
    assert scene.given().reveal() in scene.unsealed(plan)
    assert scene.board(plan).items[1].state == "replaced"
    assert scene.run(plan).end is End.DONE, "a second run finds it done"
    assert steps(scene, plan) == calls


def test_a_grace_period_is_let_run_in_routine_mode(made: Path, tmp_path: Path) -> None:
    scene = Scene(tmp_path, *OVERLAP, made=made)
    plan = scene.approve("file")
    done = scene.run(plan)
    assert (done.end, steps(scene, plan)) == (End.DONE, ["1.mint", "1.deliver.file"])
    scene.travel(61)
    assert scene.accepts(scene.old), "it works on for an hour"
    assert scene.told(plan)[-1].evidence == 1, "and nobody says that it is dead"


def test_the_journal_names_the_successor_with_its_values_fingerprint(
    made: Path, tmp_path: Path
) -> None:
    scene = Scene(tmp_path, *SECOND, made=made)
    plan = scene.approve("file", mode=Mode.LEAK)
    scene.run(plan)
    outcome = next(e for e in scene.told(plan) if e.kind == Kind.OUTCOME)
    told = outcome.body.out
    assert told is not None
    assert told.made is not None
    assert [told.made.id] == scene.living()
    with Journal(scene.paths.journal) as journal:
        found = [e for e in scene.told(plan) if told.made.fp in e.raw.decode()]
        assert journal.check() == (True, "")
    assert len(found) >= 3


@pytest.mark.parametrize("which", [IN_PLACE, REPLACE, OVERLAP, SECOND, LABELLED])
@pytest.mark.parametrize("lost", ["applied", "dropped"])
def test_the_lost_answer_of_a_mint_leaves_no_token_and_no_value_behind(
    made: Path, tmp_path: Path, which: tuple[str, str], lost: str
) -> None:
    scene = Scene(tmp_path, *which, made=made)
    plan = scene.approve("file", mode=Mode.LEAK)
    before = len(scene.living())
    set_trouble(scene.file, which[0], lose=lost)
    first = scene.run(plan)
    assert first.end is not End.DONE or (which is IN_PLACE and lost == "applied")
    set_trouble(scene.file, which[0], lose="")
    done = again(scene, plan)
    if which is REPLACE and lost == "applied":
        assert done.end is End.WAITING
        assert scene.living()[0] in done.words, "the successor, whose value nobody has, is named"
        assert steps(scene, plan) == ["1.mint"], "asked twice, the system takes it for theft"
        return
    assert done.end is End.DONE, done.words
    scene.travel(61)
    assert scene.accepts(scene.given())
    assert not scene.accepts(scene.old)
    assert len(scene.living()) == before


def test_a_chosen_value_whose_answer_is_lost_is_found_in_force_and_used(
    made: Path, tmp_path: Path
) -> None:
    scene = Scene(tmp_path, *IN_PLACE, made=made)
    plan = scene.approve("file")
    set_trouble(scene.file, "database", lose="applied")
    assert scene.run(plan).end is End.DONE
    assert steps(scene, plan) == ["1.mint", "1.deliver.file"], "no second change"
    assert scene.accepts(scene.given())


def test_a_new_value_that_the_system_refuses_is_delivered_nowhere(
    made: Path, tmp_path: Path
) -> None:
    for number, which in enumerate((IN_PLACE, SECOND)):
        (folder := tmp_path / f"{number}").mkdir()
        scene = Scene(folder, *which, made=made)
        plan = scene.approve("file", mode=Mode.LEAK)
        set_trouble(scene.file, which[0], no_effect=True)
        done = scene.run(plan)
        assert done.end in (End.STOPPED, End.WAITING)
        assert not (folder / "given" / "value").exists()
        assert scene.accepts(scene.old), "and the old one is left alone"
        assert scene.board(plan).items[1].state != "replaced"


def test_nothing_is_made_when_a_sink_would_not_take_it(made: Path, tmp_path: Path) -> None:
    scene = Scene(tmp_path, *SECOND, made=made)
    plan = scene.approve("file")
    (tmp_path / "given").rename(tmp_path / "away")
    done = scene.run(plan)
    assert done.end is End.WAITING
    assert "file" in done.words
    assert steps(scene, plan) == []
    assert len(scene.living()) == 1


def test_a_value_that_cannot_be_sealed_is_never_made(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, *IN_PLACE, made=made)
    plan = scene.approve("file")
    (scene.paths.state / "escrow").write_text("in the way")
    done = scene.run(plan)
    assert (done.end, steps(scene, plan)) == (End.WAITING, [])
    assert scene.accepts(scene.old)


def test_an_issued_value_that_cannot_be_sealed_is_taken_back(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, *SECOND, made=made)
    plan = scene.approve("file", mode=Mode.LEAK)

    def full(*_: object) -> None:
        raise escrow.EscrowError("no space left on the device")

    monkeypatch.setattr(escrow, "seal", full)
    done = scene.run(plan)
    scene.travel(61)
    assert done.end is End.STOPPED
    assert "no space left" in done.words
    assert scene.living() == [scene.ref.id]
    assert not (tmp_path / "given" / "value").exists()


def test_a_sink_that_lost_the_value_again_keeps_the_old_one_alive(
    made: Path, tmp_path: Path
) -> None:
    scene = Scene(tmp_path, *SECOND, made=made)
    scene.tables["file"] = {
        "type": "command",
        "command": ["tee", str(tmp_path / "given" / "value")],
        "read": ["echo", "what somebody else wrote"],
    }
    plan = scene.approve("file", mode=Mode.LEAK)
    done = scene.run(plan)
    assert done.end is End.WAITING
    assert "does not hold the new value" in done.words
    assert scene.accepts(scene.old)


def test_a_responder_who_opened_the_escrow_gives_the_value_at_resume(
    made: Path, tmp_path: Path
) -> None:
    scene = Scene(tmp_path, *REPLACE, made=made)
    plan = scene.approve("file", mode=Mode.LEAK)
    assert scene.killed(plan, 9), "after the outcome of the call that mints"
    done = scene.run(plan)
    assert done.end is End.WAITING
    assert f"escrow open {plan.id} 1" in done.words
    scene.secrets[f"new:{scene.ref.handle}"] = Secret("some other value")
    assert scene.run(plan).end is End.WAITING, "what does not match its fingerprint is no value"
    scene.secrets[f"new:{scene.ref.handle}"] = Secret(scene.unsealed(plan)[0])
    assert scene.run(plan).end is End.DONE
    assert scene.accepts(scene.given())
    assert steps(scene, plan) == ["1.mint", "1.deliver.file"]


def test_a_token_in_use_is_not_taken_back_because_we_lost_its_value(
    made: Path, tmp_path: Path
) -> None:
    scene = Scene(tmp_path, *SECOND, made=made)
    plan = scene.approve("blind", mode=Mode.LEAK)
    assert scene.killed(plan, 13), "while it is delivered to where it cannot be read back"
    (new,) = [id_ for id_ in scene.living() if id_ != scene.ref.id]
    with EstateWorld(scene.file) as world:
        world.attempt(world.secret("cloud", new), "list", source="10.1.2.3", agent="app/1")
    scene.travel(61)
    done = scene.run(plan)
    assert done.end is End.WAITING
    assert "in use already" in done.words
    assert new in scene.living()


def test_a_change_in_place_that_no_reading_can_tell_of_is_overwritten(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a database that keeps no name of who set a password: another one settles it."""

    async def untold(*_: object) -> None:
        raise Unsupported("nobody can tell")

    monkeypatch.setattr(Estate, "minted", untold)
    for moment in (4, 5, 6):
        (folder := tmp_path / f"{moment}").mkdir()
        scene = Scene(folder, *IN_PLACE, made=made)
        plan = scene.approve("file")
        assert scene.killed(plan, moment)
        assert scene.run(plan).end is End.DONE
        assert steps(scene, plan) == ["1.mint", "1.mint~2", "1.deliver.file"]
        assert scene.accepts(scene.given())
        assert scene.board(plan).items[1].state == "replaced"
        with Journal(scene.paths.journal) as journal:
            assert journal.open_intents() == []
