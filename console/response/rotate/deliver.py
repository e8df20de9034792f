"""Bringing a new value to the plan's sinks, and having it back from there after a kill.

Each delivery is a step of its own: intent, permit, outcome, and then a reading whose
fingerprint is compared with the one that the journal has. No value is kept here.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from msgspec.structs import replace

from backends.contract import Retry, Step
from backends.errors import BackendError, Unsupported
from backends.model import Secret
from console.journal.format.entry import Kind, Out, SchemaError
from console.journal.format.parts import KnownBy, OutState
from console.journal.format.sentence import Entry
from console.journal.format.who import host
from console.journal.format.words import system_words
from console.response.plan import entry_parts
from console.response.plan.model import PlanItem
from console.response.plan.step_id import StepId
from console.response.rotate import successors
from console.response.state import runner_lock
from console.response.state.history import StepState
from console.response.state.step_log import Stage
from console.response.step.attempt import Done, End, carry_out
from console.response.step.context import StepContext

PAUSES = (0.5, 2.0, 5.0)
"""Seconds before the place is read again, which may show what was there before for a while."""


class _SinkLook(NamedTuple):
    """What a sink holds. ``holds`` None: nobody can tell, for good when ``never`` is set."""

    holds: bool | None
    words: str
    never: bool = False


def step_of(tools: StepContext, item: PlanItem, sink: str) -> Step:
    """The planned delivery to a sink. Raises ``BackendError`` where its place cannot be named."""
    planned: Step = _sink(tools, sink).plan(item.token)
    return replace(planned, id=str(StepId.of_delivery(item.number, sink)))


def _sink(tools: StepContext, name: str) -> Any:
    if name not in tools.sinks:
        raise Unsupported(f"the sink {name} is not configured here", "Mend [sink] and resume.")
    return tools.sinks[name]


async def ready(tools: StepContext, item: PlanItem) -> Done | None:
    """Whether every sink would take a value, asked before one is made. None when they would."""
    for name in tools.plan.sinks:
        try:
            await _clear(tools, item, name)
            await _sink(tools, name).check(step_of(tools, item, name))
        except BackendError as error:
            told = f"nothing was sent: the sink {name}: {system_words(error.message, 200)}"
            return Done(End.WAITING, f"{told} {error.hint}".strip())
        except Exception as error:  # noqa: BLE001
            return Done(End.WAITING, f"the sink {name} failed with {type(error).__name__}")
    return None


def missing(tools: StepContext, item: PlanItem, fp: str) -> list[str]:
    """The sinks that are not known to have the value with this fingerprint."""
    return [name for name in tools.plan.sinks if _delivery(tools, item, name, fp) is None]


def given(tools: StepContext, item: PlanItem, fp: str) -> list[str]:
    """The sinks that have, or may have, been given the value with this fingerprint."""
    found = []
    for name in tools.plan.sinks:
        tries = _tries(tools, item, name)
        if any(
            state.intent is not None
            and state.intent.fp == fp
            and state.stage in (Stage.DONE, Stage.OPEN)
            for _, state in tries
        ):
            found.append(name)
    return found


def _tries(tools: StepContext, item: PlanItem, sink: str) -> list[tuple[str, StepState]]:
    base = StepId.of_delivery(item.number, sink)
    ids = (
        str(base.again(number)) for number in range(1, successors.attempts(tools.board, base) + 1)
    )
    return [(id_, tools.board.step(id_)) for id_ in ids]


def _delivery(tools: StepContext, item: PlanItem, sink: str, fp: str) -> Entry | None:
    """The intent by which the sink was given the value; None if it is not known to have been."""
    for _, state in _tries(tools, item, sink):
        if state.intent is None or state.intent.fp != fp:
            continue
        if state.stage is Stage.DONE or _vouched(tools, item, state.intent):
            return state.intent
    return None


def _vouched(tools: StepContext, item: PlanItem, intent: Entry) -> bool:
    """Whether a person settled a delivery that no reading can settle, as one that arrived."""
    entries = tools.board.entries(item.number)
    return any(entry.ref == intent.id and entry.vouched for entry in entries)


async def deliver(tools: StepContext, item: PlanItem, value: Secret, fp: str) -> Done:
    """Give the value to every sink that does not have it, and read each back.

    All are tried; the words name those that failed.

    Raises:
        JournalError, SignatureRequired: as ``carry_out``.
    """
    bad: list[Done] = []
    for name in tools.plan.sinks:
        done = await _give(tools, item, name, value, fp)
        if done.end is not End.DONE:
            bad.append(done)
    if not bad:
        return Done(End.DONE)
    worst = next((d.end for d in bad if d.end in (End.TAKEN, End.UNKNOWN)), bad[0].end)
    return Done(worst, "; ".join(done.words for done in bad))


async def _give(tools: StepContext, item: PlanItem, name: str, value: Secret, fp: str) -> Done:
    await _clear(tools, item, name)
    if _delivery(tools, item, name, fp) is not None:
        return await confirm(tools, item, name, fp)
    settled = await _settle(tools, item, name)
    if settled is not None:
        return settled
    if _delivery(tools, item, name, fp) is None:
        base = StepId.of_delivery(item.number, name)
        ids = (str(base.again(number)) for number in range(1, 1000))
        free = next(id_ for id_ in ids if tools.board.step(id_).stage is Stage.NEW)
        step = replace(step_of(tools, item, name), id=free)
        done = await carry_out(
            tools,
            item,
            step,
            value=value,
            performer=tools.sinks[name].perform,
            look_first=False,
        )
        if done.end is End.UNKNOWN:
            settled = await _settle(tools, item, name)
            if settled is not None:
                return settled
            if _delivery(tools, item, name, fp) is None:
                return Done(End.WAITING, f"{name} was not given the value; it is tried again")
        elif done.end is not End.DONE:
            return done
    return await confirm(tools, item, name, fp)


async def _clear(tools: StepContext, item: PlanItem, name: str) -> None:
    """Take away what a killed delivery left behind: it holds a value, and nobody else will.

    Whoever runs this holds its plan's lock, so an earlier runner of it is dead; of another
    plan's the lock tells. What this process has under way is left alone.

    Raises:
        JournalError: the removal cannot be written down.
    """
    sink = _sink(tools, name)
    try:
        step = step_of(tools, item, name)
        found = await sink.leftovers(step)
    except (BackendError, OSError):
        return  # What keeps the place from being read keeps the delivery too, which says so.
    for id_ in found:
        intent = tools.journal.get(id_)
        if intent is None or not _abandoned(tools, intent):
            continue
        try:
            told = f"the file with the value was removed: {await sink.clear(step, id_)}"
        except (BackendError, OSError) as error:
            told = f"a file with the value is left beside {step.call.target}: {error}"
        act = entry_parts.act(step.verb.value, item.token, step, tools.plan.id)
        why = system_words(f"A delivery was killed midway; {told}")
        await tools.record(Kind.NOTE, why=why, act=act)


def _abandoned(tools: StepContext, intent: Entry) -> bool:
    """Whether nobody is at a delivery any more."""
    try:
        about = intent.body
    except SchemaError:
        return False
    if about.host.machine != host().machine:
        return False
    if intent.plan == tools.plan.id:
        return about.who.kernel.pid != os.getpid()
    return not runner_lock.alive(intent.plan, tools.paths)


async def _settle(tools: StepContext, item: PlanItem, name: str) -> Done | None:
    """Find out what became of deliveries that a dead runner left open. None when all is told."""
    sink = tools.sinks[name]
    for id_, state in _tries(tools, item, name):
        intent = state.intent
        if state.stage is not Stage.OPEN or intent is None:
            continue
        step = replace(step_of(tools, item, name), id=id_)
        wait = 1.0 - successors.age(intent, tools.now())
        if wait > 0:
            await tools.sleep(wait)
        seen = await _look(tools, item, name, intent.fp)
        if seen.holds is None and not seen.never:
            return Done(End.WAITING, f"{name} cannot be read: {seen.words}")
        if seen.holds is None and sink.retry is Retry.FREE:
            # Nobody can tell, and the repeat does no harm: it settles the matter by itself.
            seen = _SinkLook(False, "it is delivered again, which does no harm")
        if seen.holds is None:
            return Done(
                End.WAITING,
                f"it is not known whether {name} was given the value ({seen.words}). Look there, "
                f"and say so: token-console journal acknowledge {intent.id}; "
                "then start the run again",
            )
        out = Out(
            ref=intent.id,
            state=OutState.APPLIED if seen.holds else OutState.NOT_APPLIED,
            how=KnownBy.READ,
            detail=system_words(seen.words),
        )
        act = entry_parts.act(step.verb.value, item.token, step, tools.plan.id)
        await tools.record(Kind.RECOVERY, act=act, out=out)
    return None


async def confirm(tools: StepContext, item: PlanItem, name: str, fp: str) -> Done:
    """Read a delivery back, until the journal says that it was found to be the value."""
    intent = _delivery(tools, item, name, fp)
    if intent is None:
        return Done(End.WAITING, f"{name} does not have the value yet")
    id_ = str(StepId.of_check(item.number, name))
    if any(
        e.kind == Kind.OBSERVE and e.step == id_ and e.ref == intent.id and e.state == OutState.SEEN
        for e in tools.board.entries(item.number)
    ):
        return Done(End.DONE)
    seen = await _look(tools, item, name, fp)
    for pause in PAUSES:
        if seen.holds is not False:
            break
        await tools.sleep(pause)
        seen = await _look(tools, item, name, fp)
    if seen.holds is None and not seen.never:
        return Done(End.WAITING, f"{name} cannot be read back: {seen.words}")
    if seen.holds is None:
        return Done(End.DONE, seen.words)
    step = replace(step_of(tools, item, name), id=id_)
    await tools.record(
        Kind.OBSERVE,
        act=entry_parts.act(step.verb.value, item.token, step, tools.plan.id),
        out=Out(
            ref=intent.id,
            state=OutState.SEEN if seen.holds else OutState.NOT_SEEN,
            how=KnownBy.READ,
            detail=system_words(f"{name}: {seen.words}"),
        ),
    )
    if seen.holds:
        return Done(End.DONE, seen.words)
    return Done(End.WAITING, f"{name} does not hold the new value: somebody replaced it?")


async def _look(tools: StepContext, item: PlanItem, name: str, fp: str) -> _SinkLook:
    """Read what a sink holds, and compare. Raises nothing but a journal's error."""
    sink = _sink(tools, name)
    if not sink.can_read:
        return _SinkLook(None, "it cannot be read back", never=True)
    try:
        value: Secret | None = await sink.read(step_of(tools, item, name))
    except Unsupported:
        return _SinkLook(None, "it cannot be read back", never=True)
    except BackendError as error:
        return _SinkLook(None, system_words(error.message, 200))
    except Exception as error:  # noqa: BLE001
        # Its message may hold the value.
        return _SinkLook(None, f"the sink failed with {type(error).__name__}")
    if value and tools.fingerprint(value) == fp:
        return _SinkLook(True, "read back, it is the value")
    return _SinkLook(False, "it holds another value" if value else "it holds no value")


async def recall(tools: StepContext, item: PlanItem, fp: str) -> Secret | None:
    """The value with this fingerprint, from a sink that was given it and can be read."""
    for name in given(tools, item, fp):
        sink = tools.sinks.get(name)
        if sink is None or not sink.can_read:
            continue
        try:
            value: Secret | None = await sink.read(step_of(tools, item, name))
        except Exception:  # noqa: BLE001, S112
            # Another sink may have it; what went wrong here is told when it is delivered to.
            continue
        if value and tools.fingerprint(value) == fp:
            return value
    return None
