"""Turns the entries of a journal into those that version 1 would have written."""

from __future__ import annotations

import sqlite3

import msgspec
import rfc8785

from console.journal.format.entry import link, parse


def as_version_1(connection: sqlite3.Connection) -> None:
    """Write all entries anew as version 1, and its trigger with them."""
    prev = "0" * 64
    for seq, leaf in connection.execute("SELECT seq, leaf FROM entry ORDER BY seq").fetchall():
        members = msgspec.to_builtins(parse(leaf))
        members.pop("key", None)
        leaf = rfc8785.dumps({**members, "v": 1, "prev": prev})
        prev = link(leaf)
        connection.execute("UPDATE entry SET leaf = ? WHERE seq = ?", (leaf, seq))
    connection.execute("ALTER TABLE entry DROP COLUMN fp")
    connection.execute(
        "CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry"
        " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
    )
