"""Tokens by what a person calls them: handle, id, name, fingerprint; each also of one backend.

All give numbers by name, at most ``LIMIT``.
"""

from __future__ import annotations

from sqlite3 import Connection

from console.store.text_fold import GRAMS, KEY, fold, name_key, phrase

LIMIT = 50
"""Tokens that are found at most: more are not told apart by reading."""


def by_whole_handle(connection: Connection, handle: str) -> list[int]:
    """The token of a handle."""
    return _select(connection, None, "handle = ?", handle)


def by_handle(connection: Connection, start: str, backend: str | None = None) -> list[int]:
    """The tokens whose handle begins with these hexadecimal digits, in lower case."""
    return _select(connection, backend, "handle >= ? AND handle < ?", start, f"{start}g")


def by_id(connection: Connection, id_: str, backend: str | None = None) -> list[int]:
    """The tokens with an id."""
    word = fold(id_)
    if len(word) < GRAMS:
        return _select(connection, backend, "ref = ?", id_)
    # Ids have no index of their own: the search index finds the folded text, and the
    # condition then wants the very same.
    near = "num IN (SELECT rowid FROM token_fts WHERE token_fts MATCH ?)"
    return _select(connection, backend, f"{near} AND ref = ?", f"hay : {phrase(word)}", id_)


def by_name(connection: Connection, name: str, backend: str | None = None) -> list[int]:
    """The tokens with a name."""
    # A row that was written by an older version has its key as that made it.
    keys = (name_key(name), fold(name, KEY))
    return _select(connection, backend, "name_key IN (?, ?) AND name = ?", *keys, name)


def by_fingerprint(connection: Connection, start: str) -> list[int]:
    """The tokens with a keyed hash of a value that begins with these digits, in lower case."""
    prints = "SELECT handle FROM fingerprint WHERE print >= ? AND print < ?"
    return _select(connection, None, f"handle IN ({prints})", start, f"{start}g")


def _select(connection: Connection, backend: str | None, where: str, *args: object) -> list[int]:
    if backend is not None:
        where, args = f"backend = ? AND {where}", (backend, *args)
    statement = f"SELECT num FROM token WHERE {where} ORDER BY name_key, num LIMIT {LIMIT}"  # noqa: S608
    return [num for (num,) in connection.execute(statement, args)]
