"""A graph in memory, read from the store with the standard library alone."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from console.graph import model
from console.graph.model import COUNTED, HUB, SHOWN, SIDES, Evidence, LinkSource, Node
from console.graph.reach import Neighbours, Reach, closure
from console.store.queries import backends, links
from console.store.text_fold import KEY, fold

APPS = ("workload", "host")
"""What uses tokens and has a name of its own, so that one can ask what it means if it goes."""


class Edge(NamedTuple):
    """One link. ``through`` is the store entry of a link that was worked out, else 0."""

    a: int
    b: int
    kind: str
    through: int = 0


class Fan(NamedTuple):
    """The neighbours of a node in one direction; of a hub those that are followed."""

    shown: list[int]
    rest: dict[str, int]
    """How many more there are, by side; empty where the node is no hub."""


class Told(NamedTuple):
    """What a row of a picture is made of: the folded name, by which rows are ordered, first."""

    folded: str
    num: int
    kind: str
    place: str


class Called(NamedTuple):
    """The nodes that a name means, by number."""

    who: list[int]
    apps: list[int]
    """Workloads and hosts."""
    tokens: list[int]
    """The tokens of the backend of that name."""


class Graph:
    """Nodes by number, and who is next to whom. Parallel links of one kind are one edge."""

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        self.nodes: dict[int, Node] = {node.num: node for node in nodes}
        self.side_of = {num: node.side for num, node in self.nodes.items()}
        self.rest: dict[int, int] = {}
        """The nodes that stand for others, which are counted only, and for how many each."""
        self.after: Neighbours = Neighbours()
        """All links."""
        self.before: Neighbours = Neighbours()
        self.spread: Neighbours = Neighbours()
        """The links along which a leak goes."""
        self.kinds: dict[tuple[int, int], list[str]] = {}
        self.through: dict[tuple[int, int], int] = {}
        kept: dict[int, list[int]] = {}
        opens: list[tuple[int, int]] = []
        for edge in edges:
            self._add(edge)
            if edge.kind == model.KEPT_IN:
                kept.setdefault(edge.b, []).append(edge.a)
            elif edge.kind == model.OPENS:
                opens.append((edge.a, edge.b))
        for grant, entry in dict.fromkeys(opens):
            for token in dict.fromkeys(kept.get(entry, ())):
                self._add(Edge(grant, token, model.READS, entry))

    def add(self, *edges: Edge) -> None:
        """Add links between nodes that are there, after those that there are."""
        for edge in edges:
            self._add(edge)

    def _add(self, edge: Edge) -> None:
        a, b, kind, through = edge
        if a not in self.nodes or b not in self.nodes or a == b:
            return
        kinds = self.kinds.get((a, b))
        if kinds is None:
            self.kinds[a, b] = [kind]
            self.after.setdefault(a, []).append(b)
            self.before.setdefault(b, []).append(a)
            spreads = False
        elif kind in kinds:
            return
        else:
            spreads = any(one in model.SPREADS for one in kinds)
            kinds.append(kind)
        if through:
            self.through[a, b] = through
        if kind in model.SPREADS and not spreads:
            self.spread.setdefault(a, []).append(b)

    def __len__(self) -> int:
        return len(self.nodes)

    def reach(self, *start: int) -> Reach:
        """What a leak of the start gets to."""
        return closure(start, self.spread)

    def proof(self, reach: Reach, num: int) -> list[tuple[str, Node]]:
        """A shortest path as (kind of the link that leads to it, node); the first has none."""
        path = reach.path(num)
        self.after.fetch(path[:-1])
        found = [("", self.nodes[path[0]])]
        for a, b in itertools.pairwise(path):
            kind = next(one for one in self.kinds[a, b] if one in model.SPREADS)
            if kind == model.READS:
                found.append((model.OPENS, self.nodes[self.through[a, b]]))
                kind = "which holds"
            found.append((kind, self.nodes[b]))
        return found

    def totals(self) -> dict[str, int]:
        """How many nodes of each side there are."""
        found = dict.fromkeys(SIDES, 0)
        for num, side in self.side_of.items():
            found[side] += self.rest.get(num, 1)
        return found

    def ways(self) -> set[tuple[str, str]]:
        """The columns that links go from and to."""
        return {(self.side_of[a], self.side_of[b]) for a, b in self.kinds}

    def told(self, nums: Sequence[int]) -> Iterator[Told]:
        """What rows of these nodes are made of."""
        for num in nums:
            node = self.nodes[num]
            yield Told(node.name.casefold(), num, node.kind, node.place)

    def fetch(self, nums: Iterable[int]) -> None:
        """Have several nodes ready that are about to be looked at; here they all are."""

    def called(self, name: str) -> Called:
        """Whoever, whatever app and whatever backend's tokens a name means."""
        key, nodes = model.identity(name), self.nodes.values()
        return Called(
            [n.num for n in nodes if n.side == "who" and n.key == key],
            [
                n.num for n in nodes
                if n.side == "use" and n.kind in APPS and n.name.casefold() == key
            ],
            [n.num for n in nodes if n.side == "token" and n.place == name],
        )  # fmt: skip

    def fan(self, num: int, *, back: bool = False, leak: bool = False, shown: int = 0) -> Fan:
        """A node's neighbours; of a hub only the first of each side, and how many more.

        With ``back`` those that links come from, with ``leak`` those that a leak goes to.
        ``shown`` are that many of each side of a hub, where it is not ``SHOWN``.
        """
        near = (self.before if back else self.spread if leak else self.after).get(num, [])
        shown = shown or SHOWN
        most = max(HUB, shown)
        if len(near) <= most:
            return Fan(near, {})
        by_side: dict[str, list[int]] = {side: [] for side in SIDES}
        for other in near:
            by_side[self.side_of[other]].append(other)
        large = {side: some for side, some in by_side.items() if len(some) > most}
        cut = {other for some in large.values() for other in some[shown:]}
        rest = {side: min(len(some) - shown, COUNTED + 1) for side, some in large.items()}
        return Fan([other for other in near if other not in cut], rest)

    def counts(self, num: int, *, back: bool = False, most: int = COUNTED + 2) -> dict[str, int]:
        """How many neighbours a node has of each side, a hub's counted up to ``most``."""
        found = dict.fromkeys(SIDES, 0)
        for other in (self.before if back else self.after).get(num, ()):
            found[self.side_of[other]] += 1
        return {side: min(count, most) for side, count in found.items()}

    def degree(self, num: int, *, back: bool = False) -> int:
        """How many neighbours a node has, counted as ``counts`` does."""
        return sum(self.counts(num, back=back).values())

    def among(self, nums: Collection[int]) -> list[Edge]:
        """The links between some nodes, in the order in which a graph takes them."""
        found = [
            Edge(a, b, kind, self.through.get((a, b), 0) if kind == model.READS else 0)
            for a in nums
            for b in self.after.get(a, ())
            if b in nums
            for kind in self.kinds[a, b]
        ]
        return sorted(found, key=_in_order)

    def siblings(self, num: int) -> list[int]:
        """Other records of the same value."""
        return [b for b in self.after.get(num, ()) if model.SIBLING in self.kinds[num, b]]


def _in_order(edge: Edge) -> tuple[bool, int, int, int, str]:
    """As the store tells links, and after them those that are worked out."""
    derived = edge.kind == model.READS
    through = edge.through if derived else 0
    return derived, edge.a, through, edge.b, edge.kind


def load(connection: sqlite3.Connection) -> Graph:
    """All nodes and links of the store, names included: the plain reading, for small stores.

    What reads less or more compactly is compared with it.
    """
    nodes = (Node(*row) for row in links.nodes(connection))
    edges = (Edge(*row) for row in links.edges(connection))
    return Graph(nodes, edges)


def node_of(connection: sqlite3.Connection, side: str, key: str) -> int | None:
    """The number of a node; None where nothing is known of it."""
    return links.node(connection, side, key)


def tokens(connection: sqlite3.Connection, handles: Iterable[str]) -> list[Node]:
    """The nodes of tokens, by their handles; none of those of which nothing is known."""
    nums = (links.node(connection, "token", handle) for handle in handles)
    return _nodes(connection, [num for num in nums if num is not None])


def holding(connection: sqlite3.Connection, text: str, most: int) -> list[Node]:
    """Nodes whose name may hold a text, tokens first, at most so many of them and of others.

    With a slash in the text, it is looked for in place and name together.
    """
    return _nodes(connection, links.holding(connection, fold(text, KEY), "/" in text, most))


def _nodes(connection: sqlite3.Connection, nums: Sequence[int]) -> list[Node]:
    found = {row[0]: Node(*row) for row in links.nodes_of(connection, nums)}
    return [found[num] for num in nums if num in found]


def evidence(connection: sqlite3.Connection, a: int, b: int) -> list[Evidence]:
    """Why a link between two nodes is believed, the best reason first."""
    return [Evidence(*row) for row in links.evidence(connection, a, b)]


def sources(connection: sqlite3.Connection) -> list[LinkSource]:
    """What links were read from, the troubled first."""
    return [LinkSource(*row) for row in links.sources(connection)]


def unknowns(connection: sqlite3.Connection, handle: str = "") -> list[str]:
    """What the graph cannot know, and why; for an empty picture most of all."""
    read = sources(connection)
    found = [
        f"{one.name}: {one.problem}. {one.hint}".strip()
        for one in read
        if one.problem and (one.kind != "asked" or one.name == f"asked {handle}")
    ]
    kinds = {one.kind for one in read}
    if "owners" not in kinds:
        found.append('No file of owners is read. Name one: [graph] owners = ["owners.toml"].')
    if "consumers" not in kinds:
        found.append('No file of consumers is read: [graph] consumers = ["consumers.toml"].')
    if "configs" not in kinds:
        found.append('No configuration files are searched: [graph] configs = ["deploy/"].')
    for log in backends.logs(connection):
        if log.until is None:
            found.append(f"{log.name}: its audit log was never read, so nobody was seen using it.")
    if handle and f"asked {handle}" not in {one.name for one in read}:
        found.append("Its system was not asked what depends on it: token-console graph ID --ask.")
    return found
