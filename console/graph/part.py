"""A part of a graph that can be drawn: what is around some nodes, hubs folded and counted.

A part is a graph of its own. Whether one of its nodes leads to another can be told in it
alone: whatever lies between two nodes around a third is around that one as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from console.graph.graph import Edge, Fan, Graph
from console.graph.model import COUNTED, SIDES, Node, many

MOST = 5_000
"""Nodes of a part; what more there is, is said and not read."""
MORE = "more"
"""The kind of a node that stands for those neighbours of a hub that are counted only."""


class Part(Graph):
    """Some nodes of a graph with all links between them, and a node for each hub's others."""

    cut: int = 0
    """How many of its nodes have neighbours that were not read, as there would be too many."""

    def unknowns(self) -> list[str]:
        """What is not in it, and why."""
        found = []
        if self.rest:
            found.append(
                "A hub's other neighbours are counted, and what they lead to is not followed:"
                f" {many(sum(self.rest.values()))} here."
            )
        if self.cut:
            found.append(
                f"It goes on: what is next to {self.cut:,} more of its nodes is not read. "
                "Put one of them into the middle."
            )
        return found


def part(
    graph: Graph,
    start: Iterable[int],
    *,
    folded: bool = True,
    shown: int = 0,
    most: int = MOST,
) -> Part:
    """All that some nodes reach, and all that reaches them.

    With ``folded``, a hub's neighbours are followed as far as they are shown only, and reading
    ends at about ``most`` nodes, half of them above and half below. Without, it is everything,
    however much that is.
    """
    found = dict.fromkeys(start)
    begun = list(found)
    rests: dict[tuple[int, bool, str], None] = {}
    cut = 0
    for back in (False, True):
        edge, known = begun, set(begun)
        room = len(found) + most // 2
        while edge:
            following: list[int] = []
            if not folded:
                (graph.before if back else graph.after).fetch(edge)
            for num in edge:
                if folded and len(found) >= room:
                    cut += 1
                    continue
                fan = graph.fan(num, back=back, shown=shown) if folded else _all(graph, num, back)
                rests |= dict.fromkeys((num, back, side) for side in fan.rest)
                new = [one for one in fan.shown if one not in known]
                following += new
                known.update(new)
                found |= dict.fromkeys(new)
            edge = following
    made = _made(graph, found)
    made.cut = cut
    for num, (hub, back, side) in enumerate(rests, 1):
        _fold(graph, made, -num, hub, back, side)
    return made


def _all(graph: Graph, num: int, back: bool) -> Fan:
    return Fan((graph.before if back else graph.after).get(num, []), {})


def _made(graph: Graph, nums: dict[int, None]) -> Part:
    graph.fetch(nums)
    return Part(_nodes(graph, nums), graph.among(nums.keys()))


def _nodes(graph: Graph, nums: Iterable[int]) -> Iterator[Node]:
    for num in nums:
        yield graph.nodes[num]


def _fold(graph: Graph, made: Part, num: int, hub: int, back: bool, side: str) -> None:
    """Add the node that stands for those neighbours of a hub that are not in the part."""
    near = (made.before if back else made.after).get(hub, [])
    there = [one for one in near if made.side_of[one] == side and one not in made.rest]
    most = COUNTED + len(there) + 1
    count = graph.counts(hub, back=back, most=most)[side] - len(there)
    if count <= 0:
        return
    made.rest[num] = count
    made.nodes[num] = Node(num, side, "", MORE, f"and {many(count)} more")
    made.side_of[num] = side
    kind = made.kinds[(there[0], hub) if back else (hub, there[0])][0]
    made.add(Edge(num, hub, kind) if back else Edge(hub, num, kind))


class Sizes(NamedTuple):
    """How many nodes of each side there are above or below some nodes."""

    by_side: dict[str, int]
    more: bool
    """Whether there may be more, as a hub was not followed, or it would be too many."""


def sizes(graph: Graph, members: Iterable[int], *, back: bool, most: int = MOST) -> Sizes:
    """Count what some nodes lead to, or with ``back`` what leads to them.

    A hub's neighbours are counted and not followed, so that it never says too much.
    """
    begun = list(dict.fromkeys(members))
    known, found, hubs, more = set(begun), 0, dict.fromkeys(SIDES, 0), False
    by_side = dict.fromkeys(SIDES, 0)
    own = {side: sum(graph.side_of[num] == side for num in begun) for side in SIDES}
    edge = begun
    while edge:
        following: list[int] = []
        for num in edge:
            if found >= most:
                more = True
                break
            fan = graph.fan(num, back=back)
            if fan.rest:
                more = True
                near = graph.counts(num, back=back)
                # One of them may be where it began, which does not count.
                hubs |= {side: max(hubs[side], near[side] - own[side]) for side in fan.rest}
            for other in fan.shown:
                if other not in known:
                    known.add(other)
                    found += 1
                    by_side[graph.side_of[other]] += 1
                    following.append(other)
        edge = following
    return Sizes({side: max(count, hubs[side]) for side, count in by_side.items()}, more)
