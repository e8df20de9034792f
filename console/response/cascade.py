"""What ends along with a token: what its system tells now, and what the store has learned.

A backend may know of children only from a log that this very process has read. What any
process has learned is in the store, and is asked about here before the plan is made, so
that the screen, the command line and the worker stop at the same question. What nobody can
know is said in the plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from backends.contract import Backend, KindCapabilities, Proposal, Verb
from backends.errors import BackendError, NotFound
from backends.model import How, Token, TokenRef
from console.inventory.lineage import Below
from console.text import stamp

VERBS = (Verb.REVOKE, Verb.ROTATE)
"""Verbs with which a token, and with it what descends from it, ends."""
AT_ONCE = 4


class Cascade(NamedTuple):
    """Descendants that the store knows and that live, as far as they could be asked about.

    ``unread`` are those of which only the store's last look is known.
    """

    living: tuple[TokenRef, ...] = ()
    unread: tuple[Below, ...] = ()
    trouble: str = ""


async def known(
    backend: Backend, verb: Verb, declared: KindCapabilities, below: Sequence[Below]
) -> Cascade:
    """Ask about the descendants that the store has: one that is gone, or orphaned, is none.

    A backend learns their names by that, where its own log tells of children by other ones.
    """
    if verb not in VERBS or not declared.ends_children or not below:
        return Cascade()
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(each: Below) -> Token | BackendError | None:
        async with gate:
            try:
                return await backend.read(each.ref)
            except NotFound:
                return None
            except BackendError as error:
                return error

    answers = await asyncio.gather(*(ask(each) for each in below))
    living, unread, trouble = [], [], ""
    for each, answer in zip(below, answers, strict=True):
        if isinstance(answer, Token):
            if answer.parent.how is not How.NEVER:
                living.append(each.ref)
        elif answer is not None:
            unread.append(each)
            trouble = trouble or answer.message
    return Cascade(tuple(living), tuple(unread), trouble)


def joined(proposal: Proposal, cascade: Cascade) -> Proposal:
    """The proposal with what the store knows to end too, and how far that is to be trusted."""
    if not proposal.steps:
        return proposal
    told = set(proposal.also_ends)
    more = [ref for ref in cascade.living if ref not in told]
    more += [each.ref for each in cascade.unread if each.ref not in told]
    words = list(proposal.not_known)
    if cascade.unread:
        seen = min(each.seen for each in cascade.unread)
        number = len(cascade.unread)
        live = (
            "1 descendant still lives" if number == 1 else f"of {number:,} descendants still live"
        )
        words.append(
            f"{'whether ' if number == 1 else 'which '}{live}; known from the"
            f" look of {stamp(datetime.fromtimestamp(seen, UTC))}: {cascade.trouble}"
        )
    lines = tuple(f"child token {ref.id}, known from an earlier look" for ref in more)
    return replace(
        proposal,
        also_ends=tuple(sorted({*told, *more})),
        collateral=(*lines, *proposal.collateral),
        not_known=tuple(words),
    )
