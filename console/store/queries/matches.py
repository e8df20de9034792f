"""Which tokens conditions hold for: by an index, by the search index, or by looking at rows.

Asked at every key that somebody types, and bound by SQLite itself: hence statements whose
index is named, and numbers that leave SQLite joined to one text, which row by row would take
twice as long.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from console.store.queries.conditions import Clause, together
from console.store.queries.orders import INDEX_OF, Order, numbers_of

_GIVEN = "(SELECT value FROM json_each(?))"


def after_last(connection: Connection) -> int:
    """One more than the greatest number that a token has."""
    found = connection.execute("SELECT coalesce(max(num), 0) + 1 FROM token")
    return int(found.fetchone()[0])


def every(connection: Connection) -> list[int]:
    """The numbers of all tokens, in no order."""
    # The index is the shortest of those that have every row.
    return _joined(connection, "SELECT num FROM token INDEXED BY ix_token_changed", ())


def scanned(connection: Connection, clauses: Iterable[Clause]) -> list[int]:
    """The tokens for which all clauses hold, by a look at every row."""
    where, args = together(clauses)
    return _joined(connection, f"SELECT num FROM token WHERE {where}", args)  # noqa: S608


def listed(connection: Connection, clause: Clause, limit: int) -> list[int]:
    """What the index of a clause's column lists for it, at most ``limit``; all with -1."""
    return _joined(
        connection,
        f"SELECT num FROM token INDEXED BY {INDEX_OF[clause.column]}"  # noqa: S608
        f" WHERE {clause.condition} LIMIT ?",
        (*clause.condition_args, limit),
    )


def left_by_values(
    connection: Connection, column: str, values: Sequence[str], word: str, flags: bytes | None
) -> list[int]:
    """The tokens whose column has one of some values, or none, and whose name lacks a word.

    ``flags``, one byte for each number, leaves in only those whose flag is 1. Answered by the
    column's index, without a look at the rows.
    """
    statement = (
        f"SELECT num FROM token INDEXED BY {INDEX_OF[column]}"  # noqa: S608
        f" WHERE {column} IS ? AND instr(name_key, ?) = 0"
    )
    more: list[object] = []
    if flags is not None:
        statement += " AND substr(?, num + 1, 1) = x'01'"
        more = [flags]
    found: list[int] = []
    for value in (*values, None):
        found += _joined(connection, statement, [value, word, *more])
    return found


def _joined(connection: Connection, statement: str, args: Sequence[object]) -> list[int]:
    found = connection.execute(f"SELECT group_concat(num) FROM ({statement})", args)  # noqa: S608
    return numbers_of(found.fetchone()[0])


def with_text(
    connection: Connection, match: str, after: int, limit: int
) -> tuple[list[int], int, int]:
    """What the search index finds behind a number, in the numbers' order.

    Returns at most ``limit`` numbers, the last of them, and how many they are.
    """
    joined, last, many = connection.execute(
        "SELECT group_concat(rowid), max(rowid), count(*) FROM (SELECT rowid"
        " FROM token_fts WHERE token_fts MATCH ? AND rowid > ? LIMIT ?)",
        (match, after, limit),
    ).fetchone()
    return numbers_of(joined), last, many


def terms_from(connection: Connection, start: str) -> list[str]:
    """The terms of the search index that begin with a text."""
    rows = connection.execute(
        "SELECT term FROM token_terms WHERE term >= ? AND term < ?",
        (start, f"{start}\U0010ffff"),
    )
    return [term for (term,) in rows]


def tested(connection: Connection, numbers: Sequence[int], clauses: Iterable[Clause]) -> set[int]:
    """Those of the tokens for which all clauses hold."""
    where, args = together(clauses)
    rows = connection.execute(
        f"SELECT num FROM token WHERE num IN {_GIVEN} AND {where}",  # noqa: S608
        [json.dumps(numbers), *args],
    )
    return {num for (num,) in rows}


def arranged(
    connection: Connection, numbers: Sequence[int], clauses: Iterable[Clause], order: Order
) -> list[int]:
    """Those of the tokens for which all clauses hold, in an order."""
    where, args = together(clauses)
    rows = connection.execute(
        f"SELECT num FROM token NOT INDEXED WHERE num IN {_GIVEN} AND {where}"  # noqa: S608
        f" ORDER BY {order.by}",
        [json.dumps(numbers), *args],
    )
    return [num for (num,) in rows]


def values_of(connection: Connection, column: str, limit: int) -> list[str]:
    """The different values of a column with an index, at most ``limit``."""
    index = INDEX_OF[column]
    rows = connection.execute(
        # One step in the index for each value, instead of one for each row.
        f"WITH RECURSIVE v(x) AS (SELECT min({column}) FROM token INDEXED BY {index}"  # noqa: S608
        f" UNION ALL SELECT (SELECT min({column}) FROM token INDEXED BY {index}"
        f" WHERE {column} > v.x) FROM v WHERE v.x IS NOT NULL)"
        " SELECT x FROM v WHERE x IS NOT NULL LIMIT ?",
        (limit,),
    )
    return [value for (value,) in rows]
