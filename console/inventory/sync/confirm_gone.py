"""Who is missing from a listing, and whether it is really gone.

A listing can be wrong: a page lost, a replica behind, a filter by permissions. So a token
that was not listed is asked for by itself, and is gone only if its system says so.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from backends.contract import Backend
from backends.errors import AuthFailed, NotFound, RateLimited, Unreachable
from backends.model import GapKind, Token, TokenRef
from backends.words import count
from console.inventory.sync.coverage import Gaps, trouble
from console.inventory.sync.write_tokens import SeenRows
from console.store import reading
from console.store.queries import tokens

AT_ONCE = 8
"""Tokens that are asked for at the same time."""
DOUBT = 50
"""When so many are still there and none is gone, the listing is wrong and asking ends."""


class Missing(NamedTuple):
    """What a look did not see of what the store has."""

    refs: list[tuple[int, TokenRef]]
    """To be asked for: missing from scopes that were listed to their end."""
    left_over: Counter[str]
    """How many more are missing, by scope, than were to be asked for."""
    unmentioned: Counter[str]
    """How many are in scopes of which the look said nothing at all."""
    newly_unseen: list[int]
    """Rows of which it has to be noted that this look did not see them."""
    gone: list[int]
    """Missing from scopes that were listed to their end, and found gone a moment ago."""


def missing(
    store: Path,
    backend: str,
    seen: SeenRows,
    done: Collection[str],
    named: Collection[str],
    limit: int,
    known: Collection[TokenRef] = (),
) -> Missing:
    """Go through a backend's present tokens. ``named`` are scopes that a gap speaks of, and
    ``known`` tokens that their system was just asked for and does not have.
    """
    found = Missing([], Counter(), Counter(), [], [])
    with closing(reading.connect(store)) as connection:
        for num, scope, kind, ref, last_seen in tokens.present(connection, backend):
            if num in seen:
                continue
            if last_seen is None:
                found.newly_unseen.append(num)
            if scope in done:
                if known and TokenRef(backend, kind, ref) in known:
                    found.gone.append(num)
                elif len(found.refs) < limit:
                    found.refs.append((num, TokenRef(backend, kind, ref)))
                else:
                    found.left_over[scope] += 1
            elif scope not in named:
                found.unmentioned[scope] += 1
    return found


class Confirmed(NamedTuple):
    """What came of asking."""

    gone: list[int]
    present: list[Token]


async def confirm(
    backend: Backend, refs: list[tuple[int, TokenRef]], gaps: Gaps, scope: str
) -> Confirmed:
    """Ask for each token by itself. What cannot be asked stays present, and a gap says so."""
    result = Confirmed([], [])
    troubles: Counter[tuple[str, str, GapKind]] = Counter()
    waiting = iter(refs)
    asked = 0
    stopped = ""

    async def ask() -> None:
        nonlocal asked, stopped
        for num, ref in waiting:
            if stopped:
                return
            if not result.gone and len(result.present) >= DOUBT:
                stopped = "the listing left out tokens that exist"
                return
            asked += 1
            try:
                token = await backend.read(ref)
            except NotFound:
                result.gone.append(num)
            except Exception as error:  # noqa: BLE001
                # A third party's backend may fail in any way; the token stays present.
                why = trouble(error, backend)
                troubles[why.message, why.hint, why.kind] += 1
                if isinstance(error, AuthFailed | RateLimited | Unreachable):
                    stopped = why.message
            else:
                result.present.append(token)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(AT_ONCE, len(refs))):
            group.create_task(ask())
    for (message, hint, kind), times in troubles.items():
        what = f"{count(times, 'missing token')} could not be asked for: {message}"
        gaps.add(scope, kind, what, hint)
    if result.present:
        several = count(len(result.present), "token was", "tokens were")
        what = f"{several} not listed, and exist{'s'[: len(result.present) == 1]}"
        gaps.add(scope, GapKind.FAILED, what, "The listing of this system is not complete.")
    if stopped and asked < len(refs):
        rest = count(len(refs) - asked, "missing token was", "missing tokens were")
        what = f"{rest} not asked for: {stopped}"
        gaps.add(scope, GapKind.LIMITED, what, "They stay in the inventory until asked.")
    return result
