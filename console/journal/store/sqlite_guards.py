"""Whether a journal's database is made as we made it: triggers, computed columns, indexes.

Entries are proved by their hashes and signatures, whatever the database does. But a trigger
of somebody else can swallow the next one, a column that is computed otherwise hides an open
call from every list, and without our triggers a mistake can change entries.
"""

from __future__ import annotations

import functools
import sqlite3
from typing import NamedTuple

from console.journal.store.base import Odd
from console.journal.store.sqlite_file import COLUMNS, SCHEMA, SCHEMA_VERSION
from console.text import safe

_LISTED = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL"


class _Made(NamedTuple):
    kind: str
    table: str
    sql: str


def sqlite_odd(connection: sqlite3.Connection) -> list[Odd]:
    """What is missing or strange in a SQLite journal. Raises ``sqlite3.Error``."""
    found = _listed(connection)
    wanted = _wanted()
    if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        # An older one gets its columns and indexes at its next start; its triggers are these.
        wanted = {name: each for name, each in wanted.items() if each.kind == "trigger"}
    odd: list[Odd] = []
    for name, made in wanted.items():
        there = found.get(name)
        if there is None:
            odd.append(Odd(False, _missing(name, made)))
        elif made.kind == "table" and name == "entry":
            if any(column not in there.sql for column in _columns()):
                text = "the columns of the entries are not computed from their bytes any more"
                odd.append(Odd(True, text))
        elif there != made:
            odd.append(Odd(True, f"the {made.kind} {name} is not the one that we made"))
    odd += [
        Odd(True, f"a trigger that is not ours: {safe(name, 60)} on {safe(made.table, 60)}")
        for name, made in found.items()
        if made.kind == "trigger" and name not in wanted
    ]
    return odd


def sqlite_indexes(connection: sqlite3.Connection) -> list[Odd]:
    """Whether every entry is in every index: a list through one that lacks some hides them.

    Only of a file whose pages are known not to be damaged, which is told apart.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    ill = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return [] if ill == "ok" else [Odd(True, f"an index is not that of the entries: {ill}")]


def sqlite_mend(connection: sqlite3.Connection) -> list[Odd]:
    """Put a SQLite journal right, inside a transaction. Returns what was mended.

    Raises:
        sqlite3.Error: it cannot be done.
    """
    odd = sqlite_odd(connection) + sqlite_indexes(connection)
    found, wanted = _listed(connection), _wanted()
    if not odd:
        return odd
    for name, made in found.items():
        strange = made.kind == "trigger" and wanted.get(name) != made
        if strange or (made.kind == "index" and name in wanted and wanted[name] != made):
            connection.execute(f"DROP {made.kind.upper()} {_quoted(name)}")
    if any(column not in found["entry"].sql for column in _columns()):
        # Nothing of a computed column is stored, so its definition is all there is to mend.
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = 'entry'",
            (_stored()["entry"],),
        )
        version = int(connection.execute("PRAGMA schema_version").fetchone()[0])
        connection.execute(f"PRAGMA schema_version = {version + 1}")
        connection.execute("PRAGMA writable_schema = OFF")
    left = _listed(connection)
    for name, made in wanted.items():
        if name not in left and made.kind in ("trigger", "index"):
            connection.execute(_stored()[name])
    connection.execute("REINDEX")
    return odd


def _missing(name: str, made: _Made) -> str:
    if made.kind == "trigger":
        return f"the trigger {name}, which keeps entries from being changed, is gone"
    return f"the {made.kind} {name} is gone"


def _listed(connection: sqlite3.Connection) -> dict[str, _Made]:
    return {
        str(name): _Made(str(kind), str(table), _plain(str(sql)))
        for kind, name, table, sql in connection.execute(_LISTED)
        if not (kind == "table" and str(name).startswith("sqlite_"))
    }


@functools.cache
def _stored() -> dict[str, str]:
    """The statements of a new journal, by the names of what they make."""
    fresh = sqlite3.connect(":memory:")
    try:
        fresh.executescript(SCHEMA)
        return {str(name): str(sql) for _, name, _, sql in fresh.execute(_LISTED)}
    finally:
        fresh.close()


@functools.cache
def _wanted() -> dict[str, _Made]:
    fresh = sqlite3.connect(":memory:")
    try:
        fresh.executescript(SCHEMA)
        return _listed(fresh)
    finally:
        fresh.close()


@functools.cache
def _columns() -> tuple[str, ...]:
    return tuple(_plain(each) for each in COLUMNS)


def _plain(sql: str) -> str:
    return " ".join(sql.split())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
