"""What the tokens of answer cards may do: their grants opened by their systems, the worst first."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from backends.errors import BackendError
from backends.model import TokenRef
from console.errors import ConsoleError
from console.fleet import Fleet
from console.graph.rights import clauses, not_opened

LINES = 6
"""Rights that a card tells; of more only how many."""
NAMED = 3
"""Resources that one right names."""
PATIENCE = 10.0
"""Seconds for a system's answer: a card is not to wait for one that hangs."""


class MayDo(NamedTuple):
    """What a token may do in sentences, and why that is not known, or not all. Raw text."""

    told: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


async def may_do(fleet: Fleet, ref: TokenRef) -> MayDo:
    """Ask a token's system what it may do, and wait no longer than a card can."""
    try:
        async with asyncio.timeout(PATIENCE):
            found = await fleet.permissions(ref)
    except TimeoutError:
        return MayDo(unknown=(f"{ref.backend} did not tell within {PATIENCE:.0f} s",))
    except (BackendError, ConsoleError) as error:
        return MayDo(unknown=(f"{ref.backend} could not tell: {error}",))
    rights = clauses(found)
    told = [
        f"{clause.sort.value}: {clause.what(NAMED)}{clause.only_if}"
        + (f" ({clause.source})" if clause.source else "")
        for clause in rights[:LINES]
    ]
    if len(rights) > LINES:
        told.append(f"and {len(rights) - LINES:,} more: token-console reach {ref.handle}")
    unknown = tuple(text for text, _ in not_opened(found))
    if not rights and not unknown:
        told.append("nothing")
    return MayDo(tuple(told), unknown)
