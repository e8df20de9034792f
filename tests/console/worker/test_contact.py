"""Whether one may act, and whether a system answers, is each console's own to find out."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

import pytest
from holding_proxy import Hold, HoldingProxy
from patience import HANG
from real_systems import console
from tui_world import screen, until

from backends.estate import EstateWorld, create
from backends.estate.issuing import ACTING
from backends.lab.lab import toml
from backends.lab.openbao import OpenBaoServer
from console import contact, settings
from console.settings import Paths
from console.store import reading, upkeep
from console.tui.session import worker_link
from console.tui.session.worker_link import command
from console.tui.shell.application import ConsoleApp
from console.worker.serving import ALIVE_EVERY

pytestmark = pytest.mark.long


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A console over one estate's vault, with a credential to act of its own."""
    estate = tmp_path / "estate.db"
    create(estate, tokens=60, systems=("vault",))
    with EstateWorld(estate) as world:
        (id_,) = world.db.execute("SELECT id FROM token WHERE principal_id = ?", (ACTING,))
        secret = world.secret("vault", id_["id"]).reveal()
    act = tmp_path / "act"
    act.touch(mode=0o600)
    act.write_text(secret)
    table = {"type": "estate", "path": str(estate), "system": "vault", "act": {"file": str(act)}}
    return _home(tmp_path / "home", {"vault": table})


def _home(home: Path, tables: Mapping[str, Mapping[str, object]]) -> Path:
    where = settings.paths(home)
    where.make()
    where.config.parent.mkdir(parents=True, exist_ok=True)
    where.config.write_text("".join(_table(name, table) for name, table in tables.items()))
    return home


def _table(name: str, table: Mapping[str, object]) -> str:
    rows = "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
    return f"[backend.{name}]\n{rows}\n"


def application(paths: Paths) -> ConsoleApp:
    """The screen that may act, over a real worker."""
    upkeep.bring_up_to_date(paths.inventory)
    return ConsoleApp(
        paths,
        settings.load(paths.config),
        act=True,
        now=time.time,
        worker=command(paths, act=True),
    )


def tried(paths: Paths) -> int:
    with closing(reading.connect(paths.inventory)) as connection:
        return int(connection.execute("SELECT max(tried_at) FROM backend").fetchone()[0])


def test_a_sync_without_the_credential_to_act_disarms_nobody(home: Path) -> None:
    paths = settings.paths(home)

    async def run() -> None:
        app = application(paths)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: app.world.worker_up)
            await pilot.press("b")
            await until(pilot, lambda: "can act" in screen(app))
            before = tried(paths)
            while tried(paths) <= before:
                # The command's process has no --act, as a timer's would not have.
                done = await asyncio.to_thread(console, home, "sync")
                assert done.returncode in (0, 3), done.stderr
            await until(pilot, lambda: tried(paths) > before)
            for _ in range(3):
                app._look()
                await pilot.pause()
            assert "can act" in screen(app)
            assert "no credential to act with" not in screen(app)
            await pilot.press("i")
            await pilot.pause()
            await pilot.press("K")
            await pilot.pause()
            assert "no credential to act with" not in screen(app)

    asyncio.run(run())


def test_a_worker_that_stands_still_is_noticed_and_so_is_its_return(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than the worker's own period, and little enough to wait for.
    monkeypatch.setattr(worker_link, "SILENT_AFTER", ALIVE_EVERY + 3)

    async def run() -> None:
        app = application(settings.paths(home))
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.press("b")
            await until(pilot, lambda: "can act" in row(app) and app.link._alive_at is not None)
            process = app.link._process
            assert process is not None
            os.kill(process.pid, signal.SIGSTOP)
            try:
                await until(pilot, lambda: "nothing is read now" in strip(app))
                assert "the backend process stands still" in strip(app)
                await pilot.press("r")
                await until(pilot, lambda: "not now" in screen(app))
                assert "ANSWERS     not asked now" in screen(app)
            finally:
                os.kill(process.pid, signal.SIGCONT)
            await until(pilot, lambda: "stands still" not in screen(app))
            await until(pilot, lambda: "not asked now" not in screen(app))

    asyncio.run(run())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBaoServer]:
    """One for all: a test only stops it for a while, or stands before its door."""
    running = OpenBaoServer(tmp_path_factory.mktemp("bao"))
    running.start()
    try:
        running.fill(20)
        yield running
    finally:
        running.stop()


@pytest.fixture
def bao(server: OpenBaoServer) -> Iterator[OpenBaoServer]:
    """The server, which goes on whatever became of a test that stopped it."""
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGCONT)


def test_a_stopped_server_is_silent_and_its_return_is_noticed_at_a_key(
    bao: OpenBaoServer, tmp_path: Path
) -> None:
    paths = settings.paths(_home(tmp_path / "home", {"vault": dict(bao.table())}))

    async def run() -> None:
        app = application(paths)
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.press("b")
            await until(pilot, lambda: " ms " in row(app) and "can act" in row(app))
            os.kill(bao.pid, signal.SIGSTOP)
            await until(pilot, lambda: "SILENT" in row(app))
            # By the bound of the question itself, and not when the client gives up long after.
            assert app.world.contacts["vault"].error == contact.silence(contact.ANSWER)
            assert contact.ANSWER <= 15
            assert " ms " not in row(app), "how fast it was says nothing of it now"
            assert "no answer for" in screen(app)
            assert "it last answered" in screen(app)
            os.kill(bao.pid, signal.SIGCONT)
            await pilot.press("down")
            await until(pilot, lambda: " ms " in row(app) and "SILENT" not in row(app))
            assert "no answer for" not in screen(app)

    asyncio.run(run())


class Door:
    """The address of a server, at which nobody listens before it is opened."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._taken: list[socket.socket] = []
        # Bound and not listened at: whoever comes is refused, and nobody else gets the port.
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def open(self) -> None:
        self._listener.listen()
        threading.Thread(target=self._take, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for one in self._taken:
            one.close()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._target))
                self._taken += [client, server]
                for way in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def row(app: ConsoleApp) -> str:
    """The vault's line on the page of the backends."""
    return next((line for line in screen(app).splitlines() if " vault " in line), "")


def strip(app: ConsoleApp) -> str:
    """The line above the keys: how each backend is, in every view."""
    return screen(app).splitlines()[-2]


def test_nobody_there_is_said_in_the_first_look_and_the_return_is_seen_without_a_key(
    bao: OpenBaoServer, tmp_path: Path
) -> None:
    door = Door(bao.port)
    paths = settings.paths(_home(tmp_path / "home", {"vault": {**bao.table(), "url": door.url}}))
    # A day between two looks: one that begins sooner began since the system came back.
    paths.config.write_text("[console]\nrefresh = 86400\n" + paths.config.read_text())

    async def run() -> None:
        app = application(paths)
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.press("b")
            await until(pilot, lambda: bool(app.world.looked))
            await until(pilot, lambda: "FAILED" in row(app))
            assert "vault FAILED" in strip(app)
            assert "ERROR" in screen(app)
            assert "no connection for GET" in screen(app)
            assert "no answer yet to this console" in screen(app)
            door.open()
            await until(pilot, lambda: " ok " in row(app) and " ms " in row(app))
            assert "can act" in row(app)
            assert "FAILED" not in strip(app)
            # The new look reads its tokens, and none but that could have read any.
            await until(pilot, lambda: app.world.total > 0)
            assert "no connection for" not in screen(app)

    try:
        asyncio.run(run())
    finally:
        door.close()


def test_a_look_that_goes_on_says_for_how_long(bao: OpenBaoServer, tmp_path: Path) -> None:
    def seconds(app: ConsoleApp) -> int:
        said = re.search(r" look (\d+)s ", row(app))
        return int(said[1]) if said else 0

    async def run(paths: Paths) -> None:
        app = application(paths)
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.press("b")
            await until(pilot, lambda: seconds(app) > 0)
            first = seconds(app)
            await until(pilot, lambda: seconds(app) > first)
            assert " ms " in row(app), "it answers, and is not called silent for a long list"
            assert re.search(r"under way for \d+s, 0 tokens read so far", screen(app))

    with HoldingProxy(bao.port, b"/auth/token/accessors", Hold.REQUEST) as proxy:
        table = {**bao.table(), "url": f"http://127.0.0.1:{proxy.port}"}
        asyncio.run(run(settings.paths(_home(tmp_path / "home", {"vault": table}))))


class Hung:
    """Takes every connection and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                self._taken.append(self._listener.accept()[0])

    def close(self) -> None:
        self._listener.close()
        for one in self._taken:
            one.close()


@pytest.fixture
def both(home: Path, tmp_path: Path) -> Iterator[Path]:
    """A console over a vault that answers, and over one that hangs and comes first."""
    hung = Hung()
    read = tmp_path / "read"
    read.touch(mode=0o600)
    read.write_text("s.nothing")
    where = settings.paths(home)
    table = {"type": "openbao", "url": hung.url, "read": {"file": str(read)}}
    where.config.write_text(_table("a-hung", table) + where.config.read_text())
    yield home
    hung.close()


def spawn(home: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "console", "--home", str(home), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def lines(stream: IO[str], wanted: Callable[[str], bool]) -> str:
    """The first line that is wanted, as it comes."""
    return next((line for line in stream if wanted(line)), "")


def test_backends_prints_each_as_it_answers(both: Path) -> None:
    process = spawn(both, "backends", "--wait", "4")
    assert process.stdout is not None
    try:
        first = lines(process.stdout, lambda line: ": " in line)
        assert first.startswith("vault: up"), "the one that hangs is asked first and told last"
        assert process.poll() is None, "the other is still being waited for"
        last = lines(process.stdout, lambda line: line.startswith("a-hung"))
        assert last == "a-hung: NO ANSWER: no answer for 4s\n"
        assert process.stdout.readline().startswith("  next: ")
        assert process.wait(HANG) == 3
    finally:
        process.kill()
        process.wait()


def test_sync_prints_each_as_it_ends(both: Path) -> None:
    process = spawn(both, "sync")
    assert process.stdout is not None
    try:
        assert lines(process.stdout, lambda line: ": " in line).startswith("vault: ok")
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
