"""Try a value against the system that issued it: the one way to do it, and to write it down.

A try is a use of the value. It is offered only where the backend declares what it does
besides, and it is in the journal before it is made, so that a line in the system's log can
be told from an attacker's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from backends.contract import Backend, ProbeResult
from backends.errors import BackendError, Unsupported
from backends.model import Secret, TokenRef
from backends.words import count
from console.journal.format.entry import Act, Kind, Out
from console.journal.format.parts import KnownBy, OutState
from console.journal.format.sentence import Entry
from console.journal.format.words import system_words

PROBE_TIMEOUT = 30.0
"""Seconds after which a try counts as one without an answer."""
_SHOWN = {False: OutState.SEEN, True: OutState.NOT_SEEN, None: OutState.UNCLEAR}
"""What a try of a value shows of its end, by whether it was accepted."""

Record = Callable[..., Awaitable[Entry]]
"""Writes an entry of a kind durably: ``record(kind, act=..., out=..., why=...)``."""


class TriedValue(NamedTuple):
    """What came of a try. ``can`` is False where the backend turns out to have no way to try."""

    result: ProbeResult
    can: bool = True
    entry: Entry | None = None
    """What the journal has of it, where it was written there."""


async def ask(
    backend: Backend,
    ref: TokenRef,
    secret: Secret,
    patience: float = PROBE_TIMEOUT,
    gate: AbstractAsyncContextManager[object] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> TriedValue:
    """Try a value, and write nothing. Whatever goes wrong is no answer, in words.

    It is refused only where it was as often in a row as its kind declares: a system that
    flickers while a change spreads refuses what the next moment is taken again. ``patience`` is
    in seconds, for each try; ``gate`` is held for each, such as a lane's.
    """
    declared = backend.capabilities().of(ref.kind)
    wanted = max(1, declared.probe_runs)
    for number in range(1, wanted + 1):
        async with gate or contextlib.nullcontext():
            tried = await _once(backend, ref, secret, patience)
        if tried.result.accepted is not False:
            break
        if number < wanted:
            await sleep(max(0.0, declared.probe_pause.total_seconds()))
    if wanted == 1 or tried.result.accepted is None:
        return tried
    told = f"{tried.result.detail}; " if tried.result.detail else ""
    how = f"refused {count(wanted, 'time')} in a row"
    if tried.result.accepted:
        how = f"accepted at try {number} of {wanted}"
    return tried._replace(result=ProbeResult(tried.result.accepted, told + how))


async def _once(backend: Backend, ref: TokenRef, secret: Secret, patience: float) -> TriedValue:
    try:
        async with asyncio.timeout(patience):
            return TriedValue(await backend.probe(ref, secret))
    except Unsupported:
        return TriedValue(ProbeResult(None, "the backend cannot try it"), can=False)
    except TimeoutError:
        return TriedValue(ProbeResult(None, f"no answer in {patience:.0f} s"))
    except BackendError as error:
        return TriedValue(ProbeResult(None, error.message))
    except Exception as error:  # noqa: BLE001
        # A defect's own text could quote the secret that it was handed.
        return TriedValue(ProbeResult(None, f"the backend failed with {type(error).__name__}"))


async def try_value(
    backend: Backend,
    ref: TokenRef,
    secret: Secret,
    act: Act,
    record: Record,
    gate: AbstractAsyncContextManager[object] | None = None,
    why: str = "",
) -> TriedValue:
    """Write down that a value is tried, try it, and write down what came of it.

    ``gate`` is held for each try alone, such as a lane's.

    Raises:
        JournalError: it could not be written down. Before the try: then nothing was tried.
    """
    before = await record(Kind.OBSERVE, act=act, **({"why": why} if why else {}))
    tried = await ask(backend, ref, secret, gate=gate)
    out = Out(
        ref=before.id,
        state=_SHOWN[tried.result.accepted],
        how=KnownBy.PROBE,
        detail=system_words(tried.result.detail or "no answer that tells", 256),
    )
    return tried._replace(entry=await record(Kind.OBSERVE, act=act, out=out))
