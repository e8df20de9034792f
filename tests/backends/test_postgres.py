"""What the PostgreSQL backend reads, against a real server."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from postgres_lab import backend, listing, make, server
from psycopg import sql

from backends import registry
from backends.contract import WhoAmI
from backends.errors import BackendError, ConfigError, Forbidden, NotFound
from backends.lab.postgres import PostgresServer
from backends.model import (
    AuditEvent,
    Gap,
    GapKind,
    Grant,
    How,
    ScopeDone,
    Secret,
    TokenRef,
    TokenState,
    encode,
)
from backends.postgres import scram
from backends.postgres.roles import owner

pytestmark = pytest.mark.lab
__all__ = ["server"]

HOSTILE = (
    'x"; DROP ROLE postgres; --',
    "it's \\ quoted",
    "\x1b[2J\x1b]0;owned\x07",
    "[bold red]admin[/]",
    "\u202egnp.exe",
    "line\nbreak\tand %s %(x)s $1",
    "ü" * 31,
)


def tokens_of(server: PostgresServer, **options: Any) -> Any:
    async def read() -> Any:
        async with backend(server, **options) as pg:
            return await listing(pg)

    return asyncio.run(read())


def test_the_labs_own_table_is_a_configuration_that_works(server: PostgresServer) -> None:
    async def read() -> Any:
        async with registry.configure("pg-lab", server.table(), act=True) as pg:
            return await listing(pg), await pg.whoami(), await pg.health()

    (tokens, rest), who, health = asyncio.run(read())
    assert len(tokens) == 24 + 4
    assert ScopeDone("roles", len(tokens)) in rest
    assert isinstance(who, WhoAmI)
    assert who.can_act
    assert {ref.id for ref in who.own} == {
        tokens["console_reader"].ref.id,
        tokens["console_responder"].ref.id,
    }
    assert health.version.startswith("PostgreSQL 18")
    assert abs(health.skew) < timedelta(seconds=5)


def test_readings_say_how_they_are_known(server: PostgresServer) -> None:
    make(server, "r_past", "LOGIN VALID UNTIL '2020-05-01'", comment="owner: payments; old")
    make(server, "r_ever", "LOGIN VALID UNTIL 'infinity'", comment="platform-team")
    make(server, "r_far", "LOGIN VALID UNTIL '25000-01-01'", comment="x " * 60)
    make(server, "r_off", "NOLOGIN")
    make(server, "r_shut", "LOGIN CONNECTION LIMIT 0")
    tokens, _ = tokens_of(server)

    past, ever = tokens["r_past"], tokens["r_ever"]
    assert past.state is TokenState.EXPIRED
    assert past.expires_at.value == datetime(2020, 5, 1, tzinfo=UTC)
    assert (past.owner.value, past.owner.source) == ("payments", "role comment")
    assert ever.state is TokenState.ACTIVE
    assert ever.expires_at.how is How.NEVER
    assert ever.owner.value == "platform-team"
    assert tokens["r_far"].expires_at.how is How.NEVER
    assert tokens["r_far"].owner.how is How.NOT_TRACKED
    assert tokens["r_off"].state is TokenState.DISABLED
    assert tokens["r_off"].owner.how is How.NEVER
    assert tokens["r_shut"].state is TokenState.DISABLED
    for reading in (past.created_at, past.created_by, past.last_used_at, past.parent):
        assert reading.how is How.NOT_TRACKED
    # A group through which others get rights is no token; the superuser of the cluster is one.
    assert "app_read" not in tokens
    assert Grant("attribute", "SUPERUSER") in tokens["postgres"].grants.value


@pytest.mark.parametrize(
    ("comment", "name"),
    [
        ("owner: payments", "payments"),
        ("nightly job; Owner=data-eng, see wiki", "data-eng"),
        ('owner: "Data Team"', "Data Team"),
        ("payments", "payments"),
        ("one line\nand another", None),
        ("", None),
        (None, None),
    ],
)
def test_the_owner_is_a_claim_of_the_comment(comment: str | None, name: str | None) -> None:
    assert owner(comment).value == name


def test_grants_say_by_which_way_they_come(server: PostgresServer) -> None:
    make(server, "g_app")
    with server.connect() as connection:
        connection.execute(
            "GRANT app_write TO g_app; GRANT SELECT ON analytics.events TO g_app;"
            "GRANT CREATE ON DATABASE shop TO g_app; CREATE SCHEMA g_own AUTHORIZATION g_app"
        )
    tokens, _ = tokens_of(server)
    grants = tokens["g_app"].grants.value
    assert Grant("role", "app_write") in grants
    assert Grant("role", "app_read", via="role app_write") in grants
    assert Grant("table", "SELECT", "tables in schema shop", "role app_read") in grants
    assert Grant("table", "DELETE", "tables in schema shop", "role app_write") in grants
    assert Grant("table", "SELECT", "tables in schema analytics") in grants
    assert Grant("database", "CREATE", "database shop") in grants
    assert Grant("owner", "owner", "objects in database postgres") in grants
    # Administering a role gives none of its rights: it is a grant of its own kind.
    responder = tokens["console_responder"].grants.value
    assert Grant("role admin", "g_app") in responder
    assert not any(grant.via == "role g_app" for grant in responder)


def test_an_open_session_is_a_use_and_a_consumer(server: PostgresServer) -> None:
    ref = make(server, "s_app")
    log = str(server.json_log)

    async def look(**options: Any) -> Any:
        async with backend(server, **options) as pg:
            return await pg.read(ref), await pg.dependents(ref)

    with server.connect("s_app", password="pw", application_name="nightly-etl"):
        token, dependents = asyncio.run(look())
        (session,) = [each for each in dependents.consumers if each.kind == "session"]
        assert session.name == "nightly-etl from 127.0.0.1"
        assert session.last_seen.known
        assert token.last_used_from.value == "127.0.0.1"
        assert token.last_used_for.value == "nightly-etl on postgres"

    token, dependents = asyncio.run(look())
    assert token.last_used_at.how is How.NOT_TRACKED
    assert [each for each in dependents.consumers if each.kind == "session"] == []
    assert GapKind.UNLISTABLE in [gap.kind for gap in dependents.gaps]

    token, _ = asyncio.run(look(log_file=log))
    assert token.last_used_at.known
    assert token.last_used_at.source == "server log"
    assert token.last_used_for.value == "nightly-etl on database postgres"


def test_what_hangs_on_a_role_is_counted_over_all_databases(server: PostgresServer) -> None:
    ref = make(server, "d_owner")
    make(server, "d_member")
    with server.connect() as connection:
        connection.execute("GRANT d_owner TO d_member; CREATE SCHEMA d_one AUTHORIZATION d_owner")
    with server.connect(dbname="shop") as shop:
        shop.execute(
            "CREATE TABLE d_t (id int); CREATE TABLE d_u (id int);"
            "GRANT SELECT ON d_t, d_u TO d_owner"
        )

    async def look() -> Any:
        async with backend(server) as pg:
            return await pg.dependents(ref)

    found = {each.name: each for each in asyncio.run(look()).consumers}
    assert found["owner of schema d_one"].kind == "object"
    assert found["database shop"].detail == "privileges on 2 objects in database shop"
    assert found["d_member"].kind == "token"


def test_a_reader_without_statistics_says_what_it_could_not_see(server: PostgresServer) -> None:
    make(server, "plain_reader")
    ref = make(server, "p_app")

    async def look() -> Any:
        async with backend(server, read_as="plain_reader", read=Secret("pw"), act_as=None) as pg:
            return await listing(pg), await pg.dependents(ref), await pg.whoami()

    with server.connect("p_app", password="pw", application_name="hidden"):
        (tokens, rest), dependents, who = asyncio.run(look())
    gaps = [item for item in rest if isinstance(item, Gap)]
    assert [(gap.kind, gap.hint) for gap in gaps] == [
        (GapKind.REFUSED, 'GRANT pg_read_all_stats TO "plain_reader";')
    ]
    assert tokens["p_app"].last_used_at.known
    assert tokens["p_app"].last_used_from.how is How.NOT_PERMITTED
    assert GapKind.REFUSED in [gap.kind for gap in dependents.gaps]
    assert any(each.kind == "session" for each in dependents.consumers)
    assert not who.can_act


def test_a_renamed_role_stays_the_same_token(server: PostgresServer) -> None:
    ref = make(server, "before")
    with server.connect() as connection:
        connection.execute("ALTER ROLE before RENAME TO after")
    tokens, _ = tokens_of(server)
    assert tokens["after"].ref == ref


@pytest.mark.parametrize("id_", ["4294967295", "0", "-1", "x", "99999999999999", "²", ""])
def test_an_id_that_no_role_has_is_not_found(server: PostgresServer, id_: str) -> None:
    async def look() -> None:
        async with backend(server) as pg:
            await pg.read(TokenRef("pg", "login-role", id_))

    with pytest.raises(NotFound):
        asyncio.run(look())


def test_hostile_names_arrive_as_they_are(server: PostgresServer) -> None:
    refs = {name: make(server, name) for name in HOSTILE}
    tokens, _ = tokens_of(server)
    assert {name: tokens[name].ref for name in HOSTILE} == refs


def test_one_name_in_another_encoding_does_not_hide_the_others(server: PostgresServer) -> None:
    with server.connect() as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    with server.connect(dbname="latin", client_encoding="LATIN1") as latin:
        latin.execute('CREATE ROLE "caf\u00e9" LOGIN')
    tokens, rest = tokens_of(server)
    assert "caf\\xe9" in tokens
    assert "console_reader" in tokens
    assert any(isinstance(item, ScopeDone) for item in rest)


def test_no_verifier_and_no_setting_of_an_application_is_read(server: PostgresServer) -> None:
    make(server, "c_app")
    with server.connect() as connection:
        connection.execute("ALTER ROLE c_app SET app.jwt_secret = 'canary-4711'")
        connection.execute("ALTER ROLE c_app SET work_mem = '8MB'")
    tokens, _ = tokens_of(server, read_as="postgres")
    facts = dict(tokens["c_app"].facts)
    assert facts["password"] == "scram-sha-256"
    assert facts["settings"] == "app.jwt_secret (not shown), work_mem=8MB"
    everything = b"".join(encode(token) for token in tokens.values())
    assert b"canary-4711" not in everything
    assert b"SCRAM-SHA-256$" not in everything


def test_the_log_tells_of_logins_and_of_changes_but_no_password(server: PostgresServer) -> None:
    ref = make(server, "e_app")
    began = datetime.now(UTC) - timedelta(minutes=1)
    server.connect("e_app", password="pw", application_name="cron").close()
    with pytest.raises(Exception, match="password authentication failed"):
        server.connect("e_app", password="bad")
    with server.connect() as connection:
        connection.execute("ALTER ROLE e_app PASSWORD 'canary-in-clear'")

    async def look(**options: Any) -> Any:
        async with backend(server, **options) as pg:
            return [event async for event in pg.events(began)]

    told = asyncio.run(look(log_file=str(server.json_log)))
    events = [e for e in told if isinstance(e, AuditEvent)]
    mine = [e for e in events if e.token == ref]
    assert ("login", "ok", "cron", "127.0.0.1") in [
        (e.action, e.outcome, e.agent, e.source) for e in mine
    ]
    assert ("login", "denied") in [(e.action, e.outcome) for e in mine]
    altered = [e for e in events if e.action == "ALTER ROLE" and "e_app" in e.detail]
    assert altered
    assert len({e.id for e in events}) == len(events)
    assert b"canary-in-clear" not in encode(events)

    (gap,) = asyncio.run(look())
    assert gap.kind is GapKind.UNLISTABLE
    # Raised and no gap: nobody may take such a log for read up to now.
    with pytest.raises(BackendError, match="cannot read /nowhere/"):
        asyncio.run(look(log_file="/nowhere/postgresql.json"))
    with pytest.raises(BackendError) as caught:
        asyncio.run(look(log_file=str(server.place / "data" / "postgresql.conf")))
    assert "jsonlog" in caught.value.hint


def test_a_pasted_password_is_recognised_without_using_it(server: PostgresServer) -> None:
    secret = "pässwörd-№1"
    ref = make(server, "i_app", password=secret)
    other = make(server, "i_md5")
    with server.connect() as connection:
        connection.execute("SET password_encryption = 'md5'")
        connection.execute("SET log_statement = 'none'")
        connection.execute(sql.SQL("ALTER ROLE i_md5 PASSWORD {}").format(sql.Literal("md5-pw")))
    before = server.json_log.read_bytes().count(b"i_app")

    async def ask(text: str, **options: Any) -> Any:
        async with backend(server, **options) as pg:
            return [match.ref for match in await pg.identify(Secret(text))]

    boss = {"read_as": "postgres"}
    assert asyncio.run(ask(secret, **boss)) == [ref]
    assert asyncio.run(ask("md5-pw", **boss)) == [other]
    assert asyncio.run(ask(f"postgresql://i_app:{secret}@db.example/x", **boss)) == [ref]
    assert asyncio.run(ask("nobody's", **boss)) == []
    assert server.json_log.read_bytes().count(b"i_app") == before

    with pytest.raises(Forbidden, match="pg_authid"):
        asyncio.run(ask(secret))
    assert asyncio.run(ask("postgresql://i_app:x@127.0.0.1/x")) == [ref]


@pytest.mark.parametrize("password", ["plain", "é", "e\u0301", "a\u00a0b", "\u00ad", "x\u0007é"])
def test_the_offline_check_agrees_with_the_server(server: PostgresServer, password: str) -> None:
    with server.connect() as connection:
        connection.execute("SET log_statement = 'none'")
        connection.execute("DROP ROLE IF EXISTS v_app")
        connection.execute(
            sql.SQL("CREATE ROLE v_app LOGIN PASSWORD {}").format(sql.Literal(password))
        )
        row = connection.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = 'v_app'"
        ).fetchone()
    assert row is not None
    assert scram.matches(row[0], b"v_app", Secret(password))
    assert not scram.matches(row[0], b"v_app", Secret(password + "x"))


@pytest.mark.parametrize(
    "stored", ["", "SCRAM-SHA-256$", "SCRAM-SHA-256$9e9:!$x:y", "md5", "x$y$z"]
)
def test_a_damaged_verifier_matches_nothing(stored: str) -> None:
    assert not scram.matches(stored, b"r", Secret("pw"))


@pytest.mark.parametrize(
    ("options", "named"),
    [({"sslmode": "maybe"}, "sslmode"), ({"port": 0}, "port"), ({"statement_timeout": 0}, "s")],
)
def test_a_wrong_option_is_named(options: dict[str, Any], named: str) -> None:
    table = {"type": "postgres", "host": "h", "user": "u", "read": {"env": "PATH"}, **options}
    with pytest.raises(ConfigError) as caught:
        registry.configure("pg", table)
    assert caught.value.option.startswith(named)


def test_the_declaration_is_plain_data(server: PostgresServer) -> None:
    declared = backend(server).capabilities()
    assert json.loads(encode(declared))["kinds"][0]["kind"] == "login-role"
