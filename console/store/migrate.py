"""Brings a store up to date with the migrations. Loads the database toolkit."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError

from console.store import reading

BUSY_S = 30.0
"""Seconds that it waits for somebody else's transaction."""


def migrate(path: Path) -> None:
    """Run the migrations that the store at ``path`` has not seen, in one transaction.

    Raises:
        StoreError: it is newer than this code, or from before the first release.
        sqlite3.Error: it cannot be written.
    """
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions of its own: see `begin` below.
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        with engine.begin() as connection:
            raw = connection.connection.driver_connection
            if not isinstance(raw, sqlite3.Connection):
                raise TypeError("the inventory needs SQLite")
            if reading.check_schema(raw, path, empty_is_fine=True) < reading.SCHEMA:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.exec_driver_sql(f"PRAGMA user_version = {reading.SCHEMA}")
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise error.orig from None
        raise
    finally:
        engine.dispose()


def schema_script() -> str:
    """What ``schema.sql`` has to be: the statements that make what all migrations make.

    ``python -m console.store.migrate > console/store/schema.sql`` writes it anew.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "new.db"
        migrate(path)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            made = [
                # The toolkit leaves a blank at the end of each line.
                "\n".join(line.rstrip() for line in sql.splitlines() if line.strip())
                for name, sql in connection.execute(
                    "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
                )
                # A virtual table makes those that it keeps its index in.
                if not name.startswith("token_fts_")
            ]
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    made += [
        f"INSERT INTO alembic_version (version_num) VALUES ('{revision}')",  # noqa: S608
        "INSERT INTO mark (name, value) VALUES ('generation', 1)",
        f"PRAGMA user_version = {reading.SCHEMA}",
    ]
    return "".join(f"{statement};\n" for statement in made)


if __name__ == "__main__":
    sys.stdout.write(schema_script())
