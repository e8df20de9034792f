"""Takes in what a backend lists, whatever it is, in batches of bounded size."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from backends.contract import Backend
from backends.model import Gap, GapKind, Progress, ScopeDone, Token
from backends.words import count
from console.inventory.sync import coverage, write_tokens
from console.inventory.sync.coverage import Gaps, Trouble, trouble
from console.inventory.sync.validate import Garbage, Shaped, shape
from console.inventory.sync.write_tokens import SyncPass
from console.store.text_fold import encodable
from console.store.writer import StoreWriter

WEIGHT = 16 << 20
"""Bytes of tokens' records that are in memory at most before they are written."""
SOON, LATEST = 1.0, 8.0
"""Seconds after which what was listed is written, however little it is: somebody waits for it.

The first time; then twice as long each time, up to ``LATEST``."""


class ListingEnd(NamedTuple):
    """What a listing brought besides its tokens. ``trouble`` is why it broke off."""

    scopes: dict[str, ScopeDone]
    gaps: Gaps
    trouble: Trouble | None


async def take_in(
    store: StoreWriter,
    backend: Backend,
    look: SyncPass,
    gaps: Gaps,
    report: Callable[[Progress], None],
    size: int,
    limit: int,
) -> ListingEnd:
    """Write every token of a listing. At most ``size`` of them are in memory at a time.

    Fewer, where they are large (``WEIGHT``), or where the system is slow (``SOON``).

    A listing of more than ``limit`` tokens is taken for one that never ends.
    """
    listed = ListingEnd({}, gaps, None)
    batch: list[Shaped] = []
    weight, began, soon = 0, time.monotonic(), SOON
    total: int | None = None
    taken = 0
    stream: Any = None
    try:
        while True:
            try:
                stream = stream or backend.inventory()
                found = await anext(stream)
            except StopAsyncIteration:
                break
            except Exception as error:  # noqa: BLE001
                # A third party's backend may fail in any way; its row shows it.
                listed = listed._replace(trouble=trouble(error, backend))
                break
            if isinstance(found, Token):
                taken += 1
                if taken > limit:
                    gaps.add(
                        backend.name,
                        GapKind.LIMITED,
                        f"the listing did not end at {count(limit, 'token')}",
                    )
                    listed.scopes.clear()
                    break
                try:
                    shaped = shape(found, backend.name)
                    batch.append(shaped)
                    weight += len(shaped.doc)
                except Garbage as error:
                    look.garbage[str(error)] += 1
            elif isinstance(found, Progress):
                total = found.total
                report(found)
            elif isinstance(found, Gap | ScopeDone):
                _note(found, listed, look)
            else:
                look.garbage[f"an item of type {type(found).__name__}"] += 1
            if len(batch) >= size or (
                batch and (weight > WEIGHT or time.monotonic() - began > soon)
            ):
                await store.write(write_tokens.write, look, batch)
                batch, weight, began = [], 0, time.monotonic()
                soon = min(2 * soon, LATEST)
                report(Progress(taken, total))
    finally:
        with contextlib.suppress(Exception):
            await stream.aclose()
    if batch:
        await store.write(write_tokens.write, look, batch)
    report(Progress(taken, total))
    for what, times in look.garbage.items():
        gaps.add(
            backend.name, GapKind.FAILED, f"{what} ({count(times, 'time')})", coverage.FAULT_HINT
        )
    for scope, times in look.repeated.items():
        hint = "Pages overlap, or two tokens have one id."
        what = f"{count(times, 'token was', 'tokens were')} listed twice"
        gaps.add(scope, GapKind.FAILED, what, hint)
    return listed


def _note(found: Gap | ScopeDone, listed: ListingEnd, look: SyncPass) -> None:
    try:
        if isinstance(found, Gap):
            listed.gaps.add(found.scope, found.kind, found.what, found.hint)
        else:
            # As in `shape`, where the scopes of the tokens come from.
            listed.scopes[encodable(found.scope)] = found
    except (TypeError, ValueError, AttributeError):
        look.garbage[f"a {type(found).__name__} with a wrong field"] += 1
