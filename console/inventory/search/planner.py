"""From a query to the way in which the store is asked."""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Connection

from console.inventory.records import Sort
from console.inventory.search.all_rows import Everything
from console.inventory.search.filtered_rows import Narrowed
from console.inventory.search.order import (
    INDEX_OF,
    TABLE_BY_KEY,
    OrderInMemory,
    Pushed,
    order,
    trail,
)
from console.inventory.search.query import Query
from console.inventory.search.terms import Clause
from console.store.text_fold import KEY, fold

MANY_VALUES = 1_000
"""Different values of a column beyond which it is searched as text."""


class Planner:
    """Chooses how to answer a query. Knows which values the short columns hold."""

    def __init__(self, connection: Connection, check: Callable[[], None]) -> None:
        self._connection = connection
        self._check = check
        self._values: dict[str, tuple[int, list[str] | None]] = {}
        self._trails: dict[Sort, tuple[int, OrderInMemory]] = {}

    def plan(
        self, query: Query, sort: Sort, now: int, generation: int, total: int
    ) -> Everything | Narrowed:
        """What answers a query in an order, for one generation of the store.

        Raises:
            UsageError: there is no such column to sort by.
        """
        if not query.terms:
            return Everything(self._connection, order(sort)[0], total)
        clauses = [self._resolved(clause, generation) for clause in query.clauses(now)]
        candidates = {push: clause for clause in clauses if (push := _pushed(clause)) is not None}
        narrowed, used = order(sort, tuple(candidates))
        answered = [candidates[push] for push in used]

        def whole() -> OrderInMemory | None:
            kept = self._trails.get(sort)
            return kept[1] if kept is not None and kept[0] == generation else None

        return Narrowed(self._connection, clauses, narrowed, answered, whole, self._check)

    def warm(self, connection: Connection, sort: Sort, generation: int) -> None:
        """Read an order into memory. Only the last one is kept."""
        kept = self._trails.get(sort)
        if kept is None or kept[0] != generation:
            self._trails = {sort: (generation, trail(connection, order(sort)[0]))}

    def _resolved(self, clause: Clause, generation: int) -> Clause:
        """The clause with the values that exist, where a column has only few of them."""
        if not clause.parts:
            return clause
        values = self._existing(clause.column, generation)
        if values is None:
            return clause
        found = [value for value in values if _matches(value, clause.parts)]
        condition = f"{clause.column} IN ({', '.join('?' * len(found))})"
        if len(found) == 1:
            condition = f"{clause.column} = ?"
        where = f"(coalesce({condition}, 0))"
        return clause._replace(
            where=f"(NOT {where})" if clause.negated else where,
            args=tuple(found),
            exact=True,
            condition=condition,
            condition_args=tuple(found),
        )

    def _existing(self, column: str, generation: int) -> list[str] | None:
        """The different values of an indexed column; None if they are too many."""
        kept = self._values.get(column)
        if kept is None or kept[0] != generation:
            index = INDEX_OF[column]
            rows = self._connection.execute(
                # One step in the index for each value, instead of one for each row.
                f"WITH RECURSIVE v(x) AS (SELECT min({column}) FROM token INDEXED BY {index}"  # noqa: S608
                f" UNION ALL SELECT (SELECT min({column}) FROM token INDEXED BY {index}"
                f" WHERE {column} > v.x) FROM v WHERE v.x IS NOT NULL)"
                " SELECT x FROM v WHERE x IS NOT NULL LIMIT ?",
                (MANY_VALUES + 1,),
            )
            values = [value for (value,) in rows]
            kept = (generation, None if len(values) > MANY_VALUES else values)
            self._values[column] = kept
        return kept[1]


def _matches(value: str, parts: tuple[str, ...]) -> bool:
    folded = fold(value, KEY)
    return any(folded == part[1:] if part.startswith("=") else part in folded for part in parts)


def _pushed(clause: Clause) -> Pushed | None:
    """The clause as a condition that an order's index can answer, if it can."""
    if clause.negated or not clause.exact or clause.column not in TABLE_BY_KEY:
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
