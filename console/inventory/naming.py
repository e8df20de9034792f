"""Which tokens a text on the command line names."""

from __future__ import annotations

from sqlite3 import Connection

from console.inventory.folding import GRAMS, KEY, fold, phrase

HANDLE = 4
"""Digits of a handle that are enough to name a token."""
LIMIT = 50


def numbers(connection: Connection, text: str) -> list[int]:
    """The rows that a text names, tried as handle, backend and id, id, and name.

    The first of these that names anything wins; several rows mean that it is not clear.
    """
    low = text.lower()
    if len(low) >= HANDLE and all(digit in "0123456789abcdef" for digit in low):
        found = _select(connection, "handle >= ? AND handle < ?", low, f"{low}g")
        if found:
            return found
    backend, slash, id_ = text.partition("/")
    if slash and (found := _by_id(connection, id_, "backend = ? AND ", backend)):
        return found
    return _by_id(connection, text) or _select(
        connection, "name_key = ? AND name = ?", fold(text, KEY), text
    )


def _by_id(connection: Connection, id_: str, where: str = "", *args: object) -> list[int]:
    word = fold(id_)
    if len(word) < GRAMS:
        return _select(connection, f"{where}ref = ?", *args, id_)
    # Ids have no index of their own: the search index finds the folded text, and the
    # condition then wants the very same.
    near = "num IN (SELECT rowid FROM token_fts WHERE token_fts MATCH ?)"
    return _select(connection, f"{where}{near} AND ref = ?", *args, f"hay : {phrase(word)}", id_)


def _select(connection: Connection, where: str, *args: object) -> list[int]:
    statement = f"SELECT num FROM token WHERE {where} ORDER BY name_key, num LIMIT {LIMIT}"  # noqa: S608
    return [num for (num,) in connection.execute(statement, args)]
