"""What is really so in an estate, for tests and drills that check what a console claims."""

from __future__ import annotations

import sqlite3

from backends.estate.activity import works


def truth(
    db: sqlite3.Connection, now: int, system: str, version: int
) -> dict[tuple[str, str], bool]:
    """Whether each token's newest value, or that of a version, is accepted."""
    rows = db.execute(
        "SELECT token.system, token.id, token.dead_from, token.blocked_from, token.expires_at,"
        " secret.valid_until FROM token JOIN secret ON secret.token = token.n"
        " AND secret.version = CASE ? WHEN 0 THEN token.version ELSE ? END"
        " WHERE ? IN ('', token.system)",
        (version, version, system),
    )
    return {(row["system"], row["id"]): works(row, now, row["valid_until"]) for row in rows}


def changes(db: sqlite3.Connection, n: int, what: str) -> int:
    """How many changing calls of a sort (of any, for "") reached a token."""
    row = db.execute(
        "SELECT coalesce(sum(times), 0) FROM hit WHERE token = ? AND ? IN ('', what)", (n, what)
    ).fetchone()
    return int(row[0])


def all_changes(db: sqlite3.Connection) -> dict[tuple[str, str], dict[str, int]]:
    """How many changing calls of each sort reached each token, by system and id."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in db.execute("SELECT system, id, what, times FROM hit JOIN token ON n = hit.token"):
        found.setdefault((row["system"], row["id"]), {})[row["what"]] = row["times"]
    return found
