"""Lists the rows that clauses find, by the store's indexes and as fast as Python can."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from sqlite3 import Connection

from console.store.queries import matches
from console.store.queries.conditions import Clause, all_near, any_phrase

Check = Callable[[], None]
Values = Callable[[str], Sequence[str] | None]
"""Gives the different values of a column, None where they are many."""
AT_ONCE = 100_000
"""Matches that one text holds."""


class Candidates:
    """Rows among which all matches of some clauses are.

    Afterwards ``rest`` are the clauses that each row has still to be tested for, and
    ``later`` those of them that an index can list, should testing take too long.
    """

    def __init__(
        self, connection: Connection, clauses: Sequence[Clause], check: Check, values: Values
    ) -> None:
        self._connection = connection
        self._values = values
        self._check = check
        self._clauses = clauses
        self._positive = [clause for clause in clauses if not clause.negated]
        self._words = [clause for clause in self._positive if clause.near and not clause.condition]
        self._near = all_near(self._words)
        self._begun: list[int] = []
        self._size = 0
        self.rest: list[Clause] = list(clauses)
        self.later: list[Clause] = []

    @property
    def size(self) -> int:
        """One more than the greatest number of a row."""
        if not self._size:
            self._size = matches.after_last(self._connection)
        return self._size

    def few(self, limit: int) -> list[int] | None:
        """The candidates, if some index lists no more than ``limit``."""
        best: list[int] | None = None
        for clause in self._positive:
            if clause.condition:
                numbers = matches.listed(self._connection, clause, limit + 1)
                if len(numbers) <= limit and (best is None or len(numbers) < len(best)):
                    best = numbers
        if self._near and best is None:
            self._begun = next(self._matching(self._near, limit + 1))
            if len(self._begun) <= limit:
                best = self._begun
        return best

    def all(self) -> list[int] | None:
        """The candidates, however many. None if no index can list them."""
        listed = [clause for clause in self._positive if clause.listed and clause.condition]
        listed += [clause for clause in self._positive if clause.short and not clause.condition]
        if self._near:
            numbers = list(self._begun)
            # `few` has begun with the list, and it is in the order of the numbers.
            for some in self._matching(self._near, AT_ONCE, after=numbers[-1] if numbers else 0):
                numbers += some
            self.later = listed + [clause for clause in self._clauses if self.is_short(clause)]
            return numbers
        if not listed:
            return None
        first, *self.later = listed
        numbers = list(compress(range(self.size), self.flags(first)))
        if first.exact:
            self.rest.remove(first)
        return numbers

    def dropped(self) -> tuple[bytes, list[Clause]] | None:
        """For a query of nothing but negations: flags of what they leave, and what they test."""
        drop = [clause for clause in self._clauses if clause.negated]
        short = [clause for clause in drop if self.is_short(clause)]
        drop = [clause for clause in drop if clause.listed and clause.exact and clause not in short]
        if not drop and not short:
            return None
        left: bytes | None = None
        for clause in short:
            left = self.lacking(clause, left)
        left = left or b"\1" * self.size
        for clause in drop:
            left = _and(left, self.flags(clause).translate(INVERT))
        return left, [clause for clause in self._clauses if clause not in drop]

    @staticmethod
    def is_short(clause: Clause) -> bool:
        """Whether it leaves out a word that is too short for the search index."""
        return clause.negated and bool(clause.short and clause.shown_by)

    def lacking(self, clause: Clause, left: bytes | None = None) -> bytes:
        """Flags of rows among which are all that lack a word of one or two letters.

        The search index would list nearly every row, many times over, as having it. The
        columns of few values leave out most of them at once.
        """
        lacking: list[tuple[float, str, list[str]]] = []
        for column in clause.shown_by:
            if column != "name_key" and (values := self._values(column)):
                without = [value for value in values if clause.word not in value]
                lacking.append((len(without) / len(values), column, without))
        for share, column, without in sorted(lacking):
            if share < 1 and (left is None or 1 in left):
                self._check()
                left = _set(
                    matches.left_by_values(self._connection, column, without, clause.word, left),
                    self.size,
                )
        return left or b"\1" * self.size

    def scanned(self) -> bytes:
        """Flags of the matches themselves, by a look at every row."""
        self._check()
        return _set(matches.scanned(self._connection, self._clauses), self.size)

    def exactly(self) -> tuple[bytes, list[Clause]]:
        """Flags of the matches, with as little as possible left to be tested."""
        keep: bytes | None = None
        rest: list[Clause] = []
        drop: list[Clause] = []
        for clause in self._clauses:
            if clause.negated:
                (drop if clause.listed and clause.exact else rest).append(clause)
            elif not clause.listed:
                rest.append(clause)
            else:
                flags = self.flags(clause)
                keep = flags if keep is None else _and(keep, flags)
                if not clause.exact:
                    rest.append(clause)
        if keep is None and not drop:
            return self.scanned(), []
        if keep is None:
            keep = _set(matches.every(self._connection), self.size)
        for clause in drop:
            keep = _and(keep, self.flags(clause).translate(INVERT))
        return keep, rest

    def flags(self, clause: Clause) -> bytes:
        """One byte for each row: whether an index lists it for the clause, negation aside."""
        self._check()
        if clause.condition:
            return _set(matches.listed(self._connection, clause, -1), self.size)
        flags = bytearray(self.size)
        for match in [clause.match] if clause.match else self._spelled(clause.short[0]):
            for some in self._matching(match, AT_ONCE):
                for num in some:
                    flags[num] = 1
        return bytes(flags)

    def _spelled(self, word: str) -> Iterator[str]:
        """What to match to find a word too short for the index: all that begins with it."""
        grams = matches.terms_from(self._connection, word)
        for start in range(0, len(grams), 50):
            yield any_phrase(grams[start : start + 50])

    def _matching(self, match: str, many: int, after: int = 0) -> Iterator[list[int]]:
        """What the search index finds, in parts of at most ``many``."""
        found = many
        while found == many:
            self._check()
            numbers, after, found = matches.with_text(self._connection, match, after, many)
            yield numbers


def ones(flags: bytes) -> int:
    """How many flags are set."""
    return int.from_bytes(flags, "little").bit_count()


INVERT = bytes([1]) + bytes(255)


def _set(numbers: Iterable[int], size: int) -> bytes:
    flags = bytearray(size)
    for num in numbers:
        flags[num] = 1
    return bytes(flags)


def _and(one: bytes, other: bytes) -> bytes:
    together = int.from_bytes(one, "little") & int.from_bytes(other, "little")
    return together.to_bytes(len(one), "little")
