"""Finds tokens in the store, fast enough to do it at every key.

Uses nothing but the standard library and msgspec: the screen and the command line do not
wait for a database toolkit.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from backends.model import Token, decode
from console.errors import ConsoleError
from console.inventory import backend_state
from console.inventory.lineage import Below, below
from console.inventory.records import BackendState, Change, Detail, Event, Row, Sort
from console.inventory.search import resolve_name, terms
from console.inventory.search.all_rows import Everything
from console.inventory.search.filtered_rows import Narrowed
from console.inventory.search.order import COLUMNS
from console.inventory.search.planner import Planner
from console.inventory.search.query import Query, QueryError
from console.store import reading
from console.store.queries import backends, events, rollups, tokens
from console.store.text_fold import encodable, fold
from console.text import safe

__all__ = [
    "COLUMNS",
    "BackendState",
    "Change",
    "Detail",
    "Event",
    "Interrupted",
    "Inventory",
    "Row",
    "Sort",
]

KEPT = 4
"""Results that are kept while the store stays the same."""
FRESH = 60
"""Seconds for which a kept result's idea of "now" is good enough."""
HOURS = 24
BY_DEFAULT = Sort()


class Interrupted(ConsoleError):
    """Somebody called ``interrupt`` while this was being looked for."""


class Inventory:
    """The store, open to read. One instance belongs to one thread, except ``interrupt``.

    ``scopes`` gives the handles in the scope of an incident, for ``incident:ID``.

    Raises:
        StoreError: there is no store at ``path``, it is damaged, or a newer version's.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        scopes: Callable[[str], Collection[str] | None] | None = None,
    ) -> None:
        self._path = path
        self._scopes = scopes
        self._clock = clock
        self._connection = reading.connect(path)
        self._connection.create_function("fold", 1, _fold, deterministic=True)
        self._stopped = False
        self._results: dict[tuple[Query, Sort], tuple[int, int, Everything | Narrowed]] = {}
        self._planner = Planner(self._connection, self._check)

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def stamp(self) -> int:
        """A number that is another one when somebody else has written."""
        return self._number(reading.data_version)

    def generation(self) -> int:
        """A number that is another one when the store tells something new."""
        return self._number(reading.generation)

    def total(self) -> int:
        """How many tokens there are, gone ones too. Does not count them."""
        return self._number(backends.token_count)

    def count(self, query: Query, most: int | None = None, sort: Sort = BY_DEFAULT) -> int:
        """How many tokens a query finds, exactly.

        With ``most``, where they are more than that, the answer is one more than that: to
        look no further costs a tenth where many are found. ``sort`` is how they are listed
        meanwhile; what is found for the one serves the other.

        Raises:
            Interrupted: another thread called ``interrupt``.
        """
        self._stopped = False
        with self._snapshot():
            return self._result(query, sort).count(most)

    def interrupt(self) -> None:
        """End what another thread is looking for in this inventory. Can be called by anyone."""
        self._stopped = True
        self._connection.interrupt()

    def window(self, query: Query, sort: Sort, start: int, size: int) -> list[Row]:
        """The rows of a list from ``start`` on, at most ``size``.

        Raises:
            UsageError: there is no such column to sort by.
        """
        with self._snapshot():
            return self._rows(self._result(query, sort).window(start, size))

    def handles(self, query: Query, sort: Sort, start: int, size: int) -> list[str]:
        """The handles of the same rows, for any number of them."""
        with self._snapshot():
            numbers = self._result(query, sort).window(start, size)
            found: dict[int, str] = {}
            for i in range(0, len(numbers), 5_000):
                found.update(tokens.handles(self._connection, numbers[i : i + 5_000]))
            return [found[number] for number in numbers]

    def position(self, query: Query, sort: Sort, handle: str) -> int | None:
        """Where a token stands in a list; None if it is not in it."""
        with self._snapshot():
            num = tokens.number(self._connection, handle)
            return None if num is None else self._result(query, sort).position(num)

    def each(self, query: Query, sort: Sort) -> Iterator[tuple[Row, Token]]:
        """Every row that a query finds, with its whole record; one state of the store."""
        with self._snapshot():
            result = self._result(query, sort)
            start = 0
            while numbers := result.window(start, 500):
                documents = tokens.documents(self._connection, numbers)
                for row in self._rows(numbers):
                    yield row, decode(documents[row.rowid], Token)
                start += len(numbers)

    def stored(self, query: Query, sort: Sort) -> Iterator[tokens.StoredToken]:
        """Every token that a query finds as it is stored; one state of the store."""
        with self._snapshot():
            result = self._result(query, sort)
            start = 0
            while numbers := result.window(start, 500):
                yield from tokens.stored(self._connection, numbers)
                start += len(numbers)

    def warm(self, sort: Sort, stop: Callable[[], bool] = lambda: False) -> None:
        """Read an order into memory, where the store is large and nothing else is asked.

        Queries whose matches stand close together in that order become a few times faster,
        until somebody writes to the store or another order is warmed. A million tokens take
        about half a second, and 8 MB while they are kept. ``stop`` is asked every few
        milliseconds; the next call goes on where that one was ended.
        """
        with self._snapshot():
            self._planner.warm(sort, self.generation(), stop)

    def uses(self, rowids: Sequence[int], now: int) -> dict[int, tuple[int, ...]]:
        """Uses in each of the 24 hours up to ``now``, oldest first.

        A token of a backend whose events are not read is not in the answer: that nothing
        is known of its use does not mean that it was not used.
        """
        last = now // 3600
        first = last - HOURS + 1
        found: dict[int, list[int]] = {}
        with self._snapshot():
            for num, hour, uses in rollups.uses(self._connection, rowids, first, last):
                hours = found.setdefault(num, [0] * HOURS)
                if hour is not None and uses is not None:
                    hours[hour - first] = uses
        return {num: tuple(hours) for num, hours in found.items()}

    def find(self, text: str) -> list[Row]:
        """The tokens that a text names; several mean that it does not name one.

        See :mod:`console.inventory.search.resolve_name` for what is understood.
        """
        with self._snapshot():
            return self._rows(resolve_name.numbers(self._connection, encodable(text)))

    def below(self, handle: str) -> list[Below]:
        """The living tokens that descend from a token, as any process has learned it."""
        with self._snapshot():
            return below(self._connection, handle)

    def knows(self, word: str) -> bool:
        """Whether a word names a token, or is the beginning of some token's id."""
        if not word:
            return False
        if self.find(word):
            return True
        word = encodable(word)
        with self._snapshot():
            return tokens.id_begins(self._connection, word)

    def long_ids(self) -> dict[str, str]:
        """Ids that are no ordinary word, and so can be looked for in any text; with handles."""
        with self._snapshot():
            return tokens.long_ids(self._connection)

    def detail(self, handle: str) -> Detail | None:
        """Everything about one token, by its whole handle."""
        with self._snapshot():
            found = tokens.record(self._connection, handle)
            if found is None:
                return None
            row = self._rows([found.num])[0]
        last_seen = found.last_seen
        if last_seen is None and found.gone_at is None:
            last_seen = found.synced_at
        last = max(row.first_seen, last_seen or 0, 0 if found.gone_at else found.read_at or 0)
        return Detail(row, decode(found.doc, Token), row.first_seen, last, found.gone_at)

    def changes(self, handle: str, limit: int = 200) -> list[Change]:
        """A token's history, newest first. Its last entry is when it was first seen."""
        with self._snapshot():
            first = tokens.first_seen(self._connection, handle)
            if first is None:
                return []
            found = [
                Change(*change) for change in tokens.changes(self._connection, first.num, limit)
            ]
        if first.appeared_at is None and len(found) < limit:
            found.append(Change(first.first_seen, "first seen", "presence", "", "", "first look"))
        return found

    def events(self, handle: str, limit: int = 200, *, uses: bool = False) -> list[Event]:
        """A token's audit events, newest first.

        With ``uses`` those are left out that were done to it. What may be a use is in it: its
        callers look for reasons to stop.
        """
        rows = events.of_token(self._connection, handle, limit, uses=uses)
        return [Event(*row) for row in rows]

    def backends(self) -> list[BackendState]:
        """All backends that were ever looked at, by name."""
        with self._snapshot():
            return backend_state.backends(self._connection)

    def unconfigured(self, configured: Collection[str]) -> list[str]:
        """Backends whose tokens are here and that the configuration does not name any more."""
        return [name for name in backends.names(self._connection) if name not in configured]

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        """All statements inside see one and the same state of the store."""
        inside = self._connection.in_transaction
        try:
            if not inside:
                self._connection.execute("BEGIN")
            yield
        except sqlite3.OperationalError as error:
            # A walk that was left in the middle of a step must not be taken up again.
            self._results.clear()
            if "interrupt" in str(error):
                raise Interrupted("the search was given up") from None
            raise reading.unusable(self._path, error) from None
        except sqlite3.DatabaseError as error:
            raise reading.unusable(self._path, error) from None
        except Interrupted:
            self._results.clear()
            raise
        finally:
            # A walk that nobody ended may outlive the inventory.
            with contextlib.suppress(sqlite3.ProgrammingError):
                if not inside and self._connection.in_transaction:
                    self._connection.execute("COMMIT")

    def _check(self) -> None:
        if self._stopped:
            self._stopped = False
            raise Interrupted("the search was given up")

    def _number(self, asked: Callable[[sqlite3.Connection], int]) -> int:
        try:
            return asked(self._connection)
        except sqlite3.DatabaseError as error:
            raise reading.unusable(self._path, error) from None

    def _result(self, query: Query, sort: Sort) -> Everything | Narrowed:
        query = self._resolved(query)
        generation, now = self.generation(), int(self._clock())
        kept = self._results.pop((query, sort), None)
        if kept is None or kept[0] != generation or abs(now - kept[1]) > FRESH:
            kept = (generation, now, self._planner.plan(query, sort, now, generation, self.total()))
        while len(self._results) >= KEPT:
            self._results.pop(next(iter(self._results)))
        self._results[query, sort] = kept
        return kept[2]

    def _resolved(self, query: Query) -> Query:
        """The query with the tokens of an incident in place of its id.

        Raises:
            QueryError: no incident is called so.
        """
        return Query(tuple(terms.among(term, self._scope) for term in query.terms))

    def _scope(self, incident: str) -> str:
        found = self._scopes(incident.removeprefix("=")) if self._scopes is not None else None
        if found is None:
            raise QueryError(
                f"no incident is called {safe(incident, 60)}", "See: token-console incident list"
            )
        return json.dumps(sorted(found))

    def _rows(self, numbers: Sequence[int]) -> list[Row]:
        found = tokens.rows(self._connection, numbers)
        return [Row._make(found[number]) for number in numbers if number in found]


def _fold(text: str | None) -> str | None:
    return None if text is None else fold(text)
