"""The items of a plan: what a backend proposes for a token, and our own doubts about it.

Changes nothing anywhere. ``build`` makes the plan out of them, for one token or many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from backends.contract import Backend, KindCapabilities, Proposal, Step, Verb, WhoAmI
from backends.errors import BackendError
from backends.model import Secret, Token, TokenRef, encode
from console.inventory.records import Sort
from console.inventory.search.inventory import Inventory
from console.inventory.search.query import Query
from console.inventory.search.terms import Term
from console.journal.format.words import representable
from console.response.plan import priority, tripwires
from console.response.plan.hazards import (
    ALIVE,
    ENDING,
    TokenSurroundings,
    around,
    misdirected,
    rules,
    self_harm,
    undeclared,
    without_successor,
)
from console.response.plan.model import Mode, PlanItem
from console.response.plan.step_id import StepId

EVENTS = 300
"""The newest audit events of a token that its plan looks at."""


def assembled(
    backend: Backend,
    verb: Verb,
    token: Token,
    me: WhoAmI,
    proposal: Proposal,
    mode: Mode,
    number: int,
    declared: KindCapabilities,
) -> PlanItem:
    """The item of a proposal, with the hazards that need nothing but the two."""
    own = self_harm(me, token, proposal.steps, proposal.also_ends)
    doubts = (*undeclared(declared, verb, proposal), *misdirected(proposal))
    hazards = (*own, *doubts, *proposal.hazards)
    steps = [step for step in proposal.steps if mode is Mode.LEAK or not step.leak_only]
    return written(
        PlanItem(
            number=number,
            verb=verb,
            token=token,
            backend=backend.name,
            kind_title=declared.title,
            production=backend.config.production,
            proposal=replace(
                proposal,
                hazards=hazards,
                steps=numbered(steps, number),
                undo_steps=numbered(proposal.undo_steps, number, StepId.of_undo),
            ),
            ceiling=declared.reach,
            propagation=declared.propagation,
            probe_effects=declared.tries,
        )
    )


def guarded(item: PlanItem, declared: KindCapabilities, view: TokenSurroundings) -> PlanItem:
    """The item with what its neighbourhood warns of, and who breaks."""
    proposal = item.proposal
    hazards = (*proposal.hazards, *around(item.verb, item.token, proposal, declared, view))
    left = without_successor(item.verb, view)
    collateral = (*proposal.collateral, left) if left else proposal.collateral
    return replace(item, proposal=replace(proposal, hazards=hazards, collateral=collateral))


def scored(item: PlanItem, declared: KindCapabilities, view: TokenSurroundings) -> priority.Score:
    """How urgent the item is."""
    consumers = {
        (event.source, event.agent)
        for event in view.events
        if event.outcome == "ok"
        and event.at > view.now - tripwires.DAY
        and not tripwires.ours(event.agent)
    }
    return priority.score(
        item,
        admin=rules(item.token, declared),
        consumers=len(consumers),
        now=datetime.fromtimestamp(view.now, UTC),
    )


def ends(item: PlanItem) -> frozenset[TokenRef]:
    """The tokens that the item ends, children with it; none for a verb that ends nothing."""
    if item.verb not in ENDING or item.fatal:
        return frozenset()
    return frozenset({item.token.ref, *item.proposal.also_ends})


def admins(
    inventory: Inventory, backend: str, declared: KindCapabilities, me: WhoAmI
) -> frozenset[TokenRef]:
    """The living tokens that rule a backend, by the store.

    The console's own do not count: they live for a shift, and nobody else has them.
    """
    wanted = Query(
        (
            Term("backend", (f"={backend}",)),
            Term("grant", tuple(f"={grant}" for grant in declared.admin_grants)),
        )
    )
    now = datetime.now(UTC)
    found = set()
    for row, token in inventory.each(wanted, Sort()):
        expires = token.expires_at.value
        living = token.state in ALIVE and (expires is None or expires > now)
        if (
            row.backend == backend
            and row.presence == "present"
            and living
            and rules(token, declared)
        ):
            found.add(token.ref)
    return frozenset(found - set(me.own))


async def shares(backend: Backend, secret: Secret, planned: set[TokenRef]) -> tuple[TokenRef, ...]:
    """Tokens of a backend that have this value and are not planned. Empty where it cannot tell."""
    try:
        matches = await backend.identify(secret)
    except BackendError:
        return ()
    except Exception:  # noqa: BLE001
        # A defect's own text could quote the secret that it was handed.
        return ()
    found = {match.ref for match in matches} - planned
    return tuple(sorted(found))


def written(item: PlanItem) -> PlanItem:
    """The item as a plan's file can hold it."""
    try:
        encode(item)
    except UnicodeEncodeError:
        # A name with half a surrogate pair must not protect its token from being revoked.
        # The token's id and the calls have to be exact, so they are left alone.
        plain = msgspec.convert(_representable(msgspec.to_builtins(item.token)), Token)
        item = replace(item, token=replace(plain, ref=item.token.ref))
    return item


def numbered(
    steps: Sequence[Step], number: int, form: Callable[[int, str], StepId] = StepId.of_call
) -> tuple[Step, ...]:
    """The steps with ids that are unique in a plan: ``<item>.<id>``."""
    return tuple(replace(step, id=str(form(number, step.id))) for step in steps)


def _representable(value: Any) -> Any:
    if isinstance(value, str):
        return representable(value)
    if isinstance(value, Mapping):
        return {_representable(key): _representable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_representable(inner) for inner in value]
    return value
