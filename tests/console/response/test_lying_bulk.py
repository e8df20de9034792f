"""A system that lies to a run over many, which asks it for whole lists: no list is believed more
than its record, nothing that works is called dead, and nothing is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from bulk_estate import TellsOfMany
from gate_scene import Scene
from lying_scene import approve
from msgspec.structs import replace

from backends.contract import BackendConfig, Verb
from backends.errors import NotFound
from backends.estate import set_trouble
from backends.model import EvidenceLevel, TokenState
from console.journal.write.journal import Journal
from console.response.plan import priority
from console.response.run.run import Run

TOKENS = 24


class Bulky(Scene):
    """An estate whose backends tell of many tokens at a time."""

    def make(self, name: str) -> TellsOfMany:
        system = name.rpartition("-")[0]
        options = {"path": str(self.file), "system": system, "act_allowed": True}
        return TellsOfMany(BackendConfig(name=name, type="estate", options=options))


@pytest.mark.parametrize("system", ["vault", "cloud"])
@pytest.mark.parametrize(
    "lies",
    [
        {},
        {"no_effect": True},
        {"undead": True},
        {"effect_lag": 3600},
        {"record_lag": 3600},
        {"lose": "applied"},
        {"lose": "dropped"},
        {"lose": "mixed", "lose_every": 2},
        {"omit_page": 1},
        {"omit_page": 1, "no_effect": True},
        {"die_after": 10},
        {"rate_every": 3, "retry_after": 0.01},
    ],
    ids=lambda lies: " ".join(f"{name}={value}" for name, value in lies.items()) or "none",
)
def test_a_list_is_believed_no_more_than_the_record(
    tmp_path: Path, system: str, lies: dict[str, object]
) -> None:
    scene = Bulky(tmp_path, tokens=80)
    with scene.world() as world:
        secrets = {
            (made := world.mint(system, f"leaked-{n}", owner="sre", principal=f"svc-{n}"))[0]: made[
                1
            ]
            for n in range(TOKENS)
        }

    async def work() -> None:
        await scene.sync([f"{system}-1"])
        handles = [scene.ref(system, id_).handle for id_ in secrets]
        plan = await scene.gather(Verb.REVOKE, handles=handles)
        # No canary, for it would hold the others back; no pace, so that many wait together.
        items = [priority.placed(item, item.number, 1) for item in plan.items]
        plan = replace(plan, items=tuple(items), rates={f"{system}-1": 0.0}, budget=0)
        backend = await scene.backend(f"{system}-1")
        assert isinstance(backend, TellsOfMany)
        set_trouble(scene.file, system, **lies)
        with Journal(scene.paths.journal) as journal:
            approve(plan, journal, scene.paths)
            run = Run(plan, journal, scene.paths, scene.backend, climb=0, patience=0, person=0.0)
            await run.run()
        set_trouble(scene.file, system)
        rows = run.board.items.values()
        for row in rows:
            ref = row.item.token.ref
            try:
                gone = (await backend.read(ref)).state is TokenState.REVOKED
            except NotFound:
                gone = True
            if row.level >= EvidenceLevel.RECORDED and not lies.get("record_lag"):
                assert gone, f"called recorded, and the record has it: {lies}"
            if row.state == "dead" or row.refused:
                with scene.world() as world:
                    assert not world.accepts(secrets[ref.id])
        with scene.world() as world:
            assert all(world.changes(system, id_) <= 1 for id_ in secrets)
        if not lies:
            assert run.board.sums()["recorded"] == len(plan.items) == TOKENS
            assert sum(backend.lists) >= TOKENS

    scene.run(work)
