"""Which tokens descend from a token, as the store knows it: whoever has read that told it.

Who is whose child is often told by a log that one process has read and another has not. So
it is kept with the links, and everybody plans by the same knowledge.
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import NamedTuple

from backends.model import TokenRef

PARENT = "parent of"
"""The link's kind, as in ``graph.model``."""
MOST = 200
"""Descendants of one token that are asked about and named."""

_BELOW = """
WITH RECURSIVE below (num) AS (
    SELECT l.b FROM node n JOIN link l ON l.a = n.num AND l.kind = ?
    WHERE n.side = 'token' AND n.key = ?
    UNION
    SELECT l.b FROM below JOIN link l ON l.a = below.num AND l.kind = ?
)
SELECT t.backend, t.kind, t.ref, coalesce(t.last_seen, b.synced_at, t.first_seen)
FROM below JOIN node n USING (num) JOIN token t ON n.side = 'token' AND t.handle = n.key
LEFT JOIN backend b ON b.name = t.backend
WHERE t.status <> 'gone' AND t.handle <> ? ORDER BY t.ref LIMIT ?
"""


class Below(NamedTuple):
    """A descendant that the store has. ``seen`` is when a look saw it last, in unix seconds."""

    ref: TokenRef
    seen: int


def below(connection: Connection, handle: str) -> list[Below]:
    """The living descendants of a token, children's children among them, up to ``MOST``."""
    rows = connection.execute(_BELOW, (PARENT, handle, PARENT, handle, MOST))
    return [Below(TokenRef(*ref), seen) for *ref, seen in rows]
