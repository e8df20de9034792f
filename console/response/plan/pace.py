"""How fast a plan is to be carried out, and in which words that is said.

A rate is the most changing calls a second, from the settings or as the backend declares it.
Without one, a backend is called as fast as it answers well (see ``step/gate``), and a plan can
only estimate how fast that is. Report, screen and command line say what ``told`` says.
"""

from __future__ import annotations

from collections.abc import Sequence

from backends.contract import Backend
from backends.traffic import RUNNING, Limit, Limits
from console.response.plan.model import Plan, PlanItem, PlannedPace
from console.settings import ResponseSettings
from console.text import age

START, PRODUCTION, MOST = 4, 1, 16
"""Calls at a time: at first, at first in production, and at the most."""
REQUESTS = 3
"""Requests that a token costs in a run: the call, a look, and a share of lists and logs."""
RUNNER = 40.0
"""Changing calls a second that one runner makes at most where nothing else holds it up, with
intent, outcome and evidence on the disk; as ``tests/bench/bench_bulk.py`` measured it."""


def rate(backend: Backend, settings: ResponseSettings) -> float | None:
    """The most changing calls a second: as the file says, else as declared; None without one."""
    return backend.config.rate or backend.capabilities().rate or settings.default_rate


def planned(backend: Backend, items: Sequence[PlanItem], limits: Limits) -> PlannedPace:
    """The pace of a backend without a rate, as it can be told once its tokens were read."""
    production = any(item.production for item in items)
    calls = [step.call.target for item in items for step in item.proposal.steps]
    limit = backend.traffic.strictest(calls[:1])
    most = MOST if limit is None else min(MOST, max(1, int(_ours(limit) / REQUESTS)))
    expected, why = _estimate(backend.traffic.answer_time, limit, limits, most)
    return PlannedPace(
        start=min(PRODUCTION if production else START, most),
        most=most,
        waits=production,
        expected=expected,
        why=why,
    )


def _estimate(
    took: float | None, limit: Limit | None, limits: Limits, most: int
) -> tuple[float, str]:
    expected, reasons = RUNNER, []
    if took is not None:
        expected = min(expected, most / (REQUESTS * max(took, 0.001)))
        reasons.append(f"an answer took {max(1000 * took, 1):.0f} ms")
    if limit is not None:
        expected = min(expected, _ours(limit) / limit.seconds / REQUESTS)
        part = "" if limit.learned else f", of which a run uses {RUNNING:.0%}"
        reasons.append(f"it takes {limit.words}{part}")
    else:
        reasons.append("no limit of its own is known")
    if limits.words:
        reasons.append(limits.words)
    return round(expected, 2), "; ".join(reasons)


def _ours(limit: Limit) -> float:
    """The requests of a limit that a run may make."""
    return limit.requests if limit.learned else limit.requests * RUNNING


def of(plan: Plan, backend: str) -> PlannedPace:
    """The planned pace of a backend; of a plan that has none, the careful one."""
    found = plan.paces.get(backend)
    if found is not None:
        return found
    if plan.rates.get(backend):
        return PlannedPace(start=MOST, most=MOST)
    return PlannedPace()


def expected(plan: Plan, backend: str) -> float:
    """Changing calls a second: the rate, else the estimate; 0 where there is neither."""
    return plan.rates.get(backend) or of(plan, backend).expected


def seconds(plan: Plan, backend: str) -> float | None:
    """The seconds that a backend's calls take at that, at the least; None where it is unknown."""
    calls = sum(
        len(item.proposal.steps)
        for item in plan.items
        if item.backend == backend and not item.fatal
    )
    a_second = expected(plan, backend)
    return calls / a_second if a_second else None


def told(plan: Plan, backend: str, said: str = "") -> str:
    """How fast a backend is called and why, in words. Raw.

    ``said`` is what its runner said last of how that went.
    """
    if rate := plan.rates.get(backend):
        words = f"at most {rate:g} calls a second"
    else:
        found = of(plan, backend)
        proof = "until its canary is proved" if found.waits else "at first"
        words = f"as fast as it answers: {found.start} at a time {proof}, then up to {found.most}"
    if said:
        return f"{words}; {said}"
    if plan.rates.get(backend) or not expected(plan, backend):
        return words
    a_second, takes = expected(plan, backend), seconds(plan, backend) or 0.0
    return (
        f"{words}; about {a_second:.3g} calls a second, {age(max(takes, 1.0))} in all"
        f" (an estimate: {of(plan, backend).why})"
    )


def noted(backend: str, said: str) -> str:
    """What the journal keeps of what a runner says of a backend's pace."""
    return f"The pace of {backend}: {said}"


def heard(backend: str, note: str) -> str:
    """What the runner said, from the journal's note of it."""
    return note.removeprefix(noted(backend, ""))
