"""All of the store's graph at once, for who looks at everything: numbers in arrays, no names.

A node and its links take some fifty bytes. Names are read for what is shown, through a
connection that it keeps; numbers never change their meaning.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from console.graph import model
from console.graph.graph import Graph, Told
from console.graph.model import SIDES
from console.graph.reach import Neighbours
from console.graph.stored import AT_ONCE, StoredNodes
from console.store.queries import links

_STORED: Final = sorted(kind for kind in model.ENDS if kind != model.READS)
_KINDS: Final = [*_STORED, model.READS]
_BIT: Final = {kind: 1 << place for place, kind in enumerate(_KINDS)}
_READS: Final = _BIT[model.READS]
_SPREADS: Final = sum(bit for kind, bit in _BIT.items() if kind in model.SPREADS)


class _Near(Neighbours):
    """Neighbours by number, each list made when it is asked for."""

    def __init__(self, of: Callable[[int], list[int]]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, num: int) -> list[int]:
        return self._of(num)

    def get(self, num: int, default: object = None) -> list[int]:
        """The neighbours of a node; none where it has none."""
        return self._of(num)


class _Sides(dict[int, str]):
    """The column of each node, a byte for each."""

    def __init__(self, codes: bytearray, count: int) -> None:
        super().__init__()
        self._codes, self._count = codes, count

    def __missing__(self, num: int) -> str:
        if not 0 <= num < len(self._codes) or not self._codes[num]:
            raise KeyError(num)
        return SIDES[self._codes[num] - 1]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return (num for num, code in enumerate(self._codes) if code)

    def __contains__(self, num: object) -> bool:
        return isinstance(num, int) and 0 <= num < len(self._codes) and bool(self._codes[num])


class _Kinds(dict[tuple[int, int], list[str]]):
    """The kinds of each link, a number for each."""

    def __init__(self, graph: WholeGraph) -> None:
        super().__init__()
        self._graph = graph

    def __missing__(self, pair: tuple[int, int]) -> list[str]:
        mask = self._graph.mask(*pair)
        return [kind for kind in _KINDS if mask & _BIT[kind]]

    def __len__(self) -> int:
        return self._graph.links

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return self._graph.pairs()


class WholeGraph(Graph):
    """Used as ``Graph`` is; gives the same answers in the same order."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__((), ())
        self._connection = connection
        self.nodes: StoredNodes = StoredNodes(connection)
        codes = self._codes = bytearray(links.last_node(connection) + 1)
        place = {side: number for number, side in enumerate(SIDES, 1)}
        count = 0
        for num, side in links.sides(connection):
            codes[num] = place[side]
            count += 1
        self.side_of = _Sides(codes, count)
        self._ends, self._masks = array("i"), array("H")
        self._at = array("i", bytes(4 * (len(codes) + 1)))
        self._read(connection)
        self._starts, self._back = self._turned()
        self.kinds = _Kinds(self)
        self.after = _Near(self._after)
        self.before = _Near(self._before)
        self.spread = _Near(self._spread)

    def __len__(self) -> int:
        return len(self.side_of)

    @property
    def links(self) -> int:
        """How many links there are; parallel ones are one."""
        return len(self._ends)

    def _read(self, connection: sqlite3.Connection) -> None:
        reads: dict[int, list[int]] = {}
        for grant, entry, token in links.read_by(connection, None):
            if grant != token and (grant, token) not in self.through:
                self.through[grant, token] = entry
                reads.setdefault(grant, []).append(token)
        ends, masks, at = self._ends, self._masks, self._at
        here = last = begun = 0
        for a, b, kind in links.edges(connection):
            if a != here:
                self._close(here, a, begun, reads)
                here, last, begun = a, 0, len(ends)
            if a == b:
                continue
            if b == last:
                masks[-1] |= _BIT[kind]
            else:
                ends.append(b)
                masks.append(_BIT[kind])
                last = b
        self._close(here, len(at) - 1, begun, reads)

    def _close(self, num: int, following: int, begun: int, reads: dict[int, list[int]]) -> None:
        """Add what a node reads to its links; those of the next one begin behind them."""
        ends, masks, at = self._ends, self._masks, self._at
        if more := reads.get(num):
            known = {end: place for place, end in enumerate(ends[begun:], begun)}
            for token in more:
                if (place := known.get(token)) is not None:
                    masks[place] |= _READS
                else:
                    ends.append(token)
                    masks.append(_READS)
        for other in range(num + 1, following + 1):
            at[other] = len(ends)

    def _turned(self) -> tuple[array[int], array[int]]:
        """The links by where they lead to: what is read comes after what is stored."""
        ends, masks, at = self._ends, self._masks, self._at
        starts = array("i", bytes(4 * len(at)))
        for end in ends:
            starts[end + 1] += 1
        for num in range(1, len(starts)):
            starts[num] += starts[num - 1]
        free = array("i", starts)
        back = array("i", bytes(4 * len(ends)))
        for derived in (False, True) if self.through else (False,):
            for num in range(len(at) - 1):
                for place in range(at[num], at[num + 1]):
                    if (masks[place] == _READS) == derived:
                        end = ends[place]
                        back[free[end]] = num
                        free[end] += 1
        return starts, back

    def _after(self, num: int) -> list[int]:
        if not 0 <= num < len(self._at) - 1:
            return []
        return self._ends[self._at[num] : self._at[num + 1]].tolist()

    def _before(self, num: int) -> list[int]:
        if not 0 <= num < len(self._at) - 1:
            return []
        return self._back[self._starts[num] : self._starts[num + 1]].tolist()

    def _spread(self, num: int) -> list[int]:
        if not 0 <= num < len(self._at) - 1:
            return []
        some = slice(self._at[num], self._at[num + 1])
        pairs = zip(self._ends[some], self._masks[some], strict=True)
        return [end for end, mask in pairs if mask & _SPREADS]

    def mask(self, a: int, b: int) -> int:
        """The kinds of a link as bits.

        Raises:
            KeyError: there is none.
        """
        try:
            return self._masks[self._ends.index(b, self._at[a], self._at[a + 1])]
        except (ValueError, IndexError):
            raise KeyError((a, b)) from None

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every link, by where it begins."""
        at = self._at
        for num in range(len(at) - 1):
            for end in self._ends[at[num] : at[num + 1]]:
                yield num, end

    def ways(self) -> set[tuple[str, str]]:
        """The columns that links go from and to."""
        mask = 0
        for one in set(self._masks):
            mask |= one
        return {model.ENDS[kind] for kind in _KINDS if mask & _BIT[kind]}

    def totals(self) -> dict[str, int]:
        """How many nodes of each side there are."""
        return {side: self._codes.count(number) for number, side in enumerate(SIDES, 1)}

    def fetch(self, nums: Iterable[int]) -> None:
        """Read the names of several nodes at once."""
        self.nodes.fetch(nums)

    def told(self, nums: Sequence[int]) -> Iterator[Told]:
        """What rows are made of, read and not kept."""
        for start in range(0, len(nums), AT_ONCE):
            for row in links.nodes_of(self._connection, nums[start : start + AT_ONCE]):
                num, _, _, kind, name, place, _ = row
                yield Told(name.casefold(), num, kind, place)
