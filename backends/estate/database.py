"""The estate's one SQLite file: its tables, and how every process opens it.

Worker, runner and command line all have it open at once, hence WAL, a patient busy
timeout, and one short write transaction at a time. All points in time are whole seconds
since 1970 in UTC.
"""

from __future__ import annotations

import os
import pwd
import shlex
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backends.errors import ConfigError

FORMAT = 2
"""Kept in ``PRAGMA user_version``; a file of another format is refused."""

BUSY_MS = 30_000
"""How long a process waits for another one's transaction."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE token (
    n INTEGER PRIMARY KEY,
    system TEXT NOT NULL,
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    principal_kind TEXT NOT NULL,
    principal_off INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    owner_how TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER,
    used_at INTEGER,
    used_from TEXT,
    used_for TEXT,
    grants TEXT NOT NULL,
    parent INTEGER,
    disabled INTEGER NOT NULL DEFAULT 0,  -- what the record says
    blocked_from INTEGER,                 -- from when a disabled one is refused
    gone_at INTEGER,                      -- from when the record says that it is gone
    dead_from INTEGER,                    -- from when its value is refused
    version INTEGER NOT NULL DEFAULT 1,
    binding TEXT NOT NULL DEFAULT 'bearer',
    facts TEXT NOT NULL DEFAULT '[]',
    label TEXT NOT NULL DEFAULT '',       -- the intent that made it, where the system keeps one
    predecessor INTEGER,                  -- the token that it was made to replace
    superseded INTEGER NOT NULL DEFAULT 0,
    made_wall INTEGER                     -- created_at by the clock of this machine
);
CREATE TABLE secret (
    digest BLOB NOT NULL,
    token INTEGER NOT NULL,
    version INTEGER NOT NULL,
    valid_until INTEGER,
    intent TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (digest, token)
) WITHOUT ROWID;
CREATE TABLE consumer (
    id INTEGER PRIMARY KEY,
    token INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    period INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    diurnal INTEGER NOT NULL,
    k INTEGER NOT NULL,
    next_at INTEGER,                      -- NULL once it has given up
    last_at INTEGER,
    stale INTEGER NOT NULL DEFAULT 0,     -- never takes up a new value
    moves_to INTEGER,                     -- the token whose new value it takes up,
    moves_at INTEGER,                     -- and when
    value_until INTEGER                   -- from when the value that it holds is refused
);
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    token INTEGER NOT NULL,
    consumer INTEGER NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER
);
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    system TEXT NOT NULL,
    at INTEGER NOT NULL,
    token INTEGER,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    actor TEXT NOT NULL,
    target TEXT NOT NULL,
    source TEXT NOT NULL,
    agent TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE hit (
    token INTEGER NOT NULL, what TEXT NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (token, what)
) WITHOUT ROWID;
CREATE TABLE bot (
    id INTEGER PRIMARY KEY,
    token INTEGER NOT NULL,
    delay INTEGER NOT NULL,
    due_at INTEGER                        -- NULL until the token is acted on
);
CREATE TABLE bucket (system TEXT PRIMARY KEY, level REAL NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE silence (began INTEGER NOT NULL, ended INTEGER NOT NULL);
CREATE TABLE trouble (system TEXT PRIMARY KEY, settings TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counter (
    system TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,
    PRIMARY KEY (system, name)
) WITHOUT ROWID;
"""

INDEXES = """
CREATE UNIQUE INDEX token_id ON token (system, id);
CREATE INDEX token_scope ON token (system, scope, n);
CREATE INDEX token_principal ON token (system, principal_id);
CREATE INDEX token_parent ON token (parent) WHERE parent IS NOT NULL;
CREATE INDEX token_gone ON token (n) WHERE gone_at IS NOT NULL;
CREATE INDEX consumer_token ON consumer (token);
CREATE INDEX consumer_next ON consumer (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX secret_token ON secret (token);
CREATE INDEX token_predecessor ON token (predecessor) WHERE predecessor IS NOT NULL;
CREATE INDEX session_token ON session (token) WHERE ended_at IS NULL;
CREATE INDEX event_at ON event (system, at);
"""
"""Made after the rows: a tenth of the time of keeping them up row by row."""


def connect(path: Path) -> sqlite3.Connection:
    """Open an estate that exists. The caller may use the connection from any one thread.

    Raises:
        ConfigError: there is none, it is of another format, or somebody else's.
    """
    if not path.is_file():
        raise ConfigError(
            f"there is no estate at {path}", "Make one: token-console demo.", option="path"
        )
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        owner, me, quoted = path.stat().st_uid, os.geteuid(), shlex.quote(str(path))
        if owner == me:
            # To own it already is no help where its mode forbids it to everybody.
            told, mend = "is yours, and its mode keeps you out", f"chmod u+rw {quoted}"
        else:
            told = f"belongs to {_name(owner)}, and you are {_name(me)}"
            mend = f"sudo chown {_name(me)}: {quoted}"
        raise ConfigError(f"{path} {told}", f"Type: {mend}", option="path")
    connection = sqlite3.connect(
        path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError:
        connection.close()
        raise ConfigError(f"{path} is not an estate", option="path") from None
    if found != FORMAT:
        connection.close()
        raise ConfigError(
            f"the estate at {path} has format {found}; this version reads format {FORMAT}",
            "Delete the file; the next `token-console demo` makes a new one.",
            option="path",
        )
    # A simulation outlives every killed process, and need not outlive a power cut.
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One write transaction, taken at once so that two processes never deadlock half-way."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def get(connection: sqlite3.Connection, key: str) -> str | None:
    """A setting of the estate; None where it was never put."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def put(connection: sqlite3.Connection, key: str, value: str | None) -> None:
    """Keep a setting of the estate, within the transaction of the caller; None removes it."""
    if value is None:
        connection.execute("DELETE FROM meta WHERE key = ?", (key,))
    else:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def clock(frozen: str | None, offset: str | None) -> int:
    """An estate's own time, by two settings: the wall's plus an offset, unless it was frozen."""
    return int(frozen) if frozen is not None else int(time.time()) + int(offset or 0)


def tally(connection: sqlite3.Connection, system: str, name: str) -> int:
    """How far a counter has come."""
    row = connection.execute(
        "SELECT value FROM counter WHERE system = ? AND name = ?", (system, name)
    ).fetchone()
    return 0 if row is None else int(row[0])


def count(connection: sqlite3.Connection, system: str, name: str) -> int:
    """Add one to a counter and return it. Counters pace what goes wrong every n-th time."""
    row = connection.execute(
        "INSERT INTO counter VALUES (?, ?, 1)"
        " ON CONFLICT (system, name) DO UPDATE SET value = value + 1 RETURNING value",
        (system, name),
    ).fetchone()
    return int(row[0])
