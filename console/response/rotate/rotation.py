"""Replacing a token's value so that nothing is lost: not the value, not a consumer, no token.

Each call is a step in the journal, and the journal is all that a fresh runner has to go on:

    new value (in escrow)  tried  delivered  read back  consumers moved  old one retired

A runner that was killed has the value no more. A sink gives it back, or a responder who
opens the escrow. Else the new token is ended, the old one being untouched, and another is
made; where the old value is dead already, it is changed once more.
"""

from __future__ import annotations

from msgspec.structs import replace

from backends.contract import Phase, Step
from backends.errors import BackendError
from backends.model import EvidenceLevel, Secret, TokenState
from console.journal.format.entry import Kind, Out
from console.journal.format.parts import KnownBy, OutState
from console.journal.format.words import system_words
from console.response import escrow
from console.response.evidence import probe
from console.response.evidence.context import EvidenceContext
from console.response.plan import entry_parts
from console.response.plan.model import Mode, PlanItem
from console.response.plan.step_id import Mark, mark_of
from console.response.rotate import cutover, deliver, successors
from console.response.rotate.mint import Minter
from console.response.rotate.successors import Successor
from console.response.state.step_log import Stage
from console.response.step.attempt import Done, End
from console.response.step.read_back import GONE, look, window

ROUNDS = 4
"""How often one run makes another value at most, because the last one is lost."""
PROBE_TIMEOUT = 60.0
LEAK_PATIENCE = 5.0
"""Seconds for which a leak's end waits to hear whom it will meet unprepared."""
_DEAD = (TokenState.DISABLED, TokenState.REVOKED, TokenState.EXPIRED)


async def rotate(tools: EvidenceContext, item: PlanItem) -> Done:
    """Do what is left of an item's rotation, from wherever the journal says that it stands.

    ``WAITING`` asks to be called again: for consumers that have not moved, a sink that is
    down, or a person, as the words say.

    Raises:
        JournalError: the journal cannot be written to. Nothing was sent after that.
        SignatureRequired: an intent cannot be signed any more; it was not written.
    """
    if item.by_hand:
        return Done(End.WAITING, item.proposal.manual)
    if complete(tools, item):
        return Done(End.DONE, "it was replaced")
    return await _Rotation(tools, item).run()


def complete(tools: EvidenceContext, item: PlanItem) -> bool:
    """Whether the journal says that the rotation came to its end."""
    return any(
        entry.kind == Kind.EVIDENCE and entry.step == mark_of(item.number, Mark.ROTATED)
        for entry in tools.board.entries(item.number)
    )


class _Rotation:
    """One item's rotation in one run."""

    def __init__(self, tools: EvidenceContext, item: PlanItem) -> None:
        self.tools, self.item = tools, item
        self.minter = Minter(tools, item)
        leak = tools.plan.mode is Mode.LEAK
        self.retire = [
            step
            for step in item.proposal.steps
            if step.phase is Phase.RETIRE and (leak or not step.leak_only)
        ]

    async def run(self) -> Done:
        """Go through the rotation, once more where a new value was lost on the way."""
        for _ in range(ROUNDS):
            made = await self.minter.mint()
            if isinstance(made, Done):
                return made
            done = await self._carry(made)
            if done is not None:
                return done
            if self.tools.stopping():
                return Done(End.WAITING, "the runner was told to stop; another value is needed")
        return Done(End.WAITING, "the new value was lost too often in one run")

    async def _carry(self, made: Successor) -> Done | None:
        """From a new value to its end. None when the value is lost and another is needed."""
        tools, item = self.tools, self.item
        swept = await self._sweep(made)
        if swept is not None:
            return swept
        if successors.going(tools.board, item, made.ref):
            return await self._roll_back(made, "its value was lost")
        value, fp = await self._value(made)
        made = made._replace(value=value, fp=fp)
        if value is None and deliver.missing(tools, item, fp):
            return await self._lost(made)
        if value is not None and not self._retiring():
            works = await self._works(made, value)
            if works is False:
                return await self._refused(made)
            if self.minter.unsealed and successors.old_lives(tools.backend, item):
                told = f"its value could not be put into escrow: {self.minter.unsealed}"
                done = await successors.end(tools, item, made.ref, told)
                return done if done.end is not End.DONE else Done(End.STOPPED, told)
            done = await deliver.deliver(tools, item, value, fp)
            if done.end is not End.DONE:
                return done
        for name in tools.plan.sinks:
            done = await deliver.confirm(tools, item, name, fp)
            if done.end is not End.DONE:
                return done
        return await self._move(made)

    def _retiring(self) -> bool:
        return any(self.tools.board.step(step.id).stage is not Stage.NEW for step in self.retire)

    async def _sweep(self, made: Successor) -> Done | None:
        """End every token that the rotation made, but the one that counts."""
        for other in successors.made(self.tools.board, self.item):
            spared = (made.ref, self.item.token.ref)
            if other.ref in spared or successors.ended(self.tools.board, self.item, other.ref):
                continue
            done = await successors.end(self.tools, self.item, other.ref, "another took its place")
            if done.end is not End.DONE:
                return done
        return None

    # -- the value

    async def _value(self, made: Successor) -> tuple[Secret | None, str]:
        """The new value, if it is to be had, and its fingerprint."""
        if made.fp:
            value = made.value or self.minter.held(made.fp)
            return value or await deliver.recall(self.tools, self.item, made.fp), made.fp
        handed = self.minter.handed()
        if handed is None or not await self._is_of(made, handed):
            return None, ""
        return handed, self.tools.fingerprint(handed)

    async def _is_of(self, made: Successor, value: Secret) -> bool:
        """Whether a value that a responder gave is the one of a token whose answer was lost."""
        backend = self.tools.backend
        try:
            if any(match.ref == made.ref for match in await backend.identify(value)):
                return True
            if self.item.probe_effects is None:
                return False
            return (await probe.ask(backend, made.ref, value)).result.accepted is True
        except BackendError:
            return False

    async def _lost(self, made: Successor) -> Done | None:
        """Nobody here has the value, and a sink still needs it."""
        tools, item = self.tools, self.item
        if successors.never_again(tools.backend, item):
            return Done(End.WAITING, f"the new value is not in hand. {self._open(made)}")
        if made.ref != item.token.ref and successors.old_lives(tools.backend, item):
            if await cutover.used(tools, made.ref, made.intent.t_us / 1e6):
                told = "the new value is in use already, and not in hand"
                return Done(End.WAITING, f"{told}. {self._open(made)}")
            return await self._roll_back(made, "its value was lost")
        self.minter.anew()
        return None

    async def _roll_back(self, made: Successor, why: str) -> Done | None:
        done = await successors.end(self.tools, self.item, made.ref, why)
        return None if done.end is End.DONE else done

    def _open(self, made: Successor) -> str:
        """What a responder does who has the key to the escrow."""
        plan, number = self.tools.plan.id, self.item.number
        if not escrow.held(self.tools.paths, plan, number):
            return (
                f"It is not in escrow, since the answer never arrived: replace {made.ref.id}, "
                "which took the old one's place, by a plan of its own."
            )
        return (
            f"Open the escrow: token-console escrow open {plan} {number} --identity "
            "~/.ssh/id_ed25519 (or age -d), and give the value on standard input, as "
            f'{{"new:{self.item.token.ref.handle}": "..."}}, to: '
            f"token-console run start {plan} --secrets-stdin."
        )

    # -- does it work

    async def _works(self, made: Successor, value: Secret) -> bool | None:
        """Try the new value. None where that is not offered, or nobody can tell."""
        tools, item = self.tools, self.item
        if item.probe_effects is None:
            return None
        id_ = mark_of(item.number, Mark.NEW_VALUE)
        tried = [
            e
            for e in tools.board.entries(item.number)
            if e.kind == Kind.OBSERVE and e.step == id_ and e.ref == made.intent.id
        ]
        if tried and tried[-1].state == OutState.NOT_SEEN:
            return True
        accepted, told = await self._try(made, value)
        if accepted is None:
            return None
        name = entry_parts.target(item.token).name
        target = replace(entry_parts.target(made.ref), name=name, fp=made.fp)
        act = entry_parts.act(item.verb.value, made.ref, plan=tools.plan.id)
        out = Out(
            ref=made.intent.id,
            state=OutState.NOT_SEEN if accepted else OutState.SEEN,
            how=KnownBy.PROBE,
            detail=system_words(f"the new value: {told}"),
        )
        await tools.record(Kind.OBSERVE, act=replace(act, target=target, step=id_), out=out)
        return accepted

    async def _try(self, made: Successor, value: Secret) -> tuple[bool | None, str]:
        tools = self.tools
        patience = tools.patience if tools.patience is not None else window(self.item.propagation)
        waited, pause = 0.0, 0.2
        while True:
            result = (await probe.ask(tools.backend, made.ref, value, PROBE_TIMEOUT)).result
            if result.accepted is not False or waited >= patience or tools.stopping():
                return result.accepted, system_words(result.detail, 200)
            await tools.sleep(pause)
            waited, pause = waited + pause, min(pause * 2, 2.0)

    async def _refused(self, made: Successor) -> Done:
        """The system made a value that it does not accept. The old one is left alone."""
        told = "the system said yes, and refuses the new value; nothing was delivered"
        if made.ref != self.item.token.ref and successors.old_lives(self.tools.backend, self.item):
            done = await successors.end(self.tools, self.item, made.ref, "it is refused")
            if done.end is not End.DONE:
                return done
        self.minter.forget()
        return Done(End.STOPPED, told, made.intent)

    # -- the consumers, and the end of the old one

    async def _move(self, made: Successor) -> Done:
        tools, item = self.tools, self.item
        # Somebody else has a leaked value: a slow log must not keep it alive.
        limit = LEAK_PATIENCE if tools.plan.mode is Mode.LEAK else None
        moved = await cutover.follow(tools, item, made.ref, made.intent, limit)
        if self.retire and not self._retiring():
            if tools.plan.mode is Mode.ROUTINE and (moved.holding or moved.blind):
                await self._tell(moved.waiting)
                return Done(
                    End.WAITING,
                    f"the old one is not retired: {moved.words}. To answer for them: token-console "
                    f"run waive {tools.plan.id} {item.number} --reason ...",
                )
            alive = await look(tools.backend, made.ref, TokenState.ACTIVE.value)
            if alive.token is None or alive.token.state in _DEAD:
                told = f"the old one is not retired, for the new one: {alive.words}"
                return Done(End.WAITING, told)
            if moved.staying or moved.blind:
                await self._tell(
                    f"The old one is retired although not all have moved: {moved.words}"
                )
        for step in self.retire:
            done = await successors.finish(tools, item, step)
            if done.end is not End.DONE:
                return done
        return await self._proved(made, moved)

    async def _tell(self, told: str) -> None:
        """Have it in the journal for whom the old value is kept, or whom its end meets."""
        tools, item = self.tools, self.item
        step, told = mark_of(item.number, Mark.MOVING), system_words(told, 600)
        notes = [e.why for e in tools.board.entries(item.number) if e.step == step]
        if notes and notes[-1] == told:
            return
        act = entry_parts.act(item.verb.value, item.token, plan=tools.plan.id)
        await tools.record(Kind.NOTE, why=told, act=replace(act, step=step))

    async def _proved(self, made: Successor, moved: cutover.Cutover) -> Done:
        """Write how much is proved of the replacement as a whole, and let go of the value."""
        tools, item = self.tools, self.item
        tried = self._accepted(made)
        sinks = ", ".join(tools.plan.sinks) or "no sink: the value is in escrow"
        told = [
            "the new value is accepted" if tried else "the new value was not tried",
            f"delivered to {sinks}" if tools.plan.sinks else sinks,
            moved.words,
        ]
        level, how, lives = EvidenceLevel.ACCEPTED, KnownBy.ANSWER, ""
        if made.ref == item.token.ref:
            if tried:
                level, how = EvidenceLevel.RECORDED, KnownBy.PROBE
        else:
            expect = self._last(self.retire)
            seen = await look(tools.backend, item.token.ref, expect)
            told.append(f"the old one: {seen.words}")
            if seen.holds:
                level, how = EvidenceLevel.RECORDED, KnownBy.READ
            elif seen.holds is not None:
                # A grace period, or an effect that does not show: no rotation is over by that.
                ends = "" if self.retire else item.proposal.takes_effect
                lives = "; ".join(word for word in (seen.words, ends) if word)
        act = entry_parts.act(item.verb.value, item.token, plan=tools.plan.id)
        if lives:
            await tools.record(
                Kind.NOTE,
                why=system_words(lives, 600),
                act=replace(act, step=mark_of(item.number, Mark.OLD)),
            )
        await tools.record(
            Kind.EVIDENCE,
            act=replace(act, step=mark_of(item.number, Mark.ROTATED)),
            out=Out(
                ref=made.intent.id,
                state=OutState.SEEN,
                how=how,
                detail=system_words("; ".join(told)),
                evidence=int(min(level, item.ceiling)),
                made=replace(entry_parts.target(made.ref), fp=made.fp),
            ),
        )
        self.minter.forget()
        return Done(End.DONE, f"replaced: {'; '.join(told)}", made.intent)

    def _accepted(self, made: Successor) -> bool:
        id_ = mark_of(self.item.number, Mark.NEW_VALUE)
        return any(
            e.kind == Kind.OBSERVE
            and e.step == id_
            and e.ref == made.intent.id
            and e.state == OutState.NOT_SEEN
            for e in self.tools.board.entries(self.item.number)
        )

    @staticmethod
    def _last(retire: list[Step]) -> str:
        return retire[-1].expect if retire else GONE
