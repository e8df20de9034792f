"""The store: its file, its migrations, and what happens when it cannot be used."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from console.errors import StoreError
from console.inventory.search.inventory import Inventory
from console.store import reading, tables
from console.store.database import SCHEMA_FILE, open_for_writing
from console.store.migrate import migrate, schema_script
from console.store.upkeep import bring_up_to_date


def test_the_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    migrate(path)

    def ours(_object: object, name: str | None, type_: str, *_: object) -> bool:
        return not (type_ == "table" and (name or "").startswith(("token_fts", "token_terms")))

    with create_engine(f"sqlite:///{path}").connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, tables.METADATA) == []


def test_a_new_store_is_what_the_migrations_make(tmp_path: Path) -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_script()
    made, migrated = tmp_path / "made.db", tmp_path / "migrated.db"
    open_for_writing(made).dispose()
    migrate(migrated)

    def shape(path: Path) -> list[tuple[object, ...]]:
        with sqlite3.connect(path) as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema")]
            found = [
                (name, *column)
                for name in sorted(names)
                for column in connection.execute("SELECT * FROM pragma_table_xinfo(?)", (name,))
            ]
            found += connection.execute("SELECT name, value FROM mark")
            found += connection.execute("SELECT version_num FROM alembic_version")
            return [*found, *connection.execute("PRAGMA user_version")]

    assert shape(made) == shape(migrated)


def test_a_store_that_only_began_to_be_made_is_made_whole(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    # As a kill right after the file was made leaves it.
    path.touch(0o600)
    open_for_writing(path).dispose()
    Inventory(path).close()


def test_a_store_whose_schema_is_older_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "inventory.db"
    open_for_writing(path).dispose()
    monkeypatch.setattr(reading, "SCHEMA", reading.SCHEMA + 1)
    with open_for_writing(path).connect() as connection:
        found = connection.execute("PRAGMA user_version").fetchone()
    assert found == (reading.SCHEMA,)


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    engine = open_for_writing(tmp_path / "inventory.db")

    def half() -> None:
        with engine.begin() as connection:
            connection.execute("UPDATE mark SET value = 42")
            raise KeyError("half")

    with pytest.raises(KeyError, match="half"):
        half()
    with engine.begin() as connection:
        assert connection.execute("SELECT value FROM mark").fetchone() == (1,)


def test_the_files_are_private_and_in_wal(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    path.touch(0o644)
    engine = open_for_writing(path)
    with engine.begin() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.execute("UPDATE mark SET value = 5")
        for file in tmp_path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    with open_for_writing(path).begin() as connection:
        connection.execute("UPDATE mark SET value = 42")
    with open_for_writing(path).begin() as connection:
        assert connection.execute("SELECT value FROM mark").fetchone() == (42,)


def test_a_newer_store_is_refused_by_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    open_for_writing(path).dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer token-console") as caught:
        open_for_writing(path)
    assert "Upgrade" in caught.value.hint
    with pytest.raises(StoreError, match="newer token-console"):
        Inventory(path)


def test_a_store_from_before_the_first_release_says_that_it_is_a_cache(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    open_for_writing(path).dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'own_view'")
        connection.execute("PRAGMA user_version = 5")
    for open_ in (open_for_writing, Inventory, bring_up_to_date):
        with pytest.raises(StoreError, match="before the first release") as caught:
            open_(path)
        assert "remove it and the next sync fills it again" in caught.value.hint
    path.unlink()
    bring_up_to_date(path)
    Inventory(path)


@pytest.mark.parametrize(
    "content", [b"this is no database" * 100, b"SQLite format 3\0" + b"x" * 900]
)
def test_a_damaged_store_says_that_it_is_a_cache(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "inventory.db"
    path.write_bytes(content)
    for open_ in (open_for_writing, Inventory):
        with pytest.raises(StoreError, match="damaged") as caught:
            open_(path)
        assert "cache" in caught.value.hint
        assert "history" in caught.value.hint


def test_a_missing_store_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no inventory") as caught:
        Inventory(tmp_path / "inventory.db")
    assert "token-console sync" in caught.value.hint


def test_a_store_in_the_middle_of_being_made_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    path.touch()
    with pytest.raises(StoreError, match="not ready"):
        reading.connect(path)


def test_reading_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    open_for_writing(path).dispose()
    with pytest.raises(sqlite3.OperationalError):
        reading.connect(path).execute("UPDATE mark SET value = 0")


def test_the_reading_side_loads_no_database_toolkit(tmp_path: Path) -> None:
    code = (
        "import sys, console.inventory.search.inventory, console.inventory.search.query;"
        "import console.inventory.export;"
        "heavy = {'sqlalchemy', 'sqlmodel', 'alembic', 'pydantic', 'httpx', 'textual', 'rich'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
