"""Who answers for a token: claims from several sources, and which of them holds.

By hand beats a declared file, a file beats the backend's own word, and whom the token
speaks for or who made it are hints only: they fill no owner in, they suggest one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from console.graph import model
from console.graph.graph import Graph
from console.graph.model import identity
from console.store.queries import links, tokens
from console.store.queries import owners as queries

HAND, DECLARED, BACKEND, HINT = "hand", "declared", "backend", "hint"
RANK = {HAND: 0, DECLARED: 1, BACKEND: 2, HINT: 3}


class Claim(NamedTuple):
    """One source's word. ``entry`` is the journal entry of a claim by hand."""

    owner: str
    kind: str
    how: str
    origin: str
    at: int | None = None
    entry: str = ""
    reason: str = ""


class Ownership(NamedTuple):
    """What came of the claims. ``orphan`` says why nobody answers; empty if somebody does."""

    owner: str
    kind: str
    how: str
    origin: str
    orphan: str
    suggested: str
    claims: tuple[Claim, ...]
    disputed: bool
    """Two claims of the best kind name different owners."""


class Orphan(NamedTuple):
    """A token that nobody answers for, and why: never claimed, or its owner left."""

    handle: str
    backend: str
    name: str
    owner: str
    why: str


class Loss(NamedTuple):
    """What it means when somebody or something goes. Token nodes by number."""

    found: list[int]
    """The nodes that the name means."""
    dies: list[int]
    """Tokens that end with the account, their children included."""
    breaks: list[int]
    """Consumers of what dies."""
    orphaned: list[int]
    """Tokens that live on with nobody to answer for them."""
    unused: list[int]
    """Tokens that nothing else was seen to use."""


def resolve(claims: list[Claim], gone: dict[str, str]) -> Ownership:
    """The owner by precedence. ``gone`` has the keys of those who left, and how."""
    ordered = sorted(claims, key=lambda one: (RANK[one.how], -(one.at or 0)))
    firm = [one for one in ordered if one.how != HINT]
    hints = [one.owner for one in ordered if one.how == HINT and identity(one.owner) not in gone]
    suggested = hints[0] if hints else ""
    if not firm:
        return Ownership("", "", "", "", "nobody claims it", suggested, tuple(ordered), False)
    best = firm[0]
    # A newer assignment by hand replaces an older one; files do not replace each other.
    rivals = (
        []
        if best.how == HAND
        else [
            one
            for one in firm
            if one.how == best.how and identity(one.owner) != identity(best.owner)
        ]
    )
    present = [one for one in (best, *rivals) if identity(one.owner) not in gone]
    orphan = "" if present else f"its owner {gone[identity(best.owner)]}"
    chosen = present[0] if present else best
    return Ownership(
        chosen.owner, chosen.kind, chosen.how, chosen.origin, orphan, suggested, tuple(ordered),
        bool(rivals),
    )  # fmt: skip


HOW_WORDS = {"left": "has left", "disabled": "is disabled"}


def gone(connection: sqlite3.Connection) -> dict[str, str]:
    """Who is gone, by key."""
    return {key: HOW_WORDS.get(how, how) for key, how in queries.departed(connection)}


def ownership(connection: sqlite3.Connection, handle: str) -> Ownership:
    """Who answers for one token, with all that was claimed."""
    return resolve(claims(connection, handle), gone(connection))


def claims(connection: sqlite3.Connection, handle: str) -> list[Claim]:
    """All claims about a token, hints included."""
    found = [Claim(*row) for row in queries.claims(connection, handle)]
    for name, kind, link, backend in links.holders(connection, handle):
        how = BACKEND if link == model.OWNS else HINT
        origin = backend if how == BACKEND else f"{backend}: {link} it"
        found.append(Claim(name, kind, how, origin))
    return found


def orphans(connection: sqlite3.Connection) -> list[Orphan]:
    """Present tokens that nobody answers for."""
    words = gone(connection)
    return [
        Orphan(
            handle, backend, name, owner or "",
            f"its owner {words.get(identity(owner), why)}" if owner and why
            else "nobody claims it",
        )
        for handle, backend, name, owner, why in tokens.unanswered(connection)
    ]  # fmt: skip


def leaves(graph: Graph, name: str) -> Loss:
    """If this person, team, app or vendor goes: what dies, breaks, is orphaned or idle?

    A vendor is a backend's name: all its tokens die with it.
    """
    who, apps, mine = graph.called(name)
    return loss(graph, [*who, *apps, *mine])._replace(found=[*who, *apps])


def loss(graph: Graph, gone: Iterable[int]) -> Loss:
    """If these very nodes go: tokens, whoever owns or holds some, or what uses them."""
    found = list(dict.fromkeys(gone))
    sides: dict[str, list[int]] = {}
    for num in found:
        sides.setdefault(graph.side_of[num], []).append(num)
    who, apps = sides.get("who", []), sides.get("use", [])
    known = frozenset(who)
    dies: dict[int, None] = dict.fromkeys(sides.get("token", ()))
    owned: list[int] = []
    for one in who:
        for token in graph.after.get(one, ()):
            kinds = graph.kinds[one, token]
            if model.SPEAKS in kinds:
                dies[token] = None
            elif model.OWNS in kinds:
                owned.append(token)
    queue = list(dies)
    graph.after.fetch(queue)
    for token in queue:
        for child in graph.after.get(token, ()):
            if model.PARENT in graph.kinds[token, child] and child not in dies:
                dies[child] = None
                queue.append(child)
    breaks = dict.fromkeys(
        use for token in dies for use in graph.after.get(token, ()) if graph.side_of[use] == "use"
    )

    def others(token: int) -> list[int]:
        mine = (one for one in graph.before.get(token, ()) if one not in known)
        return [one for one in mine if model.OWNS in graph.kinds[one, token]]

    graph.before.fetch(owned)
    graph.after.fetch(token for app in apps for token in graph.before.get(app, ()))
    unused = [
        token for app in apps for token in graph.before.get(app, ())
        if graph.side_of[token] == "token"
        and not [u for u in graph.after[token] if graph.side_of[u] == "use" and u not in apps]
    ]  # fmt: skip
    orphaned = [token for token in owned if token not in dies and not others(token)]
    return Loss(found, list(dies), list(breaks), orphaned, list(dict.fromkeys(unused)))
