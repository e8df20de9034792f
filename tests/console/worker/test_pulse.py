"""What the worker makes of a system that is not there, and of one that comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from patience import HANG
from scripted import Scripted

from backends.contract import Health, WhoAmI
from backends.errors import Unreachable
from console import contact
from console.contact import FAILED, OK
from console.fleet import Fleet
from console.inventory.sync.sync import SyncReport
from console.settings import Paths, Settings
from console.worker.serving import Worker

NOBODY = "no connection for GET /health: Connection refused"
DAY = 86_400


class System(Scripted):
    """It answers when it is told to, and finds out that it was closed as a client does."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = False
        self.answers = asyncio.Event()
        self.closed = asyncio.Event()

    async def health(self) -> Health:
        self.asked = True
        waiting = {asyncio.ensure_future(each.wait()) for each in (self.answers, self.closed)}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        if self.closed.is_set():
            raise RuntimeError("the client has been closed")
        return Health(version="1.2", latency_ms=7)

    async def close(self) -> None:
        self.closed.set()


class Scene:
    """A worker over one system, whose looks end when the test says so."""

    def __init__(self) -> None:
        self.systems: list[System] = []
        self.looks = 0
        self.ends: asyncio.Queue[SyncReport] = asyncio.Queue()
        self.told: list[Mapping[str, Any]] = []
        fleet = SimpleNamespace(
            names=["vault"],
            settings=Settings(Path("config.toml"), DAY, 7, (), (), ()),
            paths=Paths(Path("config.toml"), Path("state")),
            act=False,
            type_of=lambda name: "scripted",
            opened=lambda name: self.opened,
            backend=self._backend,
            sync=self._sync,
            rest=self._rest,
        )
        self.opened: System | None = None
        self.worker = Worker(cast(Fleet, fleet), self.told.append)

    async def _backend(self, name: str) -> System:
        if self.opened is None:
            self.opened = System()
            self.systems.append(self.opened)
        return self.opened

    async def _rest(self) -> None:
        """Nothing was taken."""

    async def _sync(self, name: str, *_: object, **__: object) -> SyncReport:
        self.looks += 1
        used = await self._backend(name)
        report = await self.ends.get()
        if report.result == "failed":
            self.opened = None
            await used.close()
        return report

    def contacts(self) -> Iterator[Mapping[str, Any]]:
        return (each["contact"] for each in self.told if each["event"] == "contact")

    def last(self) -> Mapping[str, Any]:
        return next(iter([*self.contacts()][::-1]), {})


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(HANG):
        while not true():  # noqa: ASYNC110 - the worker sets no event of ours.
            await asyncio.sleep(0.01)


def played(play: Callable[[Scene], Any]) -> None:
    async def run() -> None:
        scene = Scene()
        tasks = [
            asyncio.ensure_future(scene.worker.keep_fresh("vault")),
            asyncio.ensure_future(scene.worker.keep_asking("vault")),
        ]
        try:
            await play(scene)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


def test_a_question_that_a_failed_look_cuts_off_is_waited_for_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each question that is not answered at once is one that takes its time.
    monkeypatch.setattr(contact, "NOTICED", 0)

    async def play(scene: Scene) -> None:
        await until(lambda: scene.last().get("waiting_since"))
        scene.ends.put_nowait(
            SyncReport("vault", "failed", message=NOBODY, hint="Look.", unreachable=True)
        )
        await until(lambda: scene.last().get("state") == FAILED)
        assert scene.last()["error"] == NOBODY
        scene.worker._pulses["vault"].nudge()
        await until(lambda: len(scene.systems) > 1 and scene.systems[1].asked)
        scene.systems[1].answers.set()
        await until(lambda: scene.last()["state"] == OK)
        # What has failed is said until it is known better, and never that it is only asked.
        said = [(each["state"], bool(each["waiting_since"])) for each in scene.contacts()]
        assert said == [("", True), (FAILED, False), (OK, False)]

    played(play)


def test_a_question_that_is_cut_off_for_another_reason_is_withdrawn() -> None:
    async def play(scene: Scene) -> None:
        await until(lambda: scene.last().get("waiting_since"))
        scene.ends.put_nowait(SyncReport("vault", "failed", message="403 for the list"))
        await until(lambda: not scene.last()["waiting_since"])
        assert scene.last()["state"] != FAILED, "that a list is refused says nothing of the system"
        scene.looks = 0
        scene.worker._pulses["vault"].nudge()
        await until(lambda: len(scene.systems) > 1)
        scene.systems[-1].answers.set()
        await until(lambda: scene.last()["state"] == OK)
        assert scene.looks == 0, "it was there all the time, and the next look has its hour"

    played(play)


def test_what_comes_back_is_looked_at_without_waiting_for_the_hour_of_the_next_look() -> None:
    async def play(scene: Scene) -> None:
        await until(lambda: scene.looks)
        scene.ends.put_nowait(SyncReport("vault", "failed", message=NOBODY, unreachable=True))
        await until(lambda: scene.last().get("state") == FAILED)
        assert scene.looks == 1
        scene.worker._pulses["vault"].nudge()
        await until(lambda: scene.opened is not None)
        assert scene.opened is not None
        scene.opened.answers.set()
        await until(lambda: scene.last()["state"] == OK)
        await until(lambda: scene.looks == 2)

    played(play)


def test_where_one_question_finds_nobody_the_other_is_not_waited_for() -> None:
    class Nobody(Scripted):
        async def health(self) -> Health:
            raise Unreachable(NOBODY)

        async def whoami(self) -> WhoAmI:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    async def opened() -> Nobody:
        return Nobody()

    told = asyncio.run(contact.ask(opened, "scripted", HANG))
    assert (told.state, told.error) == (FAILED, NOBODY)
    assert not told.answered_at, "a refused connection is no answer"


def test_a_look_that_a_defect_ends_is_told_as_failed_and_begins_anew() -> None:
    async def run() -> None:
        scene = Scene()
        scene.worker.fleet.settings = scene.worker.fleet.settings._replace(refresh=0)
        tried: list[str] = []

        async def keep(name: str) -> None:
            tried.append(name)
            if len(tried) < 2:
                raise LookupError("a secret could be quoted here")

        await scene.worker.lasting(keep, "looking", "vault")
        assert tried == ["vault", "vault"]
        (told,) = scene.told
        assert (told["backend"], told["state"]) == ("vault", "failed")
        assert told["message"] == "looking: a defect: LookupError"
        assert "quoted" not in str(told)

    asyncio.run(run())


def test_a_defect_in_what_is_of_no_backend_is_told_as_a_sentence() -> None:
    async def run() -> None:
        scene = Scene()
        scene.worker.fleet.settings = scene.worker.fleet.settings._replace(refresh=0)
        left = [LookupError()]

        async def look() -> None:
            if left:
                raise left.pop()

        await scene.worker.lasting(look, "looking what became of open calls")
        (told,) = scene.told
        assert told["event"] == "trouble"
        assert told["sentence"].startswith("looking what became of open calls: a defect")

    asyncio.run(run())
