"""What links have to be made of anew: noted by whoever writes, taken by whoever makes links.

A row of ``mark`` for each token or use, until it is taken; none before links were first made,
as they are made of everything then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from console.store.database import Connection
from console.store.queries.marks import LINKED, LOST, RECORD, USED, behind, beyond

_NOTE = (
    "INSERT OR IGNORE INTO mark (name, value) SELECT ? || value, 1 FROM json_each(?)"
    " WHERE EXISTS (SELECT 1 FROM mark WHERE name = ?)"
)


def note_tokens(connection: Connection, numbers: Iterable[int]) -> None:
    """Note that tokens' records, or what their rows show, are different."""
    connection.execute(_NOTE, (RECORD, json.dumps(list(numbers)), LINKED))


def note_used(connection: Connection, handles: Iterable[str]) -> None:
    """Note that the store's events tell other uses of tokens than before."""
    connection.execute(_NOTE, (USED, json.dumps(list(handles)), LINKED))


def note_lost(connection: Connection) -> None:
    """Note that tokens are not in the store any more."""
    put(connection, LOST, 1)


def put(connection: Connection, name: str, value: int) -> None:
    """Set a mark."""
    connection.execute("INSERT OR REPLACE INTO mark (name, value) VALUES (?, ?)", (name, value))


def bump(connection: Connection, name: str) -> None:
    """Let a mark grow by one, from nothing where it is not set."""
    connection.execute(
        "INSERT INTO mark (name, value) VALUES (?, 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1",
        (name,),
    )


def take(connection: Connection, kind: str) -> list[str]:
    """All that is noted of a kind, ``RECORD`` or ``USED``; it is noted no longer."""
    found = behind(connection, kind)
    connection.execute("DELETE FROM mark WHERE name > ? AND name < ?", (kind, beyond(kind)))
    return found


def drop(connection: Connection, name: str) -> None:
    """Take a mark away."""
    connection.execute("DELETE FROM mark WHERE name = ?", (name,))
