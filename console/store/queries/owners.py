"""Who answers for a token: what was claimed, and who left."""

from __future__ import annotations

from collections.abc import Iterator
from sqlite3 import Connection
from typing import Any


def departed(connection: Connection) -> Iterator[tuple[str, str]]:
    """Who left or was disabled: the folded name, and how.

    Who is both comes twice, "left" last, so that it is what a dictionary of them keeps.
    """
    return connection.execute("SELECT key, how FROM departed ORDER BY how")


def claims(connection: Connection, handle: str) -> Iterator[tuple[Any, ...]]:
    """What was claimed by hand or in files, in the order in which it came.

    Each has owner, its kind, how it came, origin, time, the journal's entry, and the reason.
    """
    return connection.execute(
        "SELECT owner, kind, how, origin, at, entry, reason FROM claim WHERE handle = ?"
        " ORDER BY id",
        (handle,),
    )
