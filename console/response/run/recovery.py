"""What became of the calls whose runner died, or whose answer was lost.

The system is asked by reading; nothing is ever sent again. Whoever can act runs this at
its start, and shows the sentences. A token that a lost answer minted is found by the id of
the intent in its name, or by its time; to end it, or to go on with it, is the run's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from msgspec.structs import replace

from backends.contract import Backend, Phase, Retry, Rotation, Step
from backends.model import EvidenceLevel, TokenRef
from console.errors import PlanRefused
from console.journal.format.entry import ID, Act, Body, Kind, Out, SchemaError
from console.journal.format.parts import SETTLED, KnownBy, OutState
from console.journal.format.sentence import Entry, what
from console.journal.format.who import boot_id
from console.journal.format.words import system_words
from console.journal.write.journal import AlreadyRecorded, Journal
from console.lock import LockHeld, only_one
from console.response.approve import approval
from console.response.plan import entry_parts
from console.response.plan.model import Plan
from console.response.plan.step_id import StepId
from console.response.rotate import successors
from console.response.state.runner_lock import lock_of
from console.response.step.read_back import await_effect, look
from console.settings import Paths
from console.text import age, safe

SETTLE = 3.0
"""Seconds after an intent before "not there" may mean "not done": its request could have
left just before the runner died, and the system could be working on it."""
PATIENCE = 10.0
"""Seconds that one recovery waits for an intent to be old enough. A longer propagation is
left for a later one."""


class Recovered(NamedTuple):
    """One open intent, and what was found out. ``state`` is applied, not_applied or open."""

    intent: str
    handle: str
    state: str
    sentence: str
    """Safe to show."""


async def recover(
    backends: Iterable[Backend], journal: Journal, paths: Paths, *, settle: float = SETTLE
) -> list[Recovered]:
    """Ask about every open intent whose runner is dead, of the backends given, which are open.

    Leaves alone what a living runner is at, and what another recovery is looking into.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    paths.make()
    recovery = _Recovery({backend.name: backend for backend in backends}, journal, paths, settle)
    found: list[Recovered] = []
    with contextlib.suppress(LockHeld), only_one(paths.state / "recover.lock"):
        for intent in journal.open_intents():
            with contextlib.suppress(LockHeld), _no_runner(intent.plan, paths):
                answer = await recovery.settle(intent)
                if answer is not None:
                    found.append(answer)
    return found


@contextlib.contextmanager
def _no_runner(plan_id: str, paths: Paths) -> Iterator[None]:
    """Keep runners of the plan away during the block. Raises ``LockHeld`` when one lives."""
    if not ID.fullmatch(plan_id):
        yield
        return
    with only_one(lock_of(plan_id, paths)):
        yield


class _Recovery:
    """One recovery, over all open intents. Plans may be large: each is read once."""

    def __init__(
        self, backends: Mapping[str, Backend], journal: Journal, paths: Paths, settle: float
    ) -> None:
        self._backends, self._journal, self._paths = backends, journal, paths
        self._least = settle
        self._plans: dict[str, Plan | None] = {}

    async def settle(self, intent: Entry) -> Recovered | None:
        """Ask what became of one open call, and write it down; None where it is known by now."""
        # The runner may have written its outcome between our list and our lock.
        answers = self._journal.entries(100, ref=intent.id)
        if any(entry.state in SETTLED for entry in answers):
            return None
        try:
            body = intent.body
        except SchemaError:
            return None
        if body.act is None:
            return None
        act = body.act
        backend = self._backends.get(act.backend)
        if backend is None:
            return self._left(intent, body, "this backend is not configured, or not open")
        with contextlib.suppress(AlreadyRecorded):
            # A claim from a recovery that died stands; the lock shows that it is not at work.
            self._journal.append(
                Kind.RECOVERY_CLAIM,
                incident=intent.incident,
                act=act,
                out=Out(ref=intent.id, state=OutState.CLAIMED),
            )
        step = self._minting(intent, act)
        if step is not None:
            return await self._minted(intent, body, backend, step)
        if not act.expect:
            return self._left(intent, body, f"no look at the token tells; {_hint(intent)}")
        return await self._looked(intent, body, act, backend)

    def _minting(self, intent: Entry, act: Act) -> Step | None:
        """The step of the plan, if it is one that mints."""
        if intent.plan not in self._plans:
            try:
                # Only the plan that was approved: its file may have been changed since.
                self._plans[intent.plan], _ = approval.read(intent.plan, self._journal, self._paths)
            except PlanRefused:
                self._plans[intent.plan] = None
        plan = self._plans[intent.plan]
        found = plan.step(str(StepId.parse(intent.step).planned)) if plan is not None else None
        if found is None or found[1].phase is not Phase.MINT:
            return None
        ref = TokenRef(act.backend, act.target.kind, act.target.id)
        return replace(found[1], id=intent.step, token=ref)

    async def _minted(self, intent: Entry, body: Body, backend: Backend, step: Step) -> Recovered:
        wait = max(self._least, self._propagation(backend, step.token).total_seconds())
        lost = await successors.ask(backend, step, intent, _age(body), wait)
        if lost.state is successors.LostState.EARLY:
            rest = wait - _age(body)
            return self._left(
                intent, body, f"{lost.words}; too early to tell, ask again in {age(max(rest, 1))}"
            )
        if lost.state is successors.LostState.DOWN:
            return self._left(intent, body, f"the system cannot be asked ({lost.words})")
        if lost.state is successors.LostState.UNTOLD:
            kind = backend.capabilities().of(step.token.kind)
            if kind.rotation is Rotation.IN_PLACE:
                then = (
                    f"to set another value, which settles it: token-console run start {intent.plan}"
                )
                return self._left(intent, body, f"{lost.words}; {then}")
            return self._left(intent, body, f"{lost.words}; {_hint(intent)}")
        for ref in lost.refs[1:]:
            act = entry_parts.act(step.verb.value, ref, step, intent.plan)
            further = successors.further(intent, ref)
            self._journal.append(Kind.OBSERVE, incident=intent.incident, act=act, out=further)
        out = successors.answer(step, intent, lost, KnownBy.RECOVERY)
        entry = self._journal.append(Kind.RECOVERY, incident=intent.incident, act=body.act, out=out)
        then = "Go on with it, or have it ended" if lost.refs else "Make it"
        more = f"{then}: token-console run start {intent.plan}."
        return Recovered(intent.id, intent.handle, lost.state, f"{entry.sentence}. {more}")

    async def _looked(self, intent: Entry, body: Body, act: Act, backend: Backend) -> Recovered:
        ref = TokenRef(act.backend, act.target.kind, act.target.id)
        wait = max(self._least, self._propagation(backend, ref).total_seconds()) - _age(body)
        worth = wait if 0 < wait <= PATIENCE else 0.0
        seen = await await_effect(lambda: look(backend, ref, act.expect), worth)
        if seen.holds is None:
            return self._left(intent, body, f"the system cannot be asked ({seen.words})")
        if seen.holds:
            ceiling = backend.capabilities().of(ref.kind).ceiling
            level = int(min(EvidenceLevel.RECORDED, ceiling))
            return self._write(intent, act, seen.words, OutState.APPLIED, level)
        if wait > PATIENCE:
            told = f"{seen.words}; too early to tell, ask again in {age(wait)}"
            return self._left(intent, body, told)
        if act.retry not in (Retry.FREE.value, Retry.CONFIRM.value):
            told = f"{seen.words}, which does not tell; {_hint(intent)}"
            return self._left(intent, body, told)
        return self._write(intent, act, seen.words, OutState.NOT_APPLIED)

    def _propagation(self, backend: Backend, ref: TokenRef) -> timedelta:
        return backend.capabilities().of(ref.kind).propagation or timedelta(0)

    def _left(self, intent: Entry, body: Body, why: str) -> Recovered:
        told = f"Still open: {what(body)}: {safe(why, 400)}."
        return Recovered(intent.id, intent.handle, "open", told)

    def _write(
        self, intent: Entry, act: Act, words: str, state: OutState, level: int | None = None
    ) -> Recovered:
        out = Out(
            ref=intent.id,
            state=state,
            how=KnownBy.RECOVERY,
            detail=system_words(words),
            evidence=level,
        )
        entry = self._journal.append(Kind.RECOVERY, incident=intent.incident, act=act, out=out)
        again = f"token-console run start {intent.plan}" if intent.plan else "plan it again"
        more = f" If it is still wanted: {again}." if state is OutState.NOT_APPLIED else ""
        return Recovered(intent.id, intent.handle, state, f"{entry.sentence}.{more}")


def _hint(intent: Entry) -> str:
    """What is left to do about an intent that this recovery cannot settle."""
    if StepId.parse(intent.step).is_delivery:
        return f"a run that has the sinks finds out: token-console run start {intent.plan}"
    return f"look into the system's own log, then: token-console journal acknowledge {intent.id}"


def _age(body: Body) -> float:
    """Seconds since the intent: by the clock that cannot be set, while the machine is up."""
    if body.boot_id and body.boot_id == boot_id():
        return max(0.0, time.monotonic_ns() / 1e9 - body.mono_us / 1e6)
    return max(0.0, time.time() - body.t / 1e6)
