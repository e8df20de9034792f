"""What appears after the scope was frozen is found, told once, and never acted on."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gate_scene import Scene
from lying_scene import approve

from backends.contract import Verb
from backends.model import Token, TokenRef
from console.inventory.search import query as queries
from console.inventory.search.inventory import Inventory
from console.journal.format.entry import Kind
from console.journal.write.group import GroupCommit
from console.journal.write.journal import Journal
from console.response.plan.model import Plan
from console.response.run import late_arrivals
from console.response.run.run import Run
from console.response.state.history import History
from console.response.step.context import StepContext
from console.response.step.pace import Pace


@contextlib.asynccontextmanager
async def run_of(scene: Scene, plan: Plan) -> AsyncIterator[tuple[dict[str, StepContext], Journal]]:
    with Journal(scene.paths.journal) as journal:
        approve(plan, journal, scene.paths)
        board = History(plan)
        async with GroupCommit(journal) as group:
            yield {
                name: StepContext(
                    plan=plan, backend=await scene.backend(name), paths=scene.paths, group=group,
                    journal=journal, board=board, lane=Pace(name),
                )
                for name in plan.backends
            }, journal  # fmt: skip


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, tokens=120)


def mint(scene: Scene, name: str, principal: str, **more: object) -> str:
    with scene.world() as world:
        id_, _ = world.mint("vault", name, owner="sre", principal=principal, **more)  # type: ignore[arg-type]
    return id_


def test_what_the_same_principal_mints_and_what_matches_the_query_is_late_once(
    scene: Scene,
) -> None:
    async def work() -> None:
        mint(scene, "leaked-one", "svc-leaked", grants=[("policy", "default")])
        await scene.sync()
        plan = await scene.gather(Verb.REVOKE, query="name:leaked")
        assert [item.token.name for item in plan.items] == ["leaked-one"]
        async with run_of(scene, plan) as (tools, journal):
            assert await late_arrivals.relist(tools, plan, journal, scene.paths) == []
            again = scene.ref("vault", mint(scene, "innocent-name", "svc-leaked")).handle
            straggler = scene.ref("vault", mint(scene, "leaked-two", "svc-else")).handle
            other = scene.ref("vault", mint(scene, "another", "svc-else")).handle
            found = await late_arrivals.relist(tools, plan, journal, scene.paths)
            assert {one.handle for one in found} == {again, straggler}
            assert other not in {one.handle for one in found}
            board = tools["vault-1"].board
            assert set(board.late) == {again, straggler}
            assert board.sums()["left"] == 3
            assert "late arrivals" in board.may_close()
            assert await late_arrivals.relist(tools, plan, journal, scene.paths) == []
            marks = journal.entries(50, kind=Kind.RUN, plan=plan.id)
            assert [entry.run.what for entry in marks if entry.run] == ["late", "late"]
        with scene.world() as world:
            assert world.all_changes() == {}

    scene.run(work)


def test_what_the_run_has_seen_to_be_gone_is_not_read_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        for number in range(12):
            mint(scene, f"leaked-{number}", "svc-leaked")
        await scene.sync()
        plan = await scene.gather(Verb.REVOKE, query="name:leaked")
        read: list[str] = []
        backend = await scene.backend("vault-1")
        reading = backend.read

        async def called() -> None:
            read.clear()

        async def counted(ref: TokenRef) -> Token:
            read.append(ref.id)
            return await reading(ref)

        monkeypatch.setattr(backend, "read", counted)
        with Journal(scene.paths.journal) as journal:
            approve(plan, journal, scene.paths)
            run = Run(plan, journal, scene.paths, scene.backend, climb=0, called=called)
            await run.run()
        assert run.board.sums()["recorded"] == len(plan.items) == 12
        assert not {item.token.ref.id for item in plan.items} & set(read)
        inventory = Inventory(scene.paths.inventory)
        assert not inventory.count(queries.parse("name:leaked state:active"))
        inventory.close()

    scene.run(work)


def test_a_backend_that_cannot_be_listed_is_noted(scene: Scene) -> None:
    async def work() -> None:
        from backends.estate import set_trouble

        mint(scene, "leaked-one", "svc-leaked")
        await scene.sync()
        plan = await scene.gather(Verb.REVOKE, query="name:leaked")
        async with run_of(scene, plan) as (tools, journal):
            set_trouble(scene.file, "vault", outage=True)
            assert await late_arrivals.relist(tools, plan, journal, scene.paths) == []
            [note] = journal.entries(5, kind=Kind.NOTE, plan=plan.id)
            assert "vault-1 could not be listed" in note.why

    scene.run(work)
