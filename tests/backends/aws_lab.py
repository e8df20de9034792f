"""A real moto server for the tests in this directory, and short ways to use the backend on it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import pytest

from backends.aws_iam import AwsIam
from backends.contract import BackendConfig, Outcome, Step, Verb
from backends.lab.moto import LabKey, MotoServer
from backends.model import Gap, Progress, ScopeDone, Secret, Token, TokenRef
from backends.permit import Permit

T = TypeVar("T")
ACCOUNT = "123456789012"
numbers = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    """One filled server for all the tests of a module. They add to it and disturb nothing."""
    lab = MotoServer(tmp_path_factory.mktemp("aws"))
    lab.start()
    try:
        lab.fill(30)
        yield lab
    finally:
        lab.stop()


@pytest.fixture
def made(server: MotoServer) -> LabKey:
    """A key of a user of the test's own, whom the tag ``owner`` gives to payments."""
    return new_key(server)


def new_key(server: MotoServer) -> LabKey:
    name = f"t-{next(numbers)}"
    server.iam.create_user(UserName=name, Tags=[{"Key": "owner", "Value": "payments"}])
    return server.key(name)


def reader_with(server: MotoServer, *actions: str) -> str:
    """The name of a credential file whose user may do exactly this."""
    name = f"r-{next(numbers)}"
    server.iam.create_user(UserName=name)
    server.allow(name, *actions)
    server.keep(name, server.key(name).text)
    return name


def config(server: MotoServer, read: str = "reader", act: str = "responder") -> BackendConfig:
    """The backend's configuration with credential files of the server by their names."""
    text = {name: (server.home / name).read_text() for name in (read, act)}
    return BackendConfig(
        name="aws",
        type="aws_iam",
        options={"endpoint_url": server.endpoint, "timeout": 10.0},
        read=Secret(text[read]),
        act=Secret(text[act]),
    )


def with_(given: BackendConfig, work: Callable[[AwsIam], Awaitable[T]]) -> T:
    async def go() -> T:
        async with AwsIam(given) as backend:
            return await work(backend)

    return asyncio.run(go())


async def stream_of(backend: AwsIam) -> list[Any]:
    return [found async for found in backend.inventory()]


@dataclass
class Seen:
    tokens: dict[str, Token]
    gaps: list[Gap]
    done: list[ScopeDone]
    progress: list[Progress]


def look(given: BackendConfig) -> Seen:
    stream = with_(given, stream_of)
    return Seen(
        {found.ref.id: found for found in stream if isinstance(found, Token)},
        [found for found in stream if isinstance(found, Gap)],
        [found for found in stream if isinstance(found, ScopeDone)],
        [found for found in stream if isinstance(found, Progress)],
    )


def ref(key: LabKey) -> TokenRef:
    return TokenRef("aws", "access-key", key.id)


async def carry_out(backend: AwsIam, verb: Verb, token: Token) -> tuple[Step, Outcome]:
    """Plan a verb of one step, and perform it as the runner does."""
    (step,) = (await backend.plan(verb, token)).steps
    with Permit("intent-1", step).active():
        return step, await backend.perform(step)


def dead_url() -> str:
    """An address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
