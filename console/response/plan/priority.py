"""In which order many tokens are dealt with, in which waves, and how long that takes.

The worst first: privilege times reach times exposure, each a small number with a word for
it, so that a person can follow and disagree. What is not known counts as more than the
harmless answer: unknown is not unused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from backends.contract import Step
from backends.model import How, Token
from backends.words import count
from console.response.plan import pace
from console.response.plan.model import Plan, PlanItem
from console.response.plan.step_id import StepId
from console.text import age, safe

DAY = 86_400
_WRITES = re.compile(r"write|_rw|:rw|admin|full|power|push|send|manage|owner|\*", re.IGNORECASE)
_READS = re.compile(r"read|_ro|:ro|view|list|describe|monitor|metadata|default", re.IGNORECASE)


class Score(NamedTuple):
    """How urgent a token is, and the words for it, most telling first."""

    value: float
    why: str


def score(item: PlanItem, *, admin: bool, consumers: int, now: datetime) -> Score:
    """How urgent a token is. ``consumers`` are those that its system's log shows."""
    token = item.token
    power, powers = _privilege(token, admin=admin)
    ends = len(item.proposal.also_ends)
    reach = 1.0 + math.log2(1 + consumers + ends)
    words = [powers]
    if consumers:
        words.append(count(consumers, "consumer"))
    if ends:
        words.append(f"{ends} end{'s' if ends == 1 else ''} with it")
    exposed, exposure = _exposure(token, now)
    value = power * reach * exposed * (1.25 if item.production else 1.0)
    return Score(value, " · ".join([*words, *exposure]))


def _privilege(token: Token, *, admin: bool) -> tuple[float, str]:
    if admin:
        return 8.0, "rules the system"
    grants = token.grants.value
    if grants is None:
        return 3.0, "grants unknown"
    names = [grant.name for grant in grants]
    if writing := next((name for name in names if _WRITES.search(name)), ""):
        return 4.0, safe(writing, 40)
    if unknown := next((name for name in names if not _READS.search(name)), ""):
        return 2.5, safe(unknown, 40)
    return (1.5, "reads") if names else (1.0, "no grants")


def _exposure(token: Token, now: datetime) -> tuple[float, list[str]]:
    used = token.last_used_at
    words = []
    if used.value is not None:
        ago = (now - used.value).total_seconds()
        exposed = 3.0 if ago < DAY else 2.0 if ago < 30 * DAY else 1.2
        words.append(f"used {age(max(ago, 0.0))} ago")
    elif used.how is How.NEVER:
        exposed = 1.0
        words.append("never used")
    else:
        exposed = 2.0
        words.append("use unknown")
    if token.expires_at.how is How.NEVER:
        exposed *= 1.3
        words.append("never expires")
    if (made := token.created_at.value) is not None and (now - made).days > 365:
        exposed *= 1.1
        words.append(f"{age((now - made).total_seconds())} old")
    return exposed, words


def arrange(
    items: Sequence[PlanItem], scores: Mapping[str, Score], waves: Sequence[int]
) -> tuple[PlanItem, ...]:
    """The items in their order, with their waves and numbers.

    ``scores`` goes by handle. Wave 0 is the canary, one token for each backend and kind: the
    one that matters least, as what is wrong is to show where it does least harm. Then come
    waves of these sizes, of which the last repeats. What belongs to the console itself is last.
    """
    ordered = sorted(items, key=lambda item: _place(item, scores))
    if len(ordered) == 1:
        return (_placed(ordered[0], 1, 0, scores),)
    canaries: dict[tuple[str, str], PlanItem] = {}
    for item in ordered:
        if not item.fatal and not _own(item):
            # The last one that passes is the one of the lowest score.
            canaries[item.backend, item.token.ref.kind] = item
    chosen = {item.token.ref for item in canaries.values()}
    rest = [item for item in ordered if item.token.ref not in chosen]
    found = [(item, 0) for item in ordered if item.token.ref in chosen]
    for wave, part in enumerate(_parts(rest, waves), 1):
        found += [(item, wave) for item in part]
    return tuple(
        _placed(item, number, wave, scores) for number, (item, wave) in enumerate(found, 1)
    )


def _parts(items: list[PlanItem], sizes: Sequence[int]) -> Iterator[list[PlanItem]]:
    """The items in parts of these sizes, of which the last one repeats."""
    sizes = sizes or (len(items),)
    at = turn = 0
    while at < len(items):
        size = max(1, sizes[min(turn, len(sizes) - 1)])
        yield items[at : at + size]
        at, turn = at + size, turn + 1


def _own(item: PlanItem) -> bool:
    return any(hazard.code.startswith("own-") for hazard in item.proposal.hazards)


def _place(item: PlanItem, scores: Mapping[str, Score]) -> tuple[bool, bool, float, str]:
    handle = item.token.ref.handle
    return bool(item.fatal), _own(item), -scores[handle].value, handle


def _placed(item: PlanItem, number: int, wave: int, scores: Mapping[str, Score]) -> PlanItem:
    why = scores[item.token.ref.handle].why
    if _own(item):
        why = f"last, as the console's own · {why}"
    elif wave == 0 and number:
        why = f"canary · {why}"
    return placed(replace(item, why=why), number, wave)


def placed(item: PlanItem, number: int, wave: int) -> PlanItem:
    """The item under a number, which its steps carry, and in a wave."""
    proposal = item.proposal
    steps = tuple(_renumbered(step, number) for step in proposal.steps)
    undo = tuple(_renumbered(step, number) for step in proposal.undo_steps)
    return replace(
        item,
        number=number,
        wave=wave,
        proposal=replace(proposal, steps=steps, undo_steps=undo),
    )


def _renumbered(step: Step, number: int) -> Step:
    return replace(step, id=str(StepId.parse(step.id).of_item(number)))


def estimate(plan: Plan) -> dict[str, float]:
    """For each backend, the seconds that its calls take as fast as is planned, at the least."""
    lanes = {
        item.backend: pace.seconds(plan, item.backend) for item in plan.items if not item.fatal
    }
    return {backend: took for backend, took in lanes.items() if took is not None}


def bound(plan: Plan, proofs: Mapping[str, float] | None = None) -> float:
    """The seconds that the whole plan takes at its rates or estimates, at the least.

    Lanes go side by side, so that is the slowest one's time: its calls, and behind its
    canaries the wait until they are proved. ``proofs`` has, by backend, for how many seconds
    a system is known to hide an effect from its own record; one that is not there takes
    no time. A lane without a canary waits for those of all others.
    """
    proofs = proofs or {}
    proved: dict[str, float] = {}
    for item in plan.items:
        if item.wave == 0 and not item.fatal and not item.by_hand:
            took = len(item.proposal.steps) / (pace.expected(plan, item.backend) or math.inf)
            proved[item.backend] = proved.get(item.backend, 0.0) + took
    for backend in proved:
        proved[backend] += proofs.get(backend, 0.0)
    every = max(proved.values(), default=0.0)
    slowest = 0.0
    for backend, seconds in estimate(plan).items():
        waits = proofs.get(backend, 0.0) if backend in proved else every
        slowest = max(slowest, seconds + waits)
    return slowest
