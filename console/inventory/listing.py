"""Takes in what a backend lists, whatever it is, in batches of bounded size."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from backends.contract import Backend
from backends.model import Gap, GapKind, Progress, ScopeDone, Token
from backends.words import count
from console.inventory import coverage, writing
from console.inventory.coverage import Gaps, Trouble, trouble
from console.inventory.folding import encodable
from console.inventory.shape import Garbage, Shaped, shape
from console.inventory.writing import Look

if TYPE_CHECKING:
    from console.inventory.sync import Syncer


class Listed(NamedTuple):
    """What a listing brought besides its tokens. ``trouble`` is why it broke off."""

    scopes: dict[str, ScopeDone]
    gaps: Gaps
    trouble: Trouble | None


async def take_in(
    syncer: Syncer,
    backend: Backend,
    look: Look,
    gaps: Gaps,
    report: Callable[[Progress], None],
    size: int,
    limit: int,
) -> Listed:
    """Write every token of a listing. At most ``size`` of them are in memory at a time.

    A listing of more than ``limit`` tokens is taken for one that never ends.
    """
    listed = Listed({}, gaps, None)
    batch: list[Shaped] = []
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
                    batch.append(shape(found, backend.name))
                except Garbage as error:
                    look.garbage[str(error)] += 1
            elif isinstance(found, Progress):
                total = found.total
                report(found)
            elif isinstance(found, Gap | ScopeDone):
                _note(found, listed, look)
            else:
                look.garbage[f"an item of type {type(found).__name__}"] += 1
            if len(batch) >= size:
                await syncer.write(writing.write, look, batch)
                batch = []
                report(Progress(taken, total))
    finally:
        with contextlib.suppress(Exception):
            await stream.aclose()
    if batch:
        await syncer.write(writing.write, look, batch)
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


def _note(found: Gap | ScopeDone, listed: Listed, look: Look) -> None:
    try:
        if isinstance(found, Gap):
            listed.gaps.add(found.scope, found.kind, found.what, found.hint)
        else:
            # As in `shape`, where the scopes of the tokens come from.
            listed.scopes[encodable(found.scope)] = found
    except (TypeError, ValueError, AttributeError):
        look.garbage[f"a {type(found).__name__} with a wrong field"] += 1
