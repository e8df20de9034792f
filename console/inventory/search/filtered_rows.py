"""Windows over the tokens that a query finds, in an order.

There are three ways, and the query and the data decide which is taken:

*few*: an index lists so few candidates that all of them can be tested and sorted;
*walk*: go along the order and test each row, which is quick when many rows match;
*sieve*: list all candidates by the indexes, and pick those that come first in the order.
This one has a bound whatever the data, so a walk is given up for it. The index of the order
picks them, or the order in memory, where it is (see ``Inventory.warm``), in a third of the time.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import compress, islice
from sqlite3 import Connection

from console.inventory.search.candidates import Candidates, Values, ones
from console.inventory.search.order import OrderInMemory, OrderWalk
from console.store.queries import matches
from console.store.queries.conditions import Clause
from console.store.queries.orders import Order

FEW = 3_000
"""Candidates that are tested and sorted at once."""
PATIENCE = 2_000
"""Rows that are tested one by one before another way is taken."""
DEEP = 2_000
"""Matches to skip from which on all are listed at once."""
FIRST = 400
"""Places that are picked before the rest is sorted."""
SLICE = 16_384
STEP = 2_048
"""Candidates that are tested at once, at most, as long as few of them are found."""
WARM = 4
"""With the order in memory, up to one candidate in so many rows is best picked by rank."""


class Narrowed:
    """The tokens of one query in one order, as one state of the store has them.

    ``order`` may be narrowed by the clauses in ``answered``. ``trail`` gives the order if it
    is in memory. ``check`` is called between two steps of long work, and raises to end it.
    ``values`` gives the different values of a column, if they are few.
    """

    def __init__(
        self,
        connection: Connection,
        clauses: Sequence[Clause],
        order: Order,
        answered: Sequence[Clause],
        trail: Callable[[], OrderInMemory | None],
        check: Callable[[], None],
        values: Values,
    ) -> None:
        self._connection = connection
        self._clauses = clauses
        self._order = order
        self._open = [clause for clause in clauses if clause not in answered]
        self._trail = trail
        self._check = check
        self._found = array("i")
        self._done = False
        self._walk = OrderWalk(order)
        self._tested = 0
        self._candidates = Candidates(connection, clauses, check, values)
        self._survivors: Iterator[int] | None = None
        self._rest: Sequence[Clause] = ()
        self._later: list[Clause] = []
        self._step = 128
        few = self._candidates.few(FEW)
        if few is not None:
            self._sort(few)

    def window(self, start: int, size: int) -> list[int]:
        """The numbers of the rows from ``start`` on."""
        start, size = max(start, 0), max(size, 0)
        deep = start > len(self._found) + DEEP and not self._done
        if deep and (self._survivors is None or self._rest):
            self._sieve(*self._candidates.exactly())
        self._reach(start + size)
        return self._found[start : start + size].tolist()

    def count(self, most: int | None = None) -> int:
        """How many there are; where they are more than ``most``, one more than that.

        Exact without ``most``, and where the order's index or what was found already tells.
        """
        if self._done:
            return len(self._found)
        if not self._open:
            return sum(part.length(self._connection) for part in self._order.stretches)
        if most is not None:
            self._reach(most + 1)
            return min(len(self._found), most + 1)
        flags, rest = self._candidates.exactly()
        if not rest:
            return ones(flags)
        numbers = compress(range(len(flags)), flags)
        return sum(len(self._test(some, rest)) for some in _slices(numbers))

    def position(self, num: int) -> int | None:
        """Where a row stands among those that the query finds."""
        if not self._test([num], self._clauses):
            return None
        seen = 0
        while True:
            try:
                return self._found.index(num, seen)
            except ValueError:
                seen = len(self._found)
            if self._done:
                return None
            if self._survivors is None:
                self._sieve(*self._candidates.exactly())
                seen = 0
            self._reach(seen + SLICE)

    def _reach(self, many: int) -> None:
        size = 128
        while not self._done and len(self._found) < many:
            self._check()
            if self._survivors is not None:
                self._follow(many - len(self._found))
            elif self._open and self._tested >= PATIENCE:
                self._leave_the_walk()
            else:
                wanted = size if self._open else max(many - len(self._found), 1)
                numbers = self._walk.chunk(self._connection, wanted)
                self._done = not numbers
                self._found.extend(self._test(numbers, self._open))
                self._tested += len(numbers)
                size = min(size * 2, 1_024)

    def _leave_the_walk(self) -> None:
        self._tested = 0
        numbers = self._candidates.all()
        if numbers is not None:
            self._take(numbers, self._candidates.rest, self._candidates.later)
            return
        self._sieve(*(self._candidates.dropped() or (self._candidates.scanned(), [])))

    def _take(self, numbers: list[int], rest: Sequence[Clause], later: list[Clause]) -> None:
        """From now on, look only at these candidates, in their order."""
        size = self._candidates.size
        trail = self._trail()
        if len(numbers) <= FEW:
            self._sort(numbers)
            return
        if trail is not None and len(numbers) <= size // WARM:
            ranks = list(map(trail.ranks.__getitem__, numbers))
            self._survivors = _by_rank(ranks, trail.numbers)
        else:
            flags = bytearray(size)
            for number in numbers:
                flags[number] = 1
            self._sieve(flags, rest)
        # What the walk has found comes first among the candidates, too.
        self._found = array("i")
        self._rest, self._later = rest, later

    def _sieve(self, flags: bytes | bytearray, rest: Sequence[Clause]) -> None:
        """From now on, look only at the rows with a flag, in their order."""
        trail = self._trail()
        if trail is not None:
            order = trail.numbers
            self._survivors = compress(order, map(flags.__getitem__, order))
        else:
            self._survivors = self._along_the_order(flags)
        self._found = array("i")
        self._rest, self._later = rest, []

    def _along_the_order(self, flags: bytes | bytearray) -> Iterator[int]:
        walk, size = OrderWalk(self._order), 128
        while numbers := walk.chunk(self._connection, size, flags):
            yield from numbers
            self._check()
            size = min(size * 4, SLICE)

    def _follow(self, wanted: int) -> None:
        """Take up some more of the candidates."""
        survivors = self._survivors or iter(())
        if self._later and self._tested >= PATIENCE:
            # Testing rejects most of them: let the indexes do it.
            for clause in self._later:
                short = self._candidates.is_short(clause)
                flags = (self._candidates.lacking if short else self._candidates.flags)(clause)
                survivors = filter(flags.__getitem__, survivors)
            self._later = []
            self._survivors = survivors
        size = max(wanted, self._step) if self._rest else max(wanted, SLICE)
        self._step = min(self._step * 2, STEP)
        numbers = list(islice(survivors, min(size, SLICE)))
        self._done = not numbers
        self._tested += len(numbers)
        self._found.extend(self._test(numbers, self._rest))

    def _sort(self, candidates: list[int]) -> None:
        """Test and sort all candidates; after that, everything is known."""
        found = matches.arranged(self._connection, candidates, self._clauses, self._order)
        self._found = array("i", found)
        self._done = True

    def _test(self, numbers: list[int], clauses: Sequence[Clause]) -> list[int]:
        """Those of the numbers for which the clauses hold, in the same order."""
        if not clauses or not numbers:
            return numbers
        good = matches.tested(self._connection, numbers, clauses)
        return [num for num in numbers if num in good]


def _by_rank(ranks: list[int], numbers: array[int]) -> Iterator[int]:
    """The rows of some places, in order. Sorts only when more than a first page is wanted."""
    for rank in heapq.nsmallest(FIRST, ranks):
        yield numbers[rank]
    ranks.sort()
    for rank in ranks[FIRST:]:
        yield numbers[rank]


def _slices(numbers: Iterator[int]) -> Iterator[list[int]]:
    while some := list(islice(numbers, SLICE)):
        yield some
