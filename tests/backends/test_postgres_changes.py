"""What the PostgreSQL backend changes, through which door, and what the server says after."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from postgres_lab import Proxy, act, backend, exists, make, server
from psycopg import sql
from test_postgres import HOSTILE

from backends.contract import Call, Outcome, OutcomeState, Proposal, Step, Verb
from backends.errors import NoIntent, NotFound, Unsupported
from backends.lab.postgres import PostgresServer
from backends.model import Secret, TokenRef, TokenState, encode
from backends.permit import Permit
from backends.postgres import wire
from backends.postgres.actions import quoted

pytestmark = pytest.mark.lab
__all__ = ["server"]


def run(
    server: PostgresServer, verb: Verb, ref: TokenRef, **options: Any
) -> tuple[Proposal, Outcome]:
    async def both() -> tuple[Proposal, Outcome]:
        async with backend(server, **options) as pg:
            return await act(pg, verb, ref)

    return asyncio.run(both())


def planned(server: PostgresServer, verb: Verb, ref: TokenRef, **options: Any) -> Proposal:
    async def ask() -> Proposal:
        async with backend(server, **options) as pg:
            return await pg.plan(verb, await pg.read(ref))

    return asyncio.run(ask())


def performed(server: PostgresServer, step: Step, **options: Any) -> Outcome:
    async def go() -> Outcome:
        async with backend(server, **options) as pg:
            with Permit("intent-2", step).active():
                return await pg.perform(step)

    return asyncio.run(go())


def log_in(server: PostgresServer, name: str, password: str = "pw") -> None:
    server.connect(name, password=password).close()


def test_the_reading_session_cannot_write_even_as_a_superuser(server: PostgresServer) -> None:
    ref = make(server, "door")

    async def write() -> Any:
        async with backend(server, read_as="postgres") as pg:
            await pg.read(ref)
            session = pg._reader.connection
            assert session is not None
            await session.execute('DROP ROLE "door"')

    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        asyncio.run(write())
    assert exists(server, ref)


def test_without_an_intent_nothing_is_sent(server: PostgresServer) -> None:
    ref = make(server, "no_intent")
    (step,) = planned(server, Verb.REVOKE, ref).steps

    async def bare() -> None:
        async with backend(server) as pg:
            await pg.perform(step)

    with pytest.raises(NoIntent):
        asyncio.run(bare())
    assert exists(server, ref)


def test_a_statement_that_is_not_ours_is_not_sent(server: PostgresServer) -> None:
    ref = make(server, "not_ours")
    (step,) = planned(server, Verb.REVOKE, ref).steps
    call = Call("sql", "ALTER ROLE", '"not_ours" SUPERUSER')
    forged = Step(id=step.id, verb=step.verb, token=ref, title="", call=call)
    assert performed(server, forged, act_as="postgres").state is OutcomeState.NOT_SENT


def test_a_role_on_which_nothing_depends_is_dropped(server: PostgresServer) -> None:
    ref = make(server, "lonely")
    log_in(server, "lonely")

    async def whole() -> Any:
        async with backend(server) as pg:
            proposal, outcome = await act(pg, Verb.REVOKE, ref, intent="01JINTENT")
            with pytest.raises(NotFound):
                await pg.read(ref)
            probe = await pg.probe(ref, Secret("pw"))
            (step,) = proposal.steps
            with Permit("01JAGAIN", step).active():
                return proposal, outcome, probe, await pg.perform(step)

    proposal, outcome, probe, again = asyncio.run(whole())
    (step,) = proposal.steps
    assert step.call.line == 'DROP ROLE "lonely"'
    assert (step.expect, step.reversible) == ("gone", False)
    assert (outcome.state, outcome.status) == (OutcomeState.APPLIED, "DROP ROLE")
    assert probe.accepted is False
    assert again.state is OutcomeState.ALREADY
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        log_in(server, "lonely")
    # The intent stands in the server's own log, beside the statement.
    lines = server.json_log.read_text(errors="replace").splitlines()
    dropped = [line for line in lines if 'DROP ROLE \\"lonely\\"' in line]
    assert any("token-console/01JINTENT" in line for line in dropped)


def test_a_role_that_owns_things_is_made_useless_and_stays(server: PostgresServer) -> None:
    ref = make(server, "owning")
    with server.connect() as connection:
        connection.execute("CREATE SCHEMA owned_schema AUTHORIZATION owning")

    with server.connect("owning", password="pw", application_name="api") as session:
        proposal, outcome = run(server, Verb.REVOKE, ref)
        (step,) = proposal.steps
        assert step.call.line == ("ALTER ROLE \"owning\" NOLOGIN PASSWORD NULL VALID UNTIL 'epoch'")
        assert {hazard.code for hazard in proposal.hazards} == {"live-sessions", "dependents"}
        assert "owner of 1 object in database postgres" in proposal.collateral[0]
        assert "REASSIGN OWNED" in proposal.manual
        assert outcome.state is OutcomeState.APPLIED
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            log_in(server, "owning")
        # Revoked is not disconnected.
        assert session.execute("SELECT 1").fetchone() == (1,)
        _, ended = run(server, Verb.DISCONNECT, ref)
        assert (ended.state, ended.detail) == (OutcomeState.APPLIED, "1 session")
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")

    async def after() -> Any:
        async with backend(server, read_as="postgres") as pg:
            return await pg.read(ref)

    token = asyncio.run(after())
    assert token.state is TokenState.DISABLED
    assert token.state.value == step.expect
    assert dict(token.facts)["password"] == "none"
    with pytest.raises(Unsupported, match="password is destroyed"):
        planned(server, Verb.RESTORE, ref)
    # When its schema is gone, the next revoke removes the role itself.
    with server.connect() as connection:
        connection.execute("DROP SCHEMA owned_schema")
    _, outcome = run(server, Verb.REVOKE, ref)
    assert outcome.status == "DROP ROLE"
    assert not exists(server, ref)


def test_containing_is_taken_back_exactly(server: PostgresServer) -> None:
    ref = make(server, "contained")
    proposal, outcome = run(server, Verb.CONTAIN, ref)
    assert outcome.state is OutcomeState.APPLIED
    assert proposal.undo == 'ALTER ROLE "contained" LOGIN'
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        log_in(server, "contained")
    proposal, outcome = run(server, Verb.RESTORE, ref)
    assert (outcome.state, proposal.steps[0].expect) == (OutcomeState.APPLIED, "active")
    log_in(server, "contained")
    assert "changes nothing" in planned(server, Verb.RESTORE, ref).collateral[0]


def test_a_drop_that_the_server_refuses_names_the_reason(server: PostgresServer) -> None:
    ref = make(server, "late_owner")
    (step,) = planned(server, Verb.REVOKE, ref).steps
    with server.connect() as connection:
        connection.execute("CREATE SCHEMA late AUTHORIZATION late_owner")
    outcome = performed(server, step)
    assert (outcome.state, outcome.status) == (OutcomeState.REJECTED, "2BP01")
    assert "owner of schema late" in outcome.detail
    assert exists(server, ref)


def test_a_name_that_went_to_another_role_is_left_alone(server: PostgresServer) -> None:
    ref = make(server, "swapped")
    (step,) = planned(server, Verb.REVOKE, ref).steps
    with server.connect() as connection:
        connection.execute("ALTER ROLE swapped RENAME TO swapped_old")
    bystander = make(server, "swapped")
    outcome = performed(server, step)
    assert outcome.state is OutcomeState.NOT_SENT
    assert "swapped_old" in outcome.detail
    assert exists(server, bystander)
    assert exists(server, ref)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_revoked_and_nothing_else(server: PostgresServer, name: str) -> None:
    name = name[:-1] + "!"
    ref = make(server, name)
    with server.connect() as connection:
        roles = connection.execute("SELECT count(*) FROM pg_roles").fetchone()
    _, outcome = run(server, Verb.CONTAIN, ref)
    assert outcome.state is OutcomeState.APPLIED
    _, outcome = run(server, Verb.REVOKE, ref)
    assert outcome.state is OutcomeState.APPLIED
    with server.connect() as connection:
        after = connection.execute("SELECT count(*) FROM pg_roles").fetchone()
    assert roles is not None
    assert after == (roles[0] - 1,)
    assert quoted(name).startswith('"')


def test_a_superuser_is_out_of_a_responders_reach(server: PostgresServer) -> None:
    ref = make(server, "boss", "LOGIN SUPERUSER")
    proposal, outcome = run(server, Verb.REVOKE, ref)
    assert {"superuser", "not-permitted"} <= {hazard.code for hazard in proposal.hazards}
    assert (outcome.state, outcome.status) == (OutcomeState.REJECTED, "42501")
    assert exists(server, ref)


def test_what_the_responder_lacks_is_said_before_and_after(server: PostgresServer) -> None:
    ref = make(server, "unadministered")
    with server.connect() as connection:
        connection.execute("REVOKE unadministered FROM console_responder")
    proposal, outcome = run(server, Verb.REVOKE, ref)
    (hazard,) = proposal.hazards
    assert 'GRANT "unadministered" TO "console_responder" WITH ADMIN OPTION' in hazard.text
    assert outcome.state is OutcomeState.REJECTED
    assert "ADMIN option" in outcome.detail


def test_the_last_superuser_cannot_be_planned_away(server: PostgresServer) -> None:
    ref = TokenRef("pg", "login-role", "10")
    assert not any(hazard.fatal for hazard in planned(server, Verb.REVOKE, ref).hazards)
    with server.connect() as connection:
        supers = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin AND oid <> 10"
        ).fetchall()
        for (name,) in supers:
            connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(name)))
        try:
            proposal = planned(server, Verb.REVOKE, ref)
        finally:
            for (name,) in supers:
                connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(name)))
    assert [h.code for h in proposal.hazards if h.fatal] == ["last-superuser"]
    # The cluster's first role can never be dropped, so that is not what is planned.
    assert proposal.steps[0].expect == "disabled"


def test_without_an_acting_credential_nothing_is_sent(server: PostgresServer) -> None:
    ref = make(server, "read_only")
    (step,) = planned(server, Verb.REVOKE, ref).steps
    outcome = performed(server, step, act_as=None)
    assert outcome.state is OutcomeState.NOT_SENT
    assert exists(server, ref)


def test_an_answer_that_is_lost_leaves_the_outcome_unknown(server: PostgresServer) -> None:
    ref = make(server, "lost_answer")
    (step,) = planned(server, Verb.REVOKE, ref).steps
    with Proxy(server.port, b"COMMIT") as line:
        outcome = performed(server, step, port=line.port)
    assert outcome.state is OutcomeState.UNKNOWN
    # It did happen, as only the re-read can tell.
    assert not exists(server, ref)


def test_silence_leaves_the_outcome_unknown(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "GRACE", 0.0)
    ref = make(server, "silent")
    (step,) = planned(server, Verb.CONTAIN, ref).steps
    with Proxy(server.port, b"NOLOGIN", cut=False) as line:
        outcome = performed(server, step, port=line.port, statement_timeout=1)
    assert outcome.state is OutcomeState.UNKNOWN
    assert "no answer" in outcome.detail


def test_a_server_that_is_not_there_was_sent_nothing(server: PostgresServer) -> None:
    ref = make(server, "unreached")
    (step,) = planned(server, Verb.REVOKE, ref).steps
    with Proxy(server.port) as line:
        port = line.port
    assert performed(server, step, port=port).state is OutcomeState.NOT_SENT
    assert exists(server, ref)


def test_no_password_is_in_the_servers_log_or_in_any_record(server: PostgresServer) -> None:
    canary = "canary-Tr0ub4dor-3"
    ref = make(server, "canary_app", password=canary)
    log_in(server, "canary_app", canary)
    proposal, outcome = run(server, Verb.REVOKE, ref)

    async def look() -> Any:
        async with backend(server) as pg:
            gone = await pg.probe(ref, Secret(canary))
            return gone, repr(pg.config), repr(vars(pg))

    seen = repr((proposal, outcome, asyncio.run(look()))).encode() + encode((proposal, outcome))
    act_password = server.secret("console_responder").reveal().encode()
    assert canary.encode() not in seen
    assert act_password not in seen
    log = server.json_log.read_bytes() + server.log.read_bytes()
    assert b"canary_app" in log
    assert canary.encode() not in log
