"""A drill over two whole estates: eight systems, thousands of tokens, limits that bite.

The runners are real processes. A watcher of its own folds the journal beside them, and the
estates are asked in the end what is really so. As a program, ``drill_scene.py CONFIG STATE
PLAN``, it starts a plan's runner, says its process id, and stays until it is ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from backends.contract import Verb
from backends.estate import SYSTEMS, EstateWorld, create, set_trouble
from console import settings
from console.fleet import Fleet
from console.inventory.records import Sort
from console.inventory.search import query as queries
from console.inventory.search.inventory import Inventory
from console.journal import opening
from console.response.approve.approval import approve
from console.response.plan import priority
from console.response.plan.build import build_plan
from console.response.plan.model import Plan
from console.response.run import process
from console.response.state import load
from console.response.state.run import Board
from console.settings import Paths

ESTATES = (1, 2)
QUERY = "state:active -token-console -console-bootstrap"
"""Every token that works, save the console's own and what they stem from."""
WHY = "the vendor was broken into, and all of it goes"
CLEARANCE = 1.05
"""How much faster a system lets itself be asked than the plan asks it."""
EVENING = 10**9
"""An estate's clockwork that has come so far does nothing by itself any more."""
CLIMB = 5.0
"""Seconds that a drill's evidence is looked for after the last call."""
TICK = 0.1
PATIENCE = float(os.environ.get("TEST_PATIENCE", "600"))


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, however slow the machine is."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s for: {what}"
        time.sleep(0.05)


class Drill:
    """Two estates with eight systems, a console's home over them, and what is run there.

    Nobody uses a ``quiet`` estate's tokens and nothing happens there by itself, so that
    whatever comes late was made on purpose.
    """

    def __init__(self, tmp: Path, tokens: int, *, quiet: bool = True) -> None:
        self.files = {number: tmp / f"estate-{number}.db" for number in ESTATES}
        for number, file in self.files.items():
            create(file, seed=number, tokens=tokens // len(ESTATES), clean=True)
            if quiet:
                with EstateWorld(file) as world:
                    world.db.execute("UPDATE consumer SET next_at = NULL")
                    world.db.execute("UPDATE session SET ended_at = started_at")
                    world.db.execute(
                        "INSERT OR REPLACE INTO meta VALUES ('happening', ?)", (str(EVENING),)
                    )
        self.places = {f"{s}-{number}": (number, s) for number in self.files for s in SYSTEMS}
        self.paths = settings.paths(tmp / "home")
        self.paths.make()
        self.rates: dict[str, float] = {}
        self._configure()

    def _configure(self) -> None:
        text = "[response]\nsecond_person_over = 100000\n"
        for name, (number, system) in self.places.items():
            text += f'[backend.{name}]\ntype = "estate"\npath = "{self.files[number]}"\n'
            text += f'system = "{system}"\nact_allowed = true\n'
            if name in self.rates:
                text += f"rate = {self.rates[name]}\n"
        self.paths.config.write_text(text)

    def sync(self) -> None:
        """Read all eight systems into the inventory."""

        async def go() -> None:
            async with Fleet(settings.load(self.paths.config), self.paths) as fleet:
                for report in await asyncio.gather(*(fleet.sync(name) for name in fleet.names)):
                    assert report.result in ("ok", "partial"), report

        asyncio.run(go())

    def limit(self, seconds: float) -> None:
        """Rates at which each system's tokens take so long, and limits just above them."""
        inventory = Inventory(self.paths.inventory)
        found = inventory.each(queries.parse(QUERY), Sort())
        counts = Counter(row.backend for row, _ in found)
        inventory.close()
        self.rates = {name: counts[name] / seconds for name in self.places}
        self._configure()
        for name, (number, system) in self.places.items():
            limit = self.rates[name] * CLEARANCE
            set_trouble(self.files[number], system, rate_limit=limit)

    def plan(self, **more: Any) -> Plan:
        """An approved plan for what the query finds, or for what ``build_plan`` is told."""
        given: dict[str, Any] = {"query": QUERY, **more}

        async def go() -> Plan:
            configured = settings.load(self.paths.config)
            async with Fleet(configured, self.paths, act=True) as fleet:
                inventory = Inventory(self.paths.inventory)
                try:
                    return await build_plan(
                        fleet.backend, inventory, Verb.REVOKE, reason=WHY, settings=configured,
                        **given,
                    )  # fmt: skip
                finally:
                    inventory.close()

        plan = asyncio.run(go())
        questions = {raised.hazard.code: "looked at, and wanted" for raised in plan.questions}
        with opening.journal(self.paths) as journal:
            approve(plan, journal, self.paths, plan.typed_word, questions)
        return plan

    def start(self, plan: Plan) -> int:
        """Start a runner; its process id."""
        return process.start(plan.id, self.paths, climb=CLIMB)

    def ended(self, plan: Plan) -> None:
        wait_for(lambda: not process.alive(plan.id, self.paths), "the end of the runner")

    def kill(self, pid: int, plan: Plan) -> None:
        os.kill(pid, signal.SIGKILL)
        self.ended(plan)

    def board(self, plan: Plan) -> Board:
        """The whole fold, with the plans that extend this one."""
        with opening.view(self.paths) as view:
            return load.fold(plan, self.paths, view)

    def bound(self, plan: Plan) -> float:
        """The seconds that the run takes at the least, with each system's own lag."""
        lags = {name: SYSTEMS[system].record_lag for name, (_, system) in self.places.items()}
        return priority.bound(plan, lags)

    def idle(self, plan: Plan) -> tuple[float, float]:
        """When the run began, and for how many seconds since then it had no runner.

        From the last entry of a killed one, that is, to the first of the next.
        """
        with opening.view(self.paths) as view:
            entries = view.of_plan(plan.id)
        times = [entry.t_us / 1e6 for entry in entries]
        starts = [
            place
            for place, entry in enumerate(entries)
            if entry.run is not None and entry.run.what == "start"
        ]
        return times[starts[0]], sum(times[at] - times[at - 1] for at in starts[1:])

    # -- what is really so

    def working(self, plan: Plan) -> list[str]:
        """The tokens of a plan whose values are accepted at this moment."""
        truth = self._ask(EstateWorld.truth)
        return [item.token.name for item in plan.items if truth[item.backend, item.token.ref.id]]

    def calls(self) -> dict[tuple[str, str], int]:
        """How many changing calls have reached each token that was reached."""
        found = self._ask(EstateWorld.all_changes)
        return {token: sum(times.values()) for token, times in found.items()}

    def breaches(self) -> int:
        """How many calls came too fast."""
        found = 0
        for number, system in self.places.values():
            with EstateWorld(self.files[number]) as world:
                found += world.breaches(system)
        return found

    def _ask(
        self, question: Callable[[EstateWorld], Mapping[tuple[str, str], Any]]
    ) -> dict[tuple[str, str], Any]:
        found = {}
        for number, file in self.files.items():
            with EstateWorld(file) as world:
                answer = question(world)
            found.update({(f"{s}-{number}", id_): each for (s, id_), each in answer.items()})
        return found


class Watcher:
    """Folds the journal of a plan beside its run, and adds the board up at every tick."""

    def __init__(self, plan: Plan, paths: Paths) -> None:
        self.board = Board(plan)
        self.view = opening.view(paths)
        self.wrong: list[str] = []
        self.ticks = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._tick()
        self.view.close()

    def _watch(self) -> None:
        while not self._over.wait(TICK):
            self._tick()

    def _tick(self) -> None:
        load.refresh(self.board, self.view)
        self.ticks += 1
        board, sums = self.board, self.board.sums()
        counted = Counter(row.state for row in board.rows.values())
        counted["left"] += len(board.late)
        if sums != {state: counted[state] for state in sums}:
            self.wrong.append(f"{sums} are not {counted}")
        if sum(sums.values()) != board.total or board.total < len(board.plan.items):
            self.wrong.append(f"{sums} are not {board.total} tokens")

    @property
    def left(self) -> int:
        return self.board.sums()["left"]

    def through(self) -> float:
        """When the last token was accounted for, in unix seconds."""
        return max(row.ended for row in self.board.rows.values())


class Terminal:
    """A terminal in which a plan's runner is started, and that can be closed over it."""

    def __init__(self, plan: Plan, paths: Paths) -> None:
        self._master, slave = os.openpty()
        words = [sys.executable, "-P", __file__, str(paths.config), str(paths.state), plan.id]
        self.starter = subprocess.Popen(
            ["setsid", "--ctty", *words], stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        told = b""
        while b"\n" not in told:
            told += os.read(self._master, 1024)
        self.pid = int(told)

    def close(self) -> None:
        """Close it: whoever is in it is told by SIGHUP."""
        os.close(self._master)
        self.starter.wait(PATIENCE)


def main() -> None:
    # Whatever started the tests may have had SIGHUP ignored, as nohup does.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config, state, plan_id = sys.argv[1:]
    paths = Paths(config=Path(config), state=Path(state))
    print(process.start(plan_id, paths, climb=CLIMB), flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
