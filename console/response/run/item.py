"""One item of a run: every step in order, or a look at what a person was to do."""

from __future__ import annotations

from msgspec.structs import replace

from backends.contract import Phase, Verb
from backends.model import EvidenceLevel
from console.journal.format.entry import Kind, Out
from console.journal.format.parts import KnownBy, OutState
from console.journal.format.words import system_words
from console.response.evidence.context import EvidenceContext
from console.response.plan import entry_parts
from console.response.plan.model import PlanItem
from console.response.plan.step_id import Mark, mark_of
from console.response.rotate import rotation
from console.response.state.step_log import Stage
from console.response.step.attempt import Done, End, carry_out, settle
from console.response.step.read_back import GONE, HELD, ReadBack, look


async def run_item(tools: EvidenceContext, item: PlanItem) -> Done:
    """Do what is left of an item.

    Raises:
        JournalError: the journal cannot be written to. Nothing was sent after that.
        SignatureRequired: an intent cannot be signed any more; it was not written.
    """
    if item.fatal:
        return Done(End.STOPPED, item.fatal[0].text)
    if item.by_hand:
        return await _by_hand(tools, item)
    if item.verb is Verb.ROTATE:
        return await rotation.rotate(tools, item)
    for step in item.proposal.steps:
        before = tools.board.step(step.id)
        if before.stage is Stage.OPEN and before.intent is not None:
            found = await settle(tools, item, step, before.intent)
            if found.end is End.UNKNOWN:
                return found
        done = await carry_out(tools, item, step)
        if done.end is not End.DONE:
            return done
    return Done(End.DONE, "every step of the plan is done")


def acted(tools: EvidenceContext, item: PlanItem) -> bool:
    """Whether every step of the item is done, as the journal tells."""
    steps = item.proposal.steps
    if item.verb is Verb.ROTATE and steps:
        return rotation.complete(tools, item)
    return bool(steps) and all(tools.board.step(step.id).stage is Stage.DONE for step in steps)


def may_be_tried(tools: EvidenceContext, item: PlanItem) -> bool:
    """Whether there is something left that this run may do about the item."""
    if item.fatal:
        return False
    if item.by_hand:
        return True
    stages = [tools.board.step(step.id).stage for step in item.proposal.steps]
    mints = any(step.phase is Phase.MINT for step in item.proposal.steps)
    return (Stage.FAILED not in stages or mints) and not acted(tools, item)


async def _by_hand(tools: EvidenceContext, item: PlanItem) -> Done:
    """Look whether the person did it. Evidence is kept once, when it is seen."""
    expect = HELD if item.verb is Verb.CONTAIN else GONE
    seen: ReadBack = await look(tools.backend, item.token.ref, expect)
    if not seen.holds:
        return Done(End.WAITING, f"to be done by hand; {seen.words}", seen=seen)
    step = mark_of(item.number, Mark.BY_HAND)
    if not any(entry.step == step for entry in tools.board.entries(item.number)):
        act = entry_parts.act(item.verb.value, item.token, plan=tools.plan.id)
        await tools.record(
            Kind.EVIDENCE,
            act=replace(act, step=step),
            out=Out(
                ref=tools.plan.id,
                state=OutState.SEEN,
                how=KnownBy.READ,
                detail=system_words(seen.words),
                evidence=int(min(EvidenceLevel.RECORDED, item.ceiling)),
            ),
        )
    return Done(End.DONE, "it was done by hand", seen=seen)
