"""A read-only connection to the store with nothing but the standard library.

The screen and the command line read through this; they never load SQLAlchemy.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from urllib.parse import quote

from console.errors import StoreError

SCHEMA = 6
"""The number of the schema that this code reads and writes (``PRAGMA user_version``)."""
FIRST_SCHEMA = 6
"""The oldest that can be brought up to date. Those before it were never released."""

CACHE_HINT = (
    "It is a cache: remove it and the next sync fills it again. "
    "The history of changes is in it and would be lost; the journal is not."
)


class OldStore(StoreError):
    """An older version wrote the store; opening it to write brings it up to date."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the store to read. One connection belongs to one thread at a time.

    Raises:
        StoreError: there is no store yet, it is damaged, or a newer version wrote it.
    """
    if not path.exists():
        raise StoreError(f"there is no inventory at {path} yet", "Fill it: token-console sync.")
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10,
        )
        try:
            check_schema(connection, path)
            connection.execute("PRAGMA query_only = 1")
            connection.execute("PRAGMA cache_size = -16384")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise unusable(path, error) from None
    return connection


def check_schema(connection: sqlite3.Connection, path: Path, *, empty_is_fine: bool = False) -> int:
    """The schema number of an open store.

    Raises:
        StoreError: it is newer than this code, or from before the first release.
        OldStore: it has to be made or brought up to date first, and nothing said that this
            is fine.
        sqlite3.Error: it cannot be read.
    """
    number = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if number > SCHEMA:
        raise StoreError(
            f"{path} was written by a newer token-console (schema {number}, known here: {SCHEMA})",
            "Upgrade token-console, or point TOKEN_CONSOLE_HOME to another directory.",
        )
    if 0 < number < FIRST_SCHEMA:
        raise StoreError(
            f"{path} was written by a token-console from before the first release", CACHE_HINT
        )
    if number < SCHEMA and not empty_is_fine:
        raise OldStore(f"{path} is not ready to be read", "Run: token-console sync.")
    return number


def data_version(connection: sqlite3.Connection) -> int:
    """A number that is another one when some other connection has written."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def generation(connection: sqlite3.Connection) -> int:
    """A number that grows with every commit that tells a reader something new.

    What only notes that all is as it was does not change it.
    """
    found = connection.execute("SELECT value FROM mark WHERE name = 'generation'")
    return int(found.fetchone()[0])


def unusable(path: Path, error: Exception) -> StoreError:
    """What to tell when SQLite cannot use the file."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return StoreError(f"{path} is busy: {text}", "Another token-console writes; try again.")
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return StoreError(f"{path} is damaged: {text}", CACHE_HINT)
    hint = "Check its owner and mode."
    if "full" in text or getattr(error, "errno", None) == errno.ENOSPC:
        hint = "Free space on its disk."
    return StoreError(f"cannot use {path}: {text}", hint)
