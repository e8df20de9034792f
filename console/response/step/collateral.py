"""What a step has to show beside its own token: children that end too, a state put back.

Reads, never changes.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from backends.contract import Step, Verb
from backends.model import EvidenceLevel, How, Token, TokenRef
from console.errors import PlanRefused
from console.journal.format.entry import Kind, Out
from console.journal.format.parts import KnownBy, OutState
from console.journal.format.words import system_words
from console.response.approve import approval
from console.response.plan import entry_parts
from console.response.plan.model import PlanItem
from console.response.step.context import StepContext
from console.response.step.read_back import GONE, ReadBack, look, window

MOST_CHILDREN = 500
"""Children that are read again, one by one, after one step. What is beyond counts as not seen."""
PATIENCE = 5.0
_PAUSE = (0.2, 2.0)
_COMPARED = ("name", "scope", "state", "owner", "principal", "grants", "expires_at")


class _Child(NamedTuple):
    ref: TokenRef
    seen: ReadBack


async def children(tools: StepContext, item: PlanItem, step: Step, ref: str) -> int:
    """Read again each token that was to end along with this one; how many live on.

    One that lives, or that could not be read, is evidence against the step, by name. One
    that was found living before and is gone by now is evidence for it. Asked after the
    item's last step. ``ref`` is the entry that the evidence answers.
    """
    steps = item.proposal.steps
    if not item.proposal.also_ends or not steps or step.id != steps[-1].id:
        return 0
    row = tools.board.row(tools.plan.id, item.number)
    before = set(row.living) if row is not None else set()
    left = [_Child(each, ReadBack(None, "not read")) for each in item.proposal.also_ends]
    beyond, left = left[MOST_CHILDREN:], left[:MOST_CHILDREN]
    patience = min(window(item.propagation), PATIENCE)
    waited, pause = 0.0, _PAUSE[0]
    gone: list[_Child] = []
    while True:
        read = await asyncio.gather(*(_read(tools, child.ref) for child in left))
        gone += [child for child in read if child.seen.holds]
        left = [child for child in read if not child.seen.holds]
        if not left or waited >= patience or tools.stopping():
            break
        await tools.sleep(pause)
        waited, pause = waited + pause, min(pause * 2, _PAUSE[1])
    for child in gone:
        if child.ref.handle in before:
            await _tell(tools, item, step, ref, child)
    for child in [*left, *beyond]:
        if child.ref.handle not in before:
            await _tell(tools, item, step, ref, child)
    return len(left) + len(beyond)


async def _read(tools: StepContext, ref: TokenRef) -> _Child:
    async with tools.lane.gate:
        return _Child(ref, await look(tools.backend, ref, GONE))


async def _tell(tools: StepContext, item: PlanItem, step: Step, ref: str, child: _Child) -> None:
    seen = bool(child.seen.holds)
    told = "was to end with it" if seen else "was to end with it, and lives"
    if child.seen.holds is None:
        told = "was to end with it, and cannot be read"
    level = EvidenceLevel.RECORDED if seen else EvidenceLevel.ACCEPTED
    await tools.record(
        Kind.EVIDENCE,
        act=entry_parts.act(step.verb.value, child.ref, step, tools.plan.id),
        out=Out(
            ref=ref,
            state=OutState.SEEN if seen else OutState.NOT_SEEN,
            how=KnownBy.READ,
            detail=system_words(f"{told}: {child.seen.words}"),
            evidence=int(min(level, item.ceiling)),
        ),
    )


async def unlike_before(tools: StepContext, item: PlanItem, now: Token) -> str:
    """What of a restored token is not as it was before it was contained; empty if all is.

    Compared is with the token in the plan that contained it last. Where that plan is not
    here, nothing can be said, and nothing is.
    """
    saved = await asyncio.to_thread(saved_state, tools, item)
    if saved is None:
        return ""
    differs = [
        name
        for name in _COMPARED
        if _tells(saved, name) and _tells(now, name) and _value(saved, name) != _value(now, name)
    ]
    return ", ".join(name.replace("_", " ") for name in differs)


def saved_state(tools: StepContext, item: PlanItem) -> Token | None:
    """The token as it was when the plan was made that contained it last."""
    for entry in tools.journal.entries(50, kind=Kind.INTENT, handle=item.token.ref.handle):
        if entry.verb != Verb.CONTAIN or entry.plan == tools.plan.id:
            continue
        try:
            plan, _ = approval.read(entry.plan, tools.journal, tools.paths)
        except PlanRefused:
            return None
        for each in plan.items:
            if each.token.ref == item.token.ref:
                return each.token
    return None


def _tells(token: Token, name: str) -> bool:
    return getattr(getattr(token, name), "how", How.KNOWN) in (How.KNOWN, How.NEVER)


def _value(token: Token, name: str) -> object:
    """A member to compare: the value of what is known, without when and whence it is known."""
    member = getattr(token, name)
    value = getattr(member, "value", member)
    return frozenset(value) if isinstance(value, tuple) else value
