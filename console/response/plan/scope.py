"""The scope of a plan: which tokens a query and a list mean, and why each of them is in it.

A query that is not understood whole is refused here: a term that is dropped makes the
scope wider, and what is in it is acted on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from backends.model import Gap, GapKind, Token, TokenRef
from backends.words import count
from console.errors import PlanRefused
from console.inventory.records import Sort
from console.inventory.search import matched
from console.inventory.search import query as queries
from console.inventory.search.inventory import Inventory
from console.inventory.search.query import Query
from console.inventory.search.terms import Term
from console.response.plan.model import LeftOut, PlanItem

MOST = 100_000
"""Tokens of one plan: what is beyond is another run."""
LISTED = "named one by one"
OWN = "it is the console's own credential"


class ScopeTokens(NamedTuple):
    """The tokens of a scope, listed ones first, each once.

    ``why`` has, for each handle, what of the token the query matched; ``listed`` the handles
    that were named one by one. ``beside`` counts the tokens that hold the same words, and
    only in what a plan does not look at.
    """

    query: Query
    tokens: tuple[Token, ...]
    why: dict[str, str]
    listed: frozenset[str] = frozenset()
    beside: int = 0


def find(inventory: Inventory, query: str, handles: Iterable[str]) -> ScopeTokens:
    """The tokens of a scope as the store has them. A query leaves out what is gone.

    Raises:
        QueryError: the query means nothing, or not yet.
        PlanRefused: there is no such token, none at all, or too many for one plan.
        StoreError: the inventory cannot be read.
    """
    wanted = queries.scope(query)
    found: dict[str, Token] = {}
    why: dict[str, str] = {}
    for handle in handles:
        detail = inventory.detail(handle)
        if detail is None:
            raise PlanRefused(
                f"the inventory has no token with the handle {handle[:40]}",
                "Sync, then look again.",
            )
        found[handle] = detail.token
    listed = frozenset(found)
    if wanted.terms:
        for row, token in inventory.each(wanted, Sort()):
            if row.presence == "present":
                found.setdefault(row.handle, token)
                why[row.handle] = matched.why(wanted, row, token)
            if len(found) > MOST:
                raise PlanRefused(f"more than {MOST:,} tokens", "Narrow the query.")
    beside = _beside(inventory, wanted, len(why))
    if not found:
        raise PlanRefused("no token is in that scope", _nothing(beside))
    if wanted.terms:
        why |= {handle: why.get(handle, LISTED) for handle in listed}
    return ScopeTokens(wanted, tuple(found.values()), why, listed, beside)


def without_own(
    wanted: ScopeTokens, own: Collection[TokenRef]
) -> tuple[ScopeTokens, tuple[LeftOut, ...]]:
    """The scope without the console's own credentials, and which those are.

    One that was named by hand stays: its plan says why it cannot be done.

    Raises:
        PlanRefused: nothing else is in it.
    """
    ours = {
        token.ref: token
        for token in wanted.tokens
        if token.ref in own and token.ref.handle not in wanted.listed
    }
    rest = tuple(token for token in wanted.tokens if token.ref not in ours)
    left = tuple(LeftOut(ref=ref, name=token.name, why=OWN) for ref, token in ours.items())
    if not rest:
        names = ", ".join(f"{one.ref.backend} handle {one.ref.handle}" for one in left[:3])
        raise PlanRefused(
            f"only the console's own credential is in that scope: {names}",
            "Nothing was sent. It is ended where it was issued, with another credential.",
        )
    return wanted._replace(tokens=rest), left


def not_seen(inventory: Inventory, wanted: Collection[str] | None) -> tuple[tuple[str, Gap], ...]:
    """What the last enumerations did not see, each gap with its backend.

    ``wanted`` names the backends that are asked about; None is all of them.
    """
    found: list[tuple[str, Gap]] = []
    for state in inventory.backends():
        if wanted is not None and state.name not in wanted:
            continue
        if state.result == "failed" or state.synced_at is None:
            what = state.error or "never looked at to its end"
            found.append((state.name, Gap(state.name, GapKind.FAILED, what, state.hint)))
        found += [(state.name, gap) for gap in state.gaps]
    return tuple(found)


def explained(item: PlanItem, wanted: ScopeTokens) -> PlanItem:
    """The item with what of its token the scope's query matched."""
    return replace(item, matched=wanted.why.get(item.token.ref.handle, ""))


def _beside(inventory: Inventory, wanted: Query, found: int) -> int:
    """How many present tokens the same words would find in a list, beyond the scope."""
    if all(term.key != "text" for term in wanted.terms):
        return 0
    wide = tuple(term._replace(key="") if term.key == "text" else term for term in wanted.terms)
    present = Term("is", ("present",))
    return max(0, inventory.count(Query((*dict.fromkeys(wide), present))) - found)


def _nothing(beside: int) -> str:
    if not beside:
        return "Nothing was sent. Widen the query."
    return (
        f"Nothing was sent. {count(beside, 'holds', 'hold')} these words only in backend,"
        " kind, scope or grants, which a plan takes in when asked: backend:WORD, kind:WORD,"
        " scope:WORD, grant:WORD."
    )
