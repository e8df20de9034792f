"""The PostgreSQL backend on bad days: each has its own error, with what to do next."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest
from postgres_lab import Proxy, backend, listing, server

from backends.contract import BackendConfig
from backends.errors import (
    AuthFailed,
    BackendError,
    BadAnswer,
    ConfigError,
    Forbidden,
    RateLimited,
    TimedOut,
    Unreachable,
)
from backends.lab.postgres import PostgresServer
from backends.model import Gap, GapKind, ScopeDone, Secret, Token
from backends.postgres import Postgres, roles, wire

pytestmark = pytest.mark.lab
__all__ = ["server"]


def health(server: PostgresServer, **options: Any) -> Any:
    async def ask() -> Any:
        async with backend(server, **options) as pg:
            return await pg.health()

    return asyncio.run(ask())


def test_a_wrong_password_is_the_credentials_fault(server: PostgresServer) -> None:
    with pytest.raises(AuthFailed, match="console_reader"):
        health(server, read=Secret("wrong-canary"))


def test_a_database_that_does_not_exist_is_the_configurations_fault(
    server: PostgresServer,
) -> None:
    with pytest.raises(ConfigError) as caught:
        health(server, dbname="nowhere")
    assert caught.value.option == "dbname"


def test_a_database_that_is_closed_to_us_is_forbidden(server: PostgresServer) -> None:
    with server.connect() as connection:
        connection.execute("REVOKE CONNECT ON DATABASE analytics FROM PUBLIC")
    with pytest.raises(Forbidden) as caught:
        health(server, dbname="analytics")
    assert "GRANT CONNECT ON DATABASE analytics" in caught.value.hint


def test_a_full_server_asks_for_patience(server: PostgresServer) -> None:
    with server.connect() as connection:
        connection.execute("ALTER ROLE console_reader CONNECTION LIMIT 0")
        try:
            with pytest.raises(RateLimited):
                health(server)
        finally:
            connection.execute("ALTER ROLE console_reader CONNECTION LIMIT -1")


def test_a_dead_server_is_unreachable(server: PostgresServer) -> None:
    with Proxy(server.port) as line:
        port = line.port
    with pytest.raises(Unreachable, match=str(port)):
        health(server, port=port)


def test_a_server_without_tls_is_not_spoken_to_by_default(server: PostgresServer) -> None:
    with pytest.raises(Unreachable) as caught:
        health(server, sslmode="verify-full")
    assert "sslrootcert" in caught.value.hint


def test_a_slow_statement_ends_in_time(server: PostgresServer) -> None:
    async def wait() -> None:
        async with backend(server, statement_timeout=1) as pg:
            await pg._reader.rows("a nap", "SELECT pg_sleep(60)")

    with pytest.raises(TimedOut, match="a nap"):
        asyncio.run(wait())


def test_a_server_that_falls_silent_ends_in_time(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "GRACE", 0.0)
    with (
        Proxy(server.port, b"clock_timestamp", cut=False) as line,
        pytest.raises(TimedOut, match="no answer"),
    ):
        health(server, port=line.port, statement_timeout=1)


def test_a_missing_right_on_a_catalog_is_named(server: PostgresServer) -> None:
    async def look() -> None:
        async with backend(server) as pg:
            await pg._reader.rows("verifiers", "SELECT rolpassword FROM pg_authid")

    with pytest.raises(Forbidden, match="verifiers") as caught:
        asyncio.run(look())
    assert "pg_authid" in caught.value.hint


def test_a_session_that_was_ended_is_opened_anew(server: PostgresServer) -> None:
    async def twice() -> Any:
        async with backend(server) as pg:
            await pg.health()
            session = pg._reader.connection
            assert session is not None
            with server.connect() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(%s, 5000)", (session.info.backend_pid,)
                )
            return await pg.health()

    assert asyncio.run(twice()).version


def test_a_server_that_dies_in_mid_listing_leaves_a_gap_and_no_end(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "PAGE", 5)

    async def read(line: Proxy) -> list[Any]:
        found: list[Any] = []
        async with backend(server, port=line.port) as pg:
            async for item in pg.inventory():
                found.append(item)
                if len(found) == 6:
                    line.close()
        return found

    with Proxy(server.port) as line:
        found = asyncio.run(read(line))
    assert sum(isinstance(item, Token) for item in found) == 5
    assert not any(isinstance(item, ScopeDone) for item in found)
    (gap,) = [item for item in found if isinstance(item, Gap)]
    assert gap.kind is GapKind.FAILED


def test_small_pages_list_the_same_roles(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def names() -> list[str]:
        async with backend(server) as pg:
            tokens, _ = await listing(pg)
            return list(tokens)

    whole = asyncio.run(names())
    monkeypatch.setattr(roles, "PAGE", 3)
    assert asyncio.run(names()) == whole


def speaking(answer: bytes) -> tuple[int, list[bytes]]:
    """A server that gives one answer to the start-up message and keeps what comes back."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        with listener, listener.accept()[0] as line:
            line.recv(65536)
            line.sendall(answer)
            heard.append(line.recv(65536))

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1], heard


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"R\x00\x00\x00\x08\x00\x00\x00\x03",  # AuthenticationCleartextPassword
    ],
)
def test_an_impostor_gets_no_password(answer: bytes) -> None:
    port, heard = speaking(answer)
    options = {"host": "127.0.0.1", "port": port, "user": "u", "sslmode": "disable"}
    config = BackendConfig(name="pg", type="postgres", options=options, read=Secret("canary-pw"))

    async def ask() -> None:
        async with Postgres(config) as pg:
            await pg.health()

    with pytest.raises((AuthFailed, Unreachable, BadAnswer)) as caught:
        asyncio.run(ask())
    assert isinstance(caught.value, BackendError)
    assert "canary-pw" not in str(caught.value)
    assert b"canary-pw" not in b"".join(heard)
