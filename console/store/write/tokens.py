"""Tokens: rows, records, the search index over them, and the history of their changes.

What is done for a batch of tokens is in SQL: through ``json_each`` a list of any length is
one parameter of one statement.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlmodel import col

from console.store.tables import table
from console.store.tables.inventory import DocumentRow, TokenRow

TOKEN = table("token")
DOCUMENT = table("document")
CHANGE = table("change")
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
    rows = connection.exec_driver_sql(
        "SELECT num, handle, kind, ref, backend, digest, gone_at, last_seen FROM token"
        " WHERE handle IN (SELECT value FROM json_each(?))",
        (json.dumps(list(handles)),),
    )
    return {row[1]: StoredToken(*row) for row in rows}


def records(connection: Connection, numbers: Iterable[int]) -> dict[int, StoredRecord]:
    """The records of tokens, by number."""
    rows = connection.exec_driver_sql(
        "SELECT t.num, d.doc, d.kept, t.hay, t.grant_text, t.change, t.changed_at, t.read_at"
        " FROM token t JOIN document d USING (num)"
        " WHERE t.num IN (SELECT value FROM json_each(?))",
        (json.dumps(list(numbers)),),
    )
    return {row[0]: StoredRecord(*row) for row in rows}


def last_number(connection: Connection) -> int:
    """The highest number that a token has; 0 where there is none."""
    found = connection.exec_driver_sql("SELECT coalesce(max(num), 0) FROM token")
    return int(found.scalar_one())


def add(connection: Connection, rows: Sequence[Values], documents: Sequence[Values]) -> None:
    """Insert tokens and their records, each with all its columns."""
    connection.execute(insert(TOKEN), rows)
    connection.execute(insert(DOCUMENT), documents)


def change(connection: Connection, rows: Sequence[Values], documents: Sequence[Values]) -> None:
    """Update tokens and their records. ``at_num`` is whose row it is; all have the same names."""
    names = [name for name in rows[0] if name != "at_num"]
    connection.execute(
        update(TOKEN)
        .where(TOKEN.c.num == bindparam("at_num"))
        .values({name: bindparam(name) for name in names}),
        rows,
    )
    connection.execute(
        update(DOCUMENT)
        .where(DOCUMENT.c.num == bindparam("at_num"))
        .values(doc=bindparam("doc"), kept=bindparam("kept")),
        documents,
    )


def see_again(connection: Connection, numbers: Iterable[int]) -> None:
    """Note that the look that goes on has seen what the one before had not."""
    connection.exec_driver_sql(
        "UPDATE token SET last_seen = NULL WHERE num = ?", [(num,) for num in numbers]
    )


def unsee(connection: Connection, numbers: Iterable[int], last_seen: int) -> None:
    """Note when tokens were last seen that the look that ends has not seen."""
    connection.exec_driver_sql(
        "UPDATE token SET last_seen = ? WHERE num = ?", [(last_seen, num) for num in numbers]
    )


def index(connection: Connection, texts: Sequence[Indexed]) -> None:
    """Let the search find tokens by these texts."""
    connection.exec_driver_sql(_INDEX, list(texts))


def unindex(connection: Connection, texts: Sequence[Indexed]) -> None:
    """Take texts out of the search; they must be those that were put in."""
    connection.exec_driver_sql(_UNINDEX, list(texts))


def note_changes(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add to the history: token, at, kind, field, before, after and source each."""
    connection.execute(insert(CHANGE), rows)


def present_states(connection: Connection, numbers: Iterable[int]) -> list[tuple[int, str]]:
    """Number and state of those of the tokens that are not gone."""
    rows = connection.exec_driver_sql(
        "SELECT num, state FROM token WHERE gone_at IS NULL"
        " AND num IN (SELECT value FROM json_each(?))",
        (json.dumps(list(numbers)),),
    )
    return [(int(num), str(state)) for num, state in rows]


def set_gone(connection: Connection, numbers: Iterable[int], at: int) -> None:
    """Note that tokens are gone since a moment in unix seconds."""
    connection.exec_driver_sql(
        "UPDATE token SET gone_at = ?, changed_at = ?, change = 'gone', status = 'gone'"
        " WHERE num = ?",
        [(at, at, num) for num in numbers],
    )


def numbers_of(connection: Connection, handle: str) -> list[int]:
    """The number of the token of a handle; none where the store has none."""
    found = select(col(TokenRow.num)).where(col(TokenRow.handle) == handle)
    return list(connection.execute(found).scalars())


def note_read(connection: Connection, handle: str, at: int) -> None:
    """Note when a token was read by itself."""
    connection.execute(update(TokenRow).where(col(TokenRow.handle) == handle).values(read_at=at))


def document(connection: Connection, handle: str) -> bytes | None:
    """A token's whole record, in the form of ``backends.model.encode``."""
    return connection.execute(
        select(col(DocumentRow.doc))
        .join(TokenRow, col(TokenRow.num) == DocumentRow.num)
        .where(col(TokenRow.handle) == handle)
    ).scalar()
