"""A picture of a graph: columns in the order they are shown in, and edges between their rows.

Pure, and made off the event loop. The column that the cursor is in keeps the order in which
it was shown when the cursor came there, or up and down would jump.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from console.graph import model
from console.graph.graph import Graph
from console.graph.model import SIDES, Evidence, Node, many
from console.graph.part import MOST as MOST
from console.graph.part import Sizes
from console.graph.reach import Count, Reach, by_side, closure
from console.graph.view import GraphFrame, GraphRow, GraphRows, ShownRow


class ScenePlace(NamedTuple):
    """A row of a view, by its column and its number there whatever the order shown."""

    side: str
    number: int


class SceneWanted(NamedTuple):
    """What to show. ``start`` is the side and key of the node in the middle; None is all."""

    start: tuple[str, str] | None
    opened: frozenset[tuple[str, str]] = frozenset()
    at: ScenePlace | int | None = None
    """The cursor: a row, or the node to put it on."""
    order: tuple[int, ...] = ()
    """The order that the cursor's column is shown in."""
    leak: int | None = None
    """The node whose leak is shown."""
    all_edges: bool = False
    widened: int = 0
    """How many times as many neighbours of a hub are shown as at first; 0 is at first."""
    reload: bool = False
    """Whether the store may tell something else than before."""
    follows: bool = False
    """Whether nobody asked but the store: no picture is made of what is the same."""


class SceneRow(NamedTuple):
    """A row as it is shown."""

    row: GraphRow
    number: int
    related: bool
    share: str
    """k/n of a folded row, never to be cut; empty for a single node."""
    reached: bool = False
    """Whether the leak gets to it, or to one of its members."""
    beside: str = ""
    """How a row of the cursor's own column is linked to the cursor's: up, down or same."""


class Link(NamedTuple):
    """An edge between two places of the columns as shown, from left to right."""

    left: tuple[str, int]
    right: tuple[str, int]
    forward: bool
    role: str
    """"own" for the cursor's, "path" for the proof of a leak, else empty."""


class Shape(NamedTuple):
    """What is the same in all frames of a view."""

    naturals: dict[str, int]
    """The longest row of each column, in characters."""
    shares: dict[str, int]
    """The longest k/n of each column, in characters."""
    nodes: dict[str, int]
    """How many nodes each column stands for."""
    skips: frozenset[str]
    """The columns that an edge may have to pass."""
    times: dict[ScenePlace, int]
    """How often each consumer was seen using what is in the view."""


class Leak(NamedTuple):
    """The node whose leak is shown, and how many of all nodes of each side it gets to."""

    node: Node
    counts: Mapping[str, tuple[int, int]]


class Picture(NamedTuple):
    """Everything that a frame is drawn from."""

    wanted: SceneWanted
    graph: Graph
    view: GraphRows
    shape: Shape
    start: int | None
    cursor: ScenePlace | None
    columns: dict[str, list[SceneRow]]
    links: list[Link]
    totals: dict[str, int]
    reach: Reach | None = None
    proof: Sequence[int] = ()
    """The path from the leaked node to the one under the cursor."""
    evidence: Sequence[Evidence] = ()
    """Why the link between the middle and the cursor is believed."""
    unknown: Sequence[str] = ()
    leak: Leak | None = None
    steps: Sequence[tuple[str, Node]] = ()
    """The proof in words: the kind of the link that leads to each node."""
    near: tuple[str, str] = ("", "")
    """How much leads to the cursor's row, and how much it leads to, in words."""

    @property
    def item(self) -> SceneRow | None:
        """The row under the cursor."""
        return None if self.cursor is None else self.columns[self.cursor.side][self.shown_at]

    @property
    def shown_at(self) -> int:
        """Where the cursor is in its column as shown."""
        return 0 if self.cursor is None else self.spot(self.cursor)

    def spot(self, place: ScenePlace) -> int:
        """Where a row is in its column as shown."""
        column = self.columns[place.side]
        return next((i for i, one in enumerate(column) if one.number == place.number), 0)

    def sent(self, at: ScenePlace | int | None) -> ScenePlace:
        """Where the cursor will be once what was asked last is shown: keys may be quicker."""
        if isinstance(at, ScenePlace) and at.number < len(self.columns[at.side]):
            return at
        return self.cursor or ScenePlace("token", 0)

    @property
    def num(self) -> int | None:
        """The single node under the cursor."""
        item = self.item
        return item.row.members[0] if item is not None and not item.row.folded else None

    def order(self, side: str) -> tuple[int, ...]:
        """The order in which a column is shown."""
        return tuple(item.number for item in self.columns[side])

    def leaked(self) -> dict[str, Count]:
        """How much of each column of the whole graph the leak gets to."""
        return {} if self.leak is None else {
            side: Count(*count) for side, count in self.leak.counts.items()
        }  # fmt: skip

    def hop(self, way: int, sent: ScenePlace | int | None) -> ScenePlace | None:
        """The row in the next column with rows, a neighbour where there is one."""
        if self.cursor is None:
            return None
        place = self.sent(sent)
        at = SIDES.index(place.side)
        here = (place.side, self.spot(place))
        for side in SIDES[at + 1 :] if way > 0 else SIDES[:at][::-1]:
            if column := self.columns[side]:
                ends = [
                    end[1]
                    for link in self.links
                    for end, other in ((link.left, link.right), (link.right, link.left))
                    if other == here and end[0] == side
                ]
                spot = min(ends) if ends else min(here[1], len(column) - 1)
                if not ends and any(item.related for item in column):
                    spot = next(i for i, item in enumerate(column) if item.related)
                return ScenePlace(side, column[spot].number)
        return None


def shape(view: GraphRows, seen: Mapping[int, int]) -> Shape:
    """Measure a view. ``seen`` has how often each consumer was seen, by what is in the view."""
    graph = view.graph
    sides = graph.ways()
    skips = {
        side
        for a, b in sides
        for side in SIDES[min(map(SIDES.index, (a, b))) + 1 : max(map(SIDES.index, (a, b)))]
    }
    times: dict[ScenePlace, int] = {}
    for number, row in enumerate(view.rows["use"]):
        total = sum(seen.get(num, 0) for num in row.members)
        if total:
            times[ScenePlace("use", number)] = total
    return Shape(
        {side: max((_length(row) for row in view.rows[side]), default=0) for side in SIDES},
        {side: max((_share(row) for row in view.rows[side]), default=0) for side in SIDES},
        {
            side: sum(graph.rest.get(row.members[0], len(row.members)) for row in view.rows[side])
            for side in SIDES
        },
        frozenset(skips),
        times,
    )


def _length(row: GraphRow) -> int:
    return len(row.label) + _share(row) + (2 if row.folded else 0)


def _share(row: GraphRow) -> int:
    return 2 * len(str(len(row.members))) + 1 if row.folded else 0


NOUNS = {"who": ("actor", "actors"), "token": ("token", "tokens"), "grant": ("grant", "grants"),
         "use": ("consumer", "consumers")}  # fmt: skip


def counted(found: Sizes) -> str:
    """How many nodes of each side there are, in words; "more than" where they go on."""
    told = ", ".join(
        f"{many(count)} {NOUNS[side][count != 1]}" for side, count in found.by_side.items() if count
    )
    return f"at least {told}" if told and found.more else told


def around(graph: Graph, members: Sequence[int]) -> tuple[str, str]:
    """The same of what leads to a row of the whole graph, and of what it leads to."""
    above, below = (
        by_side(closure(members, near), graph.side_of) for near in (graph.before, graph.after)
    )
    up, down = ({side: len(nums) for side, nums in one.items()} for one in (above, below))
    return counted(Sizes(up, False)), counted(Sizes(down, False))


def locate(view: GraphRows, at: ScenePlace | int | None, start: int | None) -> ScenePlace | None:
    """The row for the cursor: what is asked for, else the middle, else the first there is."""
    if isinstance(at, ScenePlace) and 0 <= at.number < len(view.rows[at.side]):
        return at
    for num in (at, start):
        if isinstance(num, int) and (found := view.find(num)) is not None:
            return ScenePlace(*found)
    for side in ("token", "who", "grant", "use"):
        if view.rows[side]:
            return ScenePlace(side, 0)
    return None


def focus(
    graph: Graph, view: GraphRows, cursor: ScenePlace, order: Sequence[int], leak: Reach | None,
    proof: Sequence[int],
) -> tuple[dict[str, list[SceneRow]], list[Link]]:  # fmt: skip
    """The columns around a cursor, and its edges only."""
    frame = view.focus(*cursor)
    near = _neighbours(view, frame)
    columns: dict[str, list[SceneRow]] = {}
    for side, shown in frame.columns.items():
        items = [_item(view, one, leak) for one in shown]
        if side == cursor.side:
            items = _keep(items, order)
            items = _beside(graph, view, items, cursor)
        else:
            items.sort(key=lambda one: (one.number not in near[side], not one.related))
        columns[side] = items
    spot = {(side, one.number): i for side, items in columns.items() for i, one in enumerate(items)}
    pairs = {
        (cursor, ScenePlace(side, number)): "own"
        for side, numbers in near.items() if side != cursor.side
        for number in numbers
    }  # fmt: skip
    return columns, _links(graph, view, _proved(view, proof, pairs), spot)


def everything(
    graph: Graph, view: GraphRows, cursor: ScenePlace, leak: Reach | None, proof: Sequence[int]
) -> tuple[dict[str, list[SceneRow]], list[Link]]:
    """The columns with all edges between their rows; the cursor's are told apart."""
    frame = view.all_edges()
    related = {
        (one.row.side, one.row.members[0]): one
        for shown in view.focus(*cursor).columns.values()
        for one in shown
    }
    columns: dict[str, list[SceneRow]] = {}
    for side, shown in frame.columns.items():
        items = [_item(view, related[side, one.row.members[0]], leak) for one in shown]
        columns[side] = _beside(graph, view, items, cursor) if side == cursor.side else items
    numbers = {side: [item.number for item in items] for side, items in columns.items()}
    pairs = {
        (a, b): "own" if cursor in (a, b) else ""
        for a, b in (
            (ScenePlace(one, numbers[one][i]), ScenePlace(two, numbers[two][j]))
            for (one, i), (two, j) in frame.edges
        )
    }
    spot = {(side, one.number): i for side, items in columns.items() for i, one in enumerate(items)}
    return columns, _links(graph, view, _proved(view, proof, pairs), spot)


Pairs = dict[tuple[ScenePlace, ScenePlace], str]


def _proved(view: GraphRows, proof: Sequence[int], pairs: Pairs) -> Pairs:
    """The pairs with those of a leak's path, which come last and are drawn over the others."""
    if proof:
        pairs = dict.fromkeys(pairs, "")
    for a, b in itertools.pairwise(proof):
        one, two = view.find(a), view.find(b)
        if one is not None and two is not None and one[0] != two[0]:
            pair = (ScenePlace(*one), ScenePlace(*two))
            for each in (pair, pair[::-1]):
                pairs.pop(each, None)
            pairs[pair] = "path"
    return pairs


def _links(
    graph: Graph, view: GraphRows, pairs: Pairs, spot: dict[tuple[str, int], int]
) -> list[Link]:
    links = []
    for (a, b), role in pairs.items():
        left, right = sorted((a, b), key=lambda one: SIDES.index(one.side))
        ones, others = (view.rows[end.side][end.number].members for end in (left, right))
        forward = _before(graph, ones, others)
        links.append(Link((left.side, spot[left]), (right.side, spot[right]), forward, role))
    return links


def _before(graph: Graph, ones: Iterable[int], others: Sequence[int]) -> bool:
    wanted = set(others)
    return any(not wanted.isdisjoint(graph.after.get(one, ())) for one in ones)


def _neighbours(view: GraphRows, frame: GraphFrame) -> dict[str, set[int]]:
    """The rows that the cursor's edges lead to, by column and number in the view."""
    near: dict[str, set[int]] = {side: set() for side in SIDES}
    for _, (side, at) in frame.edges:
        if found := view.find(frame.columns[side][at].row.members[0]):
            near[side].add(found[1])
    return near


def _item(view: GraphRows, one: ShownRow, leak: Reach | None) -> SceneRow:
    row = one.row
    found = view.find(row.members[0])
    count, reached = one.among, False
    if leak is not None:
        count = leak.count(row.members)
        reached = count.k > 0
    return SceneRow(row, found[1] if found else 0, one.related, str(count) if row.folded else "",
                reached)  # fmt: skip


def _keep(items: list[SceneRow], order: Sequence[int]) -> list[SceneRow]:
    if len(order) != len(items):
        return items
    by_number = {item.number: item for item in items}
    return [by_number[number] for number in order if number in by_number]


def _beside(
    graph: Graph, view: GraphRows, items: list[SceneRow], cursor: ScenePlace
) -> list[SceneRow]:
    """Mark parents, children and siblings: they are in one column, without room for edges."""
    marks: dict[int, str] = {}
    for num in view.rows[cursor.side][cursor.number].members:
        for other in graph.after.get(num, ()):
            if graph.side_of[other] == cursor.side and (found := view.find(other)):
                same = model.SIBLING in graph.kinds[num, other]
                marks[found[1]] = "same" if same else "down"
        for other in graph.before.get(num, ()):
            if graph.side_of[other] == cursor.side and (found := view.find(other)):
                marks.setdefault(found[1], "up")
    marks.pop(cursor.number, None)
    return [
        item._replace(beside=marks[item.number]) if item.number in marks else item for item in items
    ]
