"""The journal's database file: its tables, and connections whose safety is read back.

SQLite in WAL mode with ``synchronous=FULL``: a commit returns after the log is on disk.
Versions 3.7.0 to 3.51.2 can corrupt a database when a checkpoint meets a commit of
another connection (sqlite.org/wal.html, "the WAL-reset bug"). So automatic checkpoints
are off, and both appends and checkpoints happen only under one exclusive file lock.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from console.errors import JournalError

APPLICATION_ID = 0x544B4A4C
"""Tells the file apart from any other SQLite database ("TKJL")."""
SCHEMA_VERSION = 3

_TEXT = "CAST(leaf AS TEXT)"
_PARTS = {
    "id": "$.id",
    "kind": "$.type",
    "prev": "$.prev",
    "handle": "$.act.target.handle",
    "state": "$.out.state",
    "fp": "$.act.target.fp",
}
_COLUMN = {
    name: f"{name} TEXT GENERATED ALWAYS AS (json_extract({_TEXT}, '{path}')) VIRTUAL"
    for name, path in _PARTS.items()
}
_COLUMN["plan"] = (
    "plan TEXT GENERATED ALWAYS AS (coalesce("
    f"json_extract({_TEXT}, '$.act.plan_ref'), json_extract({_TEXT}, '$.run.plan'))) VIRTUAL"
)
_COLUMNS = ",\n".join(f"  {column}" for column in _COLUMN.values())
_REF = (
    f"ref TEXT GENERATED ALWAYS AS (coalesce(json_extract({_TEXT}, '$.out.ref'),"
    f" json_extract({_TEXT}, '$.act.plan_ref'))) VIRTUAL"
)
_STEP = f"step TEXT GENERATED ALWAYS AS (coalesce(json_extract({_TEXT}, '$.act.step'), '')) VIRTUAL"
COLUMNS = (*_COLUMN.values(), _REF, _STEP)
"""How each column beside the leaf is computed from it."""
_TREE = """
CREATE TABLE node (level INTEGER, idx INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, idx))
  WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY CHECK (size > 0), note BLOB NOT NULL);
CREATE TABLE cosigned (size INTEGER NOT NULL, note BLOB NOT NULL, PRIMARY KEY (size, note))
  WITHOUT ROWID;
CREATE INDEX entry_fp ON entry (fp) WHERE fp IS NOT NULL;
"""
_PLAN_INDEX = "CREATE INDEX entry_plan ON entry (plan);"
_FROM_1 = f"ALTER TABLE entry ADD COLUMN {_COLUMN['fp']};{_TREE}"
_FROM_2 = f"""
DROP INDEX entry_plan;
ALTER TABLE entry DROP COLUMN plan;
ALTER TABLE entry ADD COLUMN {_COLUMN["plan"]};
{_PLAN_INDEX}
"""
UPGRADES = {1: _FROM_1 + _FROM_2, 2: _FROM_2}
"""By the version of the file. Version 1 had the entries alone, and 2 none about runs.

Only computed columns and what follows from the entries changes; they stay untouched.
"""
_STAND_IN = """
CREATE TEMP TABLE node (level INTEGER, idx INTEGER, hash BLOB);
CREATE TEMP TABLE checkpoint (size INTEGER, note BLOB);
CREATE TEMP TABLE cosigned (size INTEGER, note BLOB);
"""

SCHEMA = f"""
CREATE TABLE entry (
  seq INTEGER PRIMARY KEY CHECK (seq > 0 AND seq = json_extract({_TEXT}, '$.seq')),
  leaf BLOB NOT NULL CHECK (typeof(leaf) = 'blob'),
{_COLUMNS},
  {_REF},
  {_STEP},
  CHECK (id IS NOT NULL AND kind IS NOT NULL AND prev IS NOT NULL)
);
CREATE UNIQUE INDEX entry_id ON entry (id);
CREATE UNIQUE INDEX entry_prev ON entry (prev);
CREATE UNIQUE INDEX entry_once ON entry (ref, kind, step)
  WHERE kind IN ('outcome', 'recovery', 'recovery.claim');
CREATE INDEX entry_ref ON entry (ref, kind, state);
CREATE INDEX entry_kind ON entry (kind, id);
{_PLAN_INDEX}
CREATE INDEX entry_handle ON entry (handle);
CREATE TRIGGER entry_in_order BEFORE INSERT ON entry
  WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM entry)
    OR EXISTS (SELECT 1 FROM entry WHERE id = json_extract(CAST(NEW.leaf AS TEXT), '$.id'))
  BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry
  BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry
  BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
{_TREE}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""  # noqa: S608 - built from constants only.
"""One table. All columns but ``seq`` are computed from the leaf, so none can disagree with it.

The triggers stop mistakes, not attackers: whoever owns the file can drop them. The signed
checkpoints show an edit; only a checkpoint kept elsewhere shows a cut tail. ``node`` and
``checkpoint`` have no triggers, since both can be made anew from the entries. Nodes of
level 0 are not stored: they are the entries' own hashes.
"""


def wal(path: Path) -> Path:
    """The write-ahead log beside a database file."""
    return path.with_name(path.name + "-wal")


def connect_to_write(path: Path) -> sqlite3.Connection:
    """A connection for appending. The caller holds the exclusive lock while it writes.

    Raises:
        JournalError: not a journal, made by a newer console, or not safe to write to.
    """
    fresh = not path.exists()
    try:
        if fresh:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
        try:
            _make_safe(connection, path)
            version = _version(connection, path)
            if version == 0:
                connection.executescript(f"BEGIN IMMEDIATE;{SCHEMA}COMMIT;")
            elif version in UPGRADES:
                mark = f"PRAGMA user_version = {SCHEMA_VERSION};"
                connection.executescript(f"BEGIN IMMEDIATE;{UPGRADES[version]}{mark}COMMIT;")
        except BaseException:
            connection.close()
            raise
        if fresh:
            _sync_directory(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise _trouble(path, error) from None
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection | None:
    """A read-only connection; None when there is no journal yet.

    Raises:
        JournalError: not a journal, or made by a newer console.
    """
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro",
            uri=True,
            timeout=10,
            isolation_level=None,
            check_same_thread=False,
        )
        version = _version(connection, path)
        if version == 0:
            connection.close()
            return None
        if version == 1:
            # No tree yet. Empty tables of this connection's own stand in for it.
            connection.executescript(_STAND_IN)
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise _trouble(path, error) from None
    return connection


def mode(connection: sqlite3.Connection) -> str:
    """How the file takes what is written: "wal" is how we made it."""
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def _make_safe(connection: sqlite3.Connection, path: Path) -> None:
    wanted = {
        "journal_mode": ("WAL", "wal"),
        "synchronous": ("FULL", 2),
        "wal_autocheckpoint": ("0", 0),
        "mmap_size": ("0", 0),
        # Asks for a flush of the drive's own cache on macOS; nothing elsewhere.
        "fullfsync": ("ON", 1),
    }
    for name, (value, reads) in wanted.items():
        connection.execute(f"PRAGMA {name} = {value}")
        row = connection.execute(f"PRAGMA {name}").fetchone()
        # A build without memory mapping has no answer to mmap_size, which is as good as 0.
        if row is not None and row[0] != reads:
            raise JournalError(
                f"{path}: SQLite keeps {name} at {row[0]} instead of {value}",
                "Nothing is sent, as the journal could lose an entry. Put it on a local disk.",
            )


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    mark = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if tables and mark != APPLICATION_ID:
        raise JournalError(
            f"{path} is not a journal", "Move that file away; a new journal begins by itself."
        )
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} was written by a newer token-console", "Use that version, or a newer one."
        )
    return version


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _trouble(path: Path, error: Exception) -> JournalError:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        hint = f"Another program has it open and holds it. See who: sudo fuser {path}."
    elif code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == errno.ENOSPC:
        hint = "Free space on its disk."
    else:
        hint = "Look it over: token-console journal doctor."
    return JournalError(
        f"cannot use the journal {path}: {error}", f"Nothing is sent while that is so. {hint}"
    )
