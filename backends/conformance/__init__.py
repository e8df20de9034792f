"""The kit that every backend passes, ours and a third party's.

Write a :class:`Fixture` for your system, and let pytest run each check with it::

    import pytest
    from backends.conformance import Fixture, checks

    class MySystem(Fixture): ...

    @pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)
    def test_conformance(check):
        check(MySystem())

A check raises :class:`Failure` with what to mend, skips (``unittest.SkipTest``) where the
backend declares no such ability, or returns. :class:`FixtureFault` says that the fixture is
to be mended first. No check runs longer than ``Fixture.limit``. A check's docstring is the
line of the contract that it holds the backend to. Without pytest:
``python -m backends.conformance [--path DIR] my_package.my_module:MySystem``.
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest import SkipTest

from backends.conformance import (
    addresses,
    bulk,
    effects,
    events,
    granting,
    permits,
    reading,
    rotating,
    telling,
)
from backends.conformance.checking import Check
from backends.conformance.fixture import Failure, Fixture, FixtureFault, ThrowAway
from backends.conformance.relay import Relay, Relayed

checks: tuple[Check, ...] = (
    *reading.CHECKS,
    *telling.CHECKS,
    *granting.CHECKS,
    *events.CHECKS,
    *permits.CHECKS,
    *addresses.CHECKS,
    *effects.CHECKS,
    *bulk.CHECKS,
    *rotating.CHECKS,
)
"""Every check, in an order in which the first failure is the one to mend first."""


def run(fixture: Fixture) -> Iterator[tuple[str, str, str]]:
    """Run all checks; for each its name, "pass", "skip", "fail", "fixture" or "error", and why.

    "fixture" is a fault of the fixture: nothing was found out about the backend.
    """
    for check in checks:
        name = check.__name__
        try:
            check(fixture)
        except SkipTest as reason:
            yield name, "skip", str(reason)
        except FixtureFault as fault:
            yield name, "fixture", str(fault)
        except Failure as failure:
            yield name, "fail", str(failure)
        except Exception as error:  # noqa: BLE001
            # Whatever a backend may throw, the other checks are still worth their answer.
            yield name, "error", f"{type(error).__name__}: {error}"
        else:
            yield name, "pass", (check.__doc__ or "").strip()


__all__ = [
    "Check",
    "Failure",
    "Fixture",
    "FixtureFault",
    "Relay",
    "Relayed",
    "ThrowAway",
    "checks",
    "run",
]
