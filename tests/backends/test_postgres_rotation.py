"""A role's password is replaced in place; the server itself refuses the old one from then on."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from postgres_lab import Proxy, act, backend, exists, make, server
from psycopg import sql
from test_postgres import HOSTILE

from backends.contract import NO_SESSIONS, Outcome, OutcomeState, Phase, Proposal, Step, Value, Verb
from backends.errors import NoIntent, NotFound, Unsupported
from backends.lab.postgres import PostgresServer
from backends.model import Secret, TokenRef, encode
from backends.permit import Permit

pytestmark = pytest.mark.lab
__all__ = ["server"]

NEW = "a-New-0ne-of-ours"


def accepts(server: PostgresServer, name: str, password: str) -> bool:
    try:
        server.connect(name, password=password).close()
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        return False
    return True


def planned(server: PostgresServer, ref: TokenRef, **options: Any) -> Proposal:
    async def ask() -> Proposal:
        async with backend(server, **options) as pg:
            return await pg.plan(Verb.ROTATE, await pg.read(ref))

    return asyncio.run(ask())


def performed(
    server: PostgresServer, step: Step, value: str | None = NEW, **options: Any
) -> tuple[Outcome, Permit]:
    permit = Permit("01JROTATE", step, value=None if value is None else Secret(value))

    async def go() -> Outcome:
        async with backend(server, **options) as pg:
            with permit.active():
                return await pg.perform(step)

    return asyncio.run(go()), permit


def tried(server: PostgresServer, ref: TokenRef, value: str, **options: Any) -> bool | None:
    async def go() -> bool | None:
        async with backend(server, **options) as pg:
            return (await pg.probe(ref, Secret(value))).accepted

    return asyncio.run(go())


def delivered(permit: Permit) -> list[tuple[TokenRef, str]]:
    return [(ref, secret.reveal()) for ref, secret in permit.minted]


def test_the_new_password_is_accepted_and_the_old_one_refused(server: PostgresServer) -> None:
    ref = make(server, "turning", "LOGIN CREATEDB VALID UNTIL '2031-02-03 04:05Z'")

    def record() -> Any:
        with server.connect() as connection:
            query = "SELECT * FROM pg_roles WHERE rolname = 'turning'"
            return connection.execute(query).fetchone()

    before = record()
    proposal = planned(server, ref)
    (step,) = proposal.steps
    assert step.call.line == "ALTER ROLE \"turning\" PASSWORD '<new value>'"
    assert (step.phase, step.value, step.expect) == (Phase.MINT, Value.CHOSEN, "")
    assert (step.token, step.verb, proposal.hazards) == (ref, Verb.ROTATE, ())
    outcome, permit = performed(server, step)
    assert (outcome.state, outcome.status) == (OutcomeState.APPLIED, "ALTER ROLE")
    assert delivered(permit) == [(ref, NEW)]
    assert accepts(server, "turning", NEW)
    assert not accepts(server, "turning", "pw")
    assert tried(server, ref, NEW) is True
    assert tried(server, ref, "pw") is False
    assert record() == before
    # The same value again sets the same password, so that a repeat does no harm.
    again, _ = performed(server, step)
    assert again.state is OutcomeState.APPLIED
    assert accepts(server, "turning", NEW)


def test_a_value_of_our_own_making_fits_everywhere(server: PostgresServer) -> None:
    ref = make(server, "fitting")
    (step,) = planned(server, ref).steps
    made = backend(server).new_value(step).reveal()
    assert made != backend(server).new_value(step).reveal()
    assert len(made) == 43
    assert made.isascii()
    assert made.isalnum()
    performed(server, step, made)
    assert accepts(server, "fitting", made)


def test_sessions_survive_a_rotation_and_a_disconnect_shows_that_they_ended(
    server: PostgresServer,
) -> None:
    ref = make(server, "lingering")

    async def sessions() -> list[str]:
        async with backend(server) as pg:
            found = await pg.dependents(ref)
            return [consumer.name for consumer in found.consumers if consumer.kind == "session"]

    async def disconnected() -> tuple[Proposal, Outcome]:
        async with backend(server) as pg:
            return await act(pg, Verb.DISCONNECT, ref)

    with server.connect("lingering", password="pw", application_name="till") as session:
        proposal = planned(server, ref)
        assert [hazard.code for hazard in proposal.hazards] == ["live-sessions"]
        assert any("disconnect" in line for line in proposal.collateral)
        performed(server, proposal.steps[0])
        assert session.execute("SELECT 1").fetchone() == (1,)
        assert asyncio.run(sessions()) == ["till from 127.0.0.1"]
        proposal, outcome = asyncio.run(disconnected())
        assert proposal.steps[0].expect == NO_SESSIONS
        assert (outcome.state, outcome.detail) == (OutcomeState.APPLIED, "1 session")
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert asyncio.run(sessions()) == []


def test_the_sessions_of_a_role_that_was_dropped_are_seen_and_ended(
    server: PostgresServer,
) -> None:
    ref = make(server, "ghost")

    async def whole() -> None:
        async with backend(server) as pg:
            token = await pg.read(ref)
            await act(pg, Verb.REVOKE, ref)
            assert not exists(server, ref)
        async with backend(server) as pg:
            (consumer,) = (await pg.dependents(ref)).consumers
            assert (consumer.kind, consumer.name) == ("session", "crypt from 127.0.0.1")
            (step,) = (await pg.plan(Verb.DISCONNECT, token)).steps
            with pytest.raises(NotFound):
                await pg.plan(Verb.REVOKE, token)
            with Permit("01JGHOST", step).active():
                assert (await pg.perform(step)).detail == "1 session"
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")
            with pytest.raises(NotFound):
                await pg.dependents(ref)

    with server.connect("ghost", password="pw", application_name="crypt") as session:
        asyncio.run(whole())


def test_a_lost_answer_is_settled_by_trying_the_new_value(server: PostgresServer) -> None:
    ref = make(server, "unheard")
    (step,) = planned(server, ref).steps
    with Proxy(server.port, b"COMMIT") as line:
        outcome, permit = performed(server, step, port=line.port)
        assert line.heard.is_set()
    assert (outcome.state, permit.minted) == (OutcomeState.UNKNOWN, [])
    assert tried(server, ref, NEW) is True

    async def orphans() -> None:
        async with backend(server) as pg:
            await pg.minted(step, "01JROTATE", datetime.now(UTC))

    with pytest.raises(Unsupported, match="the new one or the old one"):
        asyncio.run(orphans())

    with Proxy(server.port) as line:
        port = line.port
    outcome, permit = performed(server, step, "never-sent", port=port)
    assert (outcome.state, permit.minted) == (OutcomeState.NOT_SENT, [])
    assert tried(server, ref, "never-sent") is False


@pytest.mark.parametrize("name", [*HOSTILE, "x\" PASSWORD '<new value>' --", "<new value>"])
def test_a_hostile_name_gets_its_own_password_and_nobody_else(
    server: PostgresServer, name: str
) -> None:
    name = name[:-1] + "~"
    ref = make(server, name)
    bystander = make(server, f"bystander-{ref.id}")
    with server.connect() as connection:
        count = "SELECT count(*), count(*) FILTER (WHERE rolsuper) FROM pg_roles"
        before = connection.execute(count).fetchone()
        (step,) = planned(server, ref).steps
        outcome, permit = performed(server, step)
        assert connection.execute(count).fetchone() == before
    assert (outcome.state, delivered(permit)) == (OutcomeState.APPLIED, [(ref, NEW)])
    assert accepts(server, name, NEW)
    assert not accepts(server, name, "pw")
    assert tried(server, bystander, "pw") is True


def test_a_name_that_went_to_another_role_keeps_its_password(server: PostgresServer) -> None:
    ref = make(server, "renamed")
    (step,) = planned(server, ref).steps
    with server.connect() as connection:
        connection.execute("ALTER ROLE renamed RENAME TO renamed_old")
    make(server, "renamed")
    outcome, permit = performed(server, step)
    assert (outcome.state, permit.minted) == (OutcomeState.NOT_SENT, [])
    assert accepts(server, "renamed", "pw")
    with server.connect() as connection:
        connection.execute("DROP ROLE renamed_old")
    # Unlike a revoke, a rotation of a role that is gone was not done already.
    outcome, _ = performed(server, step)
    assert outcome.state is OutcomeState.NOT_SENT
    assert "gone" in outcome.detail


def test_the_placeholder_never_becomes_a_password(server: PostgresServer) -> None:
    ref = make(server, "placeholder")
    (step,) = planned(server, ref).steps
    forged = Step(id=step.id, verb=Verb.CONTAIN, token=ref, title="", call=step.call)
    for given in (step, forged):
        with pytest.raises(NoIntent, match="no permit carries one"):
            performed(server, given, None)
    assert accepts(server, "placeholder", "pw")


@pytest.mark.parametrize("value", ["", "canary\0tail", "canary\udc80"])
def test_a_value_that_is_no_password_is_not_sent(server: PostgresServer, value: str) -> None:
    name = f"picky_{len(value)}_{value.count(chr(0))}"
    ref = make(server, name)
    (step,) = planned(server, ref).steps
    outcome, permit = performed(server, step, value)
    assert (outcome.state, permit.minted) == (OutcomeState.NOT_SENT, [])
    assert "cannot be a password" in outcome.detail
    assert "canary" not in repr(outcome)
    assert accepts(server, name, "pw")


def test_what_a_new_password_will_not_mend_is_said(server: PostgresServer) -> None:
    def codes(name: str, attributes: str, alter: str = "") -> set[str]:
        ref = make(server, name, attributes)
        if alter:
            with server.connect() as connection:
                connection.execute(f"ALTER ROLE {name} {alter}")
        found = planned(server, ref, read_as="postgres").hazards
        assert not any(hazard.fatal for hazard in found)
        return {hazard.code for hazard in found}

    assert codes("sound", "LOGIN VALID UNTIL 'infinity'") == set()
    assert codes("overdue", "LOGIN VALID UNTIL '2020-01-01'") == {"expired"}
    assert codes("shut", "NOLOGIN VALID UNTIL '2031-01-01'") == {"disabled"}
    assert codes("bare", "LOGIN", "PASSWORD NULL") == {"no-password"}
    md5 = "md5" + "0" * 32
    assert codes("dated", "LOGIN", f"PASSWORD '{md5}'") == {"old-clients"}


def test_a_responder_without_the_right_is_told_so_and_refused(server: PostgresServer) -> None:
    ref = make(server, "out_of_reach")
    with server.connect() as connection:
        connection.execute("REVOKE out_of_reach FROM console_responder")
    proposal = planned(server, ref)
    assert [hazard.code for hazard in proposal.hazards] == ["not-permitted"]
    outcome, permit = performed(server, proposal.steps[0])
    assert (outcome.state, outcome.status) == (OutcomeState.REJECTED, "42501")
    assert permit.minted == []
    assert accepts(server, "out_of_reach", "pw")


def test_the_new_password_is_nowhere_but_on_the_permit(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "canary-N3w-Passw0rd"
    ref = make(server, "quiet")
    proposal = planned(server, ref)
    outcome, permit = performed(server, proposal.steps[0], canary)
    with server.connect() as connection:
        connection.execute(sql.SQL("REVOKE quiet FROM console_responder"))
    refused, _ = performed(server, proposal.steps[0], canary)
    assert refused.state is OutcomeState.REJECTED
    told = (proposal, outcome, refused)
    assert accepts(server, "quiet", canary)
    assert canary not in repr((told, vars(permit), caplog.records)) + caplog.text
    assert canary.encode() not in encode(told)
    # The statement is logged with the verifier, from which nobody can log in.
    log = server.json_log.read_bytes() + server.log.read_bytes()
    assert b'ALTER ROLE \\"quiet\\" PASSWORD \'SCRAM-SHA-256$4096:' in log
    assert canary.encode() not in log


def test_the_grant_that_rules_the_server_is_named_as_the_inventory_names_it(
    server: PostgresServer,
) -> None:
    ref = make(server, "ruler", "LOGIN SUPERUSER")

    async def read() -> set[str]:
        async with backend(server) as pg:
            declared = pg.capabilities().of(ref.kind).admin_grants
            token = await pg.read(ref)
            return set(declared) & {grant.name for grant in token.grants.value or ()}

    assert asyncio.run(read()) == {"SUPERUSER"}
