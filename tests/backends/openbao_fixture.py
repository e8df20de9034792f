"""A real OpenBao for the tests in this directory, and short ways to use it bare."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import pytest

from backends import registry
from backends.lab.openbao import OpenBaoServer
from backends.model import Found, Secret, Token, TokenRef
from backends.openbao import OpenBao
from backends.openbao.mapping import SERVICE

Result = TypeVar("Result")
Item = TypeVar("Item")

TOKENS = 60


class Made(NamedTuple):
    """A token that a test made with a bare client."""

    value: str
    accessor: str

    @property
    def ref(self) -> TokenRef:
        return TokenRef("bao", SERVICE, self.accessor)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBaoServer]:
    """One filled server for all the tests of a module. They add to it and disturb nothing."""
    running = OpenBaoServer(tmp_path_factory.mktemp("bao"))
    running.start()
    try:
        running.fill(TOKENS)
        yield running
    finally:
        running.stop()


def backend(server: OpenBaoServer, *, acting: bool = True, **changes: Any) -> OpenBao:
    table = {**server.table(), **changes}
    table = {name: value for name, value in table.items() if value is not None}
    made = registry.configure("bao", table, act=acting)
    assert isinstance(made, OpenBao)
    return made


def with_token(server: OpenBaoServer, name: str, policies: list[str], **body: Any) -> Any:
    """The reference to a credential file for a new token with those policies."""
    made = create(server, policies=policies, no_parent=True, **body)
    return {"file": str(server.keep(name, made.value))}


def using(bao: OpenBao, work: Callable[[OpenBao], Awaitable[Result]]) -> Result:
    """Run one piece of work with an opened backend."""

    async def run() -> Result:
        async with bao:
            return await work(bao)

    return asyncio.run(run())


async def everything(stream: AsyncIterator[Item]) -> list[Item]:
    return [item async for item in stream]


def inventory(server: OpenBaoServer, **changes: Any) -> list[Found]:
    return using(backend(server, **changes), lambda bao: everything(bao.inventory()))


def tokens_in(found: list[Found]) -> dict[TokenRef, Token]:
    return {item.ref: item for item in found if isinstance(item, Token)}


def call(
    server: OpenBaoServer, method: str, path: str, body: Any = None, *, token: str = ""
) -> tuple[int, Any]:
    """One bare call, as root unless a token is given. The status and the JSON."""
    with server.client(Secret(token) if token else None) as client:
        answer = client.request(method, path, json=body)
        return answer.status_code, answer.json() if answer.content else {}


def create(
    server: OpenBaoServer, ns: str = "", *, by: str = "", path: str = "create", **body: Any
) -> Made:
    status, answer = call(server, "POST", f"{ns}auth/token/{path}", body, token=by)
    assert status == 200, answer
    return Made(answer["auth"]["client_token"], answer["auth"]["accessor"])


def works(server: OpenBaoServer, made: Made) -> bool:
    """Whether the server itself accepts the token. Says 403 with bare words if it does not."""
    status, answer = call(server, "GET", "auth/token/lookup-self", token=made.value)
    assert status in (200, 403), answer
    return status == 200
