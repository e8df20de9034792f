"""Takes a backend out of the store.

In SQL, since each statement is one deletion by a list of keys or by the backend's name.
"""

from __future__ import annotations

import json

from console.store.database import Connection
from console.store.write import marks
from console.store.write.tokens import unindex

_OF_TOKENS = (
    "DELETE FROM change WHERE token IN (SELECT value FROM json_each(?))",
    "DELETE FROM document WHERE num IN (SELECT value FROM json_each(?))",
    "DELETE FROM token WHERE num IN (SELECT value FROM json_each(?))",
)
_OF_BACKEND = (
    "DELETE FROM sealed WHERE key IN (SELECT key FROM event WHERE backend = ?)",
    "DELETE FROM event WHERE backend = ?",
    "DELETE FROM gap WHERE backend = ?",
    "DELETE FROM rollup WHERE backend = ?",
    "DELETE FROM log_hole WHERE backend = ?",
    "DELETE FROM log_name WHERE backend = ?",
    "DELETE FROM log_position WHERE source IN (SELECT name FROM log_source WHERE backend = ?)",
    "DELETE FROM log_learned WHERE source IN (SELECT name FROM log_source WHERE backend = ?)",
    "DELETE FROM log_source WHERE backend = ?",
    "DELETE FROM scope WHERE backend = ?",
    "DELETE FROM backend WHERE name = ?",
)


def remove_tokens(connection: Connection, backend: str, most: int) -> int:
    """Remove some of a backend's tokens with all that is theirs. Returns how many went."""
    rows = connection.execute(
        "SELECT num, hay, grant_text, handle FROM token WHERE backend = ? LIMIT ?",
        (backend, most),
    ).fetchall()
    if not rows:
        return 0
    unindex(connection, [(num, hay, grant_text) for num, hay, grant_text, _ in rows])
    handles = json.dumps([row[3] for row in rows])
    connection.execute(
        "DELETE FROM use_hour WHERE handle IN (SELECT value FROM json_each(?))",
        (handles,),
    )
    numbers = json.dumps([row[0] for row in rows])
    for statement in _OF_TOKENS:
        connection.execute(statement, (numbers,))
    marks.note_lost(connection)
    return len(rows)


def remove_rest(connection: Connection, backend: str) -> None:
    """Remove a backend's row, coverage and events, once its tokens are gone."""
    for statement in _OF_BACKEND:
        connection.execute(statement, (backend,))
    marks.note_lost(connection)
