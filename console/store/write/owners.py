"""Who answers for a token: claims, who left, and the owner that the inventory's rows show."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from console.store.database import Connection
from console.store.queries.tokens import LONG_IDS


class OwnedToken(NamedTuple):
    """A token whose owner may be another than its record says."""

    num: int
    handle: str
    owner: str | None
    owner_from: str
    owner_gone: str
    hay: str
    grant_text: str
    doc: bytes


class TokenNames(NamedTuple):
    """What a token can be called by in a file of a team's."""

    handle: str
    backend: str
    name: str
    ref: str


def claim(
    connection: Connection,
    handle: str,
    owner: str,
    kind: str,
    *,
    how: str,
    origin: str,
    at: int | None = None,
    entry: str = "",
    reason: str = "",
) -> None:
    """Keep that somebody says who owns a token; ``entry`` is the journal's, for one by hand."""
    connection.execute(
        "INSERT INTO claim (handle, owner, kind, how, origin, at, entry, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (handle, owner, kind, how, origin, at, entry, reason),
    )


def drop_claims(connection: Connection, how: str) -> None:
    """Forget the claims that came in one way: hand or declared."""
    connection.execute("DELETE FROM claim WHERE how = ?", (how,))


def drop_departed(connection: Connection, origin: str, *, others: bool = False) -> None:
    """Forget who left by an origin's word, or with ``others`` by all the others'."""
    connection.execute("DELETE FROM departed WHERE (origin <> ?) = ?", (origin, others))


def depart(connection: Connection, key: str, origin: str, name: str, how: str) -> None:
    """Keep that somebody left, or was disabled; what an origin said of them before goes."""
    connection.execute(
        "INSERT OR REPLACE INTO departed (key, origin, name, how) VALUES (?, ?, ?, ?)",
        (key, origin, name, how),
    )


def departed_of(connection: Connection, origin: str) -> frozenset[str]:
    """The keys of those who left, or were disabled, by an origin's word."""
    rows = connection.execute("SELECT key FROM departed WHERE origin = ?", (origin,))
    return frozenset(key for (key,) in rows)


def disabled_principals(connection: Connection) -> list[str]:
    """The names of principals that their own system has disabled."""
    # SQLite looks into the records, so that they are not all read out.
    rows = connection.execute(
        "SELECT DISTINCT json_extract(d.doc, '$.principal.value.name') FROM document d"
        " WHERE json_extract(d.doc, '$.principal.value.disabled') = 1"
    )
    return [name for (name,) in rows if name]


def names_of(connection: Connection) -> list[TokenNames]:
    """What every token can be called by."""
    rows = connection.execute("SELECT handle, backend, name, ref FROM token")
    return [TokenNames(*row) for row in rows]


def handles_of(connection: Connection, wanted: str) -> list[str]:
    """The tokens of a handle, an id, a name, or one of the two after ``BACKEND/``."""
    backend, _, rest = wanted.partition("/")
    rows = connection.execute(
        "SELECT handle FROM token WHERE handle = :wanted OR ref = :wanted OR name = :wanted"
        " OR (backend = :backend AND (ref = :rest OR name = :rest)) ORDER BY handle",
        {"wanted": wanted, "backend": backend, "rest": rest},
    )
    return [handle for (handle,) in rows]


def long_ids(connection: Connection) -> dict[str, str]:
    """Ids that are no ordinary word, with the handles of their tokens."""
    return {str(ref): str(handle) for ref, handle in connection.execute(LONG_IDS)}


def shown_owners(connection: Connection, numbers: Iterable[int] | None = None) -> list[str]:
    """The owners that tokens' rows show, each once; with ``numbers`` the rows of these."""
    only = "" if numbers is None else " AND num IN (SELECT value FROM json_each(?))"
    given = () if numbers is None else (json.dumps(list(numbers)),)
    rows = connection.execute(
        f"SELECT DISTINCT owner FROM token WHERE owner IS NOT NULL{only}",  # noqa: S608
        given,
    )
    return [name for (name,) in rows]


def to_resolve(
    connection: Connection, departed: Iterable[str], numbers: Iterable[int] | None = None
) -> list[OwnedToken]:
    """Tokens that are claimed, that show another owner than their record, or whose owner left.

    With ``numbers`` only those of these tokens.
    """
    only = "" if numbers is None else "t.num IN (SELECT value FROM json_each(?)) AND "
    given = [json.dumps(list(departed))]
    if numbers is not None:
        given.insert(0, json.dumps(list(numbers)))
    rows = connection.execute(
        "SELECT t.num, t.handle, t.owner, t.owner_from, t.owner_gone, t.hay, t.grant_text, d.doc"  # noqa: S608
        f" FROM token t JOIN document d USING (num) WHERE {only}(t.owner_from <> ''"
        " OR t.owner_gone <> '' OR t.handle IN (SELECT handle FROM claim)"
        " OR t.owner IN (SELECT value FROM json_each(?)))",
        given,
    )
    return [OwnedToken(*row) for row in rows]


def set_owner(
    connection: Connection,
    num: int,
    *,
    owner: str | None,
    key: str | None,
    how: str,
    origin: str,
    gone: str,
    hay: str,
) -> None:
    """Show an owner in a token's row: ``origin`` is who says so, ``gone`` why it counts no more."""
    connection.execute(
        "UPDATE token SET owner = ?, owner_key = ?, owner_how = ?, owner_from = ?,"
        " owner_gone = ?, hay = ? WHERE num = ?",
        (owner, key, how, origin, gone, hay, num),
    )
