"""Which tokens descend from a token, as the store knows it: whoever has read that told it.

Who is whose child is often told by a log that one process has read and another has not. So
it is kept with the links, and everybody plans by the same knowledge.
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import NamedTuple

from backends.model import TokenRef
from console.store.queries import links

PARENT = "parent of"
"""The link's kind, as in ``graph.model``."""
MOST = 200
"""Descendants of one token that are asked about and named."""


class Below(NamedTuple):
    """A descendant that the store has. ``seen`` is when a look saw it last, in unix seconds."""

    ref: TokenRef
    seen: int


def below(connection: Connection, handle: str) -> list[Below]:
    """The living descendants of a token, children's children among them, up to ``MOST``."""
    rows = links.below(connection, PARENT, handle, MOST)
    return [Below(TokenRef(*ref), seen) for *ref, seen in rows]
