"""The orders in which tokens can be walked, each of them an index of the store.

An order is walked in one or two stretches: first the tokens whose key is known, then
those of which nobody knows it. That keeps them last, whichever way the first part goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import NamedTuple

import msgspec

from console.store.queries.conditions import Clause

Key = tuple[object, ...]


class IndexStretch(NamedTuple):
    """A part of an index that is walked from one end to the other."""

    index_name: str
    keys: tuple[str, ...]
    """The columns that order it, without the row's number, which always comes last."""
    descending: bool
    where: str
    args: tuple[object, ...]

    def numbers(
        self,
        connection: Connection,
        key: Key | None,
        skip: int,
        size: int,
        *,
        reverse: bool = False,
        inclusive: bool = False,
    ) -> list[int]:
        """Rows from behind a key (or from it on), or from the end; ``skip`` of them left out."""
        statement, args = self._walked("num", key, reverse=reverse, inclusive=inclusive)
        rows = connection.execute(f"{statement} LIMIT {size:d} OFFSET {skip:d}", args)
        return [num for (num,) in rows]

    def chunk(
        self,
        connection: Connection,
        after: Key | None,
        size: int,
        flags: bytes | bytearray | None = None,
    ) -> list[int]:
        """The next rows behind a key, at most ``size``; only those whose flag is 1, if given."""
        stretch = self
        if flags is not None:
            where = f"{self.where} AND substr(?, num + 1, 1) = x'01'"
            stretch = self._replace(where=where, args=(*self.args, flags))
        statement, args = stretch._walked("num", after)
        # Joined to one text, numbers come out of SQLite in half the time.
        (joined,) = connection.execute(
            f"SELECT group_concat(num) FROM ({statement} LIMIT {size:d})",  # noqa: S608
            args,
        ).fetchone()
        return numbers_of(joined)

    def shortened(self, clauses: Iterable[Clause]) -> IndexStretch:
        """Without the rows of which the index tells that negations leave them out."""
        told = [clause.left_out(COLUMNS_OF[self.index_name]) for clause in clauses]
        where = " AND ".join([self.where, *(each for each, _ in told if each)])
        args = (*self.args, *(value for _, values in told for value in values))
        return self._replace(where=where, args=args)

    def cut(self, gone: Sequence[str]) -> list[IndexStretch]:
        """Its parts between the rows with some values in its first column."""
        column = COLUMNS_OF[self.index_name][0]
        if not gone or self.keys[0] != column:
            return [self]
        ends = sorted(gone, key=lambda text: text.encode("utf-8", "surrogatepass"))
        parts = []
        for low, high in zip([None, *ends], [*ends, None], strict=True):
            bounds = [(">", low)] if low is not None else []
            bounds += [("<", high)] if high is not None else []
            where = " AND ".join([self.where, *(f"{column} {than} ?" for than, _ in bounds)])
            args = (*self.args, *(value for _, value in bounds))
            parts.append(self._replace(where=where, args=args))
        return parts[::-1] if self.descending else parts

    def key_of(self, connection: Connection, num: int) -> Key | None:
        """Where a row stands in the stretch; None if it is not in it."""
        columns = ", ".join([*self.keys, "num"])
        statement = f"SELECT {columns} FROM token WHERE num = ? AND {self.where}"  # noqa: S608
        found: Key | None = connection.execute(statement, (num, *self.args)).fetchone()
        return found

    def length(self, connection: Connection) -> int:
        """How many rows there are in it."""
        return int(connection.execute(*self._selected("count(*)", None)).fetchone()[0])

    def before(self, connection: Connection, key: Key) -> int:
        """How many rows stand before the one with that key."""
        counted = self._selected("count(*)", key, reverse=True)
        return int(connection.execute(*counted).fetchone()[0])

    def _selected(
        self, what: str, after: Key | None, *, reverse: bool = False, inclusive: bool = False
    ) -> tuple[str, list[object]]:
        where, args = self.where, list(self.args)
        if after is not None:
            columns = [*self.keys, "num"]
            places = ", ".join("?" * len(columns))
            than = ("<" if self.descending != reverse else ">") + ("=" if inclusive else "")
            where += f" AND ({', '.join(columns)}) {than} ({places})"
            args += after
        source = f"token INDEXED BY {self.index_name}"
        return f"SELECT {what} FROM {source} WHERE {where}", args  # noqa: S608

    def _walked(
        self, what: str, after: Key | None, *, reverse: bool = False, inclusive: bool = False
    ) -> tuple[str, list[object]]:
        statement, args = self._selected(what, after, reverse=reverse, inclusive=inclusive)
        way = "DESC" if self.descending != reverse else "ASC"
        return (
            f"{statement} ORDER BY {', '.join(f'{key} {way}' for key in (*self.keys, 'num'))}",
            args,
        )


_list = msgspec.json.Decoder(list[int]).decode


def numbers_of(joined: str | None) -> list[int]:
    """The numbers of a text that SQLite joined with commas."""
    return _list(f"[{joined or ''}]")


class Order(NamedTuple):
    """The stretches of one sort, in the order in which they are shown."""

    stretches: tuple[IndexStretch, ...]
    by: str
    """An ORDER BY that means the same, for a few rows that are at hand already."""

    def without(self, clauses: Iterable[Clause], gone: Sequence[str] = ()) -> Order:
        """The order without the rows of which its own indexes tell that negations leave them out.

        The clauses have still to be tested for all other rows. No row with one of the values
        ``gone`` in the first column of the order is left by them; their rows are jumped over.
        """
        clauses = list(clauses)
        parts = [part for stretch in self.stretches for part in stretch.cut(gone)]
        return self._replace(stretches=tuple(part.shortened(clauses) for part in parts))


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
"""What tokens can be sorted by."""
INDEX_OF = {column.keys[0]: column.index_name for column in TABLE.values()} | {
    "handle": "ix_token_handle"
}
"""The index that begins with a column of the table."""
COLUMNS_OF = {column.index_name: column.keys for column in TABLE.values()}
"""The columns of an index."""
_BY_KEY = {column.keys[0]: column for column in TABLE.values()}


class Pushed(NamedTuple):
    """A condition that an order's own index can answer."""

    column: str
    condition: str
    args: tuple[object, ...]
    single: bool
    """It fixes the column to one value."""


def pushed(clause: Clause) -> Pushed | None:
    """The clause as a condition that an order's index can answer, if it can."""
    if clause.negated or not clause.exact or clause.column not in _BY_KEY:
        return None
    condition, args = clause.condition, clause.condition_args
    if not condition or " OR " in condition:
        return None
    if " IN (" in condition:
        # SQLite gives up an index's order for IN; between the ends it keeps it.
        low, high = (min(args, key=str), max(args, key=str)) if args else ("", "")
        condition = f"+{condition} AND {clause.column} BETWEEN ? AND ?"
        args = (*args, low, high)
    single = condition in (f"{clause.column} = ?", f"{clause.column} = ''")
    return Pushed(clause.column, condition, args, single)


def order(
    name: str, *, descending: bool, narrowed: tuple[Pushed, ...] = ()
) -> tuple[Order, tuple[Pushed, ...]]:
    """The order by something in ``TABLE``, narrowed by the conditions that its index can answer.

    Returns the conditions that were used, too.
    """
    column = TABLE[name]
    falling = descending != column.turned
    way = "DESC" if falling else "ASC"
    first, *others = column.keys
    parts = [f"{first} IS NULL"] if column.nullable else []
    by = ", ".join([*parts, *(f"{key} {way}" for key in (*column.keys, "num"))])
    if name == "name":
        for one in narrowed:
            if one.single and _BY_KEY[one.column].keys == (one.column, "name_key"):
                index = INDEX_OF[one.column]
                stretch = IndexStretch(index, ("name_key",), falling, one.condition, one.args)
                return Order((stretch,), by), (one,)
    mine = tuple(one for one in narrowed if one.column == first)
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
