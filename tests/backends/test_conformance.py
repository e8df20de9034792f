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
    assert skipped == {
        "a_use_is_seen",
        # The estate tells of one token at a time, and reads each before it calls.
        "many_are_read_as_one",
        "a_list_shows_what_is_gone",
        "a_sure_call_tells_what_is_gone",
        "a_plans_names_find_the_lines",
    }


def test_every_check_says_what_it_holds_a_backend_to() -> None:
    assert all((check.__doc__ or "").strip().endswith(".") for check in checks)
    assert len({check.__name__ for check in checks}) == len(checks)
    assert estate_acting.WORDS.keys() == SYSTEMS.keys()
