"""What a screen shows of a graph: columns, folded rows with k of n, the cursor's edges.

Pure: draws nothing. Counts always come from closures over the raw graph, never from folded
rows; a folded row says k of n, so that one reached of 900 never reads as all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from console.graph.graph import Graph
from console.graph.model import SIDES
from console.graph.reach import Count, closure

FOLD_OVER: Final = 40
"""Rows of one column beyond which the alike are folded into one."""
SWEEPS: Final = 4
"""Turns of the ordering; more of them gained nothing that can be seen."""


class GraphRow(NamedTuple):
    """One row of a column: a node, or several of one kind and place. Names are hostile."""

    side: str
    label: str
    kind: str
    members: tuple[int, ...]
    folded: bool = False


class ShownRow(NamedTuple):
    """A row in a frame."""

    row: GraphRow
    related: bool
    """Whether the cursor's row reaches it, or is reached from it."""
    among: Count
    """How many of its members that is true for. Never to be left out for want of room."""
    leaked: Count
    """How many of its members a leak of the cursor's row gets to."""

    def text(self, width: int) -> tuple[str, str]:
        """The label cut to what the count leaves of ``width``, and the count."""
        count = str(self.among) if self.row.folded else ""
        room = max(width - len(count) - (1 if count else 0), 0)
        label = self.row.label
        if len(label) > room:
            label = label[: max(room - 1, 0)] + "…" if room else ""
        return label, count


class GraphFrame(NamedTuple):
    """All columns as they stand for one cursor, and the edges as (column, row) pairs."""

    columns: dict[str, list[ShownRow]]
    edges: list[tuple[tuple[str, int], tuple[str, int]]]


def _whole(row: GraphRow) -> ShownRow:
    """A row of which every member is in sight."""
    full = Count(len(row.members), len(row.members))
    return ShownRow(row, True, full, full)


class GraphRows:
    """The rows of some part of a graph. Keeps the closures of the last cursor."""

    def __init__(
        self,
        graph: Graph,
        scope: Collection[int] | None = None,
        *,
        opened: Iterable[tuple[str, str]] = (),
        fold_over: int = FOLD_OVER,
    ) -> None:
        self.graph = graph
        self.opened = frozenset(opened)
        """The (side, label) of folded rows that are shown one by one."""
        nums = graph.side_of if scope is None else scope
        sides: dict[str, list[int]] = {side: [] for side in SIDES}
        for num in nums:
            sides[graph.side_of[num]].append(num)
        self.rows = {side: self._rows(side, sides[side], fold_over) for side in SIDES}
        self._row_of: dict[int, tuple[str, int]] = {}
        for side, rows in self.rows.items():
            for place, row in enumerate(rows):
                # One for all members: there may be very many.
                self._row_of |= dict.fromkeys(row.members, (side, place))

    def _rows(self, side: str, nums: list[int], fold_over: int) -> list[GraphRow]:
        rest = self.graph.rest
        ordered = sorted(self.graph.told([num for num in nums if num not in rest]))
        # Those that stand for a hub's others say how many they are, so they are never folded.
        last = [self._single(num) for num in sorted(rest.keys() & nums, reverse=True)]
        if len(ordered) <= fold_over:
            return [self._single(one.num) for one in ordered] + last
        groups: dict[tuple[str, str], list[int]] = {}
        for _, num, kind, place in ordered:
            groups.setdefault((kind, place), []).append(num)
        rows: list[GraphRow] = []
        for (kind, place), members in groups.items():
            label = _alike(kind, place)
            if len(members) == 1 or (side, label) in self.opened:
                self.graph.fetch(members)
                rows += [self._single(num) for num in members]
            else:
                rows.append(GraphRow(side, label, kind, tuple(members), True))
        return rows + last

    def _single(self, num: int) -> GraphRow:
        node = self.graph.nodes[num]
        return GraphRow(node.side, node.name or node.key, node.kind, (num,))

    def find(self, num: int) -> tuple[str, int] | None:
        """The column and row that a node stands in."""
        return self._row_of.get(num)

    def focus(self, side: str, place: int) -> GraphFrame:
        """The frame for a cursor: its relatives first in the other columns, only its edges.

        The cursor's own column keeps its order, or up and down would jump.
        """
        mine = self.rows[side][place]
        down = closure(mine.members, self.graph.after)
        up = closure(mine.members, self.graph.before)
        leak = closure(mine.members, self.graph.spread)
        around = down.nodes | up.nodes | set(mine.members)
        columns: dict[str, list[ShownRow]] = {}
        for name, rows in self.rows.items():
            shown = [
                ShownRow(
                    row,
                    (among := _count(row.members, around)).k > 0,
                    among,
                    _count(row.members, leak.nodes),
                )
                for row in rows
            ]
            if name != side:
                shown.sort(key=lambda one: not one.related)
            columns[name] = shown
        here = (side, place)
        beside = {
            other
            for num in mine.members
            for near in (self.graph.after, self.graph.before)
            for other in near.get(num, ())
        }
        edges = [
            (here, (name, at))
            for name, shown in columns.items()
            for at, one in enumerate(shown)
            if (name, at) != here and not beside.isdisjoint(one.row.members)
        ]
        return GraphFrame(columns, edges)

    def all_edges(self) -> GraphFrame:
        """The frame with every edge between its rows, ordered for few crossings."""
        order = {side: list(range(len(rows))) for side, rows in self.rows.items()}
        pairs = {
            (a, b)
            for (one, two) in self.graph.kinds
            if (a := self._row_of.get(one)) and (b := self._row_of.get(two)) and a[0] != b[0]
        }
        near: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for a, b in pairs:
            near.setdefault(a, []).append(b)
            near.setdefault(b, []).append(a)
        for turn in range(SWEEPS):
            for side in SIDES if turn % 2 else SIDES[::-1]:
                _sweep(order, near, side)
        at = {(side, row): spot for side, rows in order.items() for spot, row in enumerate(rows)}
        columns = {
            side: [_whole(self.rows[side][number]) for number in numbers]
            for side, numbers in order.items()
        }
        edges = sorted(((a[0], at[a]), (b[0], at[b])) for a, b in pairs)
        return GraphFrame(columns, edges)


def around(graph: Graph, num: int) -> set[int]:
    """What a picture of one node holds: all that it reaches, and all that reaches it."""
    return {num} | set(closure([num], graph.after)) | set(closure([num], graph.before))


def _alike(kind: str, place: str) -> str:
    return f"{kind} {place}".strip()


def _count(members: Sequence[int], nodes: Collection[int]) -> Count:
    if len(members) == 1:
        return Count(int(members[0] in nodes), 1)
    return Count(sum(map(nodes.__contains__, members)), len(members))


def _sweep(
    order: dict[str, list[int]], near: dict[tuple[str, int], list[tuple[str, int]]], side: str
) -> None:
    """Put a column into the order of its neighbours' mean places (barycentre)."""
    spot = {
        (name, row): place / len(rows)
        for name, rows in order.items()
        for place, row in enumerate(rows)
    }
    weight: dict[int, float] = {}
    for row in order[side]:
        beside = [spot[other] for other in near.get((side, row), ())]
        weight[row] = sum(beside) / len(beside) if beside else spot[side, row]
    order[side].sort(key=weight.__getitem__)
