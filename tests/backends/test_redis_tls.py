"""The Redis backend over TLS: a server whose certificate is good, and three that are not.

Valkey's wheel speaks no TLS, so that a relay of ours ends it before the real server.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis_lab import act, backend, lets_in, make, server

from backends.contract import OutcomeState, Verb
from backends.errors import Unreachable
from backends.lab.redis import RedisServer

pytestmark = pytest.mark.lab
__all__ = ["server"]


def certificate(folder: Path, name: str, *, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """A certificate that signs itself, for an address; with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


@contextlib.contextmanager
def speaking_tls(port: int, cert: Path, key: Path, client_ca: Path | None = None) -> Iterator[int]:
    """A port that ends TLS and passes on to the server; asks for a certificate if so told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def serve(raw: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(raw, server_side=True) as line,
            socket.create_connection(("127.0.0.1", port)) as upstream,
        ):
            threading.Thread(target=pump, args=(upstream, line), daemon=True).start()
            pump(line, upstream)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],)).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def health(server: RedisServer, **options: Any) -> Any:
    async def ask() -> Any:
        async with backend(server, tls=True, **options) as rd:
            return await rd.health()

    return asyncio.run(ask())


def test_a_certificate_that_the_ca_vouches_for_is_good(server: RedisServer, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "good")
    ref = make(server, "over-tls")

    async def revoke(port: int) -> OutcomeState:
        async with backend(server, tls=True, tls_ca=str(cert), port=port) as rd:
            _, (outcome,) = await act(rd, Verb.REVOKE, ref)
            return outcome.state

    with speaking_tls(server.port, cert, key) as port:
        assert asyncio.run(revoke(port)) is OutcomeState.APPLIED
    assert not lets_in(server, "over-tls", "pw")


def test_one_that_nobody_vouches_for_gets_no_password(server: RedisServer, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "stranger")
    other, _ = certificate(tmp_path, "other")
    with speaking_tls(server.port, cert, key) as port:
        for ca in ("", str(other)):
            with pytest.raises(Unreachable) as caught:
                health(server, port=port, tls_ca=ca)
            assert "tls_ca" in caught.value.hint


def test_one_for_another_address_gets_no_password(server: RedisServer, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "elsewhere", address="127.0.0.9")
    with speaking_tls(server.port, cert, key) as port, pytest.raises(Unreachable):
        health(server, port=port, tls_ca=str(cert))


def test_a_server_without_tls_is_no_server_with_it(server: RedisServer) -> None:
    with pytest.raises(Unreachable):
        health(server, port=server.port, timeout=2)


def test_our_own_certificate_is_shown_where_it_is_asked_for(
    server: RedisServer, tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path, "server")
    mine, my_key = certificate(tmp_path, "client")
    with speaking_tls(server.port, cert, key, client_ca=mine) as port:
        ours = {"tls_cert": str(mine), "tls_key": str(my_key)}
        assert health(server, port=port, tls_ca=str(cert), **ours).version
        with pytest.raises(Unreachable):
            health(server, port=port, tls_ca=str(cert))
