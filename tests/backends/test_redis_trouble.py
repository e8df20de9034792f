"""The Redis backend on bad days: each has its own error, and no refusal repeats a secret."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from redis_lab import RespRelay, act, backend, lets_in, listing, make, server
from test_redis_changes import planned, read_state

from backends.contract import BackendConfig, OutcomeState, Verb
from backends.errors import (
    AuthFailed,
    BackendError,
    ConfigError,
    Forbidden,
    RateLimited,
    ServerFault,
    TimedOut,
    Unreachable,
)
from backends.lab.redis import RedisServer, digest
from backends.model import Gap, GapKind, ScopeDone, Secret, TokenRef
from backends.permit import Permit
from backends.redis_acl import RedisAcl

pytestmark = pytest.mark.lab
__all__ = ["server"]


def health(server: RedisServer, **options: Any) -> Any:
    async def ask() -> Any:
        async with backend(server, **options) as rd:
            return await rd.health()

    return asyncio.run(ask())


def test_a_wrong_password_is_the_credentials_fault(server: RedisServer) -> None:
    with pytest.raises(AuthFailed, match="console_reader"):
        health(server, read=Secret("wrong-canary"))


def test_a_server_that_hangs_is_told_in_time_and_comes_back(server: RedisServer) -> None:
    async def hung(line: RespRelay) -> None:
        async with backend(server, port=line.port, timeout=1) as rd:
            await rd.health()
            line.mute = True
            with pytest.raises(TimedOut):
                await listing(rd)
            with pytest.raises(Unreachable):
                await listing(rd)
            line.mute = False
            tokens, _ = await listing(rd)
            assert "admin" in tokens

    with RespRelay(server.port) as line:
        asyncio.run(hung(line))


def test_a_server_that_dies_is_unreachable_until_it_is_back(server: RedisServer) -> None:
    ref = make(server, "survivor")
    with server.connect() as client:
        client.execute_command("ACL", "SAVE")

    async def through() -> None:
        async with backend(server) as rd:
            step = (await rd.plan(Verb.REVOKE, await rd.read(ref))).steps[0]
            server.stop()
            with pytest.raises((Unreachable, ServerFault)):
                await listing(rd)
            with Permit("intent-1", step).active():
                assert (await rd.perform(step)).state is OutcomeState.NOT_SENT
            server.restart()
            with Permit("intent-2", step).active():
                assert (await rd.perform(step)).state is OutcomeState.APPLIED

    asyncio.run(through())
    assert not lets_in(server, "survivor", "pw")


def test_a_change_whose_answer_is_lost_is_unknown_and_can_be_read(server: RedisServer) -> None:
    ref = make(server, "maybe")

    async def lost(line: RespRelay) -> None:
        async with backend(server, port=line.port) as rd:
            step = (await rd.plan(Verb.REVOKE, await rd.read(ref))).steps[0]
            line.losing = True
            with Permit("intent-1", step).active():
                outcome = await rd.perform(step)
            line.losing = False
            assert outcome.state is OutcomeState.UNKNOWN
            assert line.changes == 1

    with RespRelay(server.port) as line:
        asyncio.run(lost(line))
    assert read_state(server, ref) == "gone"


def test_a_new_password_whose_answer_is_lost_is_tried_and_set_again(server: RedisServer) -> None:
    ref = make(server, "twice", password="old-value")
    new = Secret("new-value-canary")

    async def lost(line: RespRelay) -> None:
        async with backend(server, port=line.port) as rd:
            mint = (await rd.plan(Verb.ROTATE, await rd.read(ref))).steps[0]
            permit = Permit("intent-1", mint, value=new)
            line.losing = True
            with permit.active():
                assert (await rd.perform(mint)).state is OutcomeState.UNKNOWN
            line.losing = False
            assert permit.minted == []
            assert (await rd.probe(ref, new)).accepted is True
            again = Permit("intent-2", mint, value=new)
            with again.active():
                assert (await rd.perform(mint)).state is OutcomeState.APPLIED
            assert [one for one, _ in again.minted] == [ref]
            assert dict((await rd.read(ref)).facts)["passwords"] == "2 passwords"

    with RespRelay(server.port) as line:
        asyncio.run(lost(line))


def test_one_server_of_two_that_refuses_leaves_the_list_open(
    server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = type(server)(tmp_path_factory.mktemp("other") / "redis")
    other.program = server.program
    other.start()
    try:
        with other.connect() as client:
            secret = server.secret("console_reader").reveal()
            words = ("resetpass", f">{secret}", "-acl|list", "-acl|getuser")
            client.execute_command("ACL", "SETUSER", "console_reader", *words)
        ref = make(server, "half-seen")

        async def both() -> tuple[Any, Any]:
            async with backend(server, nodes=[f"127.0.0.1:{other.port}"]) as rd:
                found = await listing(rd)
                with pytest.raises(Forbidden):
                    await rd.read(ref)  # Whether the other one has it is not known.
                return found

        tokens, rest = asyncio.run(both())
        assert "half-seen" in tokens
        assert not any(isinstance(item, ScopeDone) for item in rest)
        (gap,) = [each for each in rest if isinstance(each, Gap) and each.scope == "users"]
        assert str(other.port) in gap.what
        assert "+acl|list" in gap.hint
        other.stop()
        tokens, rest = asyncio.run(_listed(server, other.port))
        assert "half-seen" in tokens
        assert GapKind.FAILED in [each.kind for each in rest if isinstance(each, Gap)]
        assert not any(isinstance(item, ScopeDone) for item in rest)
    finally:
        other.stop()


async def _listed(server: RedisServer, port: int) -> Any:
    async with backend(server, nodes=[f"127.0.0.1:{port}"]) as rd:
        return await listing(rd)


def test_rights_that_end_between_list_and_record_end_the_record_only(server: RedisServer) -> None:
    make(server, "cut-short", "on", "-@all", "+acl|list", "+acl|getuser", "+acl|whoami")

    async def both() -> None:
        async with backend(server, read_as="cut-short", read=Secret("pw")) as rd:
            tokens, rest = await listing(rd)
            assert any(isinstance(item, ScopeDone) for item in rest)
            with server.connect() as client:
                client.execute_command("ACL", "SETUSER", "cut-short", "-acl|getuser")
            with pytest.raises(Forbidden) as caught:
                await rd.read(tokens["admin"].ref)
            assert "+acl|getuser" in caught.value.hint
            assert (await listing(rd))[0].keys() == tokens.keys()

    asyncio.run(both())


@contextlib.contextmanager
def saying(*answers: bytes) -> Iterator[int]:
    """A server that has these answers, and nothing behind them: for words no real one can be
    brought to say."""

    def serve(line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            for answer in answers:
                if not line.recv(65536):
                    return
                line.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],)).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


UNKNOWN = "-ERR unknown command 'AUTH', with args beginning with: '{}' '{}' \r\n"


def test_a_refusal_that_repeats_the_command_is_told_without_it(server: RedisServer) -> None:
    # Servers cut what they repeat, so that the value is not there as a whole.
    told = UNKNOWN.format("console_reader", "canary-val").encode()
    with saying(told) as port, pytest.raises(BackendError) as caught:
        health(server, port=port, read=Secret("canary-value"))
    assert "unknown command" in str(caught.value)
    assert "canary" not in f"{caught.value} {caught.value.hint}"


def test_a_hash_in_a_refusal_of_a_change_is_not_told(server: RedisServer) -> None:
    """The server's words about a new password go into the journal."""
    ref = make(server, "told-on", password="old-value")
    mint = planned(server, Verb.ROTATE, ref).steps[0]
    hash_ = digest("new-value")
    told = f"-ERR Error in ACL SETUSER modifier '#{hash_}': no\r\n".encode()

    async def do(port: int) -> str:
        async with backend(server) as rd:
            await rd.health()  # The look goes to the server, the change to who says this.
            (session,) = rd._sessions
            session.node = session.node._replace(port=port)
            arguments = {**mint.call.arguments, "server": session.node.label}
            call = replace(mint.call, arguments=arguments)
            step = replace(mint, call=call)
            with Permit("intent-1", step, value=Secret("new-value")).active():
                outcome = await rd.perform(step)
        assert outcome.state is OutcomeState.REJECTED
        return repr(outcome)

    queued = b"+OK\r\n" + told + b"+QUEUED\r\n-EXECABORT discarded\r\n"
    with saying(b"+OK\r\n", b"+OK\r\n", queued) as port:
        text = asyncio.run(do(port))
    assert "modifier" in text
    assert hash_[:16] not in text


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"-LOADING the dataset\r\n", ServerFault),
        (b"-ERR max number of clients reached\r\n", RateLimited),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Unreachable),
    ],
)
def test_each_bad_day_has_its_own_error(
    server: RedisServer, answer: bytes, error: type[BackendError]
) -> None:
    with saying(answer) as port, pytest.raises(error):
        health(server, port=port)


@pytest.mark.parametrize(
    ("option", "value"),
    [("timeout", 0), ("persist", "maybe"), ("nodes", ["nowhere"]), ("port", 0)],
)
def test_a_wrong_option_is_named(option: str, value: Any) -> None:
    given = {"host": "127.0.0.1", "port": 1, "user": "x", option: value}
    config = BackendConfig(name="rd", type="redis", options=given, read=Secret("x"))
    with pytest.raises(ConfigError) as caught:
        RedisAcl(config)
    assert caught.value.option in (option, "host")


def test_a_late_answer_is_waited_for_once(server: RedisServer) -> None:
    ref: TokenRef = make(server, "slow")

    async def both(line: RespRelay) -> None:
        async with backend(server, port=line.port) as rd:
            line.delay = 1.0
            _, outcomes = await act(rd, Verb.CONTAIN, ref)
            assert [each.state for each in outcomes] == [OutcomeState.APPLIED]
            assert line.changes == 1

    with RespRelay(server.port) as line:
        asyncio.run(both(line))
