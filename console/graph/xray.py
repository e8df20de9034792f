"""The graph as a tree, for terminals that are too small for columns, and for reading aloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from console.graph.graph import Graph

ROWS = 10_000


class Branch(NamedTuple):
    """One row. ``again`` marks a node that was shown above, with what is below it."""

    depth: int
    num: int
    kind: str
    """The kind of the link from its parent; empty for the root."""
    again: bool
    also: int
    """By how many other ways it is reached."""
    below: int


def tree(
    graph: Graph, start: int, *, reverse: bool = False, rows: int = ROWS, leak: bool = False
) -> Iterator[Branch]:
    """Depth first from a node; a node's own branches are shown once, so cycles end.

    ``leak`` walks only the links along which a leak goes.
    """
    near: Mapping[int, Sequence[int]] = (
        graph.before if reverse else graph.spread if leak else graph.after
    )
    seen: set[int] = set()
    stack = [(0, start, "")]
    given = 0
    while stack and given < rows:
        depth, num, kind = stack.pop()
        below = near.get(num, ())
        again = num in seen
        ways = graph.after if reverse else graph.before
        also = max(len(ways.get(num, ())) - 1, 0) if depth else 0
        yield Branch(depth, num, kind, again, also, len(below))
        given += 1
        if again:
            continue
        seen.add(num)
        for other in reversed(below):
            pair = (other, num) if reverse else (num, other)
            stack.append((depth + 1, other, ", ".join(graph.kinds[pair])))
