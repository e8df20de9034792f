"""The one way in which anything outside is changed: a step of an approved plan.

Look (is the token still the one of the plan?), write the intent, make the call once under
its permit, write the outcome, look again, write the evidence. Whatever goes wrong between
two of these is found by reading. A call is made again only as a new intent, and only when
it is known that the one before did not happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from backends.contract import (
    NO_SESSIONS,
    Outcome,
    OutcomeState,
    Phase,
    Retry,
    Step,
    Value,
    Verb,
)
from backends.errors import BackendError, NoIntent
from backends.model import EvidenceLevel, Secret, TokenRef
from backends.permit import Permit
from console.journal.format.entry import Act, Kind, Out, RunMark
from console.journal.format.parts import KnownBy, OutState, RunEvent
from console.journal.format.sentence import Entry
from console.journal.format.words import system_words
from console.journal.write.guard import Guard, Taken
from console.journal.write.journal import AlreadyRecorded
from console.response.plan import entry_parts
from console.response.plan.hazards import self_harm
from console.response.plan.model import PlanItem
from console.response.state.step_log import Stage
from console.response.step import collateral
from console.response.step.context import StepContext
from console.response.step.read_back import ReadBack, await_effect, look, window
from console.response.step.read_lately import read_lately
from console.response.step.result import Done as Done
from console.response.step.result import End as End
from console.response.step.result import changed as changed
from console.response.step.result import subject as subject
from console.response.step.result import throttled as throttled

CALL_TIMEOUT = 180.0
"""Seconds after which a call without an answer counts as unknown."""
SETTLE = 3.0
"""Seconds after an intent before "not there" may mean "not done"."""
PAUSES = (1.0, 2.0, 4.0)
"""Seconds before each repeat of a call that was put off, or that is known to be lost."""
BULK_PATIENCE = 5.0
"""Seconds that one item among many waits for its effect; the ladder looks later again."""
NOT_IN_HAND = (
    "the call names the token by its value, which is not in hand: "
    "run start with --secrets-stdin goes on with it"
)
_PASSING = frozenset({"read-only"})
"""Hazards that a person can mend while the plan stays what it is."""

Performer = Callable[[Step], Awaitable[Outcome]]


async def carry_out(
    tools: StepContext,
    item: PlanItem,
    step: Step,
    *,
    value: Secret | None = None,
    performer: Performer | None = None,
    look_first: bool = True,
) -> Done:
    """Do one step, unless the journal says that it was done.

    ``value`` is the secret that the call carries; its keyed fingerprint goes into the
    intent. ``performer`` makes the call in the backend's place, under the same permit.
    ``look_first`` off leaves out the reading before the call, not the check of ourselves.

    Raises:
        JournalError: the journal cannot be written to. Nothing was sent after that.
        SignatureRequired: the intent cannot be signed any more; it was not written.
    """
    before = tools.board.step(step.id)
    if before.stage is Stage.DONE:
        return Done(End.DONE, "", before.intent)
    if before.stage is Stage.OPEN:
        told = f"it is not known what became of an earlier try: {step.title}"
        return Done(End.UNKNOWN, told, before.intent)
    if before.stage is Stage.FAILED:
        told = f"this was tried before and did not happen: {step.title}"
        return Done(End.STOPPED, told, before.intent)
    return await _Attempt(tools, item, step, value, performer, look_first).run()


async def settle(tools: StepContext, item: PlanItem, step: Step, intent: Entry) -> Done:
    """Find out, by reading, what became of an intent that an earlier runner left open.

    Never sends anything. Not for steps that mint: what those left behind is found by
    ``Backend.minted``.
    """
    if step.phase is Phase.MINT or not step.expect:
        return Done(End.UNKNOWN, f"reading cannot tell what became of: {step.title}", intent)
    attempt = _Attempt(tools, item, step, None, None, True)
    return await attempt.confirm(intent, await attempt.effect(intent))


class _Attempt:
    """One step's way from the last look to the evidence."""

    def __init__(
        self,
        tools: StepContext,
        item: PlanItem,
        step: Step,
        value: Secret | None,
        performer: Performer | None,
        look_first: bool,
    ) -> None:
        self.tools, self.item, self.step = tools, item, step
        self.value, self.look_first = value, look_first
        self.perform = performer or tools.backend.perform
        self.elsewhere = performer is not None and step.phase is Phase.ACT
        """The call goes somewhere else, and the token's record tells nothing of it."""
        self.subject = subject(item, step.token)
        self.act = entry_parts.act(step.verb.value, self.subject, step, tools.plan.id)

    async def run(self) -> Done:
        """Make the step's call: tried again only as often as its retry class allows."""
        self.tools.bulk.under_way += 1
        try:
            return await self._run()
        finally:
            self.tools.bulk.under_way -= 1

    async def _run(self) -> Done:
        tools, plan = self.tools, self.tools.plan
        if self.step.value is Value.HELD and not self._in_hand():
            return Done(End.WAITING, NOT_IN_HAND)
        for attempt in range(len(PAUSES) + 1):
            await tools.lane.turn()
            settled = await self._last_look()
            if settled is not None:
                return settled
            try:
                intent = await tools.record(
                    Kind.INTENT,
                    why=plan.reason,
                    act=self._with_fingerprint(),
                    guard=Guard(int(plan.made_at.timestamp() * 1_000_000)),
                    sign=tools.sign,
                )
            except Taken as taken:
                return await self._taken(taken)
            minted: tuple[tuple[TokenRef, Secret], ...] = ()
            outcome = await self._unwitnessed()
            if outcome is None:
                outcome, minted = await self._call(intent)
            await tools.record(Kind.OUTCOME, act=self.act, out=self._out(intent, outcome, minted))
            done = await self._after(intent, outcome)
            done = done._replace(intent=intent, minted=minted)
            if attempt == len(PAUSES) or not self._again(outcome, done, attempt):
                return done
            if not await self._pause(outcome, PAUSES[attempt]):
                return done
        raise AssertionError("unreachable")

    async def _pause(self, outcome: Outcome, seconds: float) -> bool:
        """Wait before a repeat; False when the run was told to stop meanwhile."""
        if outcome.state is OutcomeState.NOT_SENT:
            return not self.tools.stopping()
        if throttled(outcome):
            self.tools.lane.hold(seconds)
        await self.tools.sleep(seconds)
        return not self.tools.stopping()

    def _again(self, outcome: Outcome, done: Done, attempt: int) -> bool:
        """Whether the same call may be made anew: it is known that it did not happen."""
        if self.tools.stopping() or done.end is not End.STOPPED:
            return False
        if outcome.state is OutcomeState.NOT_SENT:
            return self.step.retry is Retry.FREE and attempt == 0
        if outcome.state is OutcomeState.REJECTED:
            return throttled(outcome)
        # A record that lags longer than the system declares would hide each effect anew.
        return attempt == 0

    async def _last_look(self) -> Done | None:
        """The look right before the intent. None when the call is to be made."""
        tools, step = self.tools, self.step
        look_first = self.look_first and not read_lately(tools, self.item, step)
        try:
            me = await tools.lane.me(tools.backend, fresh=tools.single)
        except BackendError as error:
            told = system_words(error.message, 200)
            return Done(End.WAITING, f"the console's own credential cannot be checked: {told}")
        except Exception as error:  # noqa: BLE001
            # A backend's defect must stop the item, with a record, and not the runner.
            return Done(End.WAITING, f"the backend failed with {type(error).__name__}")
        fatal = [each for each in self_harm(me, self.item.token, (step,)) if each.fatal]
        if fatal:
            told = f"refused: {fatal[0].text}"
            passing = all(hazard.code in _PASSING for hazard in fatal)
            return Done(End.WAITING, told) if passing else await self._refused(told)
        now = ReadBack(False, "")
        if look_first:
            async with tools.lane.gate:
                now = await look(tools.backend, step.token, step.expect)
        if tools.stopping() or tools.held():
            return Done(End.WAITING, f"the runner was told to stop before: {step.title}")
        sessions = step.expect == NO_SESSIONS and not now.holds
        if not look_first or (sessions and now.token is None):
            # A session can outlive its token, and one that nobody may count is ended too.
            return None
        if now.holds is None and not sessions:
            return Done(End.WAITING, f"the token cannot be read before the call: {now.words}")
        replaced = step.verb in (Verb.RESTORE, Verb.ROTATE) and step.phase is not Phase.RETIRE
        if now.token is None and replaced:
            return await self._refused(f"nothing to {step.verb.value}: {now.words}")
        if now.holds or now.token is None:
            return await self._already(now)
        if step.token == self.item.token.ref and (what := changed(self.item.token, now.token)):
            return await self._refused(f"{what} changed since the plan was made; plan again")
        return None

    async def _already(self, now: ReadBack) -> Done:
        out = Out(
            ref=self.tools.plan.id,
            state=OutState.ALREADY,
            how=KnownBy.READ,
            detail=system_words(f"nothing sent: {now.words}"),
        )
        try:
            await self.tools.record(Kind.OUTCOME, act=self.act, out=out)
        except AlreadyRecorded:
            # It was refused for good before; that it is so by now is another's doing.
            return Done(End.STOPPED, f"refused before, and now: {now.words}")
        await self._evidence(self.tools.plan.id, now)
        await collateral.children(self.tools, self.item, self.step, self.tools.plan.id)
        return Done(End.DONE, seen=now)

    async def _refused(self, told: str) -> Done:
        """Nothing is sent, and nothing of this plan may be: kept, so that the board shows it."""
        out = Out(
            ref=self.tools.plan.id,
            state=OutState.NOT_SENT,
            how=KnownBy.READ,
            detail=system_words(told),
        )
        await self.tools.record(Kind.OUTCOME, act=self.act, out=out)
        return Done(End.STOPPED, told)

    async def _taken(self, taken: Taken) -> Done:
        # A whole id would be withheld, as anything that looks so random is.
        other, how = taken.entry.plan[-6:], "is at" if taken.is_open else "changed"
        told = system_words(f"another plan, …{other}, {how} this token: {taken.entry.who}")
        known = any(
            entry.run is not None and entry.run.what == RunEvent.TAKEN and entry.run.detail == told
            for entry in self.tools.board.entries(self.item.number)
        )
        if not known:
            mark = RunMark(
                plan=self.tools.plan.id,
                what=RunEvent.TAKEN,
                item=self.item.number,
                backend=self.item.backend,
                detail=told,
            )
            await self.tools.record(Kind.RUN, run=mark)
        return Done(End.TAKEN, told)

    def _in_hand(self) -> Secret | None:
        """The value that the call carries: one that was given, or the old one, kept in memory."""
        return self.value or self.tools.secrets.get(self.subject.ref.handle)

    def _with_fingerprint(self) -> Act:
        held = self._in_hand()
        if held is None:
            return self.act
        target = replace(self.act.target, fp=self.tools.fingerprint(held))
        return replace(self.act, target=target)

    async def _unwitnessed(self) -> Outcome | None:
        """Have the intent witnessed. An outcome when the settings then forbid the call."""
        witnesses = self.tools.witnesses
        if witnesses is None:
            return None
        asked = await witnesses.ask()
        if asked.enough or not witnesses.required:
            return None
        told = f"not witnessed, which the settings require: {asked.detail}"
        return Outcome(state=OutcomeState.NOT_SENT, detail=system_words(told))

    async def _call(self, intent: Entry) -> tuple[Outcome, tuple[tuple[TokenRef, Secret], ...]]:
        carried = self._in_hand() if self.step.value is Value.HELD else self.value
        permit = Permit(intent.id, self.step, value=carried)
        try:
            # Last of all, after the intent and inside the gate: whatever held several of these
            # up would else let their calls go at once.
            async with self.tools.lane.gate:
                await self.tools.lane.ready()
                async with asyncio.timeout(CALL_TIMEOUT):
                    with permit.active():
                        outcome = await self.perform(self.step)
        except NoIntent as error:
            outcome = Outcome(state=OutcomeState.NOT_SENT, detail=error.message)
        except TimeoutError:
            told = f"no answer in {CALL_TIMEOUT:.0f} s"
            outcome = Outcome(state=OutcomeState.UNKNOWN, detail=told)
        except Exception as error:  # noqa: BLE001
            # The contract says that perform raises nothing else. A backend that does has a
            # defect, its message may hold anything, and its call may have been made.
            told = f"the backend failed with {type(error).__name__}"
            outcome = Outcome(state=OutcomeState.UNKNOWN, detail=told)
        if not self.elsewhere:
            step = self.step
            self.tools.lane.answered(outcome, f"{step.verb} {step.phase} {step.token.kind}")
        return outcome, tuple(permit.minted)

    def _out(
        self, intent: Entry, outcome: Outcome, minted: tuple[tuple[TokenRef, Secret], ...]
    ) -> Out:
        """The outcome; with the new token's id, by which a resumed rotation finds it again."""
        out = entry_parts.out(intent.id, outcome)
        if not minted:
            return out
        ref, secret = minted[0]
        made = replace(entry_parts.target(ref), fp=self.tools.fingerprint(secret))
        return replace(out, made=made)

    async def effect(self, intent: Entry | None = None) -> ReadBack:
        """Look until the effect shows, or for as long as it is worth waiting in one go."""
        patience = self.tools.patience
        if patience is None:
            patience = window(self.item.propagation)
            if not self.tools.single and self.item.wave and intent is None:
                patience = min(patience, BULK_PATIENCE)
        return await await_effect(
            lambda: self.tools.bulk.look(self.subject, self.step.expect),
            patience if self.step.expect else 0.0,
            self.tools.stopping,
            self.tools.sleep,
        )

    async def _after(self, intent: Entry, outcome: Outcome) -> Done:
        """Look whether it took effect, and write down how much is proved."""
        if outcome.state in (OutcomeState.REJECTED, OutcomeState.NOT_SENT):
            told = outcome.detail or outcome.status or outcome.state.value
            return Done(End.STOPPED, f"{self.step.title} did not happen: {told}")
        unknown = outcome.state is OutcomeState.UNKNOWN
        if unknown and (self.step.phase is Phase.MINT or not self.step.expect):
            return Done(End.UNKNOWN, f"no trustworthy answer to: {self.step.title}")
        if self.elsewhere:
            return Done(End.DONE)
        seen = await self.effect(intent if unknown else None)
        if unknown:
            return await self.confirm(intent, seen)
        await self._evidence(intent.id, seen)
        await collateral.children(self.tools, self.item, self.step, intent.id)
        return Done(End.DONE, seen=seen)

    async def _evidence(self, ref: str, seen: ReadBack) -> None:
        step, held = self.step, bool(seen.holds)
        if step.phase is Phase.MINT:
            return  # It says nothing about the old token; what is known of the new one follows.
        if held and step.verb is Verb.RESTORE and seen.token is not None:
            differs = await collateral.unlike_before(self.tools, self.item, seen.token)
            if differs:
                held, seen = False, seen._replace(words=f"restored, but not the same: {differs}")
        level = EvidenceLevel.RECORDED if held else EvidenceLevel.ACCEPTED
        await self.tools.record(
            Kind.EVIDENCE,
            act=self.act,
            out=Out(
                ref=ref,
                state=OutState.SEEN if held else OutState.NOT_SEEN,
                how=KnownBy.READ,
                detail=system_words(seen.words),
                evidence=int(min(level, self.item.ceiling)),
            ),
        )

    async def confirm(self, intent: Entry, seen: ReadBack) -> Done:
        """What a look says about a call whose answer was lost, written down where it tells.

        "Not there" means "not done" only where the system's own delay is known and over,
        and where a repeat does no harm if that was wrong all the same.
        """
        step, told = self.step, f"no trustworthy answer to: {self.step.title}; and then"
        if seen.holds:
            await self._recovery(intent, seen, OutState.APPLIED)
            await collateral.children(self.tools, self.item, step, intent.id)
            return Done(End.DONE, "", intent, seen=seen)
        over = self.item.propagation is not None and (
            self.tools.now() - intent.t_us / 1_000_000
            >= max(SETTLE, self.item.propagation.total_seconds())
        )
        if seen.holds is None or not over or step.retry not in (Retry.FREE, Retry.CONFIRM):
            return Done(End.UNKNOWN, f"{told}: {seen.words}", intent, seen=seen)
        await self._recovery(intent, seen, OutState.NOT_APPLIED)
        return Done(End.STOPPED, f"{told}: {seen.words}", intent, seen=seen)

    async def _recovery(self, intent: Entry, seen: ReadBack, state: OutState) -> None:
        applied = state is OutState.APPLIED
        level = min(EvidenceLevel.RECORDED, self.item.ceiling) if applied else None
        await self.tools.record(
            Kind.RECOVERY,
            act=self.act,
            out=Out(
                ref=intent.id,
                state=state,
                how=KnownBy.READ,
                detail=system_words(seen.words),
                evidence=None if level is None else int(level),
            ),
        )
