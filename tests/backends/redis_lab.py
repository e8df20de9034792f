"""What the Redis tests share: a real server, users made for a test, and a bad line."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from backends.contract import Backend, BackendConfig, Outcome, Proposal, Verb
from backends.lab.redis import DEBIAN, READER, RESPONDER, RedisServer, digest
from backends.model import Found, Secret, Token, TokenRef
from backends.permit import Permit
from backends.redis_acl import RedisAcl
from backends.redis_acl.users import KIND


class DebianServer(RedisServer):
    """Debian's Redis 7 in the place of the wheel's Valkey."""

    title = "Redis"
    program = DEBIAN


@pytest.fixture(scope="module", params=["valkey", "debian"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    if request.param == "debian" and not DEBIAN.exists():
        pytest.skip(f"Debian's redis-server is not there ({DEBIAN}): apt-get install redis-server")
    kind = DebianServer if request.param == "debian" else RedisServer
    running = kind(tmp_path_factory.mktemp("redis") / "redis")
    try:
        running.start()
        running.fill(24)
        yield running
    finally:
        running.stop()


def backend(
    server: RedisServer,
    *,
    read_as: str = READER,
    act_as: str | None = RESPONDER,
    read: Secret | None = None,
    act: Secret | None = None,
    **options: Any,
) -> RedisAcl:
    """The backend over the lab's server."""
    given = {"host": "127.0.0.1", "port": server.port, "user": read_as, "tls": False}
    given |= {"act_user": act_as or "", "timeout": 5, "persist": "aclfile", **options}
    act = act or (server.secret(act_as) if act_as else None)
    return RedisAcl(
        BackendConfig(
            name="rd",
            type="redis",
            options=given,
            read=read or server.secret(read_as),
            act=act if act_as else None,
        )
    )


def make(server: RedisServer, user: str | bytes, *words: str, password: str = "pw") -> TokenRef:
    """A user with one password, as the backend's reference to it."""
    rules = words or ("on", "~app:*", "+@read")
    hashes = [f"#{digest(password)}"] if password else []
    with server.connect() as client:
        client.execute_command("ACL", "SETUSER", user, "reset", *hashes, *rules)
    name = user.decode() if isinstance(user, bytes) else user
    return TokenRef("rd", KIND, name)


def lets_in(server: RedisServer, user: str, password: str) -> bool:
    """Whether the server itself lets the user in."""
    import redis

    try:
        # It connects at once, and so may be refused at once.
        with server.connect(user, password) as client:
            client.execute_command("ACL", "WHOAMI")
    except redis.AuthenticationError:
        return False
    except redis.exceptions.NoPermissionError:
        return True
    return True


async def listing(open_backend: Backend) -> tuple[dict[str, Token], list[Found]]:
    """The inventory: tokens by name, and all the rest of the stream."""
    tokens: dict[str, Token] = {}
    rest: list[Found] = []
    async for item in open_backend.inventory():
        if isinstance(item, Token):
            tokens[item.name] = item
        else:
            rest.append(item)
    return tokens, rest


async def act(
    open_backend: Backend, verb: Verb, ref: TokenRef, intent: str = "intent-1"
) -> tuple[Proposal, list[Outcome]]:
    """Plan and perform, as the runner does: under a permit, each step once."""
    proposal = await open_backend.plan(verb, await open_backend.read(ref))
    outcomes = []
    for step in proposal.steps:
        with Permit(intent, step).active():
            outcomes.append(await open_backend.perform(step))
    return proposal, outcomes


class RespRelay:
    """A line between client and server that counts changes, and loses or delays their answers.

    A command is one of RESP's arrays; every one that a client sends arrives whole, since each
    is answered before the next is sent.
    """

    CHANGING = (b"SETUSER", b"DELUSER", b"KILL", b"SAVE", b"REWRITE")

    def __init__(self, port: int) -> None:
        self._target = port
        self.losing = False
        self.mute = False
        self.delay = 0.0
        self.changes = 0
        self.sent: list[bytes] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> RespRelay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for line in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                upstream = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, upstream]
                threading.Thread(target=self._serve, args=(client, upstream), daemon=True).start()

    def _serve(self, client: socket.socket, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError), client, upstream:
            changing = threading.Event()
            threading.Thread(
                target=self._back, args=(client, upstream, changing), daemon=True
            ).start()
            while data := client.recv(65536):
                self.sent.append(data)
                if self.mute:
                    continue
                if any(word in data for word in self.CHANGING):
                    self.changes += 1
                    changing.set()
                upstream.sendall(data)
            upstream.shutdown(socket.SHUT_RDWR)

    def _back(
        self, client: socket.socket, upstream: socket.socket, changing: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := upstream.recv(65536):
                if changing.is_set():
                    changing.clear()
                    if self.losing:
                        break
                    time.sleep(self.delay)
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
