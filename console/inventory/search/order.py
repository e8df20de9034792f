"""The orders in which tokens can be listed, each of them an index of the store.

An order is walked in one or two stretches: first the tokens whose key is known, then
those of which nobody knows it. That keeps them last, whichever way the first part goes.
"""

from __future__ import annotations

import json
from array import array
from sqlite3 import Connection
from typing import NamedTuple

from console.errors import UsageError
from console.inventory.records import Sort

Key = tuple[object, ...]


class IndexStretch(NamedTuple):
    """A part of an index that is walked from one end to the other."""

    index_name: str
    keys: tuple[str, ...]
    """The columns that order it, without the row's number, which always comes last."""
    descending: bool
    where: str
    args: tuple[object, ...]

    def sql(
        self, what: str, after: Key | None, *, reverse: bool, inclusive: bool = False
    ) -> tuple[str, list[object]]:
        """A statement that walks, from behind ``after`` (or from it on) if that is given."""
        falling = self.descending != reverse
        columns = [*self.keys, "num"]
        where, args = self.where, list(self.args)
        if after is not None:
            places = ", ".join("?" * len(columns))
            than = ("<" if falling else ">") + ("=" if inclusive else "")
            where += f" AND ({', '.join(columns)}) {than} ({places})"
            args += after
        order = ", ".join(f"{column} {'DESC' if falling else 'ASC'}" for column in columns)
        source = f"token INDEXED BY {self.index_name}"
        return f"SELECT {what} FROM {source} WHERE {where} ORDER BY {order}", args  # noqa: S608

    def key_of(self, connection: Connection, num: int) -> Key | None:
        """Where a row stands in the stretch; None if it is not in it."""
        columns = ", ".join([*self.keys, "num"])
        statement = f"SELECT {columns} FROM token WHERE num = ? AND {self.where}"  # noqa: S608
        found: Key | None = connection.execute(statement, (num, *self.args)).fetchone()
        return found


class Order(NamedTuple):
    """The stretches of one sort, in the order in which they are shown."""

    stretches: tuple[IndexStretch, ...]
    by: str
    """An ORDER BY that means the same, for a few rows that are at hand already."""


class SortColumn(NamedTuple):
    """A column to sort by. ``turned``: what is shown grows as the stored value falls."""

    index_name: str
    keys: tuple[str, ...]
    nullable: bool = False
    turned: bool = False


TABLE = {
    "name": SortColumn("ix_token_name", ("name_key",)),
    "backend": SortColumn("ix_token_backend", ("backend", "name_key")),
    "owner": SortColumn("ix_token_owner", ("owner_key", "name_key"), nullable=True),
    "age": SortColumn("ix_token_created", ("created_at",), nullable=True, turned=True),
    "used": SortColumn("ix_token_used", ("used_key",), nullable=True, turned=True),
    "expires": SortColumn("ix_token_expires", ("expires_key",), nullable=True),
    "state": SortColumn("ix_token_status", ("status", "name_key")),
    "grants": SortColumn("ix_token_grants", ("grants",), nullable=True),
    "kind": SortColumn("ix_token_kind", ("kind", "name_key")),
    "changed": SortColumn("ix_token_changed", ("changed_at",), turned=True),
}
COLUMNS: tuple[str, ...] = tuple(TABLE)
"""The names of the columns that can be sorted by."""
INDEX_OF = {column.keys[0]: column.index_name for column in TABLE.values()} | {
    "handle": "ix_token_handle"
}
"""The index that begins with a column of the table."""


class Pushed(NamedTuple):
    """A condition that an order's own index can answer."""

    column: str
    condition: str
    args: tuple[object, ...]
    single: bool
    """It fixes the column to one value."""


def order(sort: Sort, pushed: tuple[Pushed, ...] = ()) -> tuple[Order, tuple[Pushed, ...]]:
    """The order of a sort, narrowed by the conditions that its index can answer.

    Returns the conditions that were used, too.

    Raises:
        UsageError: there is no such column.
    """
    column = TABLE.get(sort.column)
    if column is None:
        raise UsageError(f"cannot sort by {sort.column!r}", f"Known: {', '.join(COLUMNS)}.")
    falling = sort.descending != column.turned
    way = "DESC" if falling else "ASC"
    first, *others = column.keys
    parts = [f"{first} IS NULL"] if column.nullable else []
    by = ", ".join([*parts, *(f"{key} {way}" for key in (*column.keys, "num"))])
    if sort.column == "name":
        for one in pushed:
            if one.single and TABLE_BY_KEY[one.column].keys == (one.column, "name_key"):
                index = INDEX_OF[one.column]
                stretch = IndexStretch(index, ("name_key",), falling, one.condition, one.args)
                return Order((stretch,), by), (one,)
    mine = tuple(one for one in pushed if one.column == first)
    where = " AND ".join(f"({one.condition})" for one in mine)
    args = tuple(value for one in mine for value in one.args)
    if not column.nullable:
        return Order(
            (IndexStretch(column.index_name, column.keys, falling, where or "1", args),), by
        ), mine
    known = " AND ".join(filter(None, [f"{first} IS NOT NULL", where]))
    stretches = [IndexStretch(column.index_name, column.keys, falling, known, args)]
    if not mine:
        # A condition on the key is never true where nobody knows the key.
        unknown = f"{first} IS NULL"
        stretches.append(IndexStretch(column.index_name, tuple(others), falling, unknown, ()))
    return Order(tuple(stretches), by), mine


TABLE_BY_KEY = {column.keys[0]: column for column in TABLE.values()}


class OrderWalk:
    """Goes along an order in chunks, and can be left and taken up again."""

    def __init__(self, order: Order) -> None:
        self._left = list(order.stretches)
        self._after: Key | None = None

    def chunk(self, connection: Connection, size: int) -> list[int]:
        """The numbers of the next rows, at most ``size``; empty only at the end."""
        while self._left:
            stretch = self._left[0]
            statement, args = stretch.sql("num", self._after, reverse=False)
            # Joined to one text, numbers come out of SQLite in half the time.
            joined, many = connection.execute(
                f"SELECT group_concat(num), count(*) FROM ({statement} LIMIT {size:d})",  # noqa: S608
                args,
            ).fetchone()
            numbers: list[int] = json.loads(f"[{joined or ''}]")
            if many < size:
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


def length(connection: Connection, stretch: IndexStretch) -> int:
    """The number of rows in a stretch."""
    statement, args = stretch.sql("count(*)", None, reverse=False)
    return int(connection.execute(statement.split(" ORDER BY")[0], args).fetchone()[0])


def before(connection: Connection, stretch: IndexStretch, key: Key) -> int:
    """How many rows of a stretch stand before the one with that key."""
    statement, args = stretch.sql("count(*)", key, reverse=True)
    return int(connection.execute(statement.split(" ORDER BY")[0], args).fetchone()[0])
