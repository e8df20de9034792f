"""SIGKILL at every moment of a rotation, on every class: resumed or rolled back, nothing lost.

A child process kills itself right before or right after its n-th journal entry, call,
delivery or sealing, for every n there is. A fresh run then goes on from the journal.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rotation_scene import Scene
from runner_scene import wait_for

from backends.estate import create
from backends.model import Secret
from backends.sinks.file import FileSink
from console.journal.write.acknowledge import acknowledge
from console.journal.write.journal import Journal
from console.response.plan.model import Mode, Plan
from console.response.run import process
from console.response.step.attempt import Done, End

pytestmark = pytest.mark.long

WINDOW = 61
"""Seconds: longer than any of the estate's systems takes to show what was done."""
CLASSES = {
    "in place": ("database", "role"),
    "native replace": ("codehost", "deploy_token"),
    "native overlap": ("codehost", "app_secret"),
    "create, then retire": ("cloud", "access_key"),
    "create by label": ("vault", "service_token"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("estate") / "estate.db"
    create(file, seed=11, tokens=60)
    return file


def scenes(made: Path, tmp: Path, which: str) -> Iterator[tuple[int, Scene]]:
    """A fresh scene for each number from one on."""
    for number in range(1, 200):
        with tempfile.TemporaryDirectory(dir=tmp) as folder:
            yield number, Scene(Path(folder), *CLASSES[which], made=made)
    pytest.fail("a rotation without an end")


def resume(scene: Scene, plan: Plan) -> Done:
    """Run until it is done, as the run does; with the escrow's value where that is asked for."""
    done = Done(End.WAITING)
    for _ in range(5):
        scene.travel(WINDOW)
        done = scene.run(plan)
        if done.end is End.DONE:
            scene.travel(WINDOW)
            break
        if "escrow open" in done.words:
            value = Secret(scene.unsealed(plan)[-1])
            scene.secrets[f"new:{scene.ref.handle}"] = value
    return done


def check(scene: Scene, plan: Plan, done: Done, file: str, before: int, when: str) -> None:
    """Nothing is lost, nothing is left over, and no value is on the disk but sealed."""
    assert done.end is End.DONE, f"{when}: {done.words}"
    value = scene.given(file)
    assert scene.accepts(value), f"{when}: what the sink has does not work"
    assert not scene.accepts(scene.old), f"{when}: the old value works"
    assert len(scene.living()) == before, f"{when}: {scene.living()} live"
    sealed = scene.unsealed(plan)
    assert value.reveal() in sealed, f"{when}: not in escrow"
    assert scene.canaries(*sealed, scene.old.reveal()) == [], f"{when}: a value is on the disk"
    with Journal(scene.paths.journal) as journal:
        assert journal.open_intents() == [], when
        assert journal.check() == (True, ""), when
    row = scene.board(plan).items[1]
    assert row.state == "replaced", f"{when}: {row.state}, {row.words}"


CASES = [(which, "file") for which in CLASSES] + [
    ("in place", "blind"),
    ("create, then retire", "blind"),
]


@pytest.mark.parametrize(("which", "sink"), CASES)
def test_killed_at_any_moment_it_is_brought_to_its_end(
    made: Path, tmp_path: Path, which: str, sink: str
) -> None:
    """``blind`` is a sink that cannot give the value back: then another value is made."""
    moments, lost = 0, []
    for moment, scene in scenes(made, tmp_path, which):
        plan = scene.approve(sink, mode=Mode.LEAK)
        before = len(scene.living())
        if not scene.killed(plan, moment):
            break
        moments += 1
        done = resume(scene, plan)
        if done.end is End.WAITING and "the answer never arrived" in done.words:
            lost.append(moment)
            assert_named(scene, done)
            continue
        file = "value" if sink == "file" else "unread"
        check(scene, plan, done, file, before, f"killed at moment {moment}")
    assert moments >= 18
    # Between a call whose answer is all there is, and the first thing done with it.
    assert len(lost) == (2 if which == "native replace" else 0)


def assert_named(scene: Scene, done: Done) -> None:
    """What cannot be saved is told by its id: the only living token of its name."""
    (living,) = scene.living()
    assert living in done.words
    scene.ref = type(scene.ref)(scene.system, scene.kind, living)
    again = scene.approve("file", mode=Mode.LEAK)
    assert scene.run(again).end is End.DONE
    assert scene.accepts(scene.given())
    assert len(scene.living()) == 1


@pytest.mark.parametrize("which", ["in place", "native overlap", "create, then retire"])
def test_killed_again_and_again_it_still_ends_well(made: Path, tmp_path: Path, which: str) -> None:
    chance = random.Random(4)
    for round_, scene in scenes(made, tmp_path, which):
        if round_ > 6:
            break
        plan = scene.approve("file", "blind", mode=Mode.LEAK)
        before = len(scene.living())
        for _ in range(3):
            scene.travel(WINDOW)
            scene.killed(plan, chance.randint(1, 24))
        check(scene, plan, resume(scene, plan), "value", before, f"round {round_}")
        assert scene.given("unread").reveal() == scene.given().reveal()


def test_a_killed_runner_process_is_followed_by_another_that_ends_it(
    made: Path, tmp_path: Path
) -> None:
    """The real runner, killed while a program has the value in its hands."""
    scene = Scene(tmp_path, "vault", "service_token", made=made)
    reached, go, out = tmp_path / "reached", tmp_path / "go", tmp_path / "given" / "value"
    program = f"touch {reached}; while [ ! -e {go} ]; do sleep 0.02; done; cat > {out}"
    scene.tables["held"] = {
        "type": "command",
        "command": ["sh", "-c", program],
        "read": ["cat", str(out)],
    }
    scene.paths.config.write_text(
        f'[backend.vault]\ntype = "estate"\npath = "{scene.file}"\n'
        'system = "vault"\nact_allowed = true\n'
        '[sink.held]\ntype = "command"\n'
        f'command = ["sh", "-c", """{program}"""]\nread = ["cat", "{out}"]\n'
    )
    plan = scene.approve("held", mode=Mode.LEAK)
    pid = process.start(plan.id, scene.paths, climb=0)
    wait_for(reached.exists, "the delivery")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not process.alive(plan.id, scene.paths), "the end of the first runner")
    out.unlink(missing_ok=True)
    go.touch()
    for _ in range(3):
        process.start(plan.id, scene.paths, climb=0)
        wait_for(lambda: not process.alive(plan.id, scene.paths), "the end of a runner")
        if scene.board(plan).items[1].state == "replaced":
            break
    check(scene, plan, Done(End.DONE), "value", 1, "a killed process")


def stopped_in_the_write(scene: Scene, plan: Plan) -> None:
    """A runner that is killed when the value is on the disk, and not yet in its place."""
    whole = FileSink._write

    def write(self: FileSink, *args: Any) -> None:
        whole(self, *args)
        os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        FileSink._write = write  # type: ignore[method-assign]
        try:
            scene.run(plan)
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("whose", ["the same plan", "another plan"])
def test_the_file_of_a_killed_delivery_is_removed_by_the_next_runner(
    made: Path, tmp_path: Path, whose: str
) -> None:
    scene = Scene(tmp_path, "database", "role", made=made)
    plan = scene.approve("file", mode=Mode.LEAK)
    stopped_in_the_write(scene, plan)
    (left,) = (tmp_path / "given").glob(".value.*")
    value = left.read_text()
    assert scene.accepts(Secret(value)), "a living value lies there"
    scene.travel(WINDOW)
    if whose == "another plan":
        with Journal(scene.paths.journal) as journal:
            for intent in journal.open_intents():
                acknowledge(journal, intent, "the runner was killed, and it is done anew")
        plan = scene.approve("file", mode=Mode.LEAK)
        scene.travel(WINDOW)
    done = resume(scene, plan)
    assert done.end is End.DONE, done.words
    assert list((tmp_path / "given").glob(".value.*")) == []
    told = [entry.sentence for entry in scene.told(plan) if entry.kind == "note"]
    assert any("the file with the value was removed: " in each for each in told), told
    assert all(value not in each for each in told)
