"""From a query to the way in which the store is asked."""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Connection

from console.inventory.records import Sort
from console.inventory.search.all_rows import Everything
from console.inventory.search.filtered_rows import Narrowed
from console.inventory.search.order import OrderInMemory, order
from console.inventory.search.query import Query
from console.store.queries import matches
from console.store.queries.conditions import Clause, one_of
from console.store.queries.orders import Order, pushed
from console.store.text_fold import KEY, fold

VALUED = ("backend", "owner_key", "status", "kind")
"""Columns to sort by that have few values, each on many rows."""
JUMPS = 20
"""Values whose rows are jumped over, one by one."""
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
        candidates = {push: clause for clause in clauses if (push := pushed(clause)) is not None}
        narrowed, used = order(sort, tuple(candidates))
        answered = [candidates[push] for push in used]

        def whole() -> OrderInMemory | None:
            kept = self._trails.get(sort)
            there = kept is not None and kept[0] == generation and kept[1].whole
            return kept[1] if kept is not None and there else None

        narrowed = narrowed.without(clauses, self._gone(clauses, narrowed, generation))

        def values(column: str) -> list[str] | None:
            return self._existing(column, generation)

        return Narrowed(self._connection, clauses, narrowed, answered, whole, self._check, values)

    def _gone(self, clauses: list[Clause], narrowed: Order, generation: int) -> list[str]:
        """The values of an order's first column of which negations leave no row."""
        column = narrowed.stretches[0].keys[0]
        if column not in VALUED:
            return []
        values = self._existing(column, generation) or []
        found = {value for clause in clauses for value in clause.values_left_out(column, values)}
        return sorted(found)[:JUMPS]

    def warm(self, sort: Sort, generation: int, stop: Callable[[], bool]) -> None:
        """Read an order into memory, or on until ``stop`` says so. Only the last one is kept."""
        kept = self._trails.get(sort)
        if kept is None or kept[0] != generation:
            kept = (generation, OrderInMemory(self._connection, order(sort)[0]))
            self._trails = {sort: kept}
        while not kept[1].whole and not stop():
            kept[1].read_on()

    def _resolved(self, clause: Clause, generation: int) -> Clause:
        """The clause with the values that exist, where a column has only few of them."""
        if not clause.parts:
            return clause
        values = self._existing(clause.column, generation)
        if values is None:
            return clause
        return one_of(clause, [value for value in values if _matches(value, clause.parts)])

    def _existing(self, column: str, generation: int) -> list[str] | None:
        """The different values of an indexed column; None if they are too many."""
        kept = self._values.get(column)
        if kept is None or kept[0] != generation:
            values = matches.values_of(self._connection, column, MANY_VALUES + 1)
            kept = (generation, None if len(values) > MANY_VALUES else values)
            self._values[column] = kept
        return kept[1]


def _matches(value: str, parts: tuple[str, ...]) -> bool:
    folded = fold(value, KEY)
    return any(folded == part[1:] if part.startswith("=") else part in folded for part in parts)
