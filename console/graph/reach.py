"""Reach: what a leak gets to, on the raw graph, with the path that proves each.

Groups that a screen folds never take part: a closure through them would report what one
member reaches as reached by all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from console.graph.model import SIDES

Adjacency = Mapping[int, Sequence[int]]


class Neighbours(dict[int, list[int]]):
    """The neighbours of nodes in one direction."""

    def fetch(self, nums: Iterable[int]) -> None:
        """Have those of several nodes ready that are about to be asked for; here they all are."""


class Count(NamedTuple):
    """k of n."""

    k: int
    n: int

    def __str__(self) -> str:
        return f"{self.k}/{self.n}"


class Reach:
    """What is reached from some nodes. The start itself does not count as reached."""

    def __init__(self, start: Iterable[int], before: dict[int, int]) -> None:
        self.start = frozenset(start)
        self._before = before
        """Each reached node's predecessor on a shortest path."""
        self.nodes = before.keys()

    def __contains__(self, num: object) -> bool:
        return num in self._before

    def __iter__(self) -> Iterator[int]:
        """The reached nodes, the nearest first."""
        return iter(self._before)

    def __len__(self) -> int:
        return len(self._before)

    def path(self, num: int) -> list[int]:
        """A shortest path from the start to a reached node, both included.

        Raises:
            KeyError: it is not reached.
        """
        path = [num]
        num = self._before[num]
        path.append(num)
        while num not in self.start:
            num = self._before[num]
            path.append(num)
        return path[::-1]

    def count(self, members: Iterable[int]) -> Count:
        """How many of a group are reached."""
        k = n = 0
        for member in members:
            n += 1
            k += member in self._before
        return Count(k, n)


def closure(start: Iterable[int], after: Adjacency) -> Reach:
    """All that can be reached from ``start``; safe in cycles; linear in what it walks."""
    begun = list(dict.fromkeys(start))
    known = set(begun)
    before: dict[int, int] = {}
    edge = begun
    while edge:
        following: list[int] = []
        if isinstance(after, Neighbours):
            after.fetch(edge)
        for num in edge:
            for next_ in after.get(num, ()):
                if next_ not in known:
                    known.add(next_)
                    before[next_] = num
                    following.append(next_)
        edge = following
    return Reach(begun, before)


def by_side(reach: Reach, side_of: Mapping[int, str]) -> dict[str, list[int]]:
    """The reached nodes by column, the nearest first."""
    found: dict[str, list[int]] = {side: [] for side in SIDES}
    for num in reach:
        found[side_of[num]].append(num)
    return found
