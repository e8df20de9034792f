"""What ``journal doctor`` finds on a real PostgreSQL server."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_scene import ACT, WHY, Databases
from real_systems import console

from backends.model import Secret
from console import settings
from console.journal import opening
from console.journal.format.entry import Kind, Target
from console.journal.store.postgres import PostgresStore, init
from console.journal.verify import doctor_postgres
from console.journal.verify.doctor import Check
from console.journal.verify.verify import Code, verify
from console.journal.write.journal import Journal

pytestmark = pytest.mark.lab
SCHEMA = "token_console_journal"


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    made = Databases(tmp_path_factory.mktemp("pg") / "journal")
    yield made
    made.end()


@pytest.fixture
def dsn(databases: Databases) -> Secret:
    return databases.make()


def name_of(dsn: Secret) -> str:
    return dsn.reveal().split("dbname=")[1].split(" ")[0]


def alter(databases: Databases, dsn: Secret, *statements: str) -> None:
    import psycopg

    with psycopg.connect(databases.admin(name_of(dsn)), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def looked(dsn: Secret) -> dict[str, list[Check]]:
    store = PostgresStore(dsn)
    try:
        found: dict[str, list[Check]] = {}
        for check in doctor_postgres.doctor(store):
            found.setdefault(check.what, []).append(check)
        return found
    finally:
        store.close()


def test_a_server_as_it_should_be_has_nothing_bad(dsn: Secret) -> None:
    found = looked(dsn)
    assert not [each for checks in found.values() for each in checks if each.state == "bad"]
    assert found["role"][0].text == f"{name_of(dsn)} may append and read, and nothing else"
    assert "synchronous_commit on" in found["commit"][0].text
    assert found["database"][0].text.startswith("PostgreSQL 1")
    assert found["clock"][0].state == "ok"
    assert any("postgres" in each.text for each in found["writers"]), "superusers are named"
    assert "on this machine" in found["wire"][0].text


def test_a_role_that_may_change_entries_is_bad(databases: Databases, dsn: Secret) -> None:
    name = name_of(dsn)
    alter(databases, dsn, f"GRANT DELETE ON {SCHEMA}.entry TO {name}")
    assert looked(dsn)["role"][0].state == "bad"
    assert looked(Secret(databases.admin(name)))["role"][0].state == "bad"


def test_other_roles_rights_are_told_by_name(databases: Databases, dsn: Secret) -> None:
    name = name_of(dsn)
    alter(
        databases,
        dsn,
        f"CREATE ROLE {name}_peer LOGIN",
        f"CREATE ROLE {name}_team",
        f"CREATE ROLE {name}_thief LOGIN IN ROLE {name}_team",
        f"GRANT INSERT ON {SCHEMA}.entry TO {name}_peer",
        f"GRANT UPDATE, INSERT ON {SCHEMA}.entry TO {name}_team",
    )
    writers = {each.state: each for each in looked(dsn)["writers"] if "superusers" not in each.text}
    assert f"{name}_thief" in writers["bad"].text, "a right that comes with a group counts"
    assert f"{name}_peer" in writers["note"].text
    assert f"{name}_peer" not in writers["bad"].text


def test_a_trigger_that_was_switched_off_is_bad(databases: Databases, dsn: Secret) -> None:
    alter(databases, dsn, f"ALTER TABLE {SCHEMA}.entry DISABLE TRIGGER entry_append_only")
    assert looked(dsn)["trigger"][0].state == "bad"


def test_a_clock_that_is_off_is_told(dsn: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor_postgres.time.time
    for off, state in ((30.0, "note"), (300.0, "bad")):
        monkeypatch.setattr(
            "console.journal.verify.doctor_postgres.time.time", lambda off=off: real() - off
        )
        (check,) = looked(dsn)["clock"]
        assert check.state == state
        assert f"+{off:.0f}." in check.text or f"+{off - 1:.0f}.9" in check.text


def test_an_administrator_makes_a_journal_and_its_role_passes(
    databases: Databases, tmp_path: Path
) -> None:
    name, admin = "team_journal", databases.admin("team_journal")
    with databases.server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
    words = ("journal", "init-postgres", name)
    assert console(tmp_path, *words).returncode == 2, "no connection string"
    done = console(tmp_path, *words, text=f"{admin}\n")
    assert done.returncode == 0, done.stderr
    again = console(tmp_path, *words, text=admin)
    assert again.returncode == 1
    password = admin.split("password=")[1]
    assert password not in done.stdout + done.stderr + again.stdout + again.stderr
    secret = tmp_path / "dsn"
    secret.write_text(
        f"host=127.0.0.1 port={databases.server.port} dbname={name} user={name} password=pw"
    )
    secret.chmod(0o600)
    (tmp_path / "state").mkdir()
    (tmp_path / "config.toml").write_text(f'[journal]\nurl = {{ file = "{secret}" }}\n')
    with opening.journal(settings.paths(tmp_path)) as journal:
        journal.append(Kind.NOTE, why=WHY)
    looked_over = console(tmp_path, "journal", "doctor", "--json")
    assert looked_over.returncode == 0, looked_over.stdout
    checks = [json.loads(line) for line in looked_over.stdout.splitlines()]
    found = {each["what"]: each for each in checks}
    assert found["role"]["state"] == "ok"
    assert "2 entries" in found["database"]["text"]


ENCODINGS = ("SQL_ASCII", "LATIN1")


def in_encoding(databases: Databases, encoding: str) -> str:
    """A database of an encoding, and a role of the same name."""
    name = f"e{secrets.token_hex(4)}"
    with databases.server.connect() as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'"
        )
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
    return name


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_journal_is_made_in_utf_8_only_and_that_is_said(
    databases: Databases, tmp_path: Path, encoding: str
) -> None:
    name = in_encoding(databases, encoding)
    done = console(tmp_path, "journal", "init-postgres", name, text=databases.admin(name))
    assert done.returncode == 1
    assert f"in {encoding}, and a journal wants UTF8" in done.stderr
    assert "CREATE DATABASE" in done.stderr
    assert "UTF-8" in console(tmp_path, "journal", "init-postgres", "--help").stdout
    with databases.server.connect(dbname=name) as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace").fetchall()
    assert SCHEMA not in str(rows), "nothing was made"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_journal_in_a_database_of_another_encoding_is_kept_and_not_slandered(
    databases: Databases, tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said that the server has fsync off, since its answer came as bytes."""
    name = in_encoding(databases, encoding)
    with monkeypatch.context() as older:
        older.setattr("console.journal.store.postgres.ENCODING", encoding, raising=False)
        init(Secret(databases.admin(name)), name)
    dsn = Secret(f"host=127.0.0.1 port={databases.server.port} dbname={name} user={name}")
    dsn = Secret(f"{dsn.reveal()} password=pw")
    reason = "leaked by m\u00fcller \u2014 \u65e5\u672c"
    with Journal(PostgresStore(dsn), base=tmp_path / "journal.db") as journal:
        target = Target(kind="login-role", id="z\u00f6e", handle="f" * 12, name="\u65e5\u672c")
        act = type(ACT)(verb="contain", backend="b", target=target)
        journal.append(Kind.NOTE, why=reason, act=act)
        assert journal.entries(handle="f" * 12)[0].target_id == "z\u00f6e"
        report = verify(journal.store, vkeys=[journal.signer.vkey])
        assert report.code is Code.VERIFIED
        assert not journal.store.damage()
    found = looked(dsn)
    assert not [each for checks in found.values() for each in checks if each.state == "bad"]
    assert encoding in found["encoding"][0].text


def test_a_role_whose_name_is_no_utf_8_does_not_end_the_doctor(
    databases: Databases, dsn: Secret
) -> None:
    name = in_encoding(databases, "LATIN1")
    with databases.server.connect(dbname=name, client_encoding="LATIN1") as latin:
        latin.execute('CREATE ROLE "j\u00fcrgen" LOGIN SUPERUSER')
    try:
        texts = [each.text for each in looked(dsn)["writers"]]
        assert any("j\\xfcrgen" in text for text in texts)
    finally:
        with databases.server.connect(dbname=name, client_encoding="LATIN1") as latin:
            latin.execute('DROP ROLE "j\u00fcrgen"')
