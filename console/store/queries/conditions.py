"""What can be asked of a token, as conditions over the table ``token``.

The search says what it wants by name, such as ``before("expires", now)``; how that is said in
SQL, and which index can list the rows, is known here alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from console.store.text_fold import GRAMS, KEY, fold, near, phrase
from console.store.time_keys import NEVER_EXPIRES, NEVER_USED

HANDLE = re.compile(r"[0-9a-f]{12}")
"""A whole handle."""
READINGS: Final = {
    "owner": ("owner_how", "owner_key"),
    "principal": ("principal_how", ""),
    "grants": ("grants_how", "grants"),
    "used": ("used_how", "used_key"),
    "expires": ("expires_how", "expires_key"),
    "created": ("created_how", "created_at"),
}
"""Where it stands how a reading is known, and the indexed column that is NULL without one."""
TIMES: Final = {
    "used": "used_key",
    "expires": "expires_key",
    "created": "created_at",
    "changed": "changed_at",
}
"""The columns of the times that can be asked for."""
TEXTS: Final = {"owner": "owner_key", "backend": "backend", "kind": "kind"}
"""Columns of text of which few different values exist, each with an index."""
KEPT: Final = {"name": "name", "id": "ref", "principal": "principal", "scope": "scope"}
"""Columns of text that are kept as they came, and have no index."""


class Clause(NamedTuple):
    """A condition. ``where`` is SQL over ``token`` that is never NULL.

    The rest lists, by an index, all rows for which the condition holds when its negation is
    left aside, and no others if ``exact``: ``match`` in the search index (``near`` is quicker,
    and never exact), ``short`` (words too short for it) in its list of terms,
    ``condition`` in the index of ``column``.
    ``parts`` are what a value of ``column`` has to contain one of; it becomes a condition
    once the values that exist are known.

    ``word`` in one of the columns ``shown_by``, by which tokens are sorted, shows that the
    condition holds; without it nothing is shown.
    """

    where: str
    args: tuple[object, ...] = ()
    exact: bool = True
    match: str = ""
    near: str = ""
    short: tuple[str, ...] = ()
    column: str = ""
    condition: str = ""
    condition_args: tuple[object, ...] = ()
    parts: tuple[str, ...] = ()
    word: str = ""
    shown_by: tuple[str, ...] = ()
    negated: bool = False

    def left_out(self, keys: Iterable[str]) -> tuple[str, list[object]]:
        """For a negation, what a row that it leaves in fulfils of the columns ``keys``.

        SQL that is never NULL, and its arguments; empty where the columns tell nothing. An
        index that has the columns answers it without a look at the row.
        """
        if not self.negated:
            return "", []
        keys = set(keys)
        if self.condition and self.exact and self.column in keys:
            return f"NOT coalesce({self.condition}, 0)", list(self.condition_args)
        seen = [key for key in self.shown_by if key in keys]
        where = " AND ".join(f"coalesce(instr({key}, ?), 0) = 0" for key in seen)
        return where, [self.word] * len(seen)

    def values_left_out(self, column: str, values: Iterable[str]) -> list[str]:
        """For a negation, those of a column's values of which it leaves no row."""
        if not self.negated:
            return []
        of_values = self.condition and (self.parts or self.condition == f"{column} = ?")
        if self.column == column and self.exact and of_values:
            return [str(value) for value in self.condition_args]
        return [value for value in values if column in self.shown_by and self.word in value]

    @property
    def listed(self) -> bool:
        """Whether an index can list the rows."""
        return bool(self.match or self.short or self.condition)


def together(clauses: Iterable[Clause]) -> tuple[str, list[object]]:
    """One condition for all clauses, never NULL, and its arguments."""
    clauses = list(clauses)
    where = " AND ".join(clause.where for clause in clauses) or "1"
    return where, [argument for clause in clauses for argument in clause.args]


def negation(clause: Clause) -> Clause:
    """All rows for which a clause does not hold; it still lists those for which it does."""
    return clause._replace(where=f"(NOT {clause.where})", negated=True)


def either(clauses: Sequence[Clause]) -> Clause:
    """One clause for "this or that", with a shortcut where all of them have the same kind."""
    first = clauses[0]
    if len(clauses) == 1:
        return first
    joined = Clause(
        "(" + " OR ".join(found.where for found in clauses) + ")",
        tuple(argument for found in clauses for argument in found.args),
        exact=all(found.exact for found in clauses),
    )
    if all(found.match for found in clauses):
        joined = joined._replace(
            match=" OR ".join(f"({found.match})" for found in clauses),
            near=" OR ".join(f"({found.near})" for found in clauses),
        )
    if all(found.condition and found.column == first.column for found in clauses):
        joined = joined._replace(
            column=first.column,
            condition=" OR ".join(f"({found.condition})" for found in clauses),
            condition_args=tuple(value for found in clauses for value in found.condition_args),
        )
    if all(found.parts and found.column == first.column for found in clauses):
        parts = tuple(part for found in clauses for part in found.parts)
        joined = joined._replace(column=first.column, parts=parts)
    return joined


def equals(column: str) -> str:
    """The condition that a column has one value."""
    return f"{column} = ?"


def one_of(clause: Clause, values: Sequence[str]) -> Clause:
    """A clause with ``parts``, once it is known which values of its column have one of them."""
    condition = f"{clause.column} IN ({', '.join('?' * len(values))})"
    if len(values) == 1:
        condition = equals(clause.column)
    where = f"(coalesce({condition}, 0))"
    return clause._replace(
        where=f"(NOT {where})" if clause.negated else where,
        args=tuple(values),
        exact=True,
        condition=condition,
        condition_args=tuple(values),
    )


def any_word(value: str) -> Clause:
    """A free word: a part of any text of a token, a whole handle, or BACKEND/NAME."""
    return _words(value, "instr(hay, ?) > 0 OR instr(grant_text, ?) > 0", 2, "")


def called(value: str) -> Clause:
    """A part of its name, id, owner or principal; a whole handle, or BACKEND/NAME."""
    return _words(value, _NAMES, _NAMES.count("?"), "hay")


def text(field: str, value: str, *, whole: bool) -> Clause:
    """A part of its owner, backend or kind, or all of it."""
    column = TEXTS[field]
    word = fold(value, KEY)
    if whole:
        where = f"(coalesce(lower({column}) = ?, 0))"
    else:
        where = f"(coalesce(instr(lower({column}), ?) > 0, 0))"
    part = f"={word}" if whole else word
    found = Clause(where, (word,), exact=False, column=column, parts=(part,))
    return _indexed(found, word, "hay")


def kept_text(field: str, value: str, *, whole: bool) -> Clause:
    """A part of its name, id, principal or scope, or all of it; folded for each comparison.

    ``fold`` in the SQL is :func:`console.store.text_fold.fold`.
    """
    column = KEPT[field]
    word = fold(value)
    test = f"fold({column}) = ?" if whole else f"instr(fold({column}), ?) > 0"
    where = f"(coalesce(instr(hay, ?) > 0 AND {test}, 0))"
    found = _indexed(Clause(where, (word, word), exact=False), word, "hay")
    return _shown(found, word, "name_key") if field == "name" and not whole else found


def grant(value: str, *, whole: bool) -> Clause:
    """A part of the name of something that it may do, or all of it."""
    word = fold(value)
    if whole:
        word = f"\n{word}\n"
    return _indexed(Clause("(instr(grant_text, ?) > 0)", (word,)), word, "grant_text")


def known_by(reading: str, hows: tuple[str, ...]) -> Clause:
    """How a reading is known; those without a value all stand in the index as NULL."""
    how, column = READINGS[reading]
    where = f"({how} IN ({', '.join('?' * len(hows))}))"
    if not column:
        return Clause(where, hows)
    return Clause(where, hows, exact=False, column=column, condition=f"{column} IS NULL")


def unowned() -> Clause:
    """Its system knows that it has no owner."""
    return _on_column("owner_key", "owner_key = ''")


def without_principal() -> Clause:
    """Its system knows that it speaks for nobody."""
    return Clause("(principal_how = 'never')")


def without_grants() -> Clause:
    """It may do nothing."""
    return _on_column("grants", "grants = 0")


def orphan() -> Clause:
    """Nobody answers for it: it has no owner, or its owner is gone."""
    return Clause("(owner IS NULL OR owner_gone <> '')")


def in_state(state: str) -> Clause:
    """Its state is that one; "gone" is one too."""
    return _on_column("status", "status = ?", state)


def gone() -> Clause:
    """Its system has it no more."""
    return _on_column("status", "status = 'gone'")


def present() -> Clause:
    """Its system still has it."""
    return _on_column("status", "status <> 'gone'")


def handle_begins(start: str) -> Clause:
    """Its handle begins with these hexadecimal digits, in lower case."""
    return _on_column("handle", "handle >= ? AND handle < ?", start, f"{start}g")


def among(handles: str) -> Clause:
    """Its handle is one of those in a JSON array."""
    return _on_column("handle", "handle IN (SELECT value FROM json_each(?))", handles)


def appeared(since: int) -> Clause:
    """It was new after a moment in unix seconds."""
    found = _on_column("changed_at", "changed_at > ?", since, exact=False)
    return found._replace(where="(coalesce(appeared_at > ?, 0))")


def changed(since: int) -> Clause:
    """It was seen to change after a moment in unix seconds."""
    found = _on_column("changed_at", "changed_at > ?", since, exact=False)
    return found._replace(where="(change <> '' AND changed_at > ?)")


def never(time: str) -> Clause:
    """It was never used, or never expires."""
    column = TIMES[time]
    return _on_column(column, f"{column} = ?", NEVER_USED if time == "used" else NEVER_EXPIRES)


def at_some_time(time: str) -> Clause:
    """A time is known, and it is not "never"."""
    column = TIMES[time]
    return _on_column(column, f"{column} > ? AND {column} < ?", NEVER_USED, NEVER_EXPIRES)


def before(time: str, moment: int) -> Clause:
    """A time lies before a moment in unix seconds."""
    column = TIMES[time]
    return _on_column(column, f"{column} < ?", moment)


def expires_within(low: int, high: int | None) -> Clause:
    """It expires from one moment to before another, in unix seconds; None has no end."""
    high = NEVER_EXPIRES if high is None else high
    return _on_column("expires_key", "expires_key >= ? AND expires_key < ?", low, high)


def within(time: str, after: int | None, until: int | None) -> Clause:
    """A time lies between two moments in unix seconds; None is without a bound."""
    column = TIMES[time]
    low = NEVER_USED if after is None else max(after, NEVER_USED)
    high = NEVER_EXPIRES if until is None else until
    found = _on_column(column, f"{column} > ? AND {column} < ?", low, high)
    if time == "changed":
        return found._replace(where=f"(change <> '' AND {found.where})", exact=False)
    return found


def all_near(clauses: Iterable[Clause]) -> str:
    """What to match in the search index for rows among which all have to be."""
    return " AND ".join(f"({clause.near})" for clause in clauses)


def any_phrase(texts: Iterable[str]) -> str:
    """What to match in the search index for rows that have one of some texts."""
    return " OR ".join(phrase(one) for one in texts)


_NAMES = " OR ".join(
    f"instr(fold({each}), ?) > 0" for each in ("name", "ref", "owner", "principal")
)


_OF_NAMES = ("name_key", "owner_key")
_OF_ANY = (*_OF_NAMES, "backend", "kind")
"""The columns by which tokens are sorted that have a text where names, or any texts, are sought."""


def _on_column(column: str, condition: str, *args: object, exact: bool = True) -> Clause:
    """A condition on one indexed column that may be NULL."""
    return Clause(
        f"(coalesce({condition}, 0))",
        args,
        exact=exact,
        column=column,
        condition=condition,
        condition_args=args,
    )


def _words(value: str, test: str, times: int, column: str) -> Clause:
    """A free word that is tested so, with its place in the query ``times`` times."""
    word = fold(value)
    return _shown(_word(word, test, times, column), word, *(_OF_NAMES if column else _OF_ANY))


def _shown(found: Clause, word: str, *columns: str) -> Clause:
    """The clause with the columns that show by the word that it holds."""
    # What is sorted after all honest names begins with a sign that the name has not.
    return found if word.startswith("~") else found._replace(word=word, shown_by=columns)


def _word(word: str, test: str, times: int, column: str) -> Clause:
    args: tuple[object, ...] = (word,) * times
    if HANDLE.fullmatch(word):
        # The index of words has no handles; so long a word is rare, and all rows are tried.
        return Clause(f"(coalesce({test}, 0) OR handle = ?)", (*args, word))
    backend, slash, named = word.partition("/")
    if not (backend and slash and named):
        # The columns of names are folded for each row, which the index of words spares most.
        quick = f"instr({column}, ?) > 0 AND " if column else ""
        where = f"(coalesce({quick}({test}), 0))" if quick else f"({test})"
        return _indexed(Clause(where, (word, *args) if quick else args, not quick), word, column)
    inside = "(backend = ? AND (instr(fold(name), ?) > 0 OR instr(fold(ref), ?) > 0))"
    found = Clause(
        f"(coalesce({test}, 0) OR {inside})", (*args, backend, named, named), exact=False
    )
    if min(len(word), len(named)) < GRAMS:
        return found
    first = _indexed(found, word, column)
    return first._replace(match=f"({first.match}) OR ({phrase(named)})",
                          near=f"({first.near}) OR ({near(named)})")  # fmt: skip


def _indexed(found: Clause, word: str, column: str) -> Clause:
    """The clause with the rows that hold a word (in one column of the search index)."""
    if len(word) < GRAMS:
        return found._replace(short=(word,), exact=found.exact and not column)
    where = f"{column} : " if column else ""
    match = f"{where}{phrase(word)}"
    quick = match if len(word) == GRAMS else f"{where}({near(word)})"
    return found._replace(match=match, near=quick)
