"""Walks along the orders in which tokens can be listed, and an order kept in memory."""

from __future__ import annotations

from array import array
from sqlite3 import Connection

from console.errors import UsageError
from console.inventory.records import Sort
from console.store.queries import matches, orders
from console.store.queries.orders import Key, Order, Pushed

COLUMNS: tuple[str, ...] = tuple(orders.TABLE)
"""The names of the columns that can be sorted by."""
PIECE = 16_384
"""Rows of an order that are read into memory at once."""


def order(sort: Sort, pushed: tuple[Pushed, ...] = ()) -> tuple[Order, tuple[Pushed, ...]]:
    """The order of a sort, narrowed by the conditions that its index can answer.

    Returns the conditions that were used, too.

    Raises:
        UsageError: there is no such column.
    """
    if sort.column not in orders.TABLE:
        raise UsageError(f"cannot sort by {sort.column!r}", f"Known: {', '.join(COLUMNS)}.")
    return orders.order(sort.column, descending=sort.descending, narrowed=pushed)


class OrderWalk:
    """Goes along an order in chunks, and can be left and taken up again."""

    def __init__(self, order: Order) -> None:
        self._left = list(order.stretches)
        self._after: Key | None = None

    def chunk(
        self, connection: Connection, size: int, flags: bytes | bytearray | None = None
    ) -> list[int]:
        """The numbers of the next rows, at most ``size``; empty only at the end.

        With ``flags``, one byte for each number, only those whose flag is 1.
        """
        while self._left:
            stretch = self._left[0]
            numbers = stretch.chunk(connection, self._after, size, flags)
            if len(numbers) < size:
                self._left.pop(0)
                self._after = None
            else:
                self._after = stretch.key_of(connection, numbers[-1])
            if numbers:
                return numbers
        return []


class OrderInMemory:
    """A whole order in memory, eight bytes a token; read in pieces.

    ``numbers`` are the rows by their places, ``ranks`` the places by their rows; both are of
    use when ``whole`` is true.
    """

    def __init__(self, connection: Connection, order: Order) -> None:
        self._connection = connection
        self._walk = OrderWalk(order)
        self.whole = False
        self.numbers = array("i")
        self.ranks = array("i", bytes(4 * matches.after_last(connection)))

    def read_on(self) -> None:
        """Read the next piece. A million tokens take a third of a second in all."""
        some = self._walk.chunk(self._connection, PIECE)
        for rank, number in enumerate(some, len(self.numbers)):
            self.ranks[number] = rank
        self.numbers.extend(some)
        self.whole = not some
