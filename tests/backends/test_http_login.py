"""The HTTP client where a system wants a login, says no with 200, or is told a token by value."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from patience import HANG
from raw_server import RawServer, answer

from backends.contract import Call, OutcomeState, Step, Value, Verb
from backends.errors import AuthFailed, BackendError, NoIntent, NotFound, RateLimited, Unreachable
from backends.http import Http
from backends.login import SPARE, Login, Session
from backends.model import Secret, TokenRef
from backends.permit import Permit

CALL = Call("http", "DELETE", "/keys/k1")
NO = {
    "token_revoked": NotFound("no such token"),
    "not_allowed": AuthFailed("not allowed"),
    "ratelimited": RateLimited("slow down"),
}


def step(call: Call, value: Value = Value.NONE) -> Step:
    ref = TokenRef("b", "key", "k1")
    return Step(id="1", verb=Verb.REVOKE, token=ref, title="revoke k1", call=call, value=value)


class Hub:
    """A system with sessions: a log-in by POST, and a token for as long as it likes."""

    def __init__(self, *, taken: int | None = None) -> None:
        self.logins = 0
        self.taken = taken
        """How many calls a session is good for."""
        self.used = 0
        self.calls: list[str] = []

    def __call__(self, _: int, request: bytes) -> bytes:
        first = request.split(b"\r\n", 1)[0].decode()
        if first.startswith("POST /login"):
            assert b"canary-password" in request
            self.logins, self.used = self.logins + 1, 0
            return answer(200, b"{}", f"X-Token: canary-session-{self.logins}")
        self.calls.append(first.removesuffix(" HTTP/1.1"))
        self.used += 1
        good = f"canary-session-{self.logins}".encode() in request
        if not good or (self.taken is not None and self.used > self.taken):
            return answer(401, b'{"error": "canary-session-1 is over"}')
        return answer(200, b'{"ok": true}')


def talk(hub: Hub, use: Callable[[Http, Login], Awaitable[Any]], lives: float | None = None) -> Any:
    async def run() -> Any:
        with RawServer(hub) as server:
            async with Http(server.url, dict, timeout=HANG) as plain:

                async def enter() -> Session:
                    told = await plain.ask("POST", "/login", form={"password": "canary-password"})
                    return Session({"X-Token": Secret(told.headers["x-token"])}, lives)

                login = Login(enter)
                async with Http(server.url, dict, timeout=HANG, login=login) as client:
                    return await use(client, login)

    return asyncio.run(run())


async def changed(client: Http, call: Call = CALL, **more: Any) -> Any:
    with Permit("intent-1", step(call), **more).active():
        return await client.change(call)


def test_a_login_is_got_first_and_kept() -> None:
    hub = Hub()

    async def use(client: Http, _: Login) -> None:
        assert (await client.get("/keys")).data == {"ok": True}
        assert (await client.get("/keys")).data == {"ok": True}
        assert (await changed(client)).state is OutcomeState.APPLIED

    talk(hub, use)
    assert hub.logins == 1
    assert hub.calls == ["GET /keys", "GET /keys", "DELETE /keys/k1"]


def test_many_reads_at_once_log_in_once() -> None:
    hub = Hub()

    async def use(client: Http, _: Login) -> None:
        await asyncio.gather(*(client.get("/keys") for _ in range(20)))

    talk(hub, use)
    assert hub.logins == 1


def test_a_read_whose_session_has_ended_is_made_with_a_new_one() -> None:
    hub = Hub(taken=1)

    async def use(client: Http, _: Login) -> None:
        for _ in range(3):
            assert (await client.get("/keys")).data == {"ok": True}

    talk(hub, use)
    assert hub.logins == 3


def test_a_change_whose_session_has_ended_is_not_sent_again_and_the_next_logs_in() -> None:
    hub = Hub(taken=1)

    async def use(client: Http, _: Login) -> tuple[Any, Any]:
        await client.get("/keys")
        return await changed(client), await changed(client)

    first, second = talk(hub, use)
    assert (first.state, first.status) == (OutcomeState.REJECTED, "401")
    assert "canary" not in repr(first)
    assert second.state is OutcomeState.APPLIED
    assert hub.calls == ["GET /keys", "DELETE /keys/k1", "DELETE /keys/k1"]


def test_a_session_that_ends_soon_is_got_anew_before_a_change() -> None:
    hub = Hub()

    async def use(client: Http, _: Login) -> None:
        await client.get("/keys")
        assert (await changed(client)).state is OutcomeState.APPLIED

    talk(hub, use, lives=SPARE / 2)
    assert hub.logins == 2


def test_a_wrong_password_is_said_for_a_read_and_nothing_is_sent_for_a_change() -> None:
    async def run() -> Any:
        async def enter() -> Session:
            raise AuthFailed("the password is not taken")

        async with Http("http://127.0.0.1:9", dict, login=Login(enter)) as client:
            with pytest.raises(AuthFailed):
                await client.get("/keys")
            permit = Permit("intent-1", step(CALL))
            with permit.active():
                return await client.change(CALL), permit._spent

    outcome, spent = asyncio.run(run())
    assert outcome.state is OutcomeState.NOT_SENT
    assert outcome.detail == "no login: the password is not taken"
    assert not spent


# -- 200, and no


def refusal(data: Any) -> BackendError | None:
    return NO.get(data.get("error")) if data and not data.get("ok") else None


def no(word: str, use: Callable[[Http], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        body = f'{{"ok": false, "error": "{word}"}}'.encode()
        with RawServer(lambda *_: answer(200, body)) as server:
            async with Http(server.url, dict, timeout=HANG, refusal=refusal) as client:
                return await use(client)

    return asyncio.run(run())


@pytest.mark.parametrize("word", [word for word in NO if word != "ratelimited"])
def test_a_read_that_is_refused_with_200_is_refused(word: str) -> None:
    with pytest.raises(type(NO[word]), match=str(NO[word])):
        no(word, lambda client: client.get("/keys"))


def test_a_change_that_is_refused_with_200_did_not_happen() -> None:
    outcome = no("not_allowed", changed)
    assert (outcome.state, outcome.detail) == (OutcomeState.REJECTED, "not allowed")
    assert no("ratelimited", changed).state is OutcomeState.REJECTED


def test_what_is_gone_already_is_said_with_200_too() -> None:
    async def use(client: Http) -> Any:
        with Permit("intent-1", step(CALL)).active():
            return await client.change(CALL, already=(404,))

    assert no("token_revoked", use).state is OutcomeState.ALREADY
    assert no("token_revoked", changed).state is OutcomeState.REJECTED


# -- a token that is named by its value

BY_VALUE = Call("http", "DELETE", "/tokens/token/<secret>?now=1")


def by_value(value: Secret | None, status: int = 200, body: bytes = b"{}") -> tuple[Any, str]:
    async def run() -> Any:
        with RawServer(lambda *_: answer(status, body)) as server:
            async with Http(server.url, dict, timeout=HANG) as client:
                with Permit("intent-1", step(BY_VALUE, Value.HELD), value=value).active():
                    outcome = await client.change(BY_VALUE)
            sent = server.requests[0].split(b"\r\n", 1)[0].decode() if server.requests else ""
        return outcome, sent

    return asyncio.run(run())


def test_a_value_takes_its_place_in_the_path_at_the_last_moment_and_is_quoted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    outcome, sent = by_value(Secret("npm_canary/1?2#3 \x1b[31m"))
    assert sent == "DELETE /tokens/token/npm_canary%2F1%3F2%233%20%1B%5B31m?now=1 HTTP/1.1"
    assert outcome.state is OutcomeState.APPLIED
    assert "canary" not in repr(outcome) + caplog.text


def test_a_system_that_repeats_the_value_in_its_error_is_not_quoted_with_it() -> None:
    body = b'{"error": "no token npm_canary-31415 here"}'
    outcome, _ = by_value(Secret("npm_canary-31415"), 404, body)
    assert outcome.state is OutcomeState.REJECTED
    assert outcome.detail == "no token [withheld] here"


@pytest.mark.parametrize(
    "value", [None, Secret(""), Secret(".."), Secret("%2e%2e"), Secret("a//b")]
)
def test_without_a_value_that_can_stand_there_nothing_is_sent(value: Secret | None) -> None:
    with pytest.raises(NoIntent, match="<secret>") as caught:
        by_value(value)
    assert ".." not in str(caught.value)
    assert "%2e" not in str(caught.value)


def test_nobody_there_is_no_login_problem() -> None:
    async def run() -> Any:
        async def enter() -> Session:
            raise Unreachable("no connection for POST /login")

        async with Http("http://127.0.0.1:9", dict, login=Login(enter)) as client:
            return await changed(client)

    assert asyncio.run(run()).state is OutcomeState.NOT_SENT
