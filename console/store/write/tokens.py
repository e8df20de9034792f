"""Tokens: rows, records, the search index over them, and the history of their changes.

What is done for a batch of tokens is in SQL: through ``json_each`` a list of any length is
one parameter of one statement.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from console.store.database import Connection
from console.store.write import marks

_INDEX = "INSERT INTO token_fts (rowid, hay, grant_text) VALUES (?, ?, ?)"
_UNINDEX = "INSERT INTO token_fts (token_fts, rowid, hay, grant_text) VALUES ('delete', ?, ?, ?)"

Values = dict[str, Any]
"""A row by the names of its columns."""
Indexed = tuple[int, str, str]
"""A token's number, and the texts by which the search finds it."""


class StoredToken(NamedTuple):
    """What the store has of a token before a batch is written."""

    num: int
    handle: str
    kind: str
    ref: str
    backend: str
    digest: bytes
    gone_at: int | None
    last_seen: int | None


class StoredRecord(NamedTuple):
    """What a change of a token is compared with, and what of its row a change replaces."""

    num: int
    doc: bytes
    kept: bytes | None
    hay: str
    grant_text: str
    change: str
    changed_at: int
    read_at: int | None


def known(connection: Connection, handles: Iterable[str]) -> dict[str, StoredToken]:
    """Those of the handles that the store has, by handle."""
    rows = connection.execute(
        "SELECT num, handle, kind, ref, backend, digest, gone_at, last_seen FROM token"
        " WHERE handle IN (SELECT value FROM json_each(?))",
        (json.dumps(list(handles)),),
    )
    return {row[1]: StoredToken(*row) for row in rows}


def records(connection: Connection, numbers: Iterable[int]) -> dict[int, StoredRecord]:
    """The records of tokens, by number."""
    rows = connection.execute(
        "SELECT t.num, d.doc, d.kept, t.hay, t.grant_text, t.change, t.changed_at, t.read_at"
        " FROM token t JOIN document d USING (num)"
        " WHERE t.num IN (SELECT value FROM json_each(?))",
        (json.dumps(list(numbers)),),
    )
    return {row[0]: StoredRecord(*row) for row in rows}


def last_number(connection: Connection) -> int:
    """The highest number that a token has; 0 where there is none."""
    found = connection.execute("SELECT coalesce(max(num), 0) FROM token")
    return int(found.fetchone()[0])


def add(connection: Connection, rows: Sequence[Values], documents: Sequence[Values]) -> None:
    """Insert tokens and their records, each with all its columns, in the same order in each."""
    for name, values in (("token", rows), ("document", documents)):
        columns, places = ", ".join(values[0]), ", ".join("?" * len(values[0]))
        connection.executemany(
            f"INSERT INTO {name} ({columns}) VALUES ({places})",  # noqa: S608
            [tuple(row.values()) for row in values],
        )
    marks.note_tokens(connection, [row["num"] for row in rows])


def change(connection: Connection, rows: Sequence[Values], documents: Sequence[Values]) -> None:
    """Update tokens and their records. ``at_num`` is whose row it is; all have the same names."""
    names = ", ".join(f"{name} = :{name}" for name in rows[0] if name != "at_num")
    connection.executemany(f"UPDATE token SET {names} WHERE num = :at_num", rows)  # noqa: S608
    connection.executemany(
        "UPDATE document SET doc = :doc, kept = :kept WHERE num = :at_num", documents
    )
    marks.note_tokens(connection, [row["at_num"] for row in rows])


def see_again(connection: Connection, numbers: Iterable[int]) -> None:
    """Note that the look that goes on has seen what the one before had not."""
    connection.executemany(
        "UPDATE token SET last_seen = NULL WHERE num = ?", [(num,) for num in numbers]
    )


def unsee(connection: Connection, numbers: Iterable[int], last_seen: int) -> None:
    """Note when tokens were last seen that the look that ends has not seen."""
    connection.executemany(
        "UPDATE token SET last_seen = ? WHERE num = ?", [(last_seen, num) for num in numbers]
    )


def index(connection: Connection, texts: Sequence[Indexed]) -> None:
    """Let the search find tokens by these texts."""
    connection.executemany(_INDEX, texts)


def unindex(connection: Connection, texts: Sequence[Indexed]) -> None:
    """Take texts out of the search; they must be those that were put in."""
    connection.executemany(_UNINDEX, texts)


def note_changes(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add to the history: token, at, kind, field, before, after and source each."""
    connection.executemany(
        "INSERT INTO change (token, at, kind, field, before, after, source)"
        " VALUES (:token, :at, :kind, :field, :before, :after, :source)",
        rows,
    )


def present_states(connection: Connection, numbers: Iterable[int]) -> list[tuple[int, str]]:
    """Number and state of those of the tokens that are not gone."""
    rows = connection.execute(
        "SELECT num, state FROM token WHERE gone_at IS NULL"
        " AND num IN (SELECT value FROM json_each(?))",
        (json.dumps(list(numbers)),),
    )
    return [(int(num), str(state)) for num, state in rows]


def set_gone(connection: Connection, numbers: Iterable[int], at: int) -> None:
    """Note that tokens are gone since a moment in unix seconds."""
    some = list(numbers)
    connection.executemany(
        "UPDATE token SET gone_at = ?, changed_at = ?, change = 'gone', status = 'gone'"
        " WHERE num = ?",
        [(at, at, num) for num in some],
    )
    marks.note_tokens(connection, some)


def numbers_of(connection: Connection, handle: str) -> list[int]:
    """The number of the token of a handle; none where the store has none."""
    rows = connection.execute("SELECT num FROM token WHERE handle = ?", (handle,))
    return [num for (num,) in rows]


def note_read(connection: Connection, handle: str, at: int) -> None:
    """Note when a token was read by itself."""
    connection.execute("UPDATE token SET read_at = ? WHERE handle = ?", (at, handle))


def document(connection: Connection, handle: str) -> bytes | None:
    """A token's whole record, in the form of ``backends.model.encode``."""
    row = connection.execute(
        "SELECT doc FROM document JOIN token USING (num) WHERE handle = ?", (handle,)
    ).fetchone()
    return None if row is None else bytes(row[0])
