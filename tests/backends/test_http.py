"""The one HTTP client, against a server that misbehaves on purpose (raw_server.py)."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from patience import HANG
from raw_server import RawServer, answer, serving

from backends import http, http_answers
from backends.contract import Call, OutcomeState, Step, Verb
from backends.errors import (
    AuthFailed,
    BackendError,
    BadAnswer,
    Forbidden,
    NoIntent,
    NotFound,
    RateLimited,
    ServerFault,
    TimedOut,
    Unreachable,
)
from backends.http import Http, without
from backends.model import Secret, TokenRef
from backends.permit import Permit, deliver, value

CALL = Call("http", "POST", "/revoke", {"accessor": "a1"})
STEP = Step(id="1", verb=Verb.REVOKE, token=TokenRef("b", "k", "a1"), title="revoke a1", call=CALL)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None:
        return None

    monkeypatch.setattr(http.asyncio, "sleep", at_once)


def talk(
    server: RawServer, use: Callable[[Http], Awaitable[Any]], timeout: float = HANG, **options: Any
) -> Any:
    async def run() -> Any:
        headers = {"X-Vault-Token": "canary-3141592653"}
        async with Http(server.url, lambda: headers, timeout=timeout, **options) as client:
            return await use(client)

    return asyncio.run(run())


def get(server: RawServer, **options: Any) -> Any:
    return talk(server, lambda client: client.get("/v1/x"), **options)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (answer(401), AuthFailed),
        (answer(403), Forbidden),
        (answer(404), NotFound),
        (answer(429), RateLimited),
        (answer(500), ServerFault),
        (answer(302, b"", "Location: https://elsewhere"), BadAnswer),
        (answer(200, b'{"keys": ["a"'), BadAnswer),
        (answer(200, b"<html>login</html>"), BadAnswer),
        (None, ServerFault),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", ServerFault),
    ],
)
def test_each_trouble_has_its_error_and_says_what_to_do(
    sent: bytes | None, error: type[Exception]
) -> None:
    with serving(sent) as server, pytest.raises(error) as caught:
        get(server)
    assert caught.value.hint
    assert "canary" not in str(caught.value)


def test_a_system_that_repeats_a_secret_in_its_error_is_not_quoted_with_it() -> None:
    body = b'{"errors": ["bad token canary-3141592653 and secret canary-2718281828"]}'

    async def lookup(client: Http) -> Any:
        return await client.ask("POST", "/lookup", body={"token": "canary-2718281828"})

    with serving(answer(400, body)) as server, pytest.raises(BackendError) as caught:
        talk(server, lookup)
    assert "canary" not in str(caught.value)
    assert "bad token" in str(caught.value)

    async def use(client: Http) -> Any:
        with Permit("intent-1", STEP).active():
            return await client.change(CALL, body={"secret_id": "canary-2718281828"})

    with serving(answer(400, body)) as server:
        assert "canary" not in repr(talk(server, use))


def test_a_busy_system_is_asked_again() -> None:
    with serving(answer(429, b"{}", "Retry-After: 2"), answer(503), answer(200, b'{"a": 1}')) as s:
        assert get(s).data == {"a": 1}
        assert len(s.requests) == 3


def test_a_system_that_stays_busy_is_given_up_with_its_own_waiting_time() -> None:
    busy = answer(429, b"{}", "Retry-After: 7200")
    with serving(busy) as server, pytest.raises(RateLimited) as caught:
        get(server)
    assert caught.value.retry_after == 7200
    assert len(server.requests) == 1, "nobody waits two hours at a prompt"


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server = RawServer(lambda *_: None)
        server.port = closed.getsockname()[1]
        with pytest.raises(Unreachable):
            get(server)


def test_a_silent_server_times_out() -> None:
    release = socket.socketpair()

    def silent(*_: object) -> None:
        release[0].recv(1)

    with RawServer(silent) as server:
        with pytest.raises(TimedOut):
            talk(server, lambda client: client._once("GET", "/"), timeout=0.2)
        release[1].send(b"x")


def test_a_read_that_is_given_up_does_not_block_the_next() -> None:
    release = socket.socketpair()

    def first_is_silent(number: int, _: bytes) -> bytes | None:
        return release[0].recv(1) and None if number == 0 else answer(200, b"[1]")

    async def give_up_and_go_on(client: Http) -> Any:
        stuck = asyncio.ensure_future(client.get("/first"))
        while not server.requests:
            await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.01)
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck
        release[1].send(b"x")
        return (await client.get("/second")).data

    with RawServer(first_is_silent) as server:
        assert talk(server, give_up_and_go_on, parallel=1) == [1]


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_answers, "MAX_BODY", 1000)
    with serving(answer(200, b"[" + b"1," * 5000 + b"1]")) as server, pytest.raises(BadAnswer):
        get(server)


def test_a_reading_that_leaks_is_redacted_before_anyone_sees_it() -> None:
    body = b'{"data": [{"id": "1", "key": "canary"}, {"SecretID": {"a": "canary"}}]}'
    with serving(answer(200, body)) as server:
        told = get(server, redact=without("key", "SecretID"))
    assert told.data == {"data": [{"id": "1"}, {}]}


def change(server: RawServer, call: Call = CALL, permit: Permit | None = None) -> Any:
    async def use(client: Http) -> Any:
        with (permit or Permit("intent-1", STEP)).active():
            return await client.change(call, body={"accessor": "a1"}, already=(404,))

    return talk(server, use)


@pytest.mark.parametrize(
    ("sent", "state"),
    [
        (answer(200), OutcomeState.APPLIED),
        (answer(204, b""), OutcomeState.APPLIED),
        (answer(404), OutcomeState.ALREADY),
        (answer(400, b'{"errors": ["no such role"]}'), OutcomeState.REJECTED),
        (answer(403), OutcomeState.REJECTED),
        (answer(429), OutcomeState.REJECTED),
        (answer(500), OutcomeState.UNKNOWN),
        (answer(502), OutcomeState.UNKNOWN),
        (None, OutcomeState.UNKNOWN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", OutcomeState.UNKNOWN),
    ],
)
def test_a_change_is_sent_once_and_ends_in_a_state(sent: bytes | None, state: OutcomeState) -> None:
    with serving(sent) as server:
        assert change(server).state is state
        assert len(server.requests) == 1
    assert b"x-request-id: intent-1" in server.requests[0].lower()


def test_a_change_that_found_nobody_was_not_sent() -> None:
    server = RawServer(lambda *_: None)
    server._listener.close()
    assert change(server).state is OutcomeState.NOT_SENT


def test_no_intent_no_call() -> None:
    with serving(answer(200)) as server:
        with pytest.raises(NoIntent):
            talk(server, lambda client: client.change(CALL))
        assert server.requests == []


def test_a_permit_is_for_the_planned_call_and_for_once() -> None:
    with serving(answer(200)) as server:
        with pytest.raises(NoIntent):
            change(server, Call("http", "POST", "/revoke", {"accessor": "another"}))
        spent = Permit("intent-2", STEP)
        change(server, permit=spent)
        with pytest.raises(NoIntent):
            change(server, permit=spent)
        assert len(server.requests) == 1


def test_a_secret_travels_on_the_permit_and_nowhere_else() -> None:
    chosen, minted = Secret("canary-chosen"), Secret("canary-minted")
    with pytest.raises(NoIntent):
        value()
    with pytest.raises(NoIntent):
        deliver(STEP.token, minted)
    given = Permit("intent-3", STEP, value=chosen)

    async def use(client: Http) -> Any:
        with given.active():
            body = {"password": value().reveal()}
            with pytest.raises(NoIntent):
                deliver(STEP.token, minted)
            outcome = await client.change(CALL, body=body)
            deliver(STEP.token, minted)
            return outcome

    with serving(answer(200)) as server:
        assert talk(server, use).state is OutcomeState.APPLIED
        assert b"canary-chosen" in server.requests[0]
    assert given.minted == [(STEP.token, minted)]
    assert "canary" not in repr(given) + repr(given.__dict__)


def test_that_nobody_is_there_is_found_out_once_and_not_by_each_read() -> None:
    tried: list[str] = []
    there = False

    def answers(request: httpx.Request) -> httpx.Response:
        tried.append(request.url.path)
        if not there:
            raise httpx.ConnectError("Connection refused")
        return httpx.Response(200, json={})

    async def run() -> None:
        nonlocal there
        transport = httpx.MockTransport(answers)
        async with Http("http://127.0.0.1:1", dict, transport=transport) as client:

            async def read(number: int) -> None:
                with pytest.raises(Unreachable):
                    await client.get(f"/{number}")

            await read(0)
            assert len(tried) == http.ATTEMPTS, "the first is patient: it may only be a hiccup"
            for number in range(1, 50):
                await read(number)
            assert len(tried) == http.ATTEMPTS + 49, "the others only look whether it is back"
            there = True
            await client.get("/back")
            there = False
            tried.clear()
            await read(0)
            assert len(tried) == http.ATTEMPTS, "since it answered, it may be a hiccup again"

    asyncio.run(run())
