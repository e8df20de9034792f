"""What the PostgreSQL backend says that a role may do, against what the server itself says.

The backend works it out from the catalogs. The server is asked by ``has_table_privilege`` and
its sisters, for the role and for each role that it can become.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import psycopg
import pytest
from postgres_lab import backend, server
from psycopg import sql

from backends.lab.postgres import READER, PostgresServer
from backends.model import GapKind, TokenRef
from backends.permissions import Access, Answer, Decision, Permissions
from backends.postgres import Postgres
from backends.postgres.privileges import catalog
from backends.postgres.privileges.rows import AFTER, POLICIES
from backends.postgres.privileges.tree import Membership, Role, Tree
from backends.postgres.privileges.words import normal, quoted, resource
from backends.postgres.roles import KIND

pytestmark = pytest.mark.lab
__all__ = ["server"]

DATABASE = "generated"
NASTY = 'x"; DROP ROLE postgres; --\x1b]0;o\x07[bold]\u202e.a(b'
ROLES = (*(f"gen_{number}" for number in range(15)), NASTY)
SCHEMAS = ("gen_a", "gen_b", 'Gen "C".d')
TABLES = tuple((schema, f"t_{n}" if n else "Ta.b\"le'") for schema in SCHEMAS for n in range(3))
SEQUENCES = tuple((schema, "s_1") for schema in SCHEMAS)
FUNCTIONS = tuple((schema, name) for schema in SCHEMAS for name in ("f", "open_to_all"))
TABLE_WORDS = (
    "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN",
)  # fmt: skip
COLUMN_WORDS = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
SEQUENCE_WORDS = ("SELECT", "UPDATE", "USAGE")
PREDEFINED = ("pg_read_all_data", "pg_write_all_data", "pg_maintain", "pg_execute_server_program")


class Thing(NamedTuple):
    """A privilege on an object: in our words, and for the server's own question."""

    action: str
    resource: str
    ask: str
    name: str
    """The object's name as SQL has it, or its name and a column's."""
    schema: str = ""
    table: str = ""
    column: str = ""


def things() -> Iterator[Thing]:
    for name in (DATABASE, "postgres"):
        for word in ("CONNECT", "CREATE", "TEMPORARY"):
            yield Thing(word, resource("database", name), "database", name)
    for schema in SCHEMAS:
        for word in ("USAGE", "CREATE"):
            yield Thing(word, resource("schema", schema), "schema", schema)
    for schema, table in TABLES:
        name = f"{quoted(schema)}.{quoted(table)}"
        for word in TABLE_WORDS:
            yield Thing(word, resource("table", schema, table), "table", name, schema, name)
        for word in COLUMN_WORDS:
            place = resource("column", schema, table, "a")
            yield Thing(word, place, "column", name, schema, name, "a")
    for schema, sequence in SEQUENCES:
        name = f"{quoted(schema)}.{quoted(sequence)}"
        for word in SEQUENCE_WORDS:
            yield Thing(word, resource("sequence", schema, sequence), "sequence", name, schema)
    for schema, function in FUNCTIONS:
        name = f"{quoted(schema)}.{quoted(function)}(integer, text)"
        place = resource("function", schema, function, arguments="integer, text")
        yield Thing("EXECUTE", place, "function", name, schema)
    for view, column in (
        ("pg_authid", "rolpassword"),
        ("pg_shadow", "passwd"),
        ("pg_subscription", "subconninfo"),
    ):
        place = resource("column", "pg_catalog", view, column)
        name = f"pg_catalog.{view}"
        yield Thing("SELECT", place, "column", name, "", "", column)
        for word in ("SELECT", "INSERT", "UPDATE"):
            yield Thing(word, resource("table", "pg_catalog", view), "table", name)


def build(server: PostgresServer, seed: int) -> None:
    """Roles that have each other in all ways, and objects that are theirs in all ways."""
    chance = random.Random(seed)
    ids = {name: sql.Identifier(name) for name in (*ROLES, READER, *PREDEFINED)}
    with server.connect() as connection:

        def run(text: str, *parts: Any) -> None:
            connection.execute(sql.SQL(text).format(*parts))

        run("CREATE DATABASE {}", sql.Identifier(DATABASE))
        for number, name in enumerate(ROLES):
            more = "SUPERUSER" if number == 3 else "BYPASSRLS" if number == 5 else ""
            more += " CREATEROLE" * (number == 6) + " NOINHERIT" * (number % 4 == 1)
            run(f"CREATE ROLE {{}} LOGIN {more}", ids[name])
            for other in chance.sample(ROLES[:number], min(number, chance.randint(0, 3))):
                options = ", ".join(
                    f"{word} {chance.choice(('TRUE', 'TRUE', 'FALSE'))}"
                    for word in ("INHERIT", "SET")
                )
                admin = chance.choice(("TRUE", "FALSE", "FALSE"))
                run(f"GRANT {{}} TO {{}} WITH ADMIN {admin}, {options}", ids[other], ids[name])
        for number, name in enumerate(PREDEFINED):
            inherit = chance.choice(("TRUE", "FALSE"))
            run(f"GRANT {{}} TO {{}} WITH INHERIT {inherit}", ids[name], ids[ROLES[7 + number]])
        run("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC", sql.Identifier(DATABASE))
        for name in (READER, *ROLES[:12]):
            run("GRANT CONNECT ON DATABASE {} TO {}", sql.Identifier(DATABASE), ids[name])
        run("ALTER DATABASE {} OWNER TO {}", sql.Identifier(DATABASE), ids[ROLES[2]])
    with server.connect(dbname=DATABASE) as connection:

        def run(text: str, *parts: Any) -> None:
            connection.execute(sql.SQL(text).format(*parts))

        def someone() -> sql.Composable:
            return sql.SQL("PUBLIC") if chance.random() < 0.12 else ids[chance.choice(ROLES)]

        for schema in SCHEMAS:
            place = sql.Identifier(schema)
            run("CREATE SCHEMA {} AUTHORIZATION {}", place, ids[chance.choice(ROLES)])
            for _ in range(4):
                run(f"GRANT {chance.choice(('USAGE', 'CREATE, USAGE'))} ON SCHEMA {{}} TO {{}}",
                    place, someone())  # fmt: skip
            owner = ids[chance.choice(ROLES)]
            run("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT SELECT ON TABLES TO {}",
                owner, place, ids[ROLES[4]])  # fmt: skip
        for number, (schema, table) in enumerate(TABLES):
            place = sql.Identifier(schema, table)
            run("CREATE TABLE {} (a int, b int)", place)
            owner = chance.choice(ROLES)
            run("ALTER TABLE {} OWNER TO {}", place, ids[owner])
            for _ in range(5):
                some = ", ".join(chance.sample(TABLE_WORDS, chance.randint(1, 3)))
                run(f"GRANT {some} ON {{}} TO {{}}", place, someone())
            for _ in range(2):
                run(f"GRANT {chance.choice(COLUMN_WORDS)} (a) ON {{}} TO {{}}", place, someone())
            if number % 3 == 1:
                run("REVOKE INSERT, SELECT ON {} FROM {}", place, ids[owner])
            if number % 4 == 2:
                run("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", place)
            if number == 6:
                run("ALTER TABLE {} FORCE ROW LEVEL SECURITY", place)
        for schema, sequence in SEQUENCES:
            place = sql.Identifier(schema, sequence)
            run("CREATE SEQUENCE {}", place)
            run("ALTER SEQUENCE {} OWNER TO {}", place, ids[chance.choice(ROLES)])
            for _ in range(3):
                run(f"GRANT {chance.choice(SEQUENCE_WORDS)} ON SEQUENCE {{}} TO {{}}",
                    place, someone())  # fmt: skip
        for schema, function in FUNCTIONS:
            place = sql.Identifier(schema, function)
            run("CREATE FUNCTION {} (a integer, text) RETURNS int LANGUAGE sql AS 'SELECT 1'"
                + " SECURITY DEFINER" * (function == "f"), place)  # fmt: skip
            if function == "f":
                run("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC", place)
                for _ in range(3):
                    run("GRANT EXECUTE ON FUNCTION {} TO {}", place, ids[chance.choice(ROLES)])


class Truth:
    """What the server says, asked in one statement for each kind of question."""

    def __init__(self, connection: psycopg.Connection[Any], asked: Sequence[Thing]) -> None:
        roles = list(ROLES)
        self.can: dict[tuple[str, str, str, str, str], bool] = {}
        for thing in {(each.ask, each.name, each.column, each.action) for each in asked}:
            self._ask(connection, roles, *thing)
        for schema in SCHEMAS:
            self._ask(connection, roles, "schema", schema, "", "USAGE")
        self._ask(connection, roles, "database", DATABASE, "", "CONNECT")
        rows = connection.execute(
            "SELECT r.rolname, o.rolname FROM pg_roles r, pg_roles o WHERE r.rolname = ANY(%s)"
            " AND r.oid <> o.oid AND pg_has_role(r.oid, o.oid, 'SET')", (roles,),
        )  # fmt: skip
        self.settable: dict[str, set[str]] = {}
        for role, other in rows:
            self.settable.setdefault(role, set()).add(other)
        self.others = sorted({name for each in self.settable.values() for name in each} - {*roles})
        for thing in {(each.ask, each.name, each.column, each.action) for each in asked}:
            self._ask(connection, self.others, *thing)
        for schema in SCHEMAS:
            self._ask(connection, self.others, "schema", schema, "", "USAGE")
        self.any_column = set(
            connection.execute(
                "SELECT r, t, p FROM unnest(%s::text[]) r, unnest(%s::text[]) t,"
                " unnest(%s::text[]) p WHERE has_any_column_privilege(r, t, p)",
                (
                    [*roles, *self.others],
                    sorted({e.table for e in asked if e.table}),
                    list(COLUMN_WORDS),
                ),
            )
        )
        self.owns = set(
            connection.execute(
                "SELECT r.rolname, quote_ident(n.nspname) || '.' || quote_ident(c.relname)"
                " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_roles r"
                " WHERE r.rolname = ANY(%s) AND (pg_has_role(r.oid, c.relowner, 'USAGE')"
                "    OR EXISTS (SELECT FROM pg_roles o WHERE pg_has_role(r.oid, o.oid, 'SET')"
                "               AND pg_has_role(o.oid, c.relowner, 'USAGE')))",
                (roles,),
            )
        )
        self.owns |= set(
            connection.execute(
                "SELECT r.rolname, n.name FROM (SELECT nspname AS name, nspowner AS owner FROM"
                " pg_namespace UNION SELECT datname, datdba FROM pg_database UNION"
                " SELECT quote_ident(s.nspname) || '.' || quote_ident(p.proname)"
                "  || '(integer, text)', p.proowner FROM pg_proc p"
                "  JOIN pg_namespace s ON s.oid = p.pronamespace) n, pg_roles r"
                " WHERE r.rolname = ANY(%s) AND (pg_has_role(r.oid, n.owner, 'USAGE')"
                "    OR EXISTS (SELECT FROM pg_roles o WHERE pg_has_role(r.oid, o.oid, 'SET')"
                "               AND pg_has_role(o.oid, n.owner, 'USAGE')))",
                (roles,),
            )
        )
        self.guarded = {
            name for (name,) in connection.execute(
                "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relrowsecurity"
            )
        }  # fmt: skip

    def _ask(
        self, connection: psycopg.Connection[Any], roles: Sequence[str], ask: str, name: str,
        column: str, action: str,
    ) -> None:  # fmt: skip
        more = ", %(column)s" if column else ""
        found = connection.execute(
            f"SELECT r, has_{ask}_privilege(r, %(name)s{more}, %(action)s)"
            " FROM unnest(%(roles)s::text[]) r",
            {"roles": list(roles), "name": name, "column": column, "action": action},
        )
        for role, can in found:
            self.can[role, ask, name, column, action] = can

    def holds(self, role: str, thing: Thing) -> bool:
        """Whether the role has the privilege, whatever that is worth."""
        return self.can[role, thing.ask, thing.name, thing.column, thing.action]

    def gets_there(self, role: str, thing: Thing) -> bool:
        """Whether it may look into the schema."""
        return not thing.schema or self.can[role, "schema", thing.schema, "", "USAGE"]

    def logs_in(self, role: str, thing: Thing) -> bool:
        """Whether it may log in to the database in which the object is."""
        return thing.ask == "database" or self.can[role, "database", DATABASE, "", "CONNECT"]

    def may(self, role: str, thing: Thing) -> bool:
        return self.holds(role, thing) and self.gets_there(role, thing)


def fault(truth: Truth, role: str, thing: Thing, answer: Answer) -> str:
    """What is wrong with an answer; empty if nothing is."""
    enters = truth.logs_in(role, thing)
    conditions = {each for row in answer.because for each in row.conditions}
    expected: set[Decision] = {Decision.CONDITIONAL}
    if truth.may(role, thing) and enters:
        expected = {Decision.ALLOWED}
        if POLICIES in conditions and thing.table in truth.guarded:
            expected = {Decision.CONDITIONAL}
    elif not any(
        (
            truth.holds(role, thing),
            any(truth.holds(other, thing) for other in truth.settable.get(role, ())),
            (role, thing.table, thing.action) in truth.any_column,
            any((o, thing.table, thing.action) in truth.any_column
                for o in truth.settable.get(role, ())),
            (role, thing.name) in truth.owns,
        )
    ):  # fmt: skip
        expected = {Decision.DENIED}
    if answer.decision not in expected:
        return f"expected {'/'.join(expected)}"
    for row in answer.because:
        # What is said to come after SET ROLE, and on no other condition, comes after it.
        if len(row.conditions) != 1 or row.action != thing.action:
            continue
        word, _, name = row.conditions[0].partition(AFTER)
        if word or (thing.ask == "table" and row.resource.startswith("column")):
            continue
        other = next(o for o in truth.settable.get(role, ()) if quoted(o) == name)
        if not truth.may(other, thing):
            return f"after SET ROLE {name} it may not"
    return ""


async def opened(one: Postgres, oids: dict[str, int]) -> dict[str, Permissions]:
    found = {}
    for name, oid in oids.items():
        token = await one.read(TokenRef("pg", KIND, str(oid)))
        found[name] = await one.permissions(token)
    return found


@pytest.fixture(scope="module")
def generated(server: PostgresServer) -> tuple[Truth, dict[str, Permissions], Postgres]:
    build(server, 20261130)
    with server.connect(dbname=DATABASE) as connection:
        truth = Truth(connection, list(things()))
        oids = dict(
            connection.execute(
                "SELECT rolname, oid::bigint FROM pg_roles WHERE rolname = ANY(%s)", (list(ROLES),)
            ).fetchall()
        )
    one = backend(server, dbname=DATABASE)

    async def look() -> dict[str, Permissions]:
        async with one:
            return await opened(one, oids)

    return truth, asyncio.run(look()), one


def test_every_answer_is_the_servers(
    generated: tuple[Truth, dict[str, Permissions], Postgres], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, permissions, one = generated
    wrong = []
    seen: Counter[str] = Counter()
    number = 0
    for role in ROLES:
        assert permissions[role].gaps == ()
        for thing in things():
            answer = one.permits(permissions[role], thing.action, thing.resource)
            seen[answer.decision.value] += 1
            number += 1
            if why := fault(truth, role, thing, answer):
                wrong.append((role, thing.action, thing.resource, why, answer))
    with capsys.disabled():
        print(f"\nPostgreSQL: {number - len(wrong)} of {number} answers agree ({dict(seen)})")
    assert number >= 2000
    assert min(seen[word] for word in ("allowed", "denied", "conditional")) > 100
    assert wrong == []


STATEMENTS = {
    "SELECT": "SELECT a, b FROM {}",
    "INSERT": "INSERT INTO {} (a, b) VALUES (1, 1)",
    "UPDATE": "UPDATE {} SET a = 1, b = 1",
    "DELETE": "DELETE FROM {}",
}


def test_what_is_allowed_works_and_what_is_denied_does_not(
    server: PostgresServer, generated: tuple[Truth, dict[str, Permissions], Postgres]
) -> None:
    """Statements are explained as the role, which checks its rights and changes nothing."""
    _, permissions, one = generated
    tried: Counter[str] = Counter()
    wrong = []
    with server.connect(dbname=DATABASE) as connection:
        for role in ROLES[:12]:  # The others may not log in to the database.
            session = sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(role))
            for (schema, table), action in itertools.product(TABLES, STATEMENTS):
                answer = one.permits(permissions[role], action, resource("table", schema, table))
                conditions = [row.conditions for row in answer.because]
                after: list[tuple[sql.Composable, bool]] = []
                if answer.decision is not Decision.CONDITIONAL:
                    after.append((sql.SQL("RESET ROLE"), answer.decision is Decision.ALLOWED))
                for each in conditions:
                    if len(each) == 1 and each[0].startswith(AFTER) and answer.detail == "":
                        name = each[0].removeprefix(AFTER)
                        after.append((sql.SQL("SET ROLE " + name), True))  # type: ignore[arg-type]
                for become, expected in after:
                    connection.execute(session)
                    works = True
                    try:
                        connection.execute(become)
                        place = sql.Identifier(schema, table)
                        text = sql.SQL("EXPLAIN " + STATEMENTS[action])  # type: ignore[arg-type]
                        connection.execute(text.format(place))
                    except psycopg.errors.InsufficientPrivilege:
                        works = False
                    finally:
                        connection.execute("RESET SESSION AUTHORIZATION")
                    tried[f"{answer.decision.value} {works}"] += 1
                    if works is not expected:
                        wrong.append((role, action, schema, table, become, answer))
    assert wrong == []
    assert tried["allowed True"] > 50
    assert tried["denied False"] > 50
    assert tried["conditional True"] > 20


async def of(server: PostgresServer, name: str, **options: Any) -> tuple[Postgres, Permissions]:
    """The permissions of one role, in the database ``postgres`` unless another is named."""
    with server.connect() as connection:
        row = connection.execute("SELECT oid FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    assert row is not None
    async with backend(server, **options) as one:
        token = await one.read(TokenRef("pg", KIND, str(row[0])))
        return one, await one.permissions(token)


def look(server: PostgresServer, name: str, **options: Any) -> tuple[Postgres, Permissions]:
    return asyncio.run(of(server, name, **options))


def test_ways_up(server: PostgresServer) -> None:
    with server.connect() as connection:
        connection.execute(
            "CREATE ROLE up_boss SUPERUSER; CREATE ROLE up_group; CREATE ROLE up LOGIN CREATEROLE"
            " CREATEDB REPLICATION BYPASSRLS; GRANT up_boss TO up WITH INHERIT TRUE, SET TRUE;"
            "GRANT up_group TO up WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;"
            "GRANT pg_execute_server_program TO up WITH INHERIT FALSE; CREATE ROLE plain LOGIN;"
            "GRANT pg_read_server_files TO up;"
            "CREATE SCHEMA up_s; GRANT USAGE ON SCHEMA up_s TO plain;"
            "CREATE FUNCTION up_s.boss() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
        )
    _, found = look(server, "up")
    ways = {way.code: way for way in found.elevations}
    assert set(ways) >= {
        "set-role-superuser", "createrole", "admin-option", "replication",
        "bypass-row-security", "createdb", "server-program", "read-server-files",
    }  # fmt: skip
    assert ways["set-role-superuser"].by[0].conditions == ("done after SET ROLE up_boss",)
    assert [row.resource for row in ways["admin-option"].by] == ["role up_group"]
    # SUPERUSER is not inherited: only SET ROLE gives it.
    one, found = look(server, "up")
    answer = one.permits(found, "DELETE", "table shop.orders")
    assert answer.decision is Decision.CONDITIONAL
    _, plain = look(server, "plain")
    assert [way.code for way in plain.elevations] == ["security-definer"]
    assert [row.resource for row in plain.elevations[0].by] == ["function up_s.boss()"]
    assert plain.secrets == ()


def test_secrets_in_the_catalogs(server: PostgresServer) -> None:
    with server.connect() as connection:
        connection.execute(
            "CREATE ROLE sec_all LOGIN; GRANT pg_read_all_data TO sec_all;"
            "CREATE ROLE sec_column LOGIN; GRANT SELECT (rolname, rolpassword) ON pg_authid"
            " TO sec_column"
        )
    hashes = "column pg_catalog.pg_authid.rolpassword"
    _, every = look(server, "sec_all")
    assert hashes in {row.resource for row in every.secrets}
    one, column = look(server, "sec_column")
    assert [row.resource for row in column.secrets] == [hashes]
    assert one.permits(column, "SELECT", hashes).decision is Decision.ALLOWED
    assert one.permits(column, "SELECT", "pg_catalog.pg_authid").decision is Decision.CONDITIONAL
    one, boss = look(server, "dba_anna")
    assert [(row.action, row.resource) for row in boss.rows] == [("*", "*")]
    assert hashes in {row.resource for row in boss.secrets}
    assert one.permits(boss, "TRUNCATE", "table x.y").decision is Decision.ALLOWED


def test_what_is_not_read_is_said(server: PostgresServer) -> None:
    one, found = look(server, READER)
    assert found.subject == f"role {READER}, in database postgres"
    told = {gap.what for gap in found.secret_gaps if gap.kind is GapKind.UNLISTABLE}
    assert any("other databases" in what and "shop" in what for what in told)
    # What everybody may do with the system's own objects is not read, and no guess is made.
    for asked in (
        "table pg_catalog.pg_class",
        "information_schema.tables",
        "column pg_catalog.pg_subscription.subname",
    ):
        assert one.permits(found, "SELECT", asked).decision is Decision.UNKNOWN
    assert one.permits(found, "SELECT", "pg_catalog.pg_authid").decision is Decision.DENIED


def test_a_database_that_one_may_not_log_in_to(
    generated: tuple[Truth, dict[str, Permissions], Postgres],
) -> None:
    _, permissions, _ = generated
    rows = [row for row in permissions[NASTY].rows if row.resource.startswith("table")]
    assert rows
    assert all(
        "it is given CONNECT on database generated (it has none)" in row.conditions for row in rows
    )


def test_names_are_taken_as_sql_has_them(
    generated: tuple[Truth, dict[str, Permissions], Postgres],
) -> None:
    _, permissions, one = generated
    place = resource("table", SCHEMAS[2], TABLES[0][1])
    assert place == 'table "Gen ""C"".d"."Ta.b""le\'"'
    boss = permissions[ROLES[3]]
    for asked in (place, place.removeprefix("table "), place.replace("table", "VIEW")):
        assert normal(asked) == place
        assert one.permits(boss, "select", asked).decision is Decision.ALLOWED
    assert normal("GEN_A.T_1") == "table gen_a.t_1"
    assert normal('function gen_a."F"( integer ,text)') == 'function gen_a."F"(integer, text)'
    assert normal("column a.b.c") == "column a.b.c"
    # Whatever somebody types is asked about, and is never an error.
    for asked in (
        "",
        '"',
        "table",
        "table ",
        "function f(",
        ".",
        "a..b",
        '"a""',
        "\x1b]0;x\x07",
        "*",
    ):
        assert one.permits(permissions[ROLES[0]], "SELECT", asked).decision is not Decision.ALLOWED


def test_hostile_names_are_rows_like_others(
    generated: tuple[Truth, dict[str, Permissions], Postgres],
) -> None:
    _, permissions, one = generated
    mine = permissions[NASTY]
    assert mine.subject.startswith(f"role {quoted(NASTY)}, in database")
    for row in mine.rows:
        assert row.action == row.action.upper()
        assert one.permits(mine, row.action, row.resource).decision is not Decision.DENIED


def test_before_version_16_a_role_inherits_all_or_nothing() -> None:
    roles = [Role(1, "a"), Role(2, "b", inherits=False), Role(3, "c"), Role(4, "d")]
    members = [
        Membership(1, 2, False, True, True),
        Membership(2, 3, False, True, True),
        Membership(3, 4, False, False, False),
    ]
    old = Tree(roles, members, 150000)
    assert set(old.inherited(1)) == {1, 2}  # b does not inherit what c gives it.
    assert set(old.inherited(3)) == {3, 4}
    assert set(old.settable(1)) == {2, 3, 4}
    new = Tree(roles, members, 160000)
    assert set(new.inherited(1)) == {1, 2, 3}
    assert set(new.settable(1)) == {2, 3}


def test_default_privileges_are_told_of_what_is_not_there_yet(
    generated: tuple[Truth, dict[str, Permissions], Postgres],
) -> None:
    _, permissions, _ = generated
    later = [row for row in permissions[ROLES[4]].rows if row.resource.startswith("each later")]
    assert {row.resource for row in later} == {
        f"each later table in {resource('schema', schema)}" for schema in SCHEMAS
    }
    assert all(row.access is Access.READ and len(row.conditions) == 1 for row in later)


def test_privileges_beyond_the_limit_are_a_gap(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MAX_OBJECTS", 3)
    one, found = look(server, READER)
    (gap,) = found.gaps
    assert gap.kind is GapKind.LIMITED
    assert one.permits(found, "SELECT", "table shop.orders").decision is Decision.UNKNOWN
