"""A system that lies, a thousand times: nothing that works is called dead, nothing done twice.

Each run is one token, one verb, and a day's troubles by chance (the seed is in the failure's
message): a yes without effect, a record that says "gone" of what works, lags of seconds and
of an hour, lost answers, spared children, grace values, calls that are put off. Sometimes
the old value is in hand, sometimes somebody uses it meanwhile. Sleeping lets the estate's
clock run, and the journal's with it.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lying_scene import Clock, Part, approve
from msgspec.structs import replace
from planned import planned

from backends.contract import Verb
from backends.errors import BackendError
from backends.estate import SYSTEMS, EstateWorld, database, set_trouble
from backends.estate.issuing import event
from backends.model import Secret, TokenRef
from console.journal.format.entry import Kind
from console.journal.format.sentence import Entry
from console.journal.write import writer
from console.journal.write.group import GroupCommit
from console.response.evidence.context import EvidenceContext
from console.response.evidence.ladder import climb
from console.response.plan.model import Mode, Plan
from console.response.run.item import run_item
from console.response.state.history import History
from console.response.step.attempt import End
from console.response.step.pace import Pace

pytestmark = pytest.mark.long

RUNS = int(os.environ.get("LYING_RUNS", "1000"))
PART = 100
"""Runs of one estate and one journal."""
WHY = "somebody else has the value"
VERBS = {
    "vault": (Verb.REVOKE,),
    "cloud": (Verb.REVOKE, Verb.REVOKE, Verb.CONTAIN, Verb.ROTATE),
    "database": (Verb.REVOKE, Verb.CONTAIN, Verb.ROTATE, Verb.DISCONNECT),
    "codehost": (Verb.REVOKE,),
}
CHANGES = ("revoke", "contain", "restore", "disconnect")
LIES: tuple[dict[str, object], ...] = (
    {},
    {"no_effect": True},
    {"undead": True},
    {"effect_lag": 4},
    {"effect_lag": 3600},
    {"record_lag": 4},
    {"record_lag": 3600, "effect_lag": 4},
    {"lose": "applied"},
    {"lose": "dropped"},
    {"lose": "mixed", "lose_every": 2},
    {"siblings_alive": True},
    {"grace": 600},
    {"rate_every": 3},
    {"omit_page": 1},
)


class Checked(EvidenceContext):
    """Tools that ask for the truth after every entry that the board takes in."""

    check: Any = None

    async def record(self, kind: Kind, **fields: Any) -> Entry:
        entry = await super().record(kind, **fields)
        self.check()
        return entry


class Lie:
    """One run against one token."""

    def __init__(self, part: Part, number: int) -> None:
        self.part, self.number = part, number
        self.random = random.Random(number)
        self.told = ""

    async def run(self) -> Counter[str]:
        part, luck = self.part, self.random
        system = luck.choice(list(VERBS))
        verb = luck.choice(VERBS[system])
        mode = luck.choice(list(Mode))
        self.lies = {**luck.choice(LIES), **(luck.choice(LIES) if luck.random() < 0.4 else {})}
        self.told = f"run {self.number}: {verb.value} at {system} in {mode.value}: {self.lies}"
        id_, secret = self.token(system)
        self.system, self.id, self.secret = system, id_, secret
        self.used = luck.random() < 0.5
        in_hand = luck.random() < 0.5
        backend = part.backends[system]
        self.use()
        ref = TokenRef(backend.name, SYSTEMS[system].kind, id_)
        token = await backend.read(ref)
        plan = await planned(
            backend, verb, token, WHY, mode=mode, escrow=part.escrow, probe=luck.random() < 0.9
        )
        plan = replace(plan, made_at=datetime.fromtimestamp(part.clock.now(), UTC))
        approve(plan, part.journal, part.paths)
        set_trouble(part.file, system, **self.lies)
        try:
            return await self.carry_out(plan, {token.ref.handle: secret} if in_hand else {})
        finally:
            set_trouble(part.file, system)

    def token(self, system: str) -> tuple[str, Secret]:
        """A token of its own, in a vault sometimes with a child."""
        name = f"lie-{self.number}"
        if system == "database":
            name = name.replace("-", "_")
        made = self.part.world.mint(system, name, owner="sre", principal=f"svc-{name}")
        if system == "vault" and self.random.random() < 0.4:
            self.part.world.mint(system, f"{name}-child", parent=made[0])
        return made

    def use(self) -> None:
        if self.used:
            with EstateWorld(self.part.file) as world:
                world.attempt(self.secret, "read", source="198.51.100.7", agent="curl")

    async def carry_out(self, plan: Plan, secrets: dict[str, Secret]) -> Counter[str]:
        part = self.part
        backend = part.backends[self.system]
        self.board = History(plan)
        self.row = self.board.items[1]

        async def sleep(seconds: float) -> None:
            self.travel(seconds)
            await asyncio.sleep(0)

        async with GroupCommit(part.journal) as group:
            tools = Checked(
                plan=plan, backend=backend, paths=part.paths, group=group, journal=part.journal,
                board=self.board, lane=Pace(backend.name),
                secrets=secrets, sleep=sleep, now=part.clock.now, patience=0.0,
            )  # fmt: skip
            tools.check = self.check
            for _ in range(6):
                done = await run_item(tools, plan.only)
                self.check()
                if done.end not in (End.UNKNOWN, End.WAITING):
                    break
                self.travel(self.random.choice((2, 15, 90)))
            for _ in range(40):
                found = await climb(tools, plan.only)
                self.check()
                if found.again is None:
                    break
                self.travel(max(found.again, 1.0) * self.random.uniform(1.0, 1.5))
            self.travel(self.random.choice((5, 4000)))
        self.twice(plan)
        return Counter({self.row.state: 1, "refused": int(self.row.refused), "runs": 1})

    def travel(self, seconds: float) -> None:
        self.part.travel(seconds)
        self.check()
        self.use()
        if self.random.random() < 0.2:
            self.strangers_denial()

    def strangers_denial(self) -> None:
        """A line that says "denied" of a right that the token never had, alive or dead."""
        world = self.part.world
        row = world.row(self.system, self.id)
        assert row is not None
        with database.writing(world.db):
            event(
                world.db, self.system, world.now(), row["n"], "delete-everything", "denied",
                actor=row["principal"], source="203.0.113.9", agent="nmap",
            )  # fmt: skip

    def check(self) -> None:
        """What the board says now, against what is so now."""
        if not hasattr(self, "row"):
            return
        if self.row.state == "dead" or self.row.refused:
            assert not self.part.world.accepts(self.secret), f"called dead and works: {self.told}"

    def twice(self, plan: Plan) -> None:
        """Whether a call was made again that had been made.

        A system that loses its answer and hides what it did from its own record, for longer
        than it declares, is indistinguishable from one that did nothing. There a call whose
        class allows it may be made anew, each time after the journal says "not applied".
        """
        entries = self.part.journal.entries(1_000, plan=plan.id)
        hides = self.lies.get("no_effect") or self.lies.get("record_lag")
        known_undone = sum(entry.state == "not_applied" for entry in entries)
        allowed = 1 + known_undone if self.lies.get("lose") and hides else 1
        for what in CHANGES:
            times = self.part.world.changes(self.system, self.id, what)
            assert times <= allowed, f"{what} {times} times: {self.told}"


async def runs(part: Part, numbers: range) -> Counter[str]:
    sums: Counter[str] = Counter()
    async with part.open():
        for number in numbers:
            lie = Lie(part, number)
            try:
                sums += await lie.run()
            except BackendError as error:
                raise AssertionError(f"{error}: {lie.told}") from error
    return sums


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory in memory where there is one: the disk's durability is not the question."""
    shm = Path("/dev/shm")
    usable = os.access(shm, os.W_OK)
    with tempfile.TemporaryDirectory(dir=shm if usable else None) as folder:
        yield Path(folder)


def test_in_a_thousand_lies_nothing_alive_is_called_dead_and_nothing_is_done_twice(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums: Counter[str] = Counter()
    clock = Clock()
    monkeypatch.setattr(writer, "time", clock.shim())
    for first in range(0, RUNS, PART):
        root = memory / str(first)
        root.mkdir()
        part = Part(root, first, clock)
        sums += asyncio.run(runs(part, range(first, min(first + PART, RUNS))))
    assert sums["runs"] == RUNS
    # A board that never calls anything dead would pass as well.
    assert sums["dead"] > RUNS / 10, sums
    assert sums["recorded"] > RUNS / 20, sums
