"""Which tokens of an estate tell something else than a moment ago, found without reading all.

Triggers note every token whose row or session was written, whoever wrote it; what is in the
log since, what the clock alone brings, and what it cannot tell are looked up. So nobody who
changes an estate has to remember to say so.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from backends.estate import database

NOTE: Final = (
    "INSERT INTO touched VALUES ({n}, (SELECT coalesce(max(turn), 0) + 1 FROM touched))"
    " ON CONFLICT (n) DO UPDATE SET turn = excluded.turn;"
)
KEPT: Final = (
    "CREATE TABLE IF NOT EXISTS touched (n INTEGER PRIMARY KEY, turn INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS touched_turn ON touched (turn)",
    "CREATE INDEX IF NOT EXISTS token_expires ON token (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS token_gone_at ON token (gone_at) WHERE gone_at IS NOT NULL",
    *(
        f"CREATE TRIGGER IF NOT EXISTS {table}_{event} AFTER {event} ON {table}"
        f" BEGIN {NOTE.format(n=n)} END"
        for table, n in (("token", "new.n"), ("session", "new.token"))
        for event in ("INSERT", "UPDATE")
    ),
)
"""What has to be in an estate's file so that changes are noted; made when first watched."""

MARK: Final = (
    "SELECT (SELECT coalesce(max(turn), 0) FROM touched),"
    " (SELECT coalesce(max(id), 0) FROM event),"
    " (SELECT coalesce(max(ended), 0) FROM silence),"
    " coalesce((SELECT settings FROM trouble WHERE system = ?), ''),"
    " (SELECT value FROM meta WHERE key = 'frozen'), (SELECT value FROM meta WHERE key = 'offset')"
)
"""One statement, as each takes and gives back the file's locks."""
WRITTEN: Final = (
    "SELECT token.id, token.kind FROM touched CROSS JOIN token USING (n)"
    " WHERE turn > ? AND +system = ?"
)
"""A plus sign before a column keeps SQLite from going through all of a system by its index."""
LOGGED: Final = (
    "SELECT DISTINCT token.id, token.kind FROM event LEFT JOIN token ON token.n = event.token"
    " WHERE event.id > ? AND +event.system = ?"
)
DUE: Final = (
    "SELECT id, kind FROM token WHERE expires_at > ? AND expires_at <= ? AND +system = ?"
    " UNION SELECT id, kind FROM token WHERE gone_at > ? AND gone_at <= ? AND +system = ?"
)
IN_USE: Final = (
    "SELECT 1 FROM session JOIN token ON token.n = session.token"
    " WHERE ended_at IS NULL AND system = ? LIMIT 1"
)

Changed = set[tuple[str, str] | None]
"""Tokens by id and kind; None where something changed that is no token's."""


class Mark(NamedTuple):
    """How far one system of an estate has been watched."""

    turn: int
    event: int
    silence: int
    trouble: str
    at: int
    """The estate's time, in unix seconds."""


def keep(connection: sqlite3.Connection) -> None:
    """Have changes noted from now on. Cheap where they are already."""
    have = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if all(statement.split(" ON ")[0].split()[-1] in have for statement in KEPT[1:]):
        return
    with database.writing(connection):
        for statement in KEPT:
            connection.execute(statement)


def mark(connection: sqlite3.Connection, system: str) -> Mark:
    """How far things are at this moment."""
    turn, event, silence, trouble, frozen, offset = connection.execute(MARK, (system,)).fetchone()
    return Mark(turn, event, silence, trouble, database.clock(frozen, offset))


def between(connection: sqlite3.Connection, system: str, old: Mark, new: Mark) -> Changed:
    """What of a system's is other at one mark than at the other before it."""
    found: Changed = set()
    if old[2:4] != new[2:4] or new.at < old.at:
        found.add(None)
    if old.turn != new.turn:
        found.update(map(tuple, connection.execute(WRITTEN, (old.turn, system))))
    if old.event != new.event:
        for id_, kind in connection.execute(LOGGED, (old.event, system)):
            found.add(None if id_ is None else (id_, kind))
    span = (old.at, new.at, system)
    found.update(map(tuple, connection.execute(DUE, (*span, *span))))
    return found


def in_use(connection: sqlite3.Connection, system: str) -> bool:
    """Whether a token of a system has an open session: then it is used at every moment."""
    return connection.execute(IN_USE, (system,)).fetchone() is not None
