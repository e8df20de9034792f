"""Tokens: rows of lists, records, and the history of their changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection
from typing import Any, NamedTuple

_ROW = (
    "num, handle, backend, kind, ref, name, state,"
    " CASE status WHEN 'gone' THEN 'gone' ELSE 'present' END,"
    " owner_how, owner, principal_how, principal, created_how, created_at,"
    " used_how, used_at, used_from, expires_how, expires_at, grants_how, grants,"
    " first_seen, changed_at, change"
)

LONG_IDS = (
    "SELECT ref, handle FROM token WHERE length(ref) >= 16"
    " AND (ref GLOB '*[0-9]*' OR ref = upper(ref) OR (length(ref) >= 20"
    " AND ref GLOB '*[A-Z]*' AND ref GLOB '*[a-z]*' AND ref NOT GLOB '*[^A-Za-z]*'))"
)
"""A short id would be found everywhere: only ids that are no ordinary word count (a key id of
capitals, or an accessor of large and small letters, may happen to have no digit)."""


class StoredToken(NamedTuple):
    """A token with its record, as lists for programs have it. All times are unix seconds."""

    handle: str
    presence: str
    """"present" or "gone"."""
    first_seen: int
    changed_at: int
    change: str
    """The kind of the last change; empty when nothing was seen to change."""
    doc: bytes
    """The record, in the form of ``backends.model.encode``."""


class SeenRecord(NamedTuple):
    """A token's record, and when it was seen. All times are unix seconds."""

    num: int
    doc: bytes
    last_seen: int | None
    """Set while the latest look did not see it."""
    read_at: int | None
    gone_at: int | None
    synced_at: int | None
    """When the last look at its backend came to its end."""


class FirstSeen(NamedTuple):
    """When a token was first seen. All times are unix seconds."""

    num: int
    first_seen: int
    appeared_at: int | None
    """When it was new; None for what stood there when its backend was first looked at."""


class ChangedToken(NamedTuple):
    """One thing that became different with a token, at unix seconds."""

    handle: str
    at: int
    kind: str
    field: str
    before: str
    after: str


class UnansweredToken(NamedTuple):
    """A token without an owner, or whose owner is gone; ``why`` says how that one went."""

    handle: str
    backend: str
    name: str
    owner: str | None
    why: str


def rows(connection: Connection, numbers: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    """What a list shows of tokens, by number, as ``console.inventory.records.Row`` has it."""
    found = connection.execute(
        f"SELECT {_ROW} FROM token WHERE num IN (SELECT value FROM json_each(?))",  # noqa: S608
        (json.dumps(list(numbers)),),
    )
    return {row[0]: row for row in found}


def handles(connection: Connection, numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The handles of tokens, each with its number."""
    return connection.execute(
        "SELECT num, handle FROM token WHERE num IN (SELECT value FROM json_each(?))",
        (json.dumps(numbers),),
    )


def number(connection: Connection, handle: str) -> int | None:
    """The number of a token; None where there is none with that handle."""
    row = connection.execute("SELECT num FROM token WHERE handle = ?", (handle,)).fetchone()
    return None if row is None else int(row[0])


def documents(connection: Connection, numbers: Sequence[int]) -> dict[int, bytes]:
    """The records of tokens in JSON, by number."""
    found = connection.execute(
        "SELECT num, doc FROM document WHERE num IN (SELECT value FROM json_each(?))",
        (json.dumps(numbers),),
    )
    return dict(found.fetchall())


def stored(connection: Connection, numbers: Sequence[int]) -> Iterator[StoredToken]:
    """Tokens with their records, in the order of the numbers."""
    found = connection.execute(
        "SELECT handle, CASE status WHEN 'gone' THEN 'gone' ELSE 'present' END,"
        " first_seen, changed_at, change, doc"
        # The join goes along the numbers, and so keeps their order.
        " FROM json_each(?) AS given CROSS JOIN token ON token.num = given.value"
        " CROSS JOIN document ON document.num = given.value",
        (json.dumps(numbers),),
    )
    return map(StoredToken._make, found)


def record(connection: Connection, handle: str) -> SeenRecord | None:
    """A token's record; None where there is none with that handle."""
    row = connection.execute(
        "SELECT t.num, d.doc, t.last_seen, t.read_at, t.gone_at, b.synced_at FROM token t"
        " JOIN document d USING (num) LEFT JOIN backend b ON b.name = t.backend"
        " WHERE t.handle = ?",
        (handle,),
    ).fetchone()
    return None if row is None else SeenRecord(*row)


def used_records(connection: Connection, handles: Iterable[str]) -> Iterator[tuple[bytes]]:
    """The records of those of the tokens whose own system tells when they were last used."""
    return connection.execute(
        "SELECT d.doc FROM token t JOIN document d USING (num) WHERE t.used_at IS NOT NULL"
        " AND t.handle IN (SELECT value FROM json_each(?))",
        (json.dumps(list(handles)),),
    )


def id_begins(connection: Connection, start: str) -> bool:
    """Whether some token's id begins with a text. It may look at every row."""
    found = connection.execute(
        "SELECT 1 FROM token WHERE substr(ref, 1, ?) = ? LIMIT 1", (len(start), start)
    )
    return found.fetchone() is not None


def first_seen(connection: Connection, handle: str) -> FirstSeen | None:
    """When a token was first seen; None where there is none with that handle."""
    row = connection.execute(
        "SELECT num, first_seen, appeared_at FROM token WHERE handle = ?", (handle,)
    ).fetchone()
    return None if row is None else FirstSeen(*row)


def changes(connection: Connection, num: int, limit: int) -> Iterator[tuple[Any, ...]]:
    """A token's history, newest first: at, kind, field, before, after and source each."""
    return connection.execute(
        "SELECT at, kind, field, before, after, source FROM change WHERE token = ?"
        " ORDER BY id DESC LIMIT ?",
        (num, limit),
    )


def changes_of(
    connection: Connection, handles: Iterable[str], limit: int
) -> Iterator[ChangedToken]:
    """The history of some tokens, newest first."""
    found = connection.execute(
        "SELECT token.handle, change.at, change.kind, field, before, after FROM token"
        " JOIN change ON change.token = token.num"
        " WHERE token.handle IN (SELECT value FROM json_each(?)) ORDER BY change.id DESC LIMIT ?",
        (json.dumps(list(handles)), limit),
    )
    return map(ChangedToken._make, found)


def created(connection: Connection, handles: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """Handle, name and time of creation of those of the tokens of which it is known."""
    return connection.execute(
        "SELECT handle, name, created_at FROM token WHERE created_at IS NOT NULL"
        " AND handle IN (SELECT value FROM json_each(?))",
        (json.dumps(list(handles)),),
    )


def named(connection: Connection, handles: Iterable[str]) -> list[tuple[str, str, str]]:
    """Handle, backend and name of tokens."""
    return connection.execute(
        "SELECT handle, backend, name FROM token WHERE handle IN (SELECT value FROM json_each(?))",
        (json.dumps(list(handles)),),
    ).fetchall()


def kinds(connection: Connection, handles: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Which kinds the tokens are of: each backend and kind once."""
    return connection.execute(
        "SELECT DISTINCT backend, kind FROM token WHERE handle IN (SELECT value FROM json_each(?))",
        (json.dumps(list(handles)),),
    )


def unanswered(connection: Connection) -> Iterator[UnansweredToken]:
    """The tokens that are there and that nobody answers for, by backend and name."""
    found = connection.execute(
        "SELECT handle, backend, name, owner, owner_gone FROM token"
        " WHERE status <> 'gone' AND (owner IS NULL OR owner_gone <> '')"
        " ORDER BY backend, name_key"
    )
    return map(UnansweredToken._make, found)


def present(
    connection: Connection, backend: str
) -> Iterator[tuple[int, str, str, str, int | None]]:
    """A backend's tokens that are not gone: number, scope, kind, id and when last not seen."""
    # The index is named, since the planner would rather read the whole table by its rows.
    return connection.execute(
        "SELECT num, scope, kind, ref, last_seen FROM token INDEXED BY ix_token_backend"
        " WHERE backend = ? AND gone_at IS NULL",
        (backend,),
    )


def long_ids(connection: Connection) -> dict[str, str]:
    """Ids that are no ordinary word, with the handles of their tokens."""
    return {str(ref): str(handle) for ref, handle in connection.execute(LONG_IDS)}
