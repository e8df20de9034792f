"""The graph as a tree, for terminals that are too small for columns, and for reading aloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from console.graph.graph import Graph

ROWS = 10_000


class Branch(NamedTuple):
    """One row. ``again`` marks a node that was shown above, with what is below it."""

    depth: int
    num: int
    """The node; 0 for a row that stands for those neighbours of a hub that are not shown."""
    kind: str
    """The kind of the link from its parent, empty for the root; of a hub's others their side."""
    again: bool
    also: int
    """By how many other ways it is reached."""
    below: int
    more: int = 0
    """How many neighbours of a hub the row stands for."""


def tree(
    graph: Graph, start: int, *, reverse: bool = False, rows: int = ROWS, leak: bool = False
) -> Iterator[Branch]:
    """Depth first from a node; a node's own branches are shown once, so cycles end.

    A hub's branches are the first of each side, and a row that says how many more there are.
    ``leak`` walks only the links along which a leak goes.
    """
    seen: set[int] = set()
    stack = [(0, start, "", 0)]
    given = 0
    while stack and given < rows:
        depth, num, kind, more = stack.pop()
        given += 1
        if more:
            yield Branch(depth, 0, kind, False, 0, 0, more)
            continue
        fan = graph.fan(num, back=reverse, leak=leak)
        again = num in seen
        also = max(graph.degree(num, back=not reverse) - 1, 0) if depth else 0
        yield Branch(depth, num, kind, again, also, len(fan.shown) + sum(fan.rest.values()))
        if again:
            continue
        seen.add(num)
        stack += [(depth + 1, 0, side, count) for side, count in reversed(fan.rest.items())]
        for other in reversed(fan.shown):
            pair = (other, num) if reverse else (num, other)
            stack.append((depth + 1, other, ", ".join(graph.kinds[pair]), 0))
