"""Carries out an approved plan, step by step: the only code that changes anything outside.

For each step: look (is the token still the one of the plan?), write the intent, make the
call once under its permit, write the outcome, look again, write the evidence. Whatever
goes wrong between two of these is found, and not repeated, by ``recover``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import NamedTuple

from backends.contract import Backend, Outcome, OutcomeState, Retry, Step, Verb
from backends.errors import BackendError, NoIntent
from backends.model import EvidenceLevel, Token
from backends.permit import Permit
from console.journal.describe import Entry
from console.journal.entry import Kind, Out
from console.journal.log import Journal
from console.journal.parts import Sig
from console.journal.read import SETTLED
from console.response import facts
from console.response.hazards import self_harm
from console.response.look import Seen, await_effect, look, window
from console.response.plan import Plan
from console.response.witnessing import Witnesses

CALL_TIMEOUT = 180.0
"""Seconds after which a call without an answer counts as unknown."""
_DONE = (OutcomeState.APPLIED.value, OutcomeState.ALREADY.value)


class End(Enum):
    """How the execution of a plan ended."""

    DONE = "done"
    STOPPED = "stopped"
    """Before its end, with nothing left open: what was tried is known not to have happened."""
    UNKNOWN = "unknown"
    """It may have happened. ``recover`` asks the system."""


class Result(NamedTuple):
    """The end, and a sentence about it (raw: make it safe before it is shown)."""

    end: End
    words: str


class Execution:
    """One execution of one plan. ``stop`` asks it to end after the call that is under way."""

    def __init__(
        self,
        plan: Plan,
        backend: Backend,
        journal: Journal,
        *,
        patience: float | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        sign: Callable[[bytes], Sig | None] | None = None,
        witnesses: Witnesses | None = None,
    ) -> None:
        self.plan = plan
        self._backend = backend
        self._journal = journal
        self._patience = window(plan.propagation) if patience is None else patience
        self._sleep = sleep
        self._sign = sign
        self._witnesses = witnesses
        self.stopping = False

    def stop(self) -> None:
        """Begin no further call, and wait for no effect. Safe in a signal handler of the loop."""
        self.stopping = True

    async def run(self) -> Result:
        """Do what is left of the plan.

        A step that was tried before is never tried again: it is done, or the plan ends there.

        Raises:
            JournalError: the journal cannot be written to. Nothing was sent after that.
            SignatureRequired: the intent cannot be signed any more; it was not written.
        """
        for step in self.plan.proposal.steps:
            before = self._before(step)
            if before is not None:
                if before.end is End.DONE:
                    continue
                return self._note(before)
            result = await self._step(step)
            if result.end is not End.DONE:
                return self._note(result)
        return Result(End.DONE, "every step of the plan is done")

    def _before(self, step: Step) -> Result | None:
        """What the journal says about a step that was tried before; None if it was not."""
        tried = [
            entry
            for entry in self._journal.entries(1000, plan=self.plan.id)
            if entry.step == step.id and entry.kind in (Kind.INTENT, Kind.OUTCOME, Kind.RECOVERY)
        ]
        if not tried:
            return None
        states = {entry.state for entry in tried}
        if states & set(_DONE):
            return Result(End.DONE, "")
        answers = [entry for entry in tried if entry.state in SETTLED]
        if len({entry.ref for entry in answers}) < sum(e.kind == Kind.INTENT for e in tried):
            return Result(
                End.UNKNOWN, f"it is not known what became of an earlier try: {step.title}"
            )
        return Result(End.STOPPED, f"this was tried before and did not happen: {step.title}")

    async def _step(self, step: Step) -> Result:
        for attempt in (1, 2):
            settled = await self._last_look(step)
            if settled is not None:
                return settled
            intent = self._journal.append(
                Kind.INTENT,
                why=self.plan.reason,
                incident=self.plan.incident,
                act=facts.act(step.verb.value, self._subject(step), step, self.plan.id),
                sign=self._sign,
            )
            outcome = await self._unwitnessed() or await self._call(intent, step)
            self._journal.append(
                Kind.OUTCOME,
                act=facts.act(step.verb.value, self._subject(step), step, self.plan.id),
                out=facts.out(intent.id, outcome),
            )
            again = outcome.state is OutcomeState.NOT_SENT and step.retry is Retry.FREE
            if not again or attempt == 2 or self.stopping:
                return await self._after(intent, step, outcome)
        raise AssertionError("unreachable")

    async def _last_look(self, step: Step) -> Result | None:
        """The look right before the intent. None when the call is to be made."""
        try:
            me = await self._backend.whoami()
        except BackendError as error:
            told = facts.words(error.message, 200)
            return Result(End.STOPPED, f"the console's own credential cannot be checked: {told}")
        except Exception as error:  # noqa: BLE001
            # A backend's defect must stop the plan, with a record, and not the runner.
            return Result(End.STOPPED, f"the backend failed with {type(error).__name__}")
        fatal = [hazard for hazard in self_harm(me, self.plan.token, (step,)) if hazard.fatal]
        if fatal:
            return Result(End.STOPPED, f"refused: {fatal[0].text}")
        now = await look(self._backend, step.token, step.expect)
        if self.stopping:
            return Result(End.STOPPED, f"the runner was told to stop before: {step.title}")
        if now.holds is None:
            return Result(End.STOPPED, f"the token cannot be read before the call: {now.words}")
        if now.token is None and step.verb in (Verb.RESTORE, Verb.ROTATE):
            return Result(End.STOPPED, f"nothing to {step.verb.value}: {now.words}")
        if now.holds or now.token is None:
            self._journal.append(
                Kind.OUTCOME,
                act=facts.act(step.verb.value, self._subject(step), step, self.plan.id),
                out=Out(
                    ref=self.plan.id,
                    state=OutcomeState.ALREADY.value,
                    how="read",
                    detail=facts.words(f"nothing sent: {now.words}"),
                ),
            )
            self._evidence(self.plan.id, step, now)
            return Result(End.DONE, "")
        if step.token == self.plan.token.ref and (what := changed(self.plan.token, now.token)):
            return Result(End.STOPPED, f"{what} changed since the plan was made; plan again")
        return None

    async def _unwitnessed(self) -> Outcome | None:
        """Have the intent witnessed. An outcome when the settings then forbid the call."""
        if self._witnesses is None:
            return None
        asked = await self._witnesses.ask()
        if asked.enough or not self._witnesses.required:
            return None
        told = f"not witnessed, which the settings require: {asked.detail}"
        return Outcome(state=OutcomeState.NOT_SENT, detail=facts.words(told))

    async def _call(self, intent: Entry, step: Step) -> Outcome:
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                with Permit(intent.id, step).active():
                    return await self._backend.perform(step)
        except NoIntent as error:
            return Outcome(state=OutcomeState.NOT_SENT, detail=error.message)
        except TimeoutError:
            told = f"no answer in {CALL_TIMEOUT:.0f} s"
        except Exception as error:  # noqa: BLE001
            # The contract says that perform raises nothing else. A backend that does has a
            # defect, its message may hold anything, and its call may have been made.
            told = f"the backend failed with {type(error).__name__}"
        return Outcome(state=OutcomeState.UNKNOWN, detail=told)

    async def _after(self, intent: Entry, step: Step, outcome: Outcome) -> Result:
        """Look whether it took effect, and write down how much is proved."""
        if outcome.state in (OutcomeState.REJECTED, OutcomeState.NOT_SENT):
            told = outcome.detail or outcome.status or outcome.state.value
            return Result(End.STOPPED, f"{step.title} did not happen: {told}")
        seen = await await_effect(
            self._backend,
            step.token,
            step.expect,
            self._patience,
            lambda: self.stopping,
            self._sleep,
        )
        if outcome.state is OutcomeState.UNKNOWN:
            return self._lost_answer(intent, step, seen)
        self._evidence(intent.id, step, seen)
        return Result(End.DONE, "")

    def _evidence(self, ref: str, step: Step, seen: Seen) -> None:
        level = EvidenceLevel.RECORDED if seen.holds else EvidenceLevel.ACCEPTED
        self._journal.append(
            Kind.EVIDENCE,
            act=facts.act(step.verb.value, self._subject(step), step, self.plan.id),
            out=Out(
                ref=ref,
                state="seen" if seen.holds else "not_seen",
                how="read",
                detail=facts.words(seen.words),
                evidence=self._level(level),
            ),
        )

    def _lost_answer(self, intent: Entry, step: Step, seen: Seen) -> Result:
        if not seen.holds:
            return Result(
                End.UNKNOWN, f"no trustworthy answer to: {step.title}; and then: {seen.words}"
            )
        self._journal.append(
            Kind.RECOVERY,
            act=facts.act(step.verb.value, self._subject(step), step, self.plan.id),
            out=Out(
                ref=intent.id,
                state="applied",
                how="read",
                detail=facts.words(seen.words),
                evidence=self._level(EvidenceLevel.RECORDED),
            ),
        )
        return Result(End.DONE, "")

    def _level(self, reached: EvidenceLevel) -> int:
        """Never more than the system lets anyone prove."""
        return int(min(reached, self.plan.evidence_ceiling))

    def _subject(self, step: Step) -> Token:
        """The token of a step: the plan's own, or one that goes with it (a child, a lease)."""
        if step.token == self.plan.token.ref:
            return self.plan.token
        return Token(ref=step.token, name=step.token.id, scope="")

    def _note(self, result: Result) -> Result:
        """Write down why the plan ended early, so that whoever watches sees it."""
        note(self._journal, self.plan, f"The run ended early: {result.words}")
        return result


def note(journal: Journal, plan: Plan, text: str) -> None:
    """A note on a plan. System words in it are scanned first, so it is never refused."""
    journal.append(
        Kind.NOTE,
        why=facts.words(text, 600),
        incident=plan.incident,
        act=facts.act(plan.verb.value, plan.token, plan=plan.id),
    )


def changed(planned: Token, now: Token) -> str:
    """What shows that an id now names another token than planned; empty if nothing does.

    Ids such as a role's name can be given anew, so what tells tokens apart is compared.
    The state may differ: a token that somebody disabled meanwhile is still to be revoked.
    """
    if planned.name != facts.representable(now.name):
        return "the token's name"
    for what, then, today in (
        ("the token's principal", planned.principal.value, now.principal.value),
        ("the token's date of creation", planned.created_at.value, now.created_at.value),
    ):
        known = then is not None and today is not None
        if known and getattr(then, "id", then) != getattr(today, "id", today):
            return what
    return ""
