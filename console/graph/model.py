"""Nodes and links. Needs nothing but the standard library, so that the screen may load it.

A link from a to b means: what happens to a reaches b. Owners reach their tokens, tokens
their children, grants and consumers, and grants what they open.
"""

from __future__ import annotations

from typing import Final, NamedTuple

SEPARATOR: Final = "\x1f"
"""Between the parts of a node's key."""
SIDES: Final = ("who", "token", "grant", "use")
"""The columns of a picture, from left to right. ``who`` has owners, but also whom a token
speaks for and who made it: a link's kind says which."""
TITLES: Final = {"who": "who", "token": "tokens", "grant": "grants", "use": "used by"}
PEOPLE: Final = ("person", "team", "service", "on-call")
USES: Final = ("workload", "host", "address", "session", "entry", "object", "lease", "file")

OWNS: Final = "owns"
SPEAKS: Final = "holds"
"""Whom the token speaks for: it dies with that account."""
MADE: Final = "made"
PARENT: Final = "parent of"
CARRIES: Final = "carries"
USED_BY: Final = "used by"
KEPT_IN: Final = "kept in"
"""The value lies in this store entry, which is a consumer."""
OPENS: Final = "opens"
"""A grant may read this store entry."""
READS: Final = "reads"
"""A grant opens an entry in which this token's value lies. Worked out, never stored."""
SIBLING: Final = "same value as"

SPREADS: Final = frozenset({PARENT, CARRIES, USED_BY, KEPT_IN, OPENS, READS, SIBLING})
"""The links along which a leak goes. An owner is told, not reached."""

ENDS: Final[dict[str, tuple[str, str]]] = {
    OWNS: ("who", "token"),
    SPEAKS: ("who", "token"),
    MADE: ("who", "token"),
    PARENT: ("token", "token"),
    CARRIES: ("token", "grant"),
    USED_BY: ("token", "use"),
    KEPT_IN: ("token", "use"),
    OPENS: ("grant", "use"),
    READS: ("grant", "token"),
    SIBLING: ("token", "token"),
}
"""The columns that a kind of link goes from and to; ``collect`` writes no others."""

HUB: Final = 1_000
"""Neighbours of one side beyond which a node is a hub: they are counted, and not followed."""
SHOWN: Final = 20
"""How many of a hub's neighbours are shown and followed, the first by number."""

COUNTED: Final = 100_000
"""How far a hub's neighbours are counted; one more stands for any number beyond."""

CONFIDENCE: Final = {"declared": 80, "configured": 95, "observed": 90}
"""What a link's source is worth where its reader does not know better, of 100."""


class Node(NamedTuple):
    """One node. ``name`` and ``place`` come from outside and are hostile."""

    num: int
    side: str
    key: str
    kind: str
    name: str
    place: str = ""
    """The backend, or where else it is."""
    state: str = ""
    """A token's state, or that a person is gone."""


class Evidence(NamedTuple):
    """Why a link is believed."""

    kind: str
    source: str
    origin: str
    seen: int | None
    times: int
    confidence: int
    detail: str = ""


class LinkSource(NamedTuple):
    """Something that links were read from. ``problem`` is empty where all went well."""

    name: str
    kind: str
    at: int | None
    found: int
    problem: str
    hint: str


def many(number: int) -> str:
    """A number of neighbours in words, which may be counted so far only."""
    return f"{number:,}" if number <= COUNTED else f"more than {COUNTED:,}"


def beside(side: str, back: bool) -> dict[str, list[str]]:
    """The kinds of stored links that a node of a side can have, by the column they lead to.

    With ``back``, by the column that they come from.
    """
    found: dict[str, list[str]] = {one: [] for one in SIDES}
    for kind, (start, end) in ENDS.items():
        here, there = (end, start) if back else (start, end)
        if here == side and kind != READS:
            found[there].append(kind)
    return {one: kinds for one, kinds in found.items() if kinds}


def identity(name: str) -> str:
    """The key of a person, team or service: ``@org/Pay`` and ``org/pay`` are one."""
    return name.strip().removeprefix("@").casefold()[:200]


def use_key(kind: str, place: str, name: str) -> str:
    """The key of a consumer; ``name`` is folded where it means the same everywhere."""
    return SEPARATOR.join((kind, place, name))


def guess(name: str) -> str:
    """What kind of owner a bare name most likely is."""
    if "/" in name:
        return "team"
    return "person" if "@" in name else "team"
