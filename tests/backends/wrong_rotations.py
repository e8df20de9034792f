"""Backends whose rotation breaks the contract, each in one way: small mutants of the estate's."""

from __future__ import annotations

import logging
from datetime import datetime

import msgspec

from backends import permit
from backends.contract import Outcome, OutcomeState, Phase, Proposal, Step, Value, Verb
from backends.errors import NoIntent
from backends.estate import Estate
from backends.model import Secret, Token, TokenRef


class PlansNoMint(Estate):
    """Says nothing of phases, as a backend from before rotations does."""

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        proposal = await super().plan(verb, token)
        steps = (msgspec.structs.replace(step, phase=Phase.ACT) for step in proposal.steps)
        return msgspec.structs.replace(proposal, steps=tuple(steps))


class NobodysValue(Estate):
    async def plan(self, verb: Verb, token: Token) -> Proposal:
        proposal = await super().plan(verb, token)
        steps = (msgspec.structs.replace(step, value=Value.NONE) for step in proposal.steps)
        return msgspec.structs.replace(proposal, steps=tuple(steps))


class NeverRetires(Estate):
    async def plan(self, verb: Verb, token: Token) -> Proposal:
        proposal = await super().plan(verb, token)
        if verb is not Verb.ROTATE:
            return proposal
        return msgspec.structs.replace(proposal, steps=proposal.steps[:1])


class ForgetsTheSlots(Estate):
    async def plan(self, verb: Verb, token: Token) -> Proposal:
        return msgspec.structs.replace(await super().plan(verb, token), hazards=())


class AfterMinting(Estate):
    """Does one thing more after a call that minted, and answers as before."""

    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        raise NotImplementedError

    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        held = permit._active.get()
        if step.phase is not Phase.MINT or held is None or not held.minted:
            return outcome
        return self.after(step, held, outcome)


class DeliversNothing(AfterMinting):
    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        held.minted.clear()
        return outcome


class DeliversTwice(AfterMinting):
    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        permit.deliver(*held.minted[0])
        return outcome


class DeliversTheOldRef(AfterMinting):
    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        held.minted[:] = [(step.token, held.minted[0][1])]
        return outcome


class DeliversAnotherValue(AfterMinting):
    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        held.minted[:] = [(held.minted[0][0], Secret("a value that nobody has set"))]
        return outcome


class MintingKillsTheOld(AfterMinting):
    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        self.world.change(Verb.REVOKE, self.spec.name, step.token.id)
        return outcome


class TellsTheValue(AfterMinting):
    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        return msgspec.structs.replace(outcome, detail=f"made {held.minted[0][1].reveal()}")


class LogsTheValue(AfterMinting):
    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        logging.getLogger("wrong").debug("answer: %s", held.minted[0][1].reveal())
        return outcome


class KeepsTheValue(AfterMinting):
    def after(self, step: Step, held: permit.Permit, outcome: Outcome) -> Outcome:
        self.last = held.minted[0][1].reveal()
        return outcome


class RetiresInWordsOnly(Estate):
    """Says that the old one is gone, and lets it work on."""

    async def perform(self, step: Step) -> Outcome:
        if step.phase is not Phase.RETIRE:
            return await super().perform(step)
        permit.spend(step.call)
        self.world.db.execute("UPDATE token SET gone_at = 1 WHERE id = ?", (step.token.id,))
        return Outcome(state=OutcomeState.APPLIED)


class RetiresBoth(Estate):
    newest = ""

    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        held = permit._active.get()
        if step.phase is Phase.RETIRE:
            self.world.change(Verb.REVOKE, self.spec.name, self.newest)
        elif held is not None and held.minted:
            self.newest = held.minted[0][0].id
        return outcome


class DeliversWhatGotLost(Estate):
    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        if step.phase is Phase.MINT and outcome.state is OutcomeState.UNKNOWN:
            permit.deliver(step.token, Secret("whatever it may have been"))
        return outcome


class FindsNoOrphan(Estate):
    async def minted(self, step: Step, intent_id: str, since: datetime) -> tuple[TokenRef, ...]:
        return ()


class FindsTheOldOneToo(Estate):
    async def minted(self, step: Step, intent_id: str, since: datetime) -> tuple[TokenRef, ...]:
        return (step.token, *await super().minted(step, intent_id, since))


class FindsAnyIntents(Estate):
    """Goes by the time alone, though its system keeps the intent's id."""

    async def minted(self, step: Step, intent_id: str, since: datetime) -> tuple[TokenRef, ...]:
        found = self.world.db.execute("SELECT id FROM token ORDER BY n DESC LIMIT 1").fetchone()
        return (msgspec.structs.replace(step.token, id=found[0]),)


class MintsWithoutAPermit(Estate):
    async def perform(self, step: Step) -> Outcome:
        if step.phase is Phase.MINT and permit._active.get() is None:
            with permit.Permit("of its own making", step).active():
                return await super().perform(step)
        return await super().perform(step)


class ActsAndThenRefuses(Estate):
    async def perform(self, step: Step) -> Outcome:
        if step.phase is Phase.MINT and permit._active.get() is None:
            with permit.Permit("of its own making", step).active():
                await super().perform(step)
            raise NoIntent("none")
        return await super().perform(step)


class MintsAgain(Estate):
    async def perform(self, step: Step) -> Outcome:
        held = permit._active.get()
        if step.phase is Phase.MINT and held is not None:
            with permit.Permit(held.intent_id, step).active() as other:
                outcome = await super().perform(step)
            held.minted[:] = other.minted
            return outcome
        return await super().perform(step)


class UndoesLess(Estate):
    """Saves what a restore has to put back, and forgets the grants."""

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        proposal = await super().plan(verb, token)
        if verb is not Verb.CONTAIN:
            return proposal
        undo = (await super().plan(Verb.RESTORE, token)).steps
        saved = (msgspec.structs.replace(step, id=f"undo-{step.id}") for step in undo)
        return msgspec.structs.replace(proposal, undo_steps=tuple(saved))

    async def perform(self, step: Step) -> Outcome:
        outcome = await super().perform(step)
        if step.id.startswith("undo-"):
            self.world.db.execute("UPDATE token SET grants = '[]' WHERE id = ?", (step.token.id,))
        return outcome
