"""What tests of several directories share. A fixture here costs nothing until it is used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Helpers beside the tests are imported by their plain names from every directory.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """All three real servers, filled, for the tests that go through the whole program."""
    from backends.lab.lab import Lab

    with Lab(tmp_path_factory.mktemp("lab") / "home", tokens=40) as running:
        yield running
