"""The answer card: what is known of the value in hand, and what can be done here, best first.

Making it tries nothing. The headline is about the value and says no more than is known: that
a system's record calls a token active is no proof that the value still works, and that it is
gone from a list is no proof that it does not. Only a try tells, and a try has its time.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import NamedTuple

from backends.contract import KindCapabilities, Verb
from backends.model import Token, TokenState
from console.graph import owners
from console.graph.model import KEPT_IN, PARENT, SIBLING, USED_BY
from console.intake.advice import OFFERED, Advice, declared_moves
from console.intake.matching import Found
from console.intake.may_do import MayDo
from console.inventory.search.inventory import BackendState, Detail, Inventory
from console.journal.read.view import JournalView
from console.response.service import trying
from console.response.service.trying import LastTry
from console.response.state.old_value import Verdict, What, clock
from console.response.state.token_life import About, about
from console.settings import Paths
from console.store import reading
from console.store.queries import links
from console.text import stamp
from console.timeline.since import Since, since
from console.timeline.view import Timeline

NEIGHBOURS = 200
"""Links of a token that are counted; of more it is said that there are more."""

_ENDED = {
    TokenState.REVOKED: "REVOKED",
    TokenState.EXPIRED: "EXPIRED",
    TokenState.DISABLED: "DISABLED",
}


class Headline(NamedTuple):
    """One line about the value: a few words in capitals, and why, as raw text."""

    title: str
    why: str


class Dependent(NamedTuple):
    """Something that would break, or be reached: how it is linked, and what it is. Raw text."""

    link: str
    kind: str
    name: str


class Card(NamedTuple):
    """What is known of one token whose value came in."""

    found: Found
    detail: Detail | None
    """As the inventory has it; None where only its system knows it."""
    token: Token
    headline: Headline
    about: About | None
    since: Since | None
    leak: int | None
    owner: owners.Ownership | None
    dependents: tuple[Dependent, ...]
    more_dependents: bool
    advice: Advice
    no_undo: str
    """That nothing reversible exists here, where that is so; said before anybody plans it."""
    siblings: tuple[str, ...]
    """Handles of other tokens with the same value."""
    tried: LastTry | None = None
    """The last try of this very value that got an answer, as the journal has it."""
    rights: MayDo = MayDo()
    """What it may do, with its grants opened, as its system tells now."""
    contact: str = ""
    """How whoever answers for it is reached, as the teams' files have it. Raw text."""


def card(
    found: Found,
    paths: Paths,
    inventory: Inventory,
    journal: JournalView,
    now: float,
    leak: int | None,
    print_: str = "",
) -> Card | None:
    """The card of a token that was found; None where neither store nor system told of it.

    ``print_`` is the keyed fingerprint of the value that came in; empty where none did. What
    can be done is here as declared; see ``advice`` for what its system says of it.

    Raises:
        ConsoleError: the store or the journal cannot be read.
    """
    detail = inventory.detail(found.handle)
    token = found.token if found.token is not None else (detail.token if detail else None)
    if token is None:
        return None
    states = {state.name: state for state in inventory.backends()}
    state = states.get(token.ref.backend)
    gone = detail is not None and detail.row.presence == "gone"
    told = None
    if detail is not None:

        def stored(handle: str) -> Token | None:
            known = inventory.detail(handle)
            return known.token if known is not None else None

        told = about(detail.token, paths, journal, now, gone=gone, parent_of=stored)
    use, linked, more, owner, siblings = _from_store(paths, token.ref.handle, journal, now, leak)
    declared = _declared(state, token)
    # Of what has ended nothing is offered: neither to end it again, nor a way back.
    over = gone or token.state in (TokenState.REVOKED, TokenState.EXPIRED)
    tried = trying.last(journal, token.ref, print_)
    read_at = now if found.token is not None else float((state and state.synced_at) or 0)
    return Card(
        found=found,
        detail=detail,
        token=token,
        headline=headline_of(
            _headline(found, token, told, state, now, gone=gone),
            tried,
            told,
            now,
            read_at,
            over=gone or token.state in _ENDED,
        ),
        about=told,
        since=use if detail is not None else None,
        leak=leak,
        owner=owner,
        dependents=linked,
        more_dependents=more,
        advice=Advice(() if over else declared_moves(declared, token)),
        no_undo="" if over else _no_undo(declared, token, state),
        siblings=siblings,
        tried=tried,
    )


def headline_of(
    recorded: Headline,
    tried: LastTry | None,
    told: About | None,
    now: float,
    read_at: float,
    *,
    over: bool,
) -> Headline:
    """What is known of the value: a try counts, until something later is known.

    ``recorded`` is what is known without it; ``read_at`` when the record was read (in unix
    seconds, as ``now``), and ``over`` whether it calls the token ended.
    """
    if tried is None:
        return recorded
    at = clock(tried.at, now)
    by = f"tried at {at} by {tried.who}: {tried.detail}"
    verdict = told.verdict if told is not None else None
    if verdict is not None and verdict.at > tried.at and recorded.title == _leaked(verdict):
        return Headline(recorded.title, f"{recorded.why}; before, it was {by}")
    if not tried.accepted:
        record = "" if over else "; its system's record does not call it ended"
        return Headline(f"REFUSED at {at}", f"{by}{record}")
    if over and read_at > tried.at:
        title = recorded.title.replace("NOT TRIED", f"NOT TRIED SINCE {at}")
        return Headline(title, f"{recorded.why}; it was accepted when {by}")
    return Headline("LEAKED VALUE STILL WORKS", f"accepted when {by}")


def _leaked(verdict: Verdict) -> str:
    """A run's verdict on an old value, as the card says it."""
    return verdict.title.replace("OLD VALUE", "LEAKED VALUE", 1)


def _headline(
    found: Found,
    token: Token,
    told: About | None,
    state: BackendState | None,
    now: float,
    *,
    gone: bool,
) -> Headline:
    verdict = told.verdict if told is not None else None
    # A run's verdict is on the value that there was: of a token that lives on, the one in
    # hand may be its successor.
    over = gone or token.state in _ENDED
    if (
        told is not None
        and verdict is not None
        and verdict.what in ((What.WORKS, What.RECORDED, What.REFUSED) if over else (What.WORKS,))
    ):
        return Headline(_leaked(verdict), verdict.why or f"as run {told.run[-8:]} found")
    which = "" if found.by_value else "; only an id was given, so no value was compared"
    if found.token is not None:
        says = f"{token.ref.backend} says so now{which}"
        if ended := _ENDED.get(token.state):
            return Headline(f"RECORDED {ended}, NOT TRIED", f"{says}; the value was not tried")
        return Headline(
            "TAKE IT AS LIVE: RECORDED ACTIVE, NOT TRIED", f"{says}; the value was not tried"
        )
    if gone:
        return Headline(
            "NOT IN ITS SYSTEM'S LIST ANY MORE, NOT TRIED",
            f"{told.ended.words if told is not None and told.ended is not None else ''}"
            f"{which}".strip("; ")
            or "who ended it is not known here",
        )
    read = (
        "never read to its end"
        if state is None or state.synced_at is None
        else (f"as read at {stamp(datetime.fromtimestamp(state.synced_at, UTC))}")
    )
    if ended := _ENDED.get(token.state):
        return Headline(f"RECORDED {ended}, NOT TRIED", f"{read}; not asked again now{which}")
    return Headline(
        "NOT KNOWN: TAKE IT AS LIVE",
        f"the inventory calls it active, {read}; its system was not asked now{which}",
    )


def _from_store(
    paths: Paths, handle: str, journal: JournalView, now: float, leak: int | None
) -> tuple[Since | None, tuple[Dependent, ...], bool, owners.Ownership | None, tuple[str, ...]]:
    use = None
    if leak is not None:
        with Timeline(
            paths.inventory, (handle,), journal=journal, leak=leak, clock=lambda: now
        ) as timeline:
            use = since(timeline, leak)
    with closing(reading.connect(paths.inventory)) as connection:
        try:
            rows = links.next_to(connection, handle, _LINKS, NEIGHBOURS + 1)
            owner = owners.ownership(connection, handle)
        except sqlite3.Error as error:
            raise reading.unusable(paths.inventory, error) from None
    siblings = tuple(key for link, _, _, key in rows if link == SIBLING)
    linked = tuple(
        Dependent(link, kind, name) for link, kind, name, _ in rows[:NEIGHBOURS] if link != SIBLING
    )
    return use, linked, len(rows) > NEIGHBOURS, owner, siblings


_LINKS = (PARENT, USED_BY, KEPT_IN, SIBLING)


def _declared(state: BackendState | None, token: Token) -> KindCapabilities:
    if state is None or state.capabilities is None:
        return KindCapabilities(kind=token.ref.kind, title=token.ref.kind)
    return state.capabilities.of(token.ref.kind)


def _no_undo(declared: KindCapabilities, token: Token, state: BackendState | None) -> str:
    if state is None or state.capabilities is None:
        return f"what {token.ref.backend} can do is not known yet: it was never asked"
    contain = declared.ability(Verb.CONTAIN)
    if contain.support in OFFERED and contain.reversible:
        return ""
    why = f": {contain.note}" if contain.note else ""
    return f"{declared.title} cannot be contained here{why}; rotate or revoke it"
