"""The kit passes on the estate's four systems."""

from __future__ import annotations

from pathlib import Path

import pytest
from estate_fixture import OnEstate, estate, template

from backends.conformance import Check, checks, run
from backends.estate import SYSTEMS
from backends.estate import acting as estate_acting

__all__ = ["estate", "template"]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)
def test_the_estate_conforms(check: Check, system: str, estate: Path) -> None:
    check(OnEstate(estate, system))


def test_only_what_is_not_declared_is_skipped(estate: Path) -> None:
    skipped = {name for name, result, _ in run(OnEstate(estate, "cloud")) if result != "pass"}
    assert skipped == {"a_use_is_seen"}


def test_every_check_says_what_it_holds_a_backend_to() -> None:
    assert all((check.__doc__ or "").strip().endswith(".") for check in checks)
    assert len({check.__name__ for check in checks}) == len(checks)
    assert estate_acting.WORDS.keys() == SYSTEMS.keys()
