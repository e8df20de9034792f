"""Bringing a rotation's new value into being, once: also over kills and lost answers.

What is chosen by us is in escrow before the call. What the system makes is put there as the
first thing after its answer, before the outcome is journaled: a kill in between then leaves
a sealed value and an open intent, by which the token is found; the other way round it would
leave a token whose value nobody has.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from backends import permit
from backends.contract import Outcome, Phase, Step, Value, Verb
from backends.errors import BackendError
from backends.model import Secret, Token, TokenRef
from console.errors import ConsoleError
from console.journal.format.entry import Kind, Out
from console.journal.format.parts import KnownBy, OutState
from console.journal.format.sentence import Entry
from console.journal.format.words import system_words
from console.response import escrow
from console.response.evidence import probe
from console.response.plan import entry_parts
from console.response.plan.model import PlanItem
from console.response.plan.step_id import StepId
from console.response.rotate import deliver, successors
from console.response.rotate.successors import Successor
from console.response.state.step_log import Stage
from console.response.step.attempt import SETTLE, Done, End, carry_out
from console.response.step.context import StepContext
from console.response.step.read_back import window

MOST = 6
"""How many new values one item is given at most, over all its runs."""
TRIES = 2
"""How often one run makes the call, when it is known each time that it did not happen."""
PATIENCE = 15.0
"""Seconds that one run waits until "nothing is seen of it" may count."""


class Minter:
    """One item's new values, of which the last one counts. They stay in memory only."""

    def __init__(self, tools: StepContext, item: PlanItem) -> None:
        self.tools, self.item = tools, item
        self.base = next(s for s in item.proposal.steps if s.phase is Phase.MINT)
        self._id = StepId.parse(self.base.id)
        self.unsealed = ""
        """Why the value in hand is not in escrow; empty where it is."""
        self._key = f"new:{item.token.ref.handle}"
        self._more = 0

    def held(self, fp: str) -> Secret | None:
        """The value with this fingerprint, if this process has it: made here, or handed to us.

        It is kept beside the old ones, so that a later try of the same run finds it.
        """
        value = self.tools.secrets.get(self._key)
        return value if value and fp and self.tools.fingerprint(value) == fp else None

    def handed(self) -> Secret | None:
        """Whatever new value is in hand, for a token whose value's fingerprint is not known."""
        return self.tools.secrets.get(self._key)

    def forget(self) -> None:
        """Let go of the value: it is where it belongs."""
        self.tools.secrets.pop(self._key, None)

    @property
    def in_place(self) -> bool:
        """Whether the new value takes the old one's place under the same id."""
        return successors.in_place(self.tools.backend, self.item)

    def anew(self) -> None:
        """Have ``mint`` make another value, because nobody has the last one."""
        self._more = successors.attempts(self.tools.board, self._id) + 1

    async def mint(self) -> Successor | Done:
        """The token with the new value: made now, or found; or why there is none.

        Raises:
            JournalError, SignatureRequired: as ``carry_out``.
        """
        board = self.tools.board
        number, tries = successors.attempts(board, self._id), 0
        while number <= MOST:
            number = max(number, self._more)
            id_ = str(self._id.again(number))
            state = board.step(id_)
            if state.stage is Stage.FAILED:
                return Done(End.STOPPED, f"it was tried and did not happen: {state.words}")
            if state.stage is Stage.NEW:
                tries += 1
                if tries > TRIES:
                    return Done(End.WAITING, "its calls get lost; tried again later", state.intent)
                done = await self._make(id_, number)
                if done.end not in (End.DONE, End.UNKNOWN):
                    return done
            elif state.stage is Stage.OPEN and state.intent is not None:
                found = await self._find(self._again(id_, state.intent), state.intent)
                if isinstance(found, Done):
                    return found
                number += not found
            else:
                made = await self._made(id_, state.intent)
                if isinstance(made, Done):
                    return made
                if not successors.ended(board, self.item, made.ref):
                    await self._overwritten(number)
                    return made
                number += 1
        return Done(End.STOPPED, f"{MOST} new values were made, and none came to its place")

    async def _made(self, id_: str, intent: Entry | None) -> Successor | Done:
        """What a step that is done made."""
        if intent is None:
            return Done(End.STOPPED, "the token has been replaced by somebody else; plan again")
        named = [
            m for m in successors.made(self.tools.board, self.item) if m.intent.id == intent.id
        ]
        if named:
            first = min(named, key=lambda each: each.step != id_)
            return first._replace(value=self.held(first.fp))
        step = self._again(id_, intent)
        if self.in_place:
            return Successor(step.token, intent.fp, id_, intent, self.held(intent.fp))
        lost = await successors.ask(self.tools.backend, step, intent, 1.0, 0.0)
        if not lost.refs:
            told = f"the system said yes and does not name what it made: {lost.words}"
            return Done(End.UNKNOWN, told, intent)
        await self._name(step, intent, lost.refs)
        return Successor(lost.refs[0], "", id_, intent)

    def _again(self, id_: str, intent: Entry) -> Step:
        """The step as it was when its intent was written."""
        ref = TokenRef(intent.backend, intent.target_kind, intent.target_id)
        return replace(self.base, id=id_, token=ref)

    async def _step(self, id_: str, number: int) -> Step | Done:
        """The step to be made now. Where the old token is dead, its successor is replaced."""
        made = successors.made(self.tools.board, self.item)
        if number == 1 or not made or self.in_place:
            return replace(self.base, id=id_)
        if successors.old_lives(self.tools.backend, self.item):
            return replace(self.base, id=id_)
        try:
            token = await self.tools.backend.read(made[-1].ref)
            proposal = await self.tools.backend.plan(Verb.ROTATE, token)
        except BackendError as error:
            told = system_words(error.message, 200)
            return Done(End.WAITING, f"the successor cannot be replaced: {told}")
        mints = [step for step in proposal.steps if step.phase is Phase.MINT]
        if not mints:
            return Done(End.STOPPED, "the successor can only be replaced by hand")
        return replace(mints[0], id=id_)

    async def _make(self, id_: str, number: int) -> Done:
        step = await self._step(id_, number)
        if isinstance(step, Done):
            return step
        not_ready = await deliver.ready(self.tools, self.item)
        if not_ready is not None:
            return not_ready
        value: Secret | None = None
        try:
            for key in self.tools.plan.escrow:
                escrow.usable(key)
            if step.value is Value.CHOSEN:
                value = self.tools.backend.new_value(step)
                sealed = await self._seal(value)
            elif not self.tools.plan.escrow:
                raise escrow.EscrowError("the plan names nobody to seal the new value to")
        except ConsoleError as error:
            told = f"nothing was sent: {error} {error.hint}".strip()
            return Done(End.WAITING, system_words(told))

        async def perform(planned: Step) -> Outcome:
            outcome = await self.tools.backend.perform(planned)
            if value is None:
                told = await self._keep(permit.delivered())
            else:
                told = f"in escrow as {sealed.path.name}"
            said = "; ".join(each for each in (outcome.detail, told) if each)
            return replace(outcome, detail=said)

        done = await carry_out(self.tools, self.item, step, value=value, performer=perform)
        if done.intent is not None:
            held = done.minted[0][1] if done.minted else value
            if held is not None:
                self.tools.secrets[self._key] = held
        return done

    async def _seal(self, value: Secret) -> escrow.Escrowed:
        plan, paths = self.tools.plan, self.tools.paths
        place = escrow.place(paths, plan.id, self.item.number)
        return await asyncio.to_thread(escrow.seal, value, plan.escrow, place)

    async def _keep(self, minted: tuple[tuple[TokenRef, Secret], ...]) -> str:
        """Put what a call has just made into escrow, and say how that went."""
        self.unsealed = ""
        names = []
        for _, secret in minted:
            try:
                names.append((await self._seal(secret)).path.name)
            except ConsoleError as error:
                self.unsealed = system_words(str(error), 200)
        if self.unsealed:
            return f"NOT in escrow: {self.unsealed}"
        return f"in escrow as {', '.join(names)}" if names else ""

    async def _find(self, step: Step, intent: Entry) -> bool | Done:
        """What became of a call without an answer. False: a new one has to overwrite it."""
        tools, item = self.tools, self.item
        wait = window(item.propagation) if item.propagation else SETTLE
        lost = await successors.ask(
            tools.backend, step, intent, successors.age(intent, tools.now()), wait
        )
        if lost.state is successors.LostState.EARLY:
            rest = wait - successors.age(intent, tools.now())
            if rest > PATIENCE or tools.stopping():
                return Done(End.WAITING, f"{step.title}: {lost.words}; too early to tell", intent)
            await tools.sleep(max(rest, 0.0))
            lost = await successors.ask(tools.backend, step, intent, wait, wait)
        if lost.state is successors.LostState.DOWN:
            return Done(End.WAITING, f"what became of it cannot be asked: {lost.words}", intent)
        if lost.state is successors.LostState.UNTOLD:
            if not self.in_place:
                told = f"no reading can tell what became of: {step.title} ({lost.words})"
                return Done(End.UNKNOWN, f"{told}. {acknowledge(intent)}", intent)
            return await self._tried(step, intent)
        act = entry_parts.act(step.verb.value, _named(item, step.token), step, tools.plan.id)
        out = successors.answer(step, intent, lost, KnownBy.RECOVERY)
        await tools.record(Kind.RECOVERY, act=act, out=out)
        if len(lost.refs) > 1:
            await self._name(step, intent, lost.refs[1:])
        return True

    async def _tried(self, step: Step, intent: Entry) -> bool:
        """In place, the value in hand tells by itself whether it came into force."""
        value = self.held(intent.fp)
        if value is None or self.item.probe_effects is None:
            return False
        accepted = (await probe.ask(self.tools.backend, step.token, value)).result.accepted
        if accepted:
            made = replace(entry_parts.target(step.token), fp=intent.fp)
            told = "the new value is accepted"
            out = Out(
                ref=intent.id, state=OutState.APPLIED, how=KnownBy.PROBE, detail=told, made=made
            )
            act = entry_parts.act(step.verb.value, self.item.token, step, self.tools.plan.id)
            await self.tools.record(Kind.RECOVERY, act=act, out=out)
        return bool(accepted)

    async def _name(self, step: Step, intent: Entry, refs: tuple[TokenRef, ...]) -> None:
        """Have tokens in the journal that nobody asked for, so that they can be ended."""
        for ref in refs:
            act = entry_parts.act(step.verb.value, ref, step, self.tools.plan.id)
            await self.tools.record(Kind.OBSERVE, act=act, out=successors.further(intent, ref))

    async def _overwritten(self, number: int) -> None:
        """Answer earlier changes in place of which nobody knows: another value is in force."""
        for earlier in range(1, number):
            id_ = str(self._id.again(earlier))
            state = self.tools.board.step(id_)
            if state.stage is Stage.OPEN and state.intent is not None:
                step = self._again(id_, state.intent)
                told = "whatever became of it, a later change has set another value since"
                out = Out(
                    ref=state.intent.id,
                    state=OutState.NOT_APPLIED,
                    how=KnownBy.RECOVERY,
                    detail=told,
                )
                act = entry_parts.act(step.verb.value, self.item.token, step, self.tools.plan.id)
                await self.tools.record(Kind.RECOVERY, act=act, out=out)


def acknowledge(intent: Entry) -> str:
    """What a person does about an intent that nothing can settle."""
    return f"Look into the system's own log, then: token-console journal acknowledge {intent.id}"


def _named(item: PlanItem, ref: TokenRef) -> Token | TokenRef:
    return item.token if ref == item.token.ref else ref
