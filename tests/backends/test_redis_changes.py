"""What the Redis backend changes, and the traps: living clients, restarts, other servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from redis_lab import act, backend, lets_in, make, server

from backends.contract import NO_SESSIONS, Call, Outcome, OutcomeState, Proposal, Step, Verb
from backends.errors import NotFound, Unsupported
from backends.lab.redis import RedisServer, digest
from backends.model import Secret, TokenRef, TokenState, encode
from backends.permit import Permit
from backends.redis_acl.users import KIND

pytestmark = pytest.mark.lab
__all__ = ["server"]


def run(
    server: RedisServer, verb: Verb, ref: TokenRef, **options: Any
) -> tuple[Proposal, list[Outcome]]:
    async def both() -> tuple[Proposal, list[Outcome]]:
        async with backend(server, **options) as rd:
            return await act(rd, verb, ref)

    return asyncio.run(both())


def planned(server: RedisServer, verb: Verb, ref: TokenRef, **options: Any) -> Proposal:
    async def ask() -> Proposal:
        async with backend(server, **options) as rd:
            return await rd.plan(verb, await rd.read(ref))

    return asyncio.run(ask())


def perform(
    server: RedisServer, step: Step, value: Secret | None = None, **options: Any
) -> Outcome:
    async def do() -> Outcome:
        async with backend(server, **options) as rd:
            with Permit("intent-1", step, value=value).active():
                return await rd.perform(step)

    return asyncio.run(do())


def read_state(server: RedisServer, ref: TokenRef, **options: Any) -> str:
    async def ask() -> str:
        async with backend(server, **options) as rd:
            try:
                return (await rd.read(ref)).state.value
            except NotFound:
                return "gone"

    return asyncio.run(ask())


def codes(proposal: Proposal) -> set[str]:
    return {hazard.code for hazard in proposal.hazards}


def test_a_client_goes_on_after_off_until_it_is_cut(server: RedisServer) -> None:
    ref = make(server, "lives-on", "on", "~app:*", "+get", "+client|setname")
    client = server.connect("lives-on", "pw", client_name="worker-7")
    try:
        client.execute_command("GET", "app:1")
        proposal, outcomes = run(server, Verb.CONTAIN, ref)
        assert [each.state for each in outcomes] == [OutcomeState.APPLIED]
        (hazard,) = [each for each in proposal.hazards if each.code == "live-sessions"]
        assert "1 client is connected" in hazard.text
        assert "worker-7" in hazard.text
        assert read_state(server, ref) == TokenState.DISABLED
        assert not lets_in(server, "lives-on", "pw")
        client.execute_command("GET", "app:1")  # The trap: it is off, and it works.
        cut, (done,) = run(server, Verb.DISCONNECT, ref)
        assert done.state is OutcomeState.APPLIED
        assert done.status == "1 connection cut"
        assert cut.steps[-1].expect == NO_SESSIONS
        with pytest.raises(redis.RedisError):
            client.execute_command("GET", "app:1")
    finally:
        client.close()
    run(server, Verb.RESTORE, ref)
    assert lets_in(server, "lives-on", "pw")


def test_a_revoke_cuts_its_clients_and_a_second_one_finds_it_gone(server: RedisServer) -> None:
    ref = make(server, "ends", "on", "~app:*", "+get")
    client = server.connect("ends", "pw")
    try:
        client.execute_command("GET", "app:1")
        proposal, (done,) = run(server, Verb.REVOKE, ref)
        assert "1 connection is cut." in proposal.collateral
        assert "live-sessions" not in codes(proposal)
        assert (done.state, done.detail) == (OutcomeState.APPLIED, "saved")
        with pytest.raises(redis.RedisError):
            client.execute_command("GET", "app:1")
    finally:
        client.close()
    assert not lets_in(server, "ends", "pw")
    assert perform(server, proposal.steps[0]).state is OutcomeState.ALREADY
    assert read_state(server, ref) == "gone"


def test_a_revoke_that_was_not_saved_comes_back_with_a_restart(server: RedisServer) -> None:
    ref = make(server, "undead")
    with server.connect() as client:
        client.execute_command("ACL", "SAVE")
    proposal, outcomes = run(server, Verb.REVOKE, ref, persist="none")
    assert [each.state for each in outcomes] == [OutcomeState.APPLIED]
    assert "not-saved" in codes(proposal)
    assert not lets_in(server, "undead", "pw")
    server.restart()
    assert lets_in(server, "undead", "pw")
    # The plan that knows of the file saves it with the very call.
    proposal, outcomes = run(server, Verb.REVOKE, ref, persist="aclfile")
    (step,) = proposal.steps
    assert "ACL DELUSER undead; ACL SAVE {" in step.call.line
    assert "one transaction" in step.call.line
    assert "not-saved" not in codes(proposal)
    server.restart()
    assert not lets_in(server, "undead", "pw")


class Rewriting(RedisServer):
    """A server that keeps its users in the configuration file."""

    def _run(self, executable: Path) -> None:
        conf = self.home / "server.conf"
        if not conf.exists():
            users = self.acl_file.read_text()
            conf.write_text(f'bind 127.0.0.1\nport {self.port}\nsave ""\ndir {self.home}\n{users}')
        self.spawn([str(executable), str(conf)], self._ready)


@pytest.fixture
def rewriting(server: RedisServer, tmp_path: Path) -> Iterator[RedisServer]:
    running = Rewriting(tmp_path / "rewriting")
    running.program = server.program
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_a_server_without_an_acl_file_is_asked_and_rewrites_its_configuration(
    rewriting: RedisServer,
) -> None:
    ref = make(rewriting, "kept", password="pw")
    with rewriting.connect() as client:
        client.execute_command("CONFIG", "REWRITE")
        for user in ("console_reader", "console_responder"):
            client.execute_command("ACL", "SETUSER", user, "+config|get", "+config|rewrite")
        client.execute_command("CONFIG", "REWRITE")
    proposal, outcomes = run(rewriting, Verb.REVOKE, ref, persist="ask")
    (step,) = proposal.steps
    assert step.call.target == "kept; CONFIG REWRITE"
    assert any("CONFIG REWRITE" in each for each in proposal.collateral)
    assert [(each.state, each.detail) for each in outcomes] == [(OutcomeState.APPLIED, "saved")]
    rewriting.restart()
    assert not lets_in(rewriting, "kept", "pw")


def test_how_users_are_saved_is_not_guessed(server: RedisServer) -> None:
    ref = make(server, "unsure")
    (hazard,) = [
        each
        for each in planned(server, Verb.REVOKE, ref, persist="ask").hazards
        if each.code == "not-saved"
    ]
    assert "not known" in hazard.text
    assert "persist" in hazard.text


def test_two_passwords_work_until_the_old_one_is_removed(server: RedisServer) -> None:
    ref = make(server, "rotates", "on", "~app:*", "+@all", password="old-value")
    proposal = planned(server, Verb.ROTATE, ref)
    text = encode(proposal).decode()
    assert digest("old-value")[:16] not in text
    mint, retire = proposal.steps
    new = Secret("new-value-canary")
    with server.connect() as admin:
        admin.execute_command("CONFIG", "SET", "slowlog-log-slower-than", "0")
        with admin.monitor() as monitor:
            done = perform(server, mint, new)
            admin_seen = seen_until(server, monitor)
        slow = repr(admin.execute_command("SLOWLOG", "GET", "100"))
        admin.execute_command("CONFIG", "SET", "slowlog-log-slower-than", "10000")
    assert done.state is OutcomeState.APPLIED
    assert "SETUSER" in slow
    assert "new-value-canary" not in slow + admin_seen + server.log.read_text()
    assert lets_in(server, "rotates", "old-value")
    assert lets_in(server, "rotates", "new-value-canary")
    again = perform(server, mint, new)  # The same value again is the same password.
    assert again.state is OutcomeState.APPLIED
    with server.connect() as admin:
        assert len(admin.acl_getuser("rotates")["passwords"]) == 2  # type: ignore[index,call-overload]
    assert perform(server, retire).state is OutcomeState.APPLIED
    assert not lets_in(server, "rotates", "old-value")
    assert lets_in(server, "rotates", "new-value-canary")
    assert perform(server, retire).state is OutcomeState.ALREADY
    server.restart()
    assert lets_in(server, "rotates", "new-value-canary")
    assert not lets_in(server, "rotates", "old-value")


def seen_until(server: RedisServer, monitor: Any) -> str:
    """What a monitor shows up to a mark that we send after the rest."""
    with server.connect() as client:
        client.execute_command("GET", "the-end")
    seen = ""
    while "the-end" not in seen:
        seen += repr(monitor.next_command())
    return seen


def test_the_last_password_is_not_removed_when_the_new_one_was_forgotten(
    server: RedisServer,
) -> None:
    ref = make(server, "forgetful", password="old-value")
    with server.connect() as client:
        client.execute_command("ACL", "SAVE")
    mint, retire = planned(server, Verb.ROTATE, ref, persist="none").steps
    assert perform(server, mint, Secret("new-value")).state is OutcomeState.APPLIED
    server.restart()
    assert not lets_in(server, "forgetful", "new-value")
    done = perform(server, retire)
    assert done.state is OutcomeState.NOT_SENT
    assert "nothing was removed" in done.detail
    assert lets_in(server, "forgetful", "old-value")


def test_a_password_that_came_meanwhile_is_not_ours_to_remove(server: RedisServer) -> None:
    ref = make(server, "shared", password="old-value")
    mint, retire = planned(server, Verb.ROTATE, ref).steps
    perform(server, mint, Secret("new-value"))
    with server.connect() as client:
        client.execute_command("ACL", "SETUSER", "shared", f"#{digest('of-somebody-else')}")
    assert perform(server, retire).state is OutcomeState.APPLIED
    assert lets_in(server, "shared", "of-somebody-else")
    assert not lets_in(server, "shared", "old-value")


def test_a_rotation_of_a_leak_cuts_the_sessions_too(server: RedisServer) -> None:
    ref = make(server, "leaked", "on", "+ping", "+acl|whoami", password="old-value")
    with server.connect("leaked", "old-value"):
        proposal = planned(server, Verb.ROTATE, ref)
    assert proposal.steps[-1].leak_only
    assert proposal.steps[-1].call.method == "CLIENT KILL"
    assert "live-sessions" in codes(proposal)


@pytest.mark.parametrize("verb", [Verb.CONTAIN, Verb.RESTORE, Verb.ROTATE])
def test_a_user_that_went_away_is_not_made_anew(server: RedisServer, verb: Verb) -> None:
    """ACL SETUSER makes a user that is not there."""
    ref = make(server, "vanishes")
    step = planned(server, verb, ref).steps[0]
    with server.connect() as client:
        client.execute_command("ACL", "DELUSER", "vanishes")
    done = perform(server, step, Secret("new-value"))
    assert done.state in (OutcomeState.ALREADY, OutcomeState.NOT_SENT)
    assert read_state(server, ref) == "gone"


def test_the_last_one_who_could_undo_it_is_not_ended(server: RedisServer) -> None:
    admin = TokenRef("rd", KIND, "admin")
    assert "last-admin" not in codes(planned(server, Verb.CONTAIN, admin))
    with server.connect() as client:
        users = [line.split(" ")[1] for line in text(client.execute_command("ACL", "LIST"))]
        others = [user for user in users if user != "admin"]
        changed = []
        for user in others:
            line = next(x for x in text(client.execute_command("ACL", "LIST")) if f" {user} " in x)
            if " on " in line and user != "console_reader":
                client.execute_command("ACL", "SETUSER", user, "off")
                changed.append(user)
        try:
            (hazard,) = [
                each
                for each in planned(server, Verb.CONTAIN, admin).hazards
                if each.code == "last-admin"
            ]
            assert hazard.fatal
        finally:
            for user in changed:
                client.execute_command("ACL", "SETUSER", user, "on")


def test_a_transaction_that_is_refused_beforehand_did_nothing(server: RedisServer) -> None:
    ref = make(server, "whole")
    make(server, "no-save", "on", "-@all", "+acl|deluser", "+@transaction", password="ns-pw")
    given: dict[str, Any] = {"act_as": "no-save", "act": Secret("ns-pw")}
    step = planned(server, Verb.REVOKE, ref).steps[0]  # By one who may save.
    done = perform(server, step, **given)
    assert done.state is OutcomeState.REJECTED
    assert "acl|save" in done.detail
    assert lets_in(server, "whole", "pw")
    # A plan of its own leaves the saving out, says so, and ends the user.
    proposal, (done,) = run(server, Verb.REVOKE, ref, **given)
    assert "not-saved" in codes(proposal)
    assert done.state is OutcomeState.APPLIED
    with server.connect() as client:
        client.execute_command("ACL", "DELUSER", "no-save")


def test_a_change_that_could_not_be_saved_is_said(server: RedisServer) -> None:
    ref = make(server, "half-done")
    with server.connect() as client:
        client.execute_command("ACL", "SETUSER", "console_responder", "+config|rewrite")
    step = planned(server, Verb.REVOKE, ref, persist="config").steps[0]
    done = perform(server, step)  # This server has no configuration file.
    with server.connect() as client:
        client.execute_command("ACL", "SETUSER", "console_responder", "-config|rewrite")
    assert done.state is OutcomeState.APPLIED
    assert "NOT saved" in done.detail
    assert not lets_in(server, "half-done", "pw")


def text(answer: list[bytes]) -> list[str]:
    return [each.decode("utf-8", "backslashreplace") for each in answer]


def test_the_default_user_is_closed_since_it_cannot_be_deleted(server: RedisServer) -> None:
    ref = TokenRef("rd", KIND, "default")
    with server.connect() as client:
        client.execute_command("ACL", "SETUSER", "default", "on", "nopass", "+ping")
    try:
        proposal, outcomes = run(server, Verb.REVOKE, ref)
        assert outcomes[0].state is OutcomeState.APPLIED
        assert "default-user" in codes(proposal)
        assert proposal.steps[0].call.target == "default off resetpass; ACL SAVE"
        assert read_state(server, ref) == TokenState.DISABLED
    finally:
        with server.connect() as client:
            client.execute_command("ACL", "SETUSER", "default", "off", "resetpass", "-@all")


def test_what_the_acting_user_lacks_is_said_before_and_after(server: RedisServer) -> None:
    ref = make(server, "guarded")
    make(server, "weak", "on", "-@all", "+acl|setuser", password="weak-pw")
    given: dict[str, Any] = {"act_as": "weak", "act": Secret("weak-pw")}
    proposal, (done,) = run(server, Verb.REVOKE, ref, **given)
    told = {each.code: each.text for each in proposal.hazards}
    assert "lacks +acl|deluser at" in told["not-permitted"]
    assert "may not run ACL SAVE" in told["not-saved"]
    assert done.state is OutcomeState.REJECTED
    assert done.status == "NOPERM"
    assert lets_in(server, "guarded", "pw")
    with server.connect() as client:
        client.execute_command("ACL", "DELUSER", "weak")


def test_a_stored_plan_that_was_changed_is_not_sent(server: RedisServer) -> None:
    ref = make(server, "target")
    step = planned(server, Verb.CONTAIN, ref).steps[0]
    label = step.call.arguments["server"]
    for call in (
        Call("resp", "FLUSHALL", "", {"server": label}),
        Call("resp", "ACL SETUSER", "target +@all", {"server": label}),
        Call("resp", "ACL SETUSER", "target off", {"server": "127.0.0.1:1"}),
    ):
        done = perform(server, msgspec.structs.replace(step, call=call))
        assert done.state is OutcomeState.NOT_SENT
    assert lets_in(server, "target", "pw")


@pytest.fixture
def replica(server: RedisServer, tmp_path: Path) -> Iterator[RedisServer]:
    """A replica of the server, with the same passwords for the console."""
    running = type(server)(tmp_path / "replica")
    try:
        running.start()
        for user in ("console_reader", "console_responder"):
            with running.connect() as client:
                secret = server.secret(user).reveal()
                client.execute_command("ACL", "SETUSER", user, "resetpass", f">{secret}")
        with running.connect() as client:
            client.execute_command("CONFIG", "SET", "masteruser", "admin")
            client.execute_command("CONFIG", "SET", "masterauth", server.secret("admin").reveal())
            client.execute_command("REPLICAOF", "127.0.0.1", str(server.port))
        with server.connect() as client:
            while not client.execute_command("ROLE")[2]:
                pass
        yield running
    finally:
        running.stop()
        with contextlib.suppress(redis.RedisError), server.connect() as client:
            while client.execute_command("ROLE")[2]:
                pass


def test_a_replica_that_was_not_asked_is_named(server: RedisServer, replica: RedisServer) -> None:
    ref = make(server, "alone")
    proposal = planned(server, Verb.REVOKE, ref)
    (hazard,) = [each for each in proposal.hazards if each.code == "other-servers"]
    assert f"127.0.0.1:{replica.port}" in hazard.text
    assert "it may live on there" in hazard.text


def test_a_user_is_ended_on_every_server_that_is_named(
    server: RedisServer, replica: RedisServer
) -> None:
    """ACLs are not replicated: the replica goes on letting in who was deleted on the master."""
    ref = make(server, "everywhere")
    make(replica, "everywhere", password="pw")
    run(server, Verb.REVOKE, ref)
    assert not lets_in(server, "everywhere", "pw")
    assert lets_in(replica, "everywhere", "pw")  # The trap.
    nodes = [f"127.0.0.1:{replica.port}"]
    assert read_state(server, ref, nodes=nodes) == TokenState.ACTIVE
    proposal, outcomes = run(server, Verb.REVOKE, ref, nodes=nodes)
    assert "other-servers" not in codes(proposal)
    assert [each.state for each in outcomes] == [OutcomeState.APPLIED]
    assert not lets_in(replica, "everywhere", "pw")
    assert read_state(server, ref, nodes=nodes) == "gone"
    # On both, it takes one step each; and no one call sets a password on two servers.
    make(server, "everywhere")
    make(replica, "everywhere")
    both = planned(server, Verb.CONTAIN, ref, nodes=nodes)
    assert [step.id for step in both.steps] == ["contain", "contain-2"]
    with pytest.raises(Unsupported):
        planned(server, Verb.ROTATE, ref, nodes=nodes)
