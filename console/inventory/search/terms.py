"""The terms of a query, and the SQL that each of them means.

What a term finds is told again in words by :mod:`console.inventory.search.matched`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from console.store.text_fold import GRAMS, KEY, fold, near, phrase

NEVER_USED = -1
NEVER_EXPIRES = 1 << 53
"""Both as in ``console.store.tables``, which the reading side must not import."""
RECENT = 86_400
"""Seconds for which something counts as new or changed."""
HANDLE = re.compile(r"[0-9a-f]{12}")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}

HOWS = {
    "unknown": ("not_tracked", "not_permitted", "not_read"),
    "untracked": ("not_tracked",),
    "unpermitted": ("not_permitted",),
    "unread": ("not_read",),
}


class Term(NamedTuple):
    """One condition. ``key`` is empty for free text; one of ``values`` must hold."""

    key: str
    values: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        values = ",".join(_quoted(value) for value in self.values)
        return ("-" if self.negated else "") + (f"{self.key}:{values}" if self.key else values)


class Clause(NamedTuple):
    """A term as SQL. ``where`` is a condition over ``token`` that is never NULL.

    The rest lists, by an index, all rows for which the term holds when its negation is
    left aside, and no others if ``exact``: ``match`` in the search index (``near`` is quicker,
    and never exact), ``short`` (words too short for it) in its list of terms,
    ``condition`` in the index of ``column``.
    ``parts`` are what a value of ``column`` has to contain one of; it becomes a condition
    once the values that exist are known.
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
    negated: bool = False

    @property
    def listed(self) -> bool:
        """Whether an index can list the rows."""
        return bool(self.match or self.short or self.condition)


def usable(value: str) -> bool:
    """Whether there is anything to look for in a value."""
    return bool(fold(value))


def clause(term: Term, now: int) -> Clause:
    """The SQL of a term, relative to ``now`` (unix seconds)."""
    found = _any([_positive(term.key, value, now) for value in term.values])
    return found._replace(where=f"(NOT {found.where})", negated=True) if term.negated else found


def on_column(column: str, condition: str, *args: object, exact: bool = True) -> Clause:
    """A condition on one indexed column that may be NULL."""
    return Clause(
        f"(coalesce({condition}, 0))",
        args,
        exact=exact,
        column=column,
        condition=condition,
        condition_args=args,
    )


def _any(clauses: list[Clause]) -> Clause:
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


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w<>=./@*+#%$&;?~^(){}\[\]|-]+", value) and value[0] not in "-!":
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _positive(key: str, value: str, now: int) -> Clause:
    if key in ("used", "expires", "age", "changed"):
        return _time(key, value, now)
    if key == "state":
        return on_column("status", "status = ?", value)
    if key == "is":
        return _is(value, now)
    if key == "handle":
        start = value.removeprefix("=").lower()
        return on_column("handle", "handle >= ? AND handle < ?", start, f"{start}g")
    if key in ("owner", "backend", "kind"):
        return _column_text(key, value)
    if key == "grant":
        return _grant(value)
    if key == "text":
        return _words(value, _NAMES, _NAMES.count("?"), "hay")
    if key:
        return _field(key, value)
    return _words(value, "instr(hay, ?) > 0 OR instr(grant_text, ?) > 0", 2, "")


_NAMES = " OR ".join(
    f"instr(fold({each}), ?) > 0" for each in ("name", "ref", "owner", "principal")
)


def _words(value: str, test: str, times: int, column: str) -> Clause:
    """A free word: a part of certain texts, a whole handle, or BACKEND/NAME."""
    word = fold(value)
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


def _grant(value: str) -> Clause:
    if value == "none":
        return on_column("grants", "grants = 0")
    if value in HOWS:
        return _how("grants_how", value, "grants")
    word = fold(value.removeprefix("="))
    if value.startswith("="):
        word = f"\n{word}\n"
    return _indexed(Clause("(instr(grant_text, ?) > 0)", (word,)), word, "grant_text")


def _column_text(key: str, value: str) -> Clause:
    """Text in a column of which few different values exist."""
    column = "owner_key" if key == "owner" else key
    if key == "owner" and value == "none":
        return on_column(column, "owner_key = ''")
    if key == "owner" and value in HOWS:
        return _how("owner_how", value, column)
    word = fold(value.removeprefix("="), KEY)
    if value.startswith("="):
        where = f"(coalesce(lower({column}) = ?, 0))"
    else:
        where = f"(coalesce(instr(lower({column}), ?) > 0, 0))"
    part = fold(value, KEY)
    found = Clause(where, (word,), exact=False, column=column, parts=(part,))
    return _indexed(found, word, "hay")


def _field(key: str, value: str) -> Clause:
    """Text in a column that is only kept as it came, and folded for each comparison.

    ``fold`` in the SQL is :func:`console.store.text_fold.fold`.
    """
    column = {"id": "ref"}.get(key, key)
    if key == "principal" and value == "none":
        return Clause("(principal_how = 'never')")
    if key == "principal" and value in HOWS:
        return _how("principal_how", value, "")
    word = fold(value.removeprefix("="))
    test = f"fold({column}) = ?" if value.startswith("=") else f"instr(fold({column}), ?) > 0"
    where = f"(coalesce(instr(hay, ?) > 0 AND {test}, 0))"
    return _indexed(Clause(where, (word, word), exact=False), word, "hay")


def _how(how: str, word: str, column: str) -> Clause:
    """How a reading is known; those without a value all stand in the index as NULL."""
    hows = HOWS[word]
    where = f"({how} IN ({', '.join('?' * len(hows))}))"
    if not column:
        return Clause(where, hows)
    return Clause(where, hows, exact=False, column=column, condition=f"{column} IS NULL")


def _is(value: str, now: int) -> Clause:
    if value == "gone":
        return on_column("status", "status = 'gone'")
    if value == "present":
        return on_column("status", "status <> 'gone'")
    if value == "orphan":
        return Clause("(owner IS NULL OR owner_gone <> '')")
    recent = now - RECENT
    where = "coalesce(appeared_at > ?, 0)" if value == "new" else "change <> '' AND changed_at > ?"
    return on_column("changed_at", "changed_at > ?", recent, exact=False)._replace(
        where=f"({where})"
    )


def _time(key: str, value: str, now: int) -> Clause:
    column = {"used": "used_key", "expires": "expires_key", "age": "created_at"}.get(
        key, "changed_at"
    )
    if value in HOWS:
        return _how({"age": "created"}.get(key, key) + "_how", value, column)
    if value == "never":
        never = NEVER_USED if key == "used" else NEVER_EXPIRES
        return on_column(column, f"{column} = ?", never)
    if value == "past":
        return on_column(column, f"{column} < ?", now)
    if value == "known":
        return on_column(column, f"{column} > ? AND {column} < ?", NEVER_USED, NEVER_EXPIRES)
    seconds = int(value[1:-1]) * UNITS[value[-1]]
    shorter = value[0] == "<"
    if key == "expires":
        low, high = (now, now + seconds) if shorter else (now + seconds, NEVER_EXPIRES)
        return on_column(column, f"{column} >= ? AND {column} < ?", low, high)
    low, high = (now - seconds, NEVER_EXPIRES) if shorter else (NEVER_USED, now - seconds)
    found = on_column(column, f"{column} > ? AND {column} < ?", max(low, NEVER_USED), high)
    if key == "changed":
        return found._replace(where=f"(change <> '' AND {found.where})", exact=False)
    return found
