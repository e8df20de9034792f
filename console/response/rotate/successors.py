"""Tokens that a rotation brought into being: which there are, and the end of those in excess.

Every one is named in the journal (``out.made``), so that a fresh runner finds it. At most
one of them is to live on beside, and then instead of, the old token.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from backends.contract import Backend, Rotation, Step, Value, Verb
from backends.errors import BackendError, NotFound, Unsupported
from backends.model import EvidenceLevel, Secret, Token, TokenRef
from console.journal.format.entry import Kind, Out
from console.journal.format.parts import KnownBy, OutState
from console.journal.format.sentence import Entry
from console.journal.format.words import system_words
from console.response.plan import entry_parts
from console.response.plan.model import PlanItem
from console.response.plan.step_id import StepId
from console.response.state.history import History
from console.response.state.step_log import Stage
from console.response.step.attempt import SETTLE, Done, End, carry_out, settle
from console.response.step.context import StepContext

ASK_TIMEOUT = 180.0
_NAMING = (Kind.OUTCOME, Kind.RECOVERY, Kind.OBSERVE)
"""The kinds of entries that name a token which a rotation's call made."""


class Successor(NamedTuple):
    """A token that a call brought into being, or whose value it replaced.

    ``fp`` is the new value's keyed fingerprint, empty where the value never was in hand;
    ``value`` the value itself, where this process has it.
    """

    ref: TokenRef
    fp: str
    step: str
    intent: Entry
    value: Secret | None = None


class LostState(StrEnum):
    """What a look can tell of a minting call without an answer."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    EARLY = "early"
    """Nothing is seen yet: ask again."""
    DOWN = "down"
    """The system cannot be asked now."""
    UNTOLD = "untold"
    """No reading can ever tell."""


class Lost(NamedTuple):
    """What is known of a minting call without an answer. ``refs`` is what it made."""

    state: LostState
    words: str
    refs: tuple[TokenRef, ...] = ()


def attempts(history: History, step: StepId) -> int:
    """How many attempts of a step the journal has, at least one."""
    number = 1
    while history.begun(str(step.again(number + 1))):
        number += 1
    return number


def made(history: History, item: PlanItem) -> list[Successor]:
    """Every token that the journal says the item's rotation made, oldest first."""
    intents: dict[str, Entry] = {}
    found: dict[TokenRef, Successor] = {}
    for entry in history.entries(item.number):
        if entry.kind == Kind.INTENT:
            intents[entry.id] = entry
            continue
        target, intent = entry.made, intents.get(entry.ref)
        if entry.kind not in _NAMING or target is None or intent is None:
            continue
        ref = TokenRef(entry.backend, target.kind, target.id)
        earlier = found.pop(ref, None)
        fp = target.fp or (earlier.fp if earlier and earlier.intent.id == intent.id else "")
        found[ref] = Successor(ref, fp, entry.step, intent)
    return list(found.values())


def _rollback(item: PlanItem, ref: TokenRef, call: str) -> str:
    return str(StepId.of_rollback(item.number, ref.handle, call))


_GONE = "gone"
"""The last step of a roll-back: the system has the token no more."""


def going(history: History, item: PlanItem, ref: TokenRef) -> bool:
    """Whether any call to end a token that the rotation made is in the journal."""
    return any(StepId.parse(e.step).ends(ref.handle) for e in history.entries(item.number))


def ended(history: History, item: PlanItem, ref: TokenRef) -> bool:
    """Whether a made token was ended, by the last step of its end."""
    return history.step(_rollback(item, ref, _GONE)).stage is Stage.DONE


async def end(tools: StepContext, item: PlanItem, ref: TokenRef, why: str) -> Done:
    """End a token that the rotation made and that nobody is to have, step by step.

    The steps are the backend's own for a revoke, planned now; the old token is untouched.

    Raises:
        JournalError, SignatureRequired: as ``carry_out``.
    """
    if ref == item.token.ref:
        return Done(End.STOPPED, "the token's own end is no roll-back")
    if ended(tools.board, item, ref):
        return Done(End.DONE)
    token = await _read(tools.backend, ref)
    if isinstance(token, Done):
        return token
    if token is not None:
        try:
            proposal = await tools.backend.plan(Verb.REVOKE, token)
        except BackendError as error:
            told = system_words(error.message, 200)
            return Done(End.WAITING, f"{why}, and its end cannot be planned: {told}")
        if not proposal.steps:
            return Done(End.WAITING, f"{why}: {ref.id} has to be ended by hand")
        for step in proposal.steps:
            mine = replace(step, id=_rollback(item, ref, step.id), title=f"{step.title} ({why})")
            done = await finish(tools, item, mine)
            if done.end is not End.DONE:
                return done
        token = await _read(tools.backend, ref)
        if isinstance(token, Done):
            return token
    if token is not None and token.state.value not in ("revoked", "expired"):
        return Done(End.WAITING, f"{ref.id} was ended ({why}) and is still on record; look again")
    await _close(tools, item, ref, why)
    return Done(End.DONE)


async def _close(tools: StepContext, item: PlanItem, ref: TokenRef, why: str) -> None:
    """Write that it is gone; and answer the steps that a dead runner left open on it."""
    for entry in tools.board.entries(item.number):
        if entry.kind == Kind.INTENT and StepId.parse(entry.step).ends(ref.handle):
            state = tools.board.step(entry.step)
            if state.stage is Stage.OPEN and state.intent is not None:
                body = state.intent.body
                out = Out(
                    ref=state.intent.id,
                    state=OutState.APPLIED,
                    how=KnownBy.READ,
                    detail="it is gone",
                )
                await tools.record(Kind.RECOVERY, act=body.act, out=out)
    act = replace(
        entry_parts.act(Verb.ROTATE.value, ref, plan=tools.plan.id),
        step=_rollback(item, ref, _GONE),
    )
    out = Out(
        ref=tools.plan.id,
        state=OutState.ALREADY,
        how=KnownBy.READ,
        detail=system_words(f"the system no longer has it; it was ended because {why}"),
    )
    await tools.record(Kind.OUTCOME, act=act, out=out)
    level = int(min(EvidenceLevel.RECORDED, item.ceiling))
    seen = Out(
        ref=tools.plan.id,
        state=OutState.SEEN,
        how=KnownBy.READ,
        detail="it is gone",
        evidence=level,
    )
    await tools.record(Kind.EVIDENCE, act=act, out=seen)


async def _read(backend: Backend, ref: TokenRef) -> Token | Done | None:
    """The token, None when the system has it no more, or why nobody can tell."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT):
            return await backend.read(ref)
    except NotFound:
        return None
    except TimeoutError:
        return Done(End.WAITING, f"no answer about {ref.id}")
    except BackendError as error:
        told = system_words(error.message, 200)
        return Done(End.WAITING, f"{ref.id} cannot be read: {told}")
    except Exception as error:  # noqa: BLE001
        # A backend's defect must stop the item, with a record, and not the runner.
        return Done(End.WAITING, f"the backend failed with {type(error).__name__}")


async def finish(tools: StepContext, item: PlanItem, step: Step) -> Done:
    """Carry out a step, also one that a dead runner left open: by reading, and then anew.

    Raises:
        JournalError, SignatureRequired: as ``carry_out``.
    """
    state = tools.board.step(step.id)
    if state.stage is Stage.OPEN and state.intent is not None:
        early = SETTLE - age(state.intent, tools.now())
        if early > 0:
            await tools.sleep(early)
        done = await settle(tools, item, step, state.intent)
        if done.end is not End.STOPPED:
            return done
    return await carry_out(tools, item, step)


def age(intent: Entry, now: float) -> float:
    """Seconds since the intent. ``now`` is in unix seconds."""
    return max(0.0, now - intent.t_us / 1e6)


async def ask(backend: Backend, step: Step, intent: Entry, waited: float, window: float) -> Lost:
    """Ask what a minting call without an answer made. Never sends anything; raises nothing.

    ``waited`` is the intent's age, ``window`` how old it must be before "nothing" counts.
    """
    try:
        async with asyncio.timeout(ASK_TIMEOUT):
            refs = await backend.minted(step, intent.id, intent.at)
    except Unsupported as error:
        return Lost(LostState.UNTOLD, system_words(error.message, 200))
    except TimeoutError:
        return Lost(LostState.DOWN, f"no answer in {ASK_TIMEOUT:.0f} s")
    except BackendError as error:
        return Lost(LostState.DOWN, system_words(error.message, 200))
    except Exception as error:  # noqa: BLE001
        # A backend's defect while reading must leave the intent open, and be told.
        return Lost(LostState.DOWN, f"the backend failed with {type(error).__name__}")
    if refs:
        named = ", ".join(entry_parts.name(ref.id, 80) for ref in refs[:3])
        return Lost(LostState.APPLIED, f"found what it made: {named}", tuple(refs))
    if waited < window:
        return Lost(LostState.EARLY, "nothing is seen of it yet")
    return Lost(LostState.NOT_APPLIED, "the system has nothing that it made")


def answer(step: Step, intent: Entry, lost: Lost, how: KnownBy) -> Out:
    """What a recovery entry says of a call that is known by now to have happened, or not.

    The fingerprint of a value that we chose is the intent's.
    """
    target = None
    if lost.refs:
        fp = intent.fp if step.value is Value.CHOSEN else ""
        target = replace(entry_parts.target(lost.refs[0]), fp=fp)
    return Out(
        ref=intent.id,
        state=OutState(lost.state),
        how=how,
        detail=system_words(lost.words),
        made=target,
    )


def further(intent: Entry, ref: TokenRef) -> Out:
    """What an observation says of each token more that the same lost call is found to have made."""
    told = "made by the same call, whose answer was lost"
    return Out(
        ref=intent.id,
        state=OutState.SEEN,
        how=KnownBy.RECOVERY,
        detail=told,
        made=entry_parts.target(ref),
    )


def old_lives(backend: Backend, item: PlanItem) -> bool:
    """Whether the old token goes on working when the new one was made."""
    rotation = backend.capabilities().of(item.token.ref.kind).rotation
    return rotation in (Rotation.CREATE_RETIRE, Rotation.OVERLAP)


def in_place(backend: Backend, item: PlanItem) -> bool:
    """Whether the new value takes the old one's place under the same id."""
    return backend.capabilities().of(item.token.ref.kind).rotation is Rotation.IN_PLACE


def never_again(backend: Backend, item: PlanItem) -> bool:
    """Whether a second rotation of the same token is taken for theft."""
    return backend.capabilities().of(item.token.ref.kind).reuse_detection
