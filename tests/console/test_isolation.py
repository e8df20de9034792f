"""No process of ours runs code from where it was started.

Every entry point and every child is started in a folder full of modules named like ours and
like our dependencies, with PYTHONPATH and the user's site directory pointing there too.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostile_folder import HostileFolder
from patience import HANG
from planned import planned

from backends import registry
from backends.contract import Verb
from backends.lab.moto import MotoServer
from backends.model import Token, TokenState
from console import settings
from console.journal.log import Journal
from console.response import approval, runner
from console.response.plan import Plan
from console.tui import worker_link

ROOT = Path(__file__).parents[2]
WHY = "leaked in a public repository"
COMMAND = str(Path(sys.executable).with_name("token-console"))


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostileFolder:
    """Whoever is at work here stands in the folder, and has its environment."""
    found = HostileFolder(tmp_path / "hostile")
    monkeypatch.chdir(found.folder)
    for name, value in found.environ.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home over an embedded estate, made before anybody is in the folder."""
    place = tmp_path_factory.mktemp("isolation")
    environ = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    subprocess.run(
        [COMMAND, "--home", str(place), "demo", "--prepare", "--tokens", "60"],
        check=True, capture_output=True, env=environ, cwd=place,
    )  # fmt: skip
    return place / "demo"


@pytest.fixture
def plan_id(home: Path) -> str:
    """An approved plan of the home, made before anybody is in the folder too."""
    paths = settings.paths(home)
    table = next(t for t in settings.load(paths.config).backends if t.name == "aws-main")

    async def make() -> Plan:
        async with registry.configure(table.name, table.table, act=True) as backend:
            async for token in backend.inventory():
                if isinstance(token, Token) and token.state is TokenState.ACTIVE:
                    plan = await planned(backend, Verb.CONTAIN, token, WHY)
                    if not plan.only.proposal.hazards and plan.only.proposal.steps:
                        return plan
        raise AssertionError("nothing can be contained")

    plan = asyncio.run(make())
    with Journal(paths.journal) as journal:
        approval.approve(plan, journal, paths, plan.typed_word)
    return plan.id


def test_the_folder_would_run_in_a_python_that_is_not_isolated(hostile: HostileFolder) -> None:
    """Else the tests below would prove nothing."""
    subprocess.run([sys.executable, "-c", "import httpx"], capture_output=True)
    assert hostile.executed


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("list", "--json"),
        ("backends",),
        ("sync",),
        ("config", "check"),
        ("journal", "verify"),
        ("plan", "contain", "state:active", "--reason", "INC-7 leaked", "--dry-run"),
        ("graph", "--mermaid"),
        ("lab", "status"),
    ],
    ids=lambda words: words[0],
)
def test_the_command_runs_nothing_of_the_folder(
    home: Path, hostile: HostileFolder, words: tuple[str, ...]
) -> None:
    done = subprocess.run([COMMAND, "--home", str(home), *words], capture_output=True, text=True)
    assert hostile.executed == []
    assert "Traceback" not in done.stderr
    assert "hostile" not in done.stderr


def test_the_command_finds_its_python_through_a_link_and_from_anywhere(
    home: Path, hostile: HostileFolder
) -> None:
    (hostile.folder / "tc").symlink_to(COMMAND)
    done = subprocess.run(["./tc", "--home", str(home), "list", "--csv"], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert hostile.executed == []


def test_the_module_is_started_anew_before_it_imports_a_library(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``python -m console`` itself is found by Python, so that it must not be in the folder."""
    found = HostileFolder(tmp_path / "hostile")
    for name in {*sys.stdlib_module_names, "console", "backends"}:
        (found.folder / f"{name}.py").unlink(missing_ok=True)
    monkeypatch.chdir(found.folder)
    words = [sys.executable, "-m", "console", "--home", str(home), "list", "--csv"]
    done = subprocess.run(words, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert found.executed == []


def test_the_worker_runs_nothing_of_the_folder(home: Path, hostile: HostileFolder) -> None:
    paths = settings.paths(home)
    done = subprocess.run(
        worker_link.command(paths, act=True), input=b'{"id": 1, "do": "refresh"}\n',
        capture_output=True,
    )  # fmt: skip
    assert hostile.executed == []
    assert done.returncode == 0, done.stderr
    assert b'"ok": true' in done.stdout


def test_the_runner_runs_nothing_of_the_folder(
    home: Path, plan_id: str, hostile: HostileFolder
) -> None:
    paths = settings.paths(home)
    runner.start(plan_id, paths, climb=0)
    deadline = time.monotonic() + HANG
    while runner.alive(plan_id, paths):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert hostile.executed == []
    with Journal(paths.journal) as journal:
        assert "outcome" in {entry.kind for entry in journal.of_plan(plan_id)}


@pytest.mark.lab
def test_the_labs_server_runs_nothing_of_its_folder(tmp_path: Path, hostile: HostileFolder) -> None:
    server = MotoServer(tmp_path / "aws")
    server.home.mkdir()
    hostile.lay(server.home)
    try:
        server.start()
        assert hostile.executed == []
        assert server.alive
    finally:
        server.stop()


def test_the_conformance_kit_runs_nothing_of_the_folder(
    tmp_path: Path, hostile: HostileFolder
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "my_fixture.py").write_text("class Mine:\n    pass\n")
    kit = [sys.executable, "-I", "-m", "backends.conformance"]
    done = subprocess.run([*kit, "my_fixture:Mine"], capture_output=True, text=True)
    assert "No module named 'my_fixture'" in done.stderr
    words = [*kit, "--path", str(given), "my_fixture:Mine"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2, "my_fixture:Mine is not a backends.conformance.Fixture\n",
    )  # fmt: skip
    assert hostile.executed == []


def test_every_python_that_we_start_is_isolated() -> None:
    """One place knows how a child is started; a second one would be a door."""
    allowed = {"backends/child.py", "console/__main__.py", "backends/conformance/__main__.py"}
    found = {
        str(path.relative_to(ROOT))
        for package in ("console", "backends")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"sys\.executable|os\.exec|\"python3?\"", path.read_text())
    }
    assert found == allowed
    for name in allowed:
        assert '"-I"' in (ROOT / name).read_text()
