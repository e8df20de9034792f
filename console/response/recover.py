"""What became of the calls whose runner died, or whose answer was lost.

The system is asked by reading; nothing is ever sent again. Whoever can act runs this at
its start, and shows the sentences.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from backends.contract import Backend, Retry
from backends.model import EvidenceLevel, TokenRef
from console.journal.describe import Entry, what
from console.journal.entry import ID, Act, Body, Kind, Out, SchemaError
from console.journal.lock import Busy, only_one
from console.journal.log import AlreadyRecorded, Journal
from console.journal.who import boot_id
from console.response import facts
from console.response.locks import lock_of
from console.response.look import Seen, await_effect
from console.settings import Paths
from console.text import age

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
    by_name = {backend.name: backend for backend in backends}
    found: list[Recovered] = []
    with contextlib.suppress(Busy), only_one(paths.state / "recover.lock"):
        for intent in journal.open_intents():
            with contextlib.suppress(Busy), _no_runner(intent.plan, paths):
                answer = await _settle(intent, by_name, journal, settle)
                if answer is not None:
                    found.append(answer)
    return found


@contextlib.contextmanager
def _no_runner(plan_id: str, paths: Paths) -> Iterator[None]:
    """Keep runners of the plan away during the block. Raises ``Busy`` when one lives."""
    if not ID.fullmatch(plan_id):
        yield
        return
    with only_one(lock_of(plan_id, paths)):
        yield


async def _settle(
    intent: Entry, backends: Mapping[str, Backend], journal: Journal, settle: float
) -> Recovered | None:
    # The runner may have written its outcome between our list and our lock.
    if not any(entry.id == intent.id for entry in journal.open_intents()):
        return None
    try:
        body = intent.body
    except SchemaError:
        return None
    act = body.act
    if act is None:
        return None

    def left(why: str) -> Recovered:
        return Recovered(intent.id, intent.handle, "open", f"Still open: {what(body)}: {why}.")

    backend = backends.get(act.backend)
    if backend is None:
        return left("this backend is not configured, or not open")
    declared = backend.capabilities().of(act.target.kind)
    propagation = declared.propagation or timedelta(0)
    wait = max(settle, propagation.total_seconds()) - _age(body)
    with contextlib.suppress(AlreadyRecorded):
        # A claim from a recovery that died stands; the lock shows that it is not at work.
        journal.append(Kind.RECOVERY_CLAIM, act=act, out=Out(ref=intent.id, state="claimed"))
    ref = TokenRef(act.backend, act.target.kind, act.target.id)
    worth = wait if 0 < wait <= PATIENCE else 0.0
    seen = await await_effect(backend, ref, act.expect, worth)
    if seen.holds is None:
        return left(f"the system cannot be asked ({seen.words})")
    if seen.holds:
        level = int(min(EvidenceLevel.RECORDED, declared.ceiling))
        return _write(journal, intent, act, seen, "applied", level)
    if wait > PATIENCE:
        return left(f"{seen.words}; too early to tell, ask again in {age(wait)}")
    if act.retry not in (Retry.FREE.value, Retry.CONFIRM.value):
        return left(f"{seen.words}, which does not tell; look into the system's own log")
    return _write(journal, intent, act, seen, "not_applied")


def _write(
    journal: Journal, intent: Entry, act: Act, seen: Seen, state: str, level: int | None = None
) -> Recovered:
    out = Out(
        ref=intent.id,
        state=state,
        how="recovery",
        detail=facts.words(seen.words),
        evidence=level,
    )
    entry = journal.append(Kind.RECOVERY, act=act, out=out)
    more = " Plan it again if it is still wanted." if state == "not_applied" else ""
    return Recovered(intent.id, intent.handle, state, f"{entry.sentence}.{more}")


def _age(body: Body) -> float:
    """Seconds since the intent: by the clock that cannot be set, while the machine is up."""
    if body.boot_id and body.boot_id == boot_id():
        return max(0.0, time.monotonic_ns() / 1e9 - body.mono_us / 1e6)
    return max(0.0, time.time() - body.t / 1e6)
