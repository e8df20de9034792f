"""What follows from the entries is looked over, said to be damaged, and made anew on request."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from journal_scene import WHY, Databases, grown, intent
from real_systems import console

from console import settings
from console.journal import opening, pins
from console.journal.entry import Kind
from console.journal.log import Journal
from console.settings import Paths

REASON = ("--reason", "the disk lost a block last night")
SCHEMA = "token_console_journal"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = settings.paths(tmp_path)
    made.make()
    grown(made.journal, 21)
    return made


def change(paths: Paths, *statements: str) -> None:
    with sqlite3.connect(paths.journal) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def says(home: Path, *words: str) -> tuple[int, str]:
    """Exit code and everything that ``journal WORDS`` prints, in one line."""
    done = console(home, "journal", *words)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def index_without_entries(paths: Paths) -> None:
    """The trick by which no call is listed as open: an index that was filled from nothing."""
    change(paths, "PRAGMA writable_schema = ON")
    with sqlite3.connect(paths.journal) as db:
        (good,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'entry_kind'").fetchone()
        db.execute("DROP INDEX entry_kind")
        db.execute("CREATE INDEX entry_kind ON entry (kind, id) WHERE seq > 1000")
    with sqlite3.connect(paths.journal) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'entry_kind'", (good,))
    db.close()


DAMAGE: dict[str, tuple[Callable[[Paths], None], int, str]] = {
    "node": (
        lambda paths: change(paths, "UPDATE node SET hash = zeroblob(32) WHERE level = 1"),
        3,
        "the stored tree is damaged",
    ),
    "peak": (
        lambda paths: change(paths, "DELETE FROM node WHERE level = 4"),
        3,
        "the stored tree is damaged",
    ),
    "checkpoint": (
        lambda paths: change(paths, "UPDATE checkpoint SET note = 'x' WHERE size = 7"),
        1,
        "the checkpoint at entry 7 is not that",
    ),
    "no trigger": (
        lambda paths: change(paths, "DROP TRIGGER entry_no_update"),
        3,
        "the trigger entry_no_update, which keeps entries from being changed, is gone",
    ),
    "foreign trigger": (
        lambda paths: change(
            paths, "CREATE TRIGGER helper AFTER INSERT ON node BEGIN DELETE FROM cosigned; END"
        ),
        1,
        "a trigger that is not ours: helper on node",
    ),
    "other trigger": (
        lambda paths: change(
            paths,
            "DROP TRIGGER entry_no_delete",
            "CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry BEGIN SELECT 1; END",
        ),
        1,
        "the trigger entry_no_delete is not the one that we made",
    ),
    "column": (
        lambda paths: change(
            paths,
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_schema SET sql = replace(sql, '$.type', '$.id') WHERE name = 'entry'",
        ),
        1,
        "the columns of the entries are not computed from their bytes any more",
    ),
    "index": (index_without_entries, 1, "an index is not that of the entries"),
    "no index": (
        lambda paths: change(paths, "DROP INDEX entry_once"),
        3,
        "the index entry_once is gone",
    ),
}


@pytest.mark.parametrize("which", DAMAGE)
def test_what_is_derived_is_checked_and_made_anew(paths: Paths, which: str) -> None:
    damage, code, told = DAMAGE[which]
    home = paths.config.parent
    assert says(home, "verify")[0] == 0
    damage(paths)
    found, text = says(home, "verify")
    assert (found, told in text) == (code, True), text
    if which != "checkpoint":
        assert "token-console journal rebuild --reason 'WHY'" in text, "the way out is named"
    found, text = says(home, "rebuild", *REASON)
    assert found == 0, text
    assert says(home, "verify")[0] == 0
    with Journal(paths.journal) as journal:
        note = journal.entries(1)[0]
        assert "the disk lost a block last night" in note.sentence, "it is on the record"
        intent(journal)
        assert len(journal.open_intents()) == 1


def test_the_way_out_is_named_where_a_damaged_tree_stops_the_work(paths: Paths) -> None:
    change(paths, "DELETE FROM node")
    with Journal(paths.journal) as journal, pytest.raises(Exception, match="tree") as caught:
        intent(journal)
    assert "token-console journal rebuild" in caught.value.hint
    code, text = says(paths.config.parent, "prove", "3")
    assert code == 1
    assert "token-console journal rebuild" in text


def test_changed_and_added_entries_are_never_taken_over(paths: Paths, tmp_path: Path) -> None:
    home = paths.config.parent
    change(
        paths,
        "DROP TRIGGER entry_no_update",
        "UPDATE entry SET leaf = CAST(replace(leaf, 'vault', 'vaulX') AS BLOB) WHERE seq = 5",
    )
    code, text = says(home, "rebuild", *REASON)
    assert (code, "the entries themselves are damaged" in text) == (1, True)
    other = settings.paths(tmp_path / "other")
    other.make()
    grown(other.journal, 20)
    with Journal(other.journal) as journal:
        pin = pins.newest(journal.store)
        journal.append(Kind.NOTE, why=WHY)
    other.journal.with_suffix(".verified").write_bytes(pin)
    change(other, "DELETE FROM checkpoint WHERE size = 23")
    code, text = says(other.config.parent, "rebuild", *REASON)
    assert (code, "no genuine checkpoint covers entries 23 to 23" in text) == (1, True), text


def test_the_newest_checkpoint_comes_back_from_a_pin_and_is_not_signed_anew(
    paths: Paths, tmp_path: Path
) -> None:
    home, pin = paths.config.parent, tmp_path / "pin"
    assert says(home, "pin", str(pin))[0] == 0
    change(paths, "DELETE FROM checkpoint WHERE size = 21 OR size = 22")
    paths.journal.with_suffix(".verified").unlink()
    assert says(home, "verify")[0] == 1
    assert says(home, "rebuild", *REASON)[0] == 1
    code, text = says(home, "rebuild", *REASON, "--pin", str(pin))
    assert code == 0, text
    assert says(home, "verify", "--pin", str(pin))[0] == 0


def test_a_rebuild_needs_a_reason_and_a_journal(tmp_path: Path) -> None:
    assert says(tmp_path, "rebuild")[0] == 2
    assert says(tmp_path, "rebuild", *REASON)[0] == 2


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    made = Databases(tmp_path_factory.mktemp("pg") / "journal")
    yield made
    made.end()


@pytest.mark.lab
def test_the_same_on_postgresql_by_its_administrator(databases: Databases, tmp_path: Path) -> None:
    import psycopg

    dsn = databases.make()
    name = dsn.reveal().split("dbname=")[1].split(" ")[0]
    secret = tmp_path / "dsn"
    secret.touch(0o600)
    secret.write_text(dsn.reveal())
    paths = settings.paths(tmp_path)
    paths.make()
    paths.config.write_text(f'[journal]\nurl = {{ file = "{secret}" }}\n')
    with opening.journal(paths) as journal:
        for _ in range(10):
            intent(journal)
    changes: dict[str, tuple[list[Any], int, str]] = {
        "trigger": ([f"DROP TRIGGER entry_append_only ON {SCHEMA}.entry"], 3, "is gone"),
        "off": ([f"ALTER TABLE {SCHEMA}.entry DISABLE TRIGGER USER"], 3, "is switched off"),
        "function": (
            [
                f"CREATE OR REPLACE FUNCTION {SCHEMA}.refuse() RETURNS trigger LANGUAGE plpgsql"
                " AS $$ BEGIN RETURN NULL; END $$"
            ],
            1,
            "does not refuse any more",
        ),
        "foreign": (
            [
                f"CREATE FUNCTION {SCHEMA}.eat() RETURNS trigger LANGUAGE plpgsql"
                " AS $$ BEGIN RETURN NULL; END $$",
                f"CREATE TRIGGER helper BEFORE INSERT ON {SCHEMA}.node FOR EACH ROW"
                f" EXECUTE FUNCTION {SCHEMA}.eat()",
            ],
            1,
            "a trigger that is not ours: helper on node",
        ),
        "rule": (
            [f"CREATE RULE eat AS ON INSERT TO {SCHEMA}.cosigned DO INSTEAD NOTHING"],
            1,
            "a rule that is not ours: eat on cosigned",
        ),
        "node": ([f"UPDATE {SCHEMA}.node SET hash = '00' WHERE level = 1"], 3, "tree is damaged"),
        "index": ([f"DROP INDEX {SCHEMA}.entry_once"], 3, "entry_once is gone"),
    }
    for which, (statements, code, told) in changes.items():
        with psycopg.connect(databases.admin(name), autocommit=True) as admin:
            for statement in statements:
                admin.execute(statement)
        found, text = says(tmp_path, "verify")
        assert (found, told in text) == (code, True), (which, text)
        if which != "node":
            assert told in says(tmp_path, "doctor")[1]
        words = ("journal", "rebuild", *REASON, "--json")
        assert console(tmp_path, *words, text=dsn.reveal()).returncode == 1, "may only append"
        done = console(tmp_path, *words, text=databases.admin(name))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["entries"] > 10
        assert databases.admin(name).split("password=")[1] not in done.stdout + done.stderr
        assert says(tmp_path, "verify")[0] == 3, "open calls"
        assert told not in says(tmp_path, "verify")[1]
