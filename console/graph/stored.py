"""A graph that is read from the store as it is looked at: neighbours by an index, nodes by need.

It is used as ``Graph`` is, and gives the same answers in the same order. What it read once it
keeps, so it lives no longer than one question.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence

from console.graph import model
from console.graph.graph import APPS, Called, Edge, Fan, Graph
from console.graph.model import COUNTED, HUB, SHOWN, SIDES, Node
from console.graph.reach import Neighbours
from console.store.queries import links

AT_ONCE = 1_000
"""Nodes of which one statement reads the neighbours."""


class _Read(Neighbours):
    """Neighbours in one direction, read where they are not there yet."""

    def __init__(self, read: Callable[[Sequence[int]], None]) -> None:
        super().__init__()
        self._read = read

    def fetch(self, nums: Iterable[int]) -> None:
        """Read the neighbours of several nodes at once."""
        missing = [num for num in nums if num not in self]
        for start in range(0, len(missing), AT_ONCE):
            self._read(missing[start : start + AT_ONCE])

    def __missing__(self, num: int) -> list[int]:
        self._read([num])
        return self[num]

    def get(self, num: int, default: object = None) -> list[int]:
        """The neighbours of a node; none where it has none."""
        return self[num]


class StoredNodes(dict[int, Node]):
    """Nodes by number, read where they are not there yet."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection

    def fetch(self, nums: Iterable[int]) -> None:
        """Read several nodes at once."""
        missing = [num for num in nums if num not in self]
        for start in range(0, len(missing), AT_ONCE):
            for row in links.nodes_of(self._connection, missing[start : start + AT_ONCE]):
                self[row[0]] = Node(*row)

    def __missing__(self, num: int) -> Node:
        self.fetch([num])
        return dict.__getitem__(self, num) if dict.__contains__(self, num) else self._none(num)

    @staticmethod
    def _none(num: int) -> Node:
        raise KeyError(num)


class _Sides(dict[int, str]):
    """The column of each node: told by the kinds of its links, else by the node itself."""

    def __init__(self, nodes: StoredNodes) -> None:
        super().__init__()
        self._nodes = nodes

    def __missing__(self, num: int) -> str:
        side = self[num] = self._nodes[num].side
        return side


class StoredGraph(Graph):
    """All of the store's graph, of which no more is read than is asked for."""

    nodes: StoredNodes

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__((), ())
        self._connection = connection
        self.nodes = StoredNodes(connection)
        self.side_of = _Sides(self.nodes)
        self.after = _Read(self._read_after)
        self.before = _Read(self._read_before)
        self.spread = _Read(self._read_after)
        self._counts: dict[tuple[int, bool, int], dict[str, int]] = {}

    def __len__(self) -> int:
        return sum(count for _, count in links.totals(self._connection))

    def totals(self) -> dict[str, int]:
        """How many nodes of each side there are in all, read or not."""
        return super().totals() | dict(links.totals(self._connection))

    def fetch(self, nums: Iterable[int]) -> None:
        """Read several nodes at once."""
        self.nodes.fetch(nums)

    def called(self, name: str) -> Called:
        """Whoever, whatever app and whatever backend's tokens a name means."""
        key, connection = model.identity(name), self._connection
        who = links.node(connection, "who", key)
        apps = (links.node(connection, "use", model.use_key(kind, "", key)) for kind in APPS)
        return Called(
            [] if who is None else [who],
            sorted(num for num in apps if num is not None),
            links.tokens_of(connection, name),
        )

    # Neighbours

    def _keep(self, a: int, b: int, kind: str, through: int = 0) -> None:
        """Keep one kind of a link, which both of its ends may tell."""
        kinds = self.kinds.setdefault((a, b), [])
        if kind not in kinds:
            kinds.append(kind)
            if through:
                self.through[a, b] = through
        if ends := model.ENDS.get(kind):
            self.side_of[a], self.side_of[b] = ends[0] or self.side_of[a], ends[1]

    def _read_after(self, nums: Sequence[int]) -> None:
        after: dict[int, dict[int, None]] = {num: {} for num in nums}
        spread: dict[int, dict[int, None]] = {num: {} for num in nums}
        opens: dict[int, None] = {}
        for a, b, kind in links.edges_from(self._connection, nums):
            if kind == model.OPENS:
                opens[a] = None
            if a == b:
                continue
            self._keep(a, b, kind)
            after[a][b] = None
            if kind in model.SPREADS:
                spread[a][b] = None
        if opens:
            for grant, entry, token in links.read_by(self._connection, opens):
                self._keep(grant, token, model.READS, entry)
                after[grant][token] = spread[grant][token] = None
        for num in nums:
            dict.__setitem__(self.after, num, list(after[num]))
            dict.__setitem__(self.spread, num, list(spread[num]))

    def _read_before(self, nums: Sequence[int]) -> None:
        before: dict[int, dict[int, None]] = {num: {} for num in nums}
        for a, b, kind in links.edges_to(self._connection, nums):
            if a != b:
                self._keep(a, b, kind)
                before[b][a] = None
        tokens = [num for num in nums if self.side_of[num] == "token"]
        if tokens:
            for grant, entry, token in links.readers_of(self._connection, tokens):
                self._keep(grant, token, model.READS, entry)
                before[token][grant] = None
        for num in nums:
            dict.__setitem__(self.before, num, list(before[num]))

    # Hubs

    def fan(self, num: int, *, back: bool = False, leak: bool = False, shown: int = 0) -> Fan:
        """Of a hub only the first neighbours of each side, and how many there are in all."""
        near = self.before if back else self.spread if leak else self.after
        shown = shown or SHOWN
        most = max(HUB, shown)
        if dict.__contains__(near, num) or not self._hub(num, back, most):
            return super().fan(num, back=back, leak=leak, shown=shown)
        found: list[int] = []
        rest: dict[str, int] = {}
        for side, kinds in model.beside(self.side_of[num], back).items():
            some = [kind for kind in kinds if not leak or kind in model.SPREADS]
            total, first = links.neighbours(
                self._connection, num, back, some, COUNTED + shown + 1, most
            )
            if total > most:
                first = first[:shown]
                rest[side] = total - shown
            found += first
        # As in ``Graph.fan``: all by number, and after them what is worked out.
        found.sort()
        self._know(num, found, back)
        seen = set(found)
        more = [other for other in self._derived(num, back) if other not in seen]
        if len(more) > most:
            rest["grant" if back else "token"] = min(len(more) - shown, COUNTED + 1)
            more = more[:shown]
        return Fan(found + more, {side: rest[side] for side in SIDES if side in rest})

    def _hub(self, num: int, back: bool, most: int) -> bool:
        return links.is_hub(self._connection, num, back, most)

    def _know(self, num: int, others: Sequence[int], back: bool) -> None:
        """Read of which kinds the links to some neighbours of a hub are."""
        for other in others if back else (num,):
            for a, b, kind in links.edges_into(self._connection, other, [num] if back else others):
                self._keep(a, b, kind)

    def _derived(self, num: int, back: bool) -> list[int]:
        """Whom a grant reads by way of store entries, or who reads a token so."""
        side = self.side_of[num]
        found: dict[int, None] = {}
        if side == "grant" and not back:
            for grant, entry, token in links.read_by(self._connection, [num]):
                if grant != token:
                    self._keep(grant, token, model.READS, entry)
                    found[token] = None
        elif side == "token" and back:
            for grant, entry, token in links.readers_of(self._connection, [num]):
                self._keep(grant, token, model.READS, entry)
                found[grant] = None
        return list(found)

    def counts(self, num: int, *, back: bool = False, most: int = COUNTED + 2) -> dict[str, int]:
        """How many neighbours a node has of each side, a hub's counted in an index."""
        near = self.before if back else self.after
        if dict.__contains__(near, num) or not self._hub(num, back, HUB):
            return super().counts(num, back=back, most=most)
        if (known := self._counts.get((num, back, most))) is None:
            known = self._counts[num, back, most] = dict.fromkeys(SIDES, 0)
            for side, kinds in model.beside(self.side_of[num], back).items():
                known[side], _ = links.neighbours(self._connection, num, back, kinds, most, 0)
            if more := len(self._derived(num, back)):
                known["grant" if back else "token"] += more
            known |= {side: min(count, most) for side, count in known.items()}
        return known

    def among(self, nums: Collection[int]) -> list[Edge]:
        """The links between some nodes, in the order of the whole graph."""
        inside = nums if isinstance(nums, (set, frozenset)) else set(nums)
        found: dict[Edge, None] = {}
        plain: list[int] = []
        for num in sorted(inside):
            if not dict.__contains__(self.after, num) and self._hub(num, False, HUB):
                pairs = links.edges_into(self._connection, num, sorted(inside))
                found |= dict.fromkeys(Edge(*one) for one in pairs)
            else:
                plain.append(num)
        self.after.fetch(plain)
        for a in plain:
            for b in self.after[a]:
                if b in inside:
                    found |= {
                        Edge(a, b, kind): None for kind in self.kinds[a, b] if kind != model.READS
                    }
        direct = sorted(edge for edge in found if edge.a != edge.b)
        tokens = [num for num in sorted(inside) if self.side_of[num] == "token"]
        read = [
            Edge(grant, token, model.READS, entry)
            for grant, entry, token in links.readers_of(self._connection, tokens)
            if grant in inside
        ]
        return direct + read
