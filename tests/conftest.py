"""What tests of several directories share. A fixture here costs nothing until it is used."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The scenes, which many tests share, are imported by their plain names from everywhere.
sys.path.insert(0, str(Path(__file__).parent / "scenes"))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are processors: many tests wait for a system's own pace.

    None at all for a single file, which then starts at once and can be stopped in.
    """
    files = {argument.partition("::")[0] for argument in config.args}
    if len(files) == 1 and next(iter(files)).endswith(".py"):
        config.option.dist = "no"
        return 0
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes: begun last, it would keep one worker and rest the others."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def _textual_of_the_session() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("TEXTUAL")}


@pytest.fixture(autouse=True)
def _textual_stays(_textual_of_the_session: dict[str, str]) -> Iterator[None]:
    """Bring back what the command line, called in this process, takes out of the environment.

    The snapshot plugin keeps its own directory there, and fails at the very end without it.
    """
    yield
    os.environ.update(_textual_of_the_session)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """All real servers, filled, for the tests that go through the whole program."""
    from backends.lab.lab import Lab

    with Lab(tmp_path_factory.mktemp("lab") / "home", tokens=40) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _no_runner_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """End the runners that a module's tests started: they climb the evidence for an hour.

    Only those are ended whose state is below this session's own directory.
    """
    yield
    base = str(tmp_path_factory.getbasetemp())
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "console.response.run.process" in words and any(word.startswith(base) for word in words):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)
