"""The screen, started in a folder that somebody filled with modules named like ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyte  # noqa: F401 - read before anybody is in the folder.
import pytest
from hostile_folder import HostileFolder
from pty_screen import Terminal

pytestmark = pytest.mark.pty
COMMAND = str(Path(sys.executable).with_name("token-console"))


class Console(Terminal):
    """The command as it is installed."""

    program = (COMMAND, "--home")


def test_neither_the_screen_nor_its_worker_runs_a_module_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "home"
    words = [COMMAND, "--home", str(place), "demo", "--prepare", "--tokens", "60"]
    subprocess.run(words, check=True, capture_output=True)
    hostile = HostileFolder(tmp_path / "hostile")
    monkeypatch.chdir(hostile.folder)
    with Console(place, "demo", environ=hostile.environ) as screen:
        screen.shown("tokens")
        # The key for acting is offered once the worker is there.
        screen.shown(" act ")
        screen.press(b"q")
        assert screen.ended() == 0
        screen.restored()
    assert hostile.executed == []
