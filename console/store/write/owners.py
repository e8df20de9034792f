"""Who answers for a token: claims, who left, and the owner that the inventory's rows show.

What is done for each token is in SQL: a statement by typed columns takes 30 times as long.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, delete, or_, select
from sqlmodel import col

from console.store.queries.tokens import LONG_IDS
from console.store.tables.graph import ClaimRow, DepartedRow
from console.store.tables.inventory import TokenRow


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
    connection.exec_driver_sql(
        "INSERT INTO claim (handle, owner, kind, how, origin, at, entry, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (handle, owner, kind, how, origin, at, entry, reason),
    )


def drop_claims(connection: Connection, how: str) -> None:
    """Forget the claims that came in one way: hand or declared."""
    connection.execute(delete(ClaimRow).where(col(ClaimRow.how) == how))


def drop_departed(connection: Connection, origin: str, *, others: bool = False) -> None:
    """Forget who left by an origin's word, or with ``others`` by all the others'."""
    row = col(DepartedRow.origin)
    connection.execute(delete(DepartedRow).where(row != origin if others else row == origin))


def depart(connection: Connection, key: str, origin: str, name: str, how: str) -> None:
    """Keep that somebody left, or was disabled; what an origin said of them before goes."""
    connection.exec_driver_sql(
        "INSERT OR REPLACE INTO departed (key, origin, name, how) VALUES (?, ?, ?, ?)",
        (key, origin, name, how),
    )


def disabled_principals(connection: Connection) -> list[str]:
    """The names of principals that their own system has disabled."""
    # In SQL, since only SQLite can look into the records without reading them all out.
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT json_extract(d.doc, '$.principal.value.name') FROM document d"
        " WHERE json_extract(d.doc, '$.principal.value.disabled') = 1"
    )
    return [name for (name,) in rows if name]


def names_of(connection: Connection) -> list[TokenNames]:
    """What every token can be called by."""
    row = TokenRow
    found = select(col(row.handle), col(row.backend), col(row.name), col(row.ref))
    return [TokenNames(*one) for one in connection.execute(found)]


def handles_of(connection: Connection, wanted: str) -> list[str]:
    """The tokens of a handle, an id, a name, or one of the two after ``BACKEND/``."""
    backend, _, rest = wanted.partition("/")
    row = TokenRow
    found = select(col(row.handle)).where(
        or_(
            col(row.handle) == wanted,
            col(row.ref) == wanted,
            col(row.name) == wanted,
            (col(row.backend) == backend) & or_(col(row.ref) == rest, col(row.name) == rest),
        )
    )
    return list(connection.execute(found.order_by(col(row.handle))).scalars())


def long_ids(connection: Connection) -> dict[str, str]:
    """Ids that are no ordinary word, with the handles of their tokens."""
    return {str(ref): str(handle) for ref, handle in connection.exec_driver_sql(LONG_IDS)}


def shown_owners(connection: Connection) -> list[str]:
    """The owners that tokens' rows show, each once."""
    owner = col(TokenRow.owner)
    found = connection.execute(select(owner).distinct().where(owner.is_not(None))).scalars()
    return [name for name in found if name is not None]


def to_resolve(connection: Connection, departed: Iterable[str]) -> list[OwnedToken]:
    """Tokens that are claimed, that show another owner than their record, or whose owner left."""
    rows = connection.exec_driver_sql(
        "SELECT t.num, t.handle, t.owner, t.owner_from, t.owner_gone, t.hay, t.grant_text, d.doc"
        " FROM token t JOIN document d USING (num) WHERE t.owner_from <> '' OR t.owner_gone <> ''"
        " OR t.handle IN (SELECT handle FROM claim)"
        " OR t.owner IN (SELECT value FROM json_each(?))",
        (json.dumps(list(departed)),),
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
    connection.exec_driver_sql(
        "UPDATE token SET owner = ?, owner_key = ?, owner_how = ?, owner_from = ?,"
        " owner_gone = ?, hay = ? WHERE num = ?",
        (owner, key, how, origin, gone, hay, num),
    )
