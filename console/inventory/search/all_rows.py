"""Windows over all tokens in an order: no condition, so places can be counted."""

from __future__ import annotations

from sqlite3 import Connection

from console.store.queries.orders import IndexStretch, Key, Order

ANCHORS = 64
"""Places that are remembered before all are forgotten."""


class Everything:
    """All tokens in one order, as one state of the store has them.

    A window is reached from the nearest place that is known: an end of the stretch, or
    where the last windows were. So paging costs the page, however deep it is.
    """

    def __init__(self, connection: Connection, order: Order, total: int) -> None:
        self._connection = connection
        self._order = order
        self._total = total
        self._lengths: list[int] | None = [total] if len(order.stretches) == 1 else None
        self._anchors: dict[tuple[int, int], Key] = {}

    def count(self, most: int | None = None) -> int:
        """How many rows there are in all. They need not be counted: ``most`` spares nothing."""
        return self._total

    def window(self, start: int, size: int) -> list[int]:
        """The numbers of the rows from ``start`` on."""
        start, size = max(start, 0), max(size, 0)
        if self._lengths is None and start < self._total // 2:
            # Near the top, the first stretch mostly fills the window, and need not be counted.
            found = self._part(0, start, size, None)
            if len(found) == size:
                return found
        found = []
        begin = 0
        for place, many in enumerate(self._all_lengths()):
            low, high = max(start - begin, 0), min(start + size - begin, many)
            if low < high:
                found += self._part(place, low, high - low, many)
            begin += many
        return found

    def position(self, num: int) -> int | None:
        """Where a row stands."""
        begin = 0
        for stretch, many in zip(self._order.stretches, self._all_lengths(), strict=True):
            key = stretch.key_of(self._connection, num)
            if key is not None:
                return begin + stretch.before(self._connection, key)
            begin += many
        return None

    def _all_lengths(self) -> list[int]:
        if self._lengths is None:
            first = self._order.stretches[0].length(self._connection)
            self._lengths = [first, self._total - first]
        return self._lengths

    def _part(self, place: int, start: int, size: int, many: int | None) -> list[int]:
        """Rows of one stretch; ``many`` is its length where that is known."""
        stretch = self._order.stretches[place]
        at = min(
            (row for stood, row in self._anchors if stood == place),
            key=lambda row: abs(row - start),
            default=0,
        )
        key = self._anchors.get((place, at))
        left = self._total if many is None else many - start - size
        if left < min(abs(at - start), start):
            found = stretch.numbers(self._connection, None, left, size, reverse=True)[::-1]
        elif key is None or start < abs(at - start):
            found = stretch.numbers(self._connection, None, start, size)
        elif at <= start:
            found = stretch.numbers(self._connection, key, start - at, size, inclusive=True)
        else:
            # Up to the anchor backwards, and from it on forwards.
            many_before = min(size, at - start)
            skip = at - start - many_before
            found = stretch.numbers(self._connection, key, skip, many_before, reverse=True)[::-1]
            if many_before < size:
                found += stretch.numbers(
                    self._connection, key, 0, size - many_before, inclusive=True
                )
        self._remember(place, stretch, start, found)
        return found

    def _remember(self, place: int, stretch: IndexStretch, start: int, found: list[int]) -> None:
        if not found:
            return
        if len(self._anchors) > ANCHORS:
            self._anchors.clear()
        for number, row in ((found[0], start), (found[-1], start + len(found) - 1)):
            key = stretch.key_of(self._connection, number)
            if key is not None:
                self._anchors[place, row] = key
