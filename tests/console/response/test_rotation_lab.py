"""Rotations on the real servers: the systems themselves refuse the old value, and take the new.

And a killed runner's is resumed there as it is in the estate.
"""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from real_systems import Issued, RealSecretId, RealSystem, systems
from rotation_scene import Scene

from backends import registry
from backends.contract import Backend
from backends.lab.lab import Lab
from backends.model import Secret, Token, TokenRef
from console.journal.write.journal import Journal
from console.response.plan.model import Mode, Plan
from console.response.step.attempt import Done, End

pytestmark = pytest.mark.lab


class LabScene(Scene):
    """A scene whose token is one of a real server."""

    def __init__(self, tmp: Path, lab: Lab, system: RealSystem, issued: Issued) -> None:
        self.table = tomllib.loads(lab.config.read_text())["backend"][issued.backend]
        super().__init__(tmp, issued.backend, "", world=False)
        self.real, self.issued = system, issued
        self.old = Secret(issued.value)
        self.ref = self.find(issued.id)

    def backend(self) -> Backend:
        return registry.configure(self.system, self.table, act=True)

    def find(self, id_: str) -> TokenRef:
        (found,) = [token.ref for token in self.listed() if token.ref.id.endswith(id_)]
        return found

    def count(self) -> int:
        """How many tokens the system has of this one's principal or name."""
        return sum(self.like(token) for token in self.listed())

    def like(self, token: Token) -> bool:
        name = self.issued.name.partition("/")[0]
        return token.name.startswith(name) or f"/{name}/" in f"{token.scope}/{token.ref.id}/"

    def accepts(self, secret: Secret) -> bool:
        return self.real.accepts(self.issued._replace(value=secret.reveal()))


@pytest.fixture(params=["openbao", "secret-id", "aws_iam", "postgres", "redis"])
def scene(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> LabScene:
    servers: Mapping[str, Any] = lab.servers
    known = {**systems(lab), "secret-id": RealSecretId(servers["openbao"])}
    real = known[request.param]
    issued = real.issue(f"rotated-{secrets.token_hex(4)}")
    return LabScene(tmp_path, lab, real, issued)


def finish(scene: LabScene, plan: Plan) -> Done:
    done = Done(End.WAITING)
    for _ in range(4):
        done = scene.run(plan)
        if done.end is End.DONE:
            break
        scene.waited += 61
    return done


def check(scene: LabScene, plan: Plan, done: Done, file: str) -> None:
    assert done.end is End.DONE, done.words
    assert scene.accepts(scene.given(file)), "the new value is accepted by the system itself"
    assert not scene.accepts(scene.old), "and the old one is refused"
    assert scene.count() == 1
    assert scene.board(plan).items[1].state == "replaced"
    assert scene.given(file).reveal() in scene.unsealed(plan)
    assert scene.canaries(*scene.unsealed(plan), scene.old.reveal()) == []
    with Journal(scene.paths.journal) as journal:
        assert journal.open_intents() == []


def test_a_leaked_value_is_replaced(scene: LabScene) -> None:
    plan = scene.approve("file", mode=Mode.LEAK)
    check(scene, plan, scene.run(plan), "value")


@pytest.mark.parametrize("moment", [3, 4, 6, 8, 11])
def test_a_killed_rotation_is_resumed(scene: LabScene, moment: int) -> None:
    plan = scene.approve("blind", mode=Mode.LEAK)
    assert scene.killed(plan, moment)
    check(scene, plan, finish(scene, plan), "unread")
