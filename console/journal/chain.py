"""Checks the journal: every entry's form, the order, and the hash link to the one before."""

from __future__ import annotations

import sqlite3

from console.journal.entry import GENESIS, Kind, SchemaError, link, parse


def check(connection: sqlite3.Connection) -> tuple[bool, str]:
    """Whether the journal is whole, and the first thing that is wrong. Streams.

    An entry that was edited, removed from the middle, put in or moved is found. A tail
    that was cut off, or a chain that somebody computed anew to its end, is not: that
    takes a signed checkpoint which another machine has seen.
    """
    try:
        ill = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if ill != "ok":
            return False, f"the database is damaged: {ill}"
        return _walk(connection)
    except sqlite3.DatabaseError as error:
        return False, f"the database cannot be read: {error}"


def _walk(connection: sqlite3.Connection) -> tuple[bool, str]:
    prev = GENESIS
    origin = ""
    expected = 1
    for seq, leaf in connection.execute("SELECT seq, leaf FROM entry ORDER BY seq"):
        if seq != expected:
            return False, f"entry {expected} is missing"
        try:
            body = parse(leaf)
        except SchemaError as error:
            return False, f"entry {seq} cannot be read: {error}"
        if body.seq != seq:
            return False, f"entry {seq} says that it is number {body.seq}"
        if body.prev != prev:
            return False, f"entry {seq} does not follow from entry {seq - 1}: one of them changed"
        if (body.type is Kind.LOG_OPEN) != (seq == 1):
            return False, f"entry {seq} is of kind {body.type}"
        origin = origin or body.log
        if body.log != origin:
            return False, f"entry {seq} belongs to another journal"
        prev = link(leaf)
        expected += 1
    return True, ""
