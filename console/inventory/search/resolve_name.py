"""Which tokens a text names, for every command and prompt.

A text is tried as a handle or the beginning of one, an id, a name, ``BACKEND/ID``,
``BACKEND/NAME``, and a keyed fingerprint or the beginning of one. All that it names counts:
whoever may make tokens chooses their names, and one that is called like another's id must
not stand for it. Only a whole handle is ours to give, and means one token whatever else is
called so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from sqlite3 import Connection

from console.inventory.records import Row
from console.inventory.search.terms import HANDLE
from console.store.text_fold import GRAMS, KEY, fold, name_key, phrase
from console.text import age, safe

DIGITS = 4
"""Digits of a handle that are enough to name a token."""
PRINT = 12
"""Digits of a fingerprint that are enough."""
LIMIT = 50
"""Tokens that are found at most: more are not told apart by reading."""
_HEX = re.compile(r"[0-9a-f]+")


def numbers(connection: Connection, text: str) -> list[int]:
    """The rows that a text names; several mean that it is not clear."""
    low = text.lower()
    if HANDLE.fullmatch(low) and (whole := _select(connection, "handle = ?", low)):
        return whole
    found = [*_by_handle(connection, low), *_by_id(connection, text), *_by_name(connection, text)]
    backend, slash, rest = text.partition("/")
    if slash and rest:
        where = "backend = ? AND "
        found += _by_handle(connection, rest.lower(), where, backend)
        found += _by_id(connection, rest, where, backend)
        found += _by_name(connection, rest, where, backend)
    found += _by_fingerprint(connection, low)
    return list(dict.fromkeys(found))[:LIMIT]


def told_apart(rows: Sequence[Row], now: float) -> list[str]:
    """One line for each of several tokens that a text names, with what tells them apart."""
    return [
        f"{row.handle}  {safe(row.backend)}/{safe(row.name, 60)}  {safe(row.kind, 40)}"
        f" {safe(row.id, 60)}  {row.state if row.presence == 'present' else 'GONE'}"
        f"{_owner(row)}{_ago('made', row.created_at, now)}{_ago('used', row.used_at, now)}"
        for row in rows
    ]


def _owner(row: Row) -> str:
    return f"  owner {safe(row.owner, 40)}" if row.owner else ""


def _ago(word: str, at: int | None, now: float) -> str:
    return "" if at is None else f"  {word} {age(now - at)} ago"


def _by_handle(connection: Connection, low: str, where: str = "", *args: object) -> list[int]:
    if not DIGITS <= len(low) <= 12 or not _HEX.fullmatch(low):
        return []
    return _select(connection, f"{where}handle >= ? AND handle < ?", *args, low, f"{low}g")


def _by_id(connection: Connection, id_: str, where: str = "", *args: object) -> list[int]:
    word = fold(id_)
    if len(word) < GRAMS:
        return _select(connection, f"{where}ref = ?", *args, id_)
    # Ids have no index of their own: the search index finds the folded text, and the
    # condition then wants the very same.
    near = "num IN (SELECT rowid FROM token_fts WHERE token_fts MATCH ?)"
    return _select(connection, f"{where}{near} AND ref = ?", *args, f"hay : {phrase(word)}", id_)


def _by_name(connection: Connection, name: str, where: str = "", *args: object) -> list[int]:
    # A row that was written by an older version has its key as that made it.
    keys = (name_key(name), fold(name, KEY))
    return _select(connection, f"{where}name_key IN (?, ?) AND name = ?", *args, *keys, name)


def _by_fingerprint(connection: Connection, low: str) -> list[int]:
    if not PRINT <= len(low) <= 64 or not _HEX.fullmatch(low):
        return []
    prints = "SELECT handle FROM fingerprint WHERE print >= ? AND print < ?"
    return _select(connection, f"handle IN ({prints})", low, f"{low}g")


def _select(connection: Connection, where: str, *args: object) -> list[int]:
    statement = f"SELECT num FROM token WHERE {where} ORDER BY name_key, num LIMIT {LIMIT}"  # noqa: S608
    return [num for (num,) in connection.execute(statement, args)]
