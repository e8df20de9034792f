"""There is one fold: what a runner goes by is what everybody is shown, and "done" is one word."""

from __future__ import annotations

import ast
import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import HANG
from rotation_scene import Scene
from run_scene import Many, until
from test_board import plan_of

from backends.estate import create
from console.journal.format import sentence
from console.journal.format.entry import Kind
from console.journal.format.sentence import Entry
from console.journal.read.view import JournalView
from console.response.plan.model import Mode, Plan
from console.response.plan.step_id import StepId
from console.response.rotate import successors
from console.response.run import decisions
from console.response.run.run import Run
from console.response.state import load
from console.response.state.history import History
from console.response.state.run import Board
from console.response.state.step_log import Stage
from console.response.step.attempt import End
from console.settings import Paths

CONSOLE = Path(__file__).parents[3] / "console"
HOME = "console/journal/format/parts.py"
CLASSES = {
    "in place": ("database", "role"),
    "create, then retire": ("cloud", "access_key"),
    "create by label": ("vault", "service_token"),
}
MOMENTS = (4, 9, 17, 26)
"""Where a rotation is killed: around its mint, its deliveries, and its last steps."""
DECLINED = '{"state": "rejected", "detail": "no permission"}'
LOST = '{"state": "unknown", "detail": "no answer in 3 s"}'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("estate") / "estate.db"
    create(file, seed=11, tokens=60)
    return file


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Many]:
    made = Many(tmp_path, {"a": 4, "b": 4})
    yield made
    made.journal.close()


def journaled(plan: Plan, paths: Paths) -> tuple[list[Entry], Board]:
    """The plan's entries, and the board as a screen, a command and a report fold it."""
    with JournalView(paths.journal) as view:
        return view.of_plan(plan.id), load.fold(plan, paths, view)


def stages(plan: Plan, entries: list[Entry], runner: History, shown: Board) -> Counter[Stage]:
    """How far each step is for the runner, once that is what is shown of it too."""
    found: Counter[Stage] = Counter()
    for id_ in {entry.step for entry in entries if entry.kind == Kind.INTENT or entry.done}:
        row = shown.row(plan.id, StepId.parse(id_).item)
        assert row is not None
        state, log = runner.step(id_), row.steps[id_]
        done = any(entry.done for entry in entries if entry.step == id_)
        assert done == (state.stage is Stage.DONE) == (log.stage is Stage.DONE), id_
        assert (state.stage is Stage.OPEN) == (log.stage is Stage.OPEN), id_
        assert runner.tries(id_) == len(log.calls), id_
        found[state.stage] += 1
    for key, row in shown.rows.items():
        same = runner.rows[key]
        assert (same.state, same.words, same.called) == (row.state, row.words, row.called)
    assert runner.sums() == shown.sums()
    return found


@pytest.mark.parametrize("which", CLASSES)
def test_a_killed_rotation_stands_for_the_next_runner_where_it_stands_for_all(
    which: str, made: Path, tmp_path: Path
) -> None:
    seen: Counter[Stage] = Counter()
    for moment in (*MOMENTS, 0):
        tmp = tmp_path / str(moment)
        tmp.mkdir()
        scene = Scene(tmp, *CLASSES[which], made=made)
        plan = scene.approve("file", "blind", mode=Mode.LEAK)
        if moment:
            assert scene.killed(plan, moment)
        else:
            scene.run(plan)
        entries, shown = journaled(plan, scene.paths)
        runner = History(plan)
        for entry in entries:
            runner.feed([entry])
        seen += stages(plan, entries, runner, shown)
    assert seen[Stage.OPEN], "a kill between a call and its outcome leaves nobody knowing"
    assert seen[Stage.DONE] > seen[Stage.OPEN]


def test_a_runner_at_work_knows_what_is_shown(many: Many) -> None:
    many.say("answer-a1", DECLINED, "a")
    many.say("answer-b1", LOST, "b")
    many.say("abilities", '{"at once": true, "retry": "never"}', "b")
    many.say("answer-b1", LOST, "b")
    plan = many.approve(canaries=0, budget=100)
    kept: list[Run] = []

    async def keep(run: Run) -> None:
        kept.append(run)

    many.run(plan, keep)
    entries, shown = journaled(plan, many.paths)
    seen = stages(plan, entries, kept[0].board, shown)
    assert set(seen) >= {Stage.DONE, Stage.OPEN, Stage.FAILED}
    assert shown.sums()["failed"] == 1
    assert kept[0].board.unsettled


def test_a_runner_misses_nothing_that_others_write_between_its_own_entries(
    many: Many, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So slow that the run is still at work when it is paused, also on a slow machine.
    plan = many.approve(canaries=0, rates={"a": 0.5, "b": 0.5})
    journal, kept = many.journal, []
    read = journal.of_plan

    async def others(run: Run) -> None:
        kept.append(run)
        loop = asyncio.get_running_loop()
        await until(lambda: bool(run.board.began))
        await asyncio.to_thread(decisions.pause, plan, journal, "somebody looks at it")
        await until(lambda: run.board.paused)

        def meanwhile(*given: Any) -> list[Entry]:
            """While the runner reads, somebody writes, and then the runner itself."""
            found = read(*given)
            monkeypatch.setattr(journal, "of_plan", read)
            decisions.resume(plan, journal, "it may go on")
            own = run.halt("elsewhere", "a lane that has nothing to do")
            asyncio.run_coroutine_threadsafe(own, loop).result(HANG)
            return found

        monkeypatch.setattr(journal, "of_plan", meanwhile)
        await until(lambda: "elsewhere" in run.board.halted)
        await until(lambda: not run.board.paused)

    assert many.run(plan, others, person=HANG).end is End.DONE
    entries, shown = journaled(plan, many.paths)
    assert stages(plan, entries, kept[0].board, shown) == Counter({Stage.DONE: 8})


def test_what_is_known_is_not_read_from_the_journal_again(many: Many) -> None:
    plan = many.approve()
    many.run(plan)
    entries = many.told(plan)
    known = {entry.seq for entry in entries[1::2]}
    assert many.journal.of_plan(plan.id, 0, known) == entries[::2]
    assert many.journal.of_plan(plan.id, entries[2].seq, known) == entries[4::2]


def test_an_entry_that_comes_again_changes_nothing_and_none_is_parsed_anew(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, *CLASSES["create, then retire"], made=made)
    plan = scene.approve("file", mode=Mode.LEAK)
    scene.run(plan)
    entries, shown = journaled(plan, scene.paths)

    def refuse(leaf: bytes) -> None:
        raise AssertionError("an entry's bytes are read a second time")

    monkeypatch.setattr(sentence, "parse", refuse)
    runner = History(plan)
    assert runner.feed(entries) > 0
    assert runner.feed(entries) == 0
    stages(plan, entries, runner, shown)
    assert [entry.seq for entry in runner.entries(1)] == sorted(
        entry.seq for entry in entries if entry.step or (entry.run and entry.run.item == 1)
    )
    (new,) = successors.made(runner, plan.only)
    assert new.fp
    assert new.ref != scene.ref


def two_machines(plan: Plan, *answers: tuple[Kind, str, str]) -> list[Entry]:
    """Two runners of one plan, on two machines, made the same call; these are the answers."""
    told = [(Kind.INTENT, "ours", ""), (Kind.INTENT, "theirs", ""), *answers]
    return [
        Entry(
            seq=seq, raw=b"", sentence=f"entry {seq}", kind=kind.value, step="1.revoke",
            plan=plan.id, backend="b1", handle=plan.only.token.ref.handle, t_us=seq * 1_000_000,
            id=call if kind is Kind.INTENT else f"answer {seq}",
            ref=plan.id if kind is Kind.INTENT else call, state=state,
        )
        for seq, (kind, call, state) in enumerate(told, 1)
    ]  # fmt: skip


SENT, ASKED = Kind.OUTCOME, Kind.RECOVERY


@pytest.mark.parametrize(
    ("answers", "stage", "state"),
    [
        ([(SENT, "ours", "applied"), (SENT, "theirs", "rejected")], "done", "left"),
        ([(SENT, "ours", "rejected"), (SENT, "theirs", "applied")], "done", "left"),
        ([(SENT, "ours", "unknown"), (ASKED, "ours", "not_applied")], "open", "left"),
        ([(SENT, "ours", "rejected"), (SENT, "theirs", "not_sent")], "failed", "failed"),
        ([(SENT, "ours", "rejected"), (ASKED, "theirs", "not_applied")], "new", "left"),
        ([(ASKED, "theirs", "not_applied"), (SENT, "ours", "rejected")], "failed", "failed"),
    ],
)
def test_a_step_is_as_far_whatever_comes_first(
    answers: list[tuple[Kind, str, str]], stage: str, state: str
) -> None:
    """A runner hears of its own entries before those that others wrote meanwhile."""
    plan = plan_of()
    for entries in itertools.permutations(two_machines(plan, *answers)):
        runner = History(plan)
        for entry in entries:
            runner.feed([entry])
        row = runner.items[1]
        assert runner.step("1.revoke").stage.value == row.steps["1.revoke"].stage.value == stage
        assert row.state == state, "only evidence says more of a call that was made"


def literals(tree: ast.Module) -> Iterator[set[str]]:
    """What stands side by side: in a collection, in a choice, in a case."""
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            parts = list(node.elts)
        elif isinstance(node, ast.MatchOr):
            parts = [each.value for each in node.patterns if isinstance(each, ast.MatchValue)]
        elif isinstance(node, ast.BoolOp):
            each_ = (each for each in node.values if isinstance(each, ast.Compare))
            parts = [right for each in each_ for right in each.comparators]
        yield {
            str(part.value) if isinstance(part, ast.Constant) else part.attr.lower()
            for part in parts
            if isinstance(part, (ast.Constant, ast.Attribute))
        }


def test_which_states_count_as_done_is_said_once() -> None:
    places = [
        str(file.relative_to(CONSOLE.parent))
        for file in sorted(CONSOLE.rglob("*.py"))
        for states in literals(ast.parse(file.read_text(encoding="utf-8")))
        if states == {"applied", "already"}
    ]
    assert places == [HOME]
