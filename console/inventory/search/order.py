"""Walks along the orders in which tokens can be listed, and an order kept in memory."""

from __future__ import annotations

from array import array
from sqlite3 import Connection
from typing import NamedTuple

from console.errors import UsageError
from console.inventory.records import Sort
from console.store.queries import orders
from console.store.queries.orders import Key, Order, Pushed

COLUMNS: tuple[str, ...] = tuple(orders.TABLE)
"""The names of the columns that can be sorted by."""


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


class OrderInMemory(NamedTuple):
    """A whole order in memory, eight bytes a token."""

    numbers: array[int]
    """The rows by their places,"""
    ranks: array[int]
    """and the places by their rows."""


def trail(connection: Connection, order: Order) -> OrderInMemory:
    """Read a whole order. Takes a third of a second for a million tokens."""
    walk = OrderWalk(order)
    numbers = array("i")
    while some := walk.chunk(connection, 100_000):
        numbers.extend(some)
    ranks = array("i", bytes(4 * (max(numbers, default=0) + 1)))
    for rank, number in enumerate(numbers):
        ranks[number] = rank
    return OrderInMemory(numbers, ranks)
