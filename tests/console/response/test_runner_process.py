"""The runner as a process of its own: it outlives us, and it is the only one at its plan."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_scene import Scene
from scripted_system import calls

from console.errors import PlanRefused
from console.response.run import process


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(tmp_path, monkeypatch)
    yield made
    made.say("go")  # A test that failed leaves no runner behind that waits for ever.


def test_a_started_runner_revokes_and_says_so_in_the_journal(scene: Scene) -> None:
    plan = scene.approve()
    pid = process.start(plan, scene.paths)
    assert process.alive(plan, scene.paths), "from the moment that start returns"
    assert os.getsid(pid) == pid, "it has a session of its own"
    scene.ended(plan)
    assert scene.kinds(plan) == [("intent", ""), ("outcome", "applied"), ("evidence", "seen")]
    assert scene.told(plan)[-1].evidence == 2
    assert scene.view.check() == (True, "")
    assert len(calls(scene.system)) == 1
    log = process.log_of(plan, scene.paths)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    scene.said(plan, "every step of the plan is done")


def test_two_runners_on_one_plan_make_one_call(scene: Scene) -> None:
    plan = scene.approve()
    scene.say("hold-before")
    process.start(plan, scene.paths)
    scene.reached("before")
    with pytest.raises(PlanRefused, match="another runner"):
        process.start(plan, scene.paths)
    scene.say("go")
    scene.ended(plan)
    process.start(plan, scene.paths)
    scene.ended(plan)
    assert len(calls(scene.system)) == 1
    assert [kind for kind, _ in scene.kinds(plan)].count("intent") == 1


def test_a_hangup_changes_nothing(scene: Scene) -> None:
    plan = scene.approve()
    scene.say("hold-before")
    pid = process.start(plan, scene.paths)
    scene.reached("before")
    os.kill(pid, signal.SIGHUP)
    scene.say("go")
    scene.ended(plan)
    assert scene.kinds(plan)[-1] == ("evidence", "seen")


def test_asked_to_end_in_mid_call_it_writes_the_outcome_first(scene: Scene) -> None:
    plan = scene.approve()
    scene.say("hold-before")
    pid = process.start(plan, scene.paths)
    scene.reached("before")
    os.kill(pid, signal.SIGTERM)
    scene.say("go")
    scene.ended(plan)
    assert ("outcome", "applied") in scene.kinds(plan)
    assert scene.view.open_intents() == []


def test_a_plan_whose_file_was_changed_is_refused_and_whoever_watches_sees_it(
    scene: Scene,
) -> None:
    plan = scene.approve()
    file = scene.paths.plans / f"{plan}.json"
    file.write_bytes(file.read_bytes().replace(b"/keys/k", b"/keys/x"))
    process.start(plan, scene.paths)
    scene.ended(plan)
    assert calls(scene.system) == []
    assert "not the one that was approved" in scene.told(plan)[0].sentence
    scene.said(plan, "not the one that was approved")


def test_a_backend_that_left_the_configuration_is_told_and_nothing_is_sent(scene: Scene) -> None:
    plan = scene.approve()
    scene.paths.config.write_text("")
    process.start(plan, scene.paths)
    scene.ended(plan)
    assert "no backend 'sys'" in scene.told(plan)[0].sentence
    assert calls(scene.system) == []


def test_a_plan_that_was_never_approved_is_not_carried_out(scene: Scene) -> None:
    plan = scene.approve()
    scene.paths.journal.unlink()
    for name in ("journal.db-wal", "journal.db-shm", "journal.key", "journal.verified"):
        (scene.paths.state / name).unlink(missing_ok=True)
    process.start(plan, scene.paths)
    scene.ended(plan)
    scene.said(plan, "no approval")
    assert calls(scene.system) == []
    with pytest.raises(PlanRefused):
        process.start("../../x", scene.paths)


def test_the_current_directory_cannot_bring_code_into_the_runner(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "msgspec.py").write_text("open('sprung', 'w')\n")
    monkeypatch.chdir(trap)
    plan = scene.approve()
    process.start(plan, scene.paths)
    scene.ended(plan)
    assert not (trap / "sprung").exists()
    assert len(calls(scene.system)) == 1


def test_no_secret_of_the_configuration_is_on_disk_after_a_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "canary-hvs.CANARYcanary0123456789abcdefgh"
    monkeypatch.setenv("SYS_TOKEN", canary)
    with scene.paths.config.open("a") as config:
        config.write('read = { env = "SYS_TOKEN" }\nact = { env = "SYS_TOKEN" }\n')
    for trouble in ("", "raise"):
        if trouble:
            scene.say("tokens/k", (scene.paths.plans / "kept").read_text())
            scene.say("raise", f"failed with {canary}")
        else:
            (scene.paths.plans / "kept").write_bytes((scene.system.path / "tokens/k").read_bytes())
        plan = scene.approve()
        process.start(plan, scene.paths)
        scene.ended(plan)
    assert len(calls(scene.system)) == 2
    found = subprocess.run(["grep", "-rlF", canary, str(scene.paths.state)], capture_output=True)
    assert found.stdout == b""
