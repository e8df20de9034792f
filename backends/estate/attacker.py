"""An attacker's bot: it holds a token, and makes another one as soon as that is acted on."""

from __future__ import annotations

import sqlite3

from backends.estate.issuing import insert_token
from backends.estate.systems import SYSTEMS


def arm(connection: sqlite3.Connection, token: int, delay: int) -> None:
    """Let a bot watch a token; ``delay`` is how many seconds it takes to act."""
    connection.execute("INSERT INTO bot (token, delay, due_at) VALUES (?, ?, NULL)", (token, delay))


def alert(connection: sqlite3.Connection, token: int, now: int) -> None:
    """Tell the attackers that a changing call reached a token. Each acts once."""
    connection.execute(
        "UPDATE bot SET due_at = ? + delay WHERE token = ? AND due_at IS NULL", (now, token)
    )


def act(connection: sqlite3.Connection, seed: int, key: bytes, now: int) -> None:
    """Let the attackers whose time has come make their tokens, within the caller's transaction."""
    due = connection.execute(
        "SELECT id, token, due_at FROM bot WHERE due_at <= ? ORDER BY due_at, id", (now,)
    ).fetchall()
    for bot in due:
        connection.execute("DELETE FROM bot WHERE id = ?", (bot["id"],))
        remint(connection, seed, key, bot["token"], bot["due_at"])


def remint(
    connection: sqlite3.Connection, seed: int, key: bytes, token: int, at: int
) -> int | None:
    """Make a token by and for the principal of another; None where no slot is free.

    The principal itself is the creator: whoever has its token acts as it.
    """
    row = connection.execute("SELECT * FROM token WHERE n = ?", (token,)).fetchone()
    spec = SYSTEMS[row["system"]]
    slots = spec.capabilities.of(row["kind"]).slots
    if slots is not None and taken(connection, row, at) >= slots:
        return None
    n = insert_token(
        connection, seed, key, spec, at, name=f"{row['name'][:40]}-b", owner=row["owner"],
        principal=row["principal_id"], created_by=row["principal"], expires_at=None, parent=None,
        scope=row["scope"], grants=(), kind=row["kind"],
    )  # fmt: skip
    connection.execute("UPDATE token SET grants = ? WHERE n = ?", (row["grants"], n))
    return n


def taken(connection: sqlite3.Connection, row: sqlite3.Row, at: int) -> int:
    """How many tokens of a token's kind its principal has, itself included."""
    found = connection.execute(
        "SELECT count(*) FROM token WHERE system = ? AND principal_id = ? AND kind = ?"
        " AND (gone_at IS NULL OR gone_at > ?)",
        (row["system"], row["principal_id"], row["kind"], at),
    ).fetchone()
    return int(found[0])
