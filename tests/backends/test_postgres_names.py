"""Role names in databases of several encodings: the role that is meant, and no other."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from postgres_lab import act, backend, make, server
from psycopg import pq, sql

from backends.contract import Outcome, OutcomeState, Proposal, Verb
from backends.lab.postgres import RESPONDER, PostgresServer
from backends.model import AuditEvent, ScopeDone, Secret, Token, TokenRef, TokenState
from backends.permissions import Decision
from backends.permit import Permit
from backends.postgres import scram, step_check

pytestmark = pytest.mark.lab
__all__ = ["server"]

ENCODINGS = {"postgres": "UTF8", "latin": "LATIN1", "ascii": "SQL_ASCII", "japanese": "EUC_JP"}
"""Databases by name. The first one is the cluster's own."""
RAW = b"m\xfcller"
PICTURE = "m\\xfcller"
"""How RAW is drawn, and at the same time the real name of another role."""
UMLAUT = "z\u00f6e"


class Roles:
    """Three roles: RAW, made in LATIN1; the one that is really called PICTURE; and UMLAUT."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.picture = make(server, PICTURE)
        self.umlaut = make(server, UMLAUT)
        with server.connect(dbname="latin", client_encoding="LATIN1") as latin:
            verifier = scram.verifier(latin.pgconn, "x", Secret("pw"))
            name = sql.Identifier(RAW.decode("latin-1"))
            responder = sql.Identifier(RESPONDER)
            latin.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(verifier))
            )
            latin.execute(
                sql.SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE").format(
                    name, responder
                )
            )
            found = latin.execute(
                "SELECT oid::bigint FROM pg_roles WHERE rolname = %s", (RAW.decode("latin-1"),)
            ).fetchone()
        assert found is not None
        self.raw = TokenRef("pg", "login-role", str(found[0]))

    def lets_in(self, raw: bytes, password: bytes = b"pw") -> bool:
        """Whether the server lets the role with these bytes for a name in."""
        info = b"host=127.0.0.1 port=%d dbname=postgres user='%s' password='%s'"
        escaped = raw.replace(b"\\", b"\\\\")
        session = pq.PGconn.connect(info % (self.server.port, escaped, password))
        told = session.status == pq.ConnStatus.OK
        session.finish()
        return told

    def truth(self) -> dict[str, tuple[bool, bool]]:
        """What the server has of each, by oid: may it log in, and has it a password."""
        with self.server.connect(client_encoding="SQL_ASCII") as connection:
            rows = connection.execute(
                "SELECT oid::bigint, rolcanlogin, rolpassword IS NOT NULL FROM pg_authid"
            ).fetchall()
        found = {str(oid): (login, password) for oid, login, password in rows}
        return {ref.id: found[ref.id] for ref in (self.raw, self.picture, self.umlaut)}


@pytest.fixture
def roles(server: PostgresServer) -> Any:
    with server.connect() as connection:
        there = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        for name, encoding in ENCODINGS.items():
            if name not in there:
                connection.execute(
                    f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'"
                )
    made = Roles(server)
    yield made
    with server.connect(client_encoding="SQL_ASCII") as connection:
        for ref in (made.raw, made.picture, made.umlaut):
            connection.execute(
                "DO $$ BEGIN EXECUTE (SELECT coalesce((SELECT format('DROP ROLE %I', rolname)"
                f" FROM pg_roles WHERE oid = {ref.id}), 'SELECT 1')); END $$"
            )


def done(server: PostgresServer, verb: Verb, ref: TokenRef, dbname: str) -> tuple[Any, Any]:
    async def go() -> tuple[Proposal, Outcome]:
        async with backend(server, dbname=dbname) as pg:
            return await act(pg, verb, ref)

    return asyncio.run(go())


@pytest.mark.parametrize("dbname", ENCODINGS)
def test_every_database_lists_every_role(roles: Roles, dbname: str) -> None:
    async def look() -> list[Any]:
        async with backend(roles.server, dbname=dbname) as pg:
            return [item async for item in pg.inventory()]

    found = asyncio.run(look())
    tokens = {item.ref: item for item in found if isinstance(item, Token)}
    assert any(isinstance(item, ScopeDone) and item.seen == len(tokens) for item in found)
    assert tokens[roles.umlaut].name == UMLAUT
    assert tokens[roles.picture].name == PICTURE
    assert "name" not in dict(tokens[roles.picture].facts)
    assert tokens[roles.raw].name == PICTURE
    # Two that look the same are told apart by what stands on the token's page.
    assert RAW.hex() in dict(tokens[roles.raw].facts)["name"]


@pytest.mark.parametrize("dbname", ENCODINGS)
@pytest.mark.parametrize("which", ["raw", "picture", "umlaut"])
def test_the_role_that_is_meant_is_contained_and_no_other(
    roles: Roles, dbname: str, which: str
) -> None:
    ref: TokenRef = getattr(roles, which)
    proposal, outcome = done(roles.server, Verb.CONTAIN, ref, dbname)
    assert outcome.state is OutcomeState.APPLIED, outcome
    assert (PICTURE in proposal.steps[0].call.line) == (which == "picture")
    assert (f"oid = {ref.id}" in proposal.steps[0].call.line) == (which == "raw")
    assert {id_ for id_, (login, _) in roles.truth().items() if not login} == {ref.id}
    assert roles.lets_in(RAW) == (which != "raw")
    assert roles.lets_in(PICTURE.encode()) == (which != "picture")

    proposal, outcome = done(roles.server, Verb.RESTORE, ref, dbname)
    assert outcome.state is OutcomeState.APPLIED, outcome
    assert all(login for login, _ in roles.truth().values())


def test_the_role_that_is_meant_is_dropped_or_made_useless(roles: Roles) -> None:
    with roles.server.connect(client_encoding="SQL_ASCII") as connection:
        connection.execute(
            "DO $$ BEGIN EXECUTE (SELECT format('CREATE SCHEMA raw_own AUTHORIZATION %I', rolname)"
            f" FROM pg_roles WHERE oid = {roles.raw.id}); END $$"
        )
    _, outcome = done(roles.server, Verb.REVOKE, roles.raw, "postgres")
    assert outcome.state is OutcomeState.APPLIED, outcome
    assert roles.truth()[roles.raw.id] == (False, False)
    assert roles.truth()[roles.picture.id] == (True, True)
    with roles.server.connect() as connection:
        connection.execute("DROP SCHEMA raw_own")
    _, outcome = done(roles.server, Verb.REVOKE, roles.raw, "postgres")
    assert outcome.state is OutcomeState.APPLIED, outcome
    with roles.server.connect() as connection:
        found = connection.execute("SELECT FROM pg_roles WHERE oid = %s", (roles.raw.id,))
        assert found.fetchone() is None
        found = connection.execute("SELECT FROM pg_roles WHERE oid = %s", (roles.picture.id,))
        assert found.fetchone() is not None


def test_the_role_that_is_meant_gets_the_new_password(roles: Roles) -> None:
    async def rotate() -> Outcome:
        async with backend(roles.server) as pg:
            proposal = await pg.plan(Verb.ROTATE, await pg.read(roles.raw))
            (step,) = proposal.steps
            permit = Permit("intent-1", step, value=Secret("the-new-one"))
            with permit.active():
                return await pg.perform(step)

    outcome = asyncio.run(rotate())
    assert outcome.state is OutcomeState.APPLIED, outcome
    assert roles.lets_in(RAW, b"the-new-one")
    assert not roles.lets_in(RAW)
    assert roles.lets_in(PICTURE.encode())


def test_a_value_is_never_tried_as_the_role_that_looks_like_it(roles: Roles) -> None:
    async def ask(ref: TokenRef) -> Any:
        async with backend(roles.server) as pg:
            await pg.read(ref)
            return await pg.probe(ref, Secret("pw"))

    done(roles.server, Verb.CONTAIN, roles.picture, "postgres")
    told = asyncio.run(ask(roles.raw))
    # The value works: whoever says "refused" here was refused as the other role.
    assert roles.lets_in(RAW)
    assert told.accepted is None
    assert "no UTF-8" in told.detail
    assert asyncio.run(ask(roles.picture)).accepted is False
    assert asyncio.run(ask(roles.umlaut)).accepted is True


def test_the_log_tells_of_each_what_it_did(roles: Roles) -> None:
    began = datetime.now(UTC)
    assert roles.lets_in(RAW)
    assert roles.lets_in(RAW)
    assert roles.lets_in(PICTURE.encode())

    async def look() -> list[Any]:
        async with backend(roles.server, log_file=str(roles.server.json_log)) as pg:
            found = [e async for e in pg.events(began) if isinstance(e, AuditEvent)]
            return [(e.token, e.action, e.outcome) for e in found if e.action == "login"]

    told = asyncio.run(look())
    assert told.count((roles.raw, "login", "ok")) == 2
    assert told.count((roles.picture, "login", "ok")) == 1


def test_a_name_that_changes_hands_at_the_last_moment_changes_nothing(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = make(server, "swapped")
    twin = make(server, "twin")
    still = step_check.checked

    async def go(verb: Verb) -> Outcome:
        async with backend(server) as pg:
            token = await pg.read(ref)
            (step,) = (await pg.plan(verb, token)).steps
            made = still(step)

            async def late(ready: Any) -> Any:
                checked = await made(ready)
                with server.connect() as connection:
                    connection.execute("ALTER ROLE swapped RENAME TO elsewhere")
                    connection.execute("ALTER ROLE twin RENAME TO swapped")
                return checked

            monkeypatch.setattr(step_check, "checked", lambda step: late)
            with Permit("intent-1", step).active():
                return await pg.perform(step)

    for verb in (Verb.CONTAIN, Verb.REVOKE):
        outcome = asyncio.run(go(verb))
        assert outcome.state is OutcomeState.REJECTED
        assert "another role" in outcome.detail
        with server.connect() as connection:
            rows = connection.execute(
                "SELECT oid::text, rolcanlogin FROM pg_roles WHERE oid = ANY(%s)",
                ([int(ref.id), int(twin.id)],),
            ).fetchall()
            connection.execute("ALTER ROLE swapped RENAME TO twin")
            connection.execute("ALTER ROLE elsewhere RENAME TO swapped")
        assert dict(rows) == {ref.id: True, twin.id: True}


def test_the_servers_words_are_shown_whatever_their_encoding(roles: Roles) -> None:
    async def ask() -> str:
        async with backend(roles.server) as pg:
            await pg.read(roles.umlaut)
            return (await pg.probe(roles.umlaut, Secret("wrong"))).detail

    assert UMLAUT in asyncio.run(ask())


def test_a_text_in_the_encoding_of_its_database_is_read(roles: Roles) -> None:
    with roles.server.connect(dbname="latin") as latin:
        latin.execute(
            sql.SQL("COMMENT ON ROLE {} IS 'owner: j\u00fcrgen'").format(sql.Identifier(PICTURE))
        )

    async def look(dbname: str) -> tuple[Any, TokenState]:
        async with backend(roles.server, dbname=dbname) as pg:
            token = await pg.read(roles.picture)
            return token.owner.value, token.state

    assert asyncio.run(look("latin")) == ("j\u00fcrgen", TokenState.ACTIVE)
    assert asyncio.run(look("postgres")) == ("j\\xfcrgen", TokenState.ACTIVE)


def test_rights_are_told_of_the_role_and_the_table_that_are_meant(roles: Roles) -> None:
    with roles.server.connect(dbname="latin", client_encoding="LATIN1") as latin:
        latin.execute("CREATE TABLE m\u00fcller (gr\u00f6\u00dfe int)")
        for name in (RAW.decode("latin-1"), RESPONDER):
            latin.execute(sql.SQL("GRANT SELECT ON m\u00fcller TO {}").format(sql.Identifier(name)))
        latin.execute(
            sql.SQL("GRANT {} TO {}").format(
                sql.Identifier(RAW.decode("latin-1")), sql.Identifier("postgres")
            )
        )

    async def look(ref: TokenRef) -> tuple[Decision, str]:
        async with backend(roles.server, dbname="latin") as pg:
            found = await pg.permissions(await pg.read(ref))
            for row in found.rows:
                assert row.resource
            return pg.permits(found, "SELECT", 'table public."m\u00fcller"').decision, found.subject

    try:
        raw, subject = asyncio.run(look(roles.raw))
        assert raw is Decision.ALLOWED
        assert subject == f'role "{PICTURE}, oid {roles.raw.id}", in database latin'
        picture, subject = asyncio.run(look(roles.picture))
        assert picture is Decision.DENIED
        assert subject == f'role "{PICTURE}", in database latin'
    finally:
        with roles.server.connect(dbname="latin", client_encoding="LATIN1") as latin:
            latin.execute("DROP TABLE m\u00fcller")


@pytest.mark.parametrize("dbname", ENCODINGS)
def test_every_database_tells_every_roles_rights(roles: Roles, dbname: str) -> None:
    async def look() -> list[str]:
        async with backend(roles.server, dbname=dbname) as pg:
            refs = (roles.raw, roles.picture, roles.umlaut)
            found = [await pg.permissions(await pg.read(ref)) for ref in refs]
            assert all(each.whole and each.rows for each in found)
            return [each.subject for each in found]

    assert len(set(asyncio.run(look()))) == 3
