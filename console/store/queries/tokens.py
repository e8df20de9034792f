"""Tokens, as a look at their backend compares them with what it saw."""

from __future__ import annotations

from collections.abc import Iterator
from sqlite3 import Connection


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
