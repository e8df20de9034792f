"""What the PostgreSQL tests share: a real server, roles made for a test, and a bad line."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from backends.contract import Backend, BackendConfig, Outcome, Proposal, Verb
from backends.lab.postgres import READER, RESPONDER, PostgresServer
from backends.model import Found, Secret, Token, TokenRef
from backends.permit import Permit
from backends.postgres import Postgres, scram
from backends.postgres.roles import KIND


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    running = PostgresServer(tmp_path_factory.mktemp("pg") / "postgres")
    try:
        running.start()
        running.fill(24)
        yield running
    finally:
        running.stop()
        running.discard()


def backend(
    server: PostgresServer,
    *,
    read_as: str = READER,
    act_as: str | None = RESPONDER,
    read: Secret | None = None,
    **options: Any,
) -> Postgres:
    """The backend over the lab's server, without its log unless ``log_file`` is given."""
    given = {"host": "127.0.0.1", "port": server.port, "user": read_as, "sslmode": "disable"}
    return Postgres(
        BackendConfig(
            name="pg",
            type="postgres",
            options={**given, "act_user": act_as or "", "statement_timeout": 5, **options},
            read=read or server.secret(read_as),
            act=server.secret(act_as) if act_as else None,
        )
    )


def make(
    server: PostgresServer, name: str, attributes: str = "LOGIN", password: str = "pw", **extra: str
) -> TokenRef:
    """A role that the responder may change, as the backend's reference to it."""
    with server.connect() as connection:
        verifier = scram.verifier(connection.pgconn, name, Secret(password))
        role = sql.Identifier(name)
        connection.execute(
            sql.SQL("CREATE ROLE {} {} PASSWORD {}").format(
                role, sql.SQL(attributes), sql.Literal(verifier)
            )
        )
        connection.execute(
            sql.SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE").format(
                role, sql.Identifier(RESPONDER)
            )
        )
        if comment := extra.get("comment"):
            connection.execute(
                sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(comment))
            )
        row = connection.execute("SELECT oid FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    assert row is not None
    return TokenRef("pg", KIND, str(row[0]))


def exists(server: PostgresServer, ref: TokenRef) -> bool:
    with server.connect() as connection:
        found = connection.execute("SELECT FROM pg_roles WHERE oid = %s", (ref.id,))
        return found.fetchone() is not None


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
) -> tuple[Proposal, Outcome]:
    """Plan and perform, as the runner does: under a permit, each step once."""
    proposal = await open_backend.plan(verb, await open_backend.read(ref))
    (step,) = proposal.steps
    with Permit(intent, step).active():
        return proposal, await open_backend.perform(step)


class Proxy:
    """A line between client and server that can be cut at the worst moment.

    ``mute`` drops what the server says from the first request on that holds ``word``;
    ``cut`` then also closes the line.
    """

    def __init__(self, port: int, word: bytes = b"", *, cut: bool = True) -> None:
        self._target = port
        self.word = word
        self._cut = cut
        self._open: list[socket.socket] = []
        self.heard = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
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
                muted = threading.Event()
                for args in ((client, upstream, muted, True), (upstream, client, muted, False)):
                    threading.Thread(target=self._pump, args=args, daemon=True).start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, muted: threading.Event, ask: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if ask and self.word and self.word in data:
                    muted.set()
                    self.heard.set()
                if ask or not muted.is_set():
                    sink.sendall(data)
                elif self._cut:
                    break
            if not muted.is_set() or self._cut:
                sink.shutdown(socket.SHUT_RDWR)
