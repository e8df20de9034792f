"""What the tests of the runner's process share: a home, a system in a directory, a plan.

The child process finds the scripted backend as it would find a third party's: by the entry
point of a distribution in its environment.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import scripted_system
from patience import HANG
from planned import planned
from python_environment import environment
from scripted_system import KIND

from backends.contract import Verb
from backends.model import TokenRef
from console import settings
from console.journal.format.sentence import Entry
from console.journal.read.view import JournalView
from console.journal.write.journal import Journal
from console.response.approve.approval import approve
from console.response.plan.model import Plan
from console.response.run import process

PATIENCE = HANG


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, however slow the machine is; fail in words after a minute."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE:.0f} s for: {what}")
        time.sleep(0.01)


class Scene:
    """A console's home over one scripted system with the token ``k``."""

    def __init__(self, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = settings.paths(tmp / "home")
        self.paths.make()
        self.system = scripted_system.make(tmp / "system", "k")
        self.ref = TokenRef("sys", KIND, "k")
        self.view = JournalView(self.paths.journal)
        self.paths.config.write_text(
            f'[backend.sys]\ntype = "scripted"\npath = "{self.system.path}"\n'
        )
        info = tmp / "site" / "scripted_system-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: scripted-system\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(
            "[token_console.backends]\nscripted = scripted_system:Scripted\n"
        )
        python = environment(tmp / "environment", tmp / "site", Path(__file__).parent)
        monkeypatch.setattr(sys, "executable", python)

    def approve(self) -> str:
        """Approve a plan to revoke ``k``; its id."""

        async def make() -> Plan:
            token = await self.system.read(self.ref)
            return await planned(
                self.system, Verb.REVOKE, token, "leaked in a public repository", "INC-7"
            )

        plan = asyncio.run(make())
        with Journal(self.paths.journal) as journal:
            approve(plan, journal, self.paths, plan.typed_word)
        return plan.id

    def say(self, file: str, text: str = "") -> None:
        (self.system.path / file).write_text(text)

    def reached(self, moment: str) -> None:
        """Wait until a held call is at that moment."""
        wait_for((self.system.path / f"reached-{moment}").exists, f"the call {moment} its effect")

    def ended(self, plan_id: str) -> None:
        """Wait until the plan's runner is gone."""
        wait_for(lambda: not process.alive(plan_id, self.paths), "the end of the runner")

    def said(self, plan_id: str, words: str) -> None:
        """Wait until the runner's log has the words: it writes them after it let go of the plan."""
        wait_for(lambda: words in self.log(plan_id), f"the runner to say {words!r}")

    def told(self, plan_id: str) -> list[Entry]:
        """What the journal has about the plan, oldest first, without the approval."""
        return list(reversed(self.view.entries(plan=plan_id)))[1:]

    def kinds(self, plan_id: str) -> list[tuple[str, str]]:
        return [(entry.kind, entry.state) for entry in self.told(plan_id)]

    def log(self, plan_id: str) -> str:
        return process.log_of(plan_id, self.paths).read_text()
