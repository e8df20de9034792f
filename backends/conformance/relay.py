"""A relay for HTTP: between a backend and its server it counts, loses and delays answers.

With it a fixture needs no tools of its own for the checks of lost and late answers::

    class MySystem(Relayed):
        def __init__(self):
            self.relay = Relay("127.0.0.1", PORT)    # give the backend self.relay.url

It speaks plain HTTP/1.1, one request on a connection, and listens on 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

from backends.conformance.fixture import Fixture, ThrowAway

READING = frozenset({"GET", "HEAD", "OPTIONS", "LIST"})
PATIENCE = 60.0
"""Seconds without a byte from either side."""


class Request(NamedTuple):
    """One request as it came: the method, the path with its query, and all of its bytes."""

    method: str
    path: str
    raw: bytes


def changes(request: Request) -> bool:
    """Whether a request changes something, by its method alone."""
    return request.method not in READING


class Relay:
    """Passes requests on to a server of this machine, and its answers back, as it is told to.

    ``changing`` tells a request that changes something from one that reads; only the
    answers to the former get lost or come late.
    """

    def __init__(self, host: str, port: int, changing: Callable[[Request], bool] = changes) -> None:
        self._target = (host, port)
        self._changing = changing
        self._losing = False
        self._delay = 0.0
        self.requests: list[Request] = []
        """Everything that was passed on, in its order."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take no further connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def url(self) -> str:
        """Where the backend finds the server through this relay."""
        return f"http://127.0.0.1:{self.port}"

    def changed(self, text: str) -> int:
        """How many changing requests hold the text, in their path, head or body."""
        wanted = text.encode()
        return sum(wanted in one.raw for one in self.requests if self._changing(one))

    @contextlib.contextmanager
    def losing(self) -> Iterator[None]:
        """A span in which changes are made and their answers never come back."""
        self._losing = True
        try:
            yield
        finally:
            self._losing = False

    @contextlib.contextmanager
    def late(self, seconds: float) -> Iterator[None]:
        """A span in which the answers to changes come so much later."""
        self._delay = seconds
        try:
            yield
        finally:
            self._delay = 0.0

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(PATIENCE)
            request = _read(client)
            if request is None:
                return
            self.requests.append(request)
            changing = self._changing(request)
            lost, delay = changing and self._losing, self._delay if changing else 0.0
            answer = self._ask(request)
            time.sleep(delay)
            if not lost:
                client.sendall(answer)

    def _ask(self, request: Request) -> bytes:
        with socket.create_connection(self._target, PATIENCE) as server:
            server.sendall(request.raw)
            told = b""
            while chunk := server.recv(65536):
                told += chunk
        return told


def _read(client: socket.socket) -> Request | None:
    """One whole request, with its connection to be closed after the answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = client.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    given = {
        name.strip().lower(): value.strip()
        for name, _, value in (field.partition(b":") for field in fields)
    }
    length = int(given.get(b"content-length", b"0"))
    chunked = given.get(b"transfer-encoding", b"").lower() == b"chunked"
    while len(body) < length or (chunked and not body.endswith(b"0\r\n\r\n")):
        chunk = client.recv(65536)
        if not chunk:
            return None
        body += chunk
    method, path, _ = first.decode("latin-1").split(" ", 2)
    held = [field for field in fields if not field.lower().startswith(b"connection:")]
    raw = b"\r\n".join([first, *held, b"Connection: close", b"", body])
    return Request(method, path, raw)


class Relayed(Fixture):
    """A fixture whose system stands behind a :class:`Relay`, which counts, loses and delays."""

    relay: Relay

    def mark(self, made: ThrowAway) -> str:
        """The text by which a changing request shows that it is about this token."""
        return made.ref.id

    def calls(self, made: ThrowAway) -> int | None:
        """How many changing requests the relay saw that hold the token's :meth:`mark`."""
        return self.relay.changed(self.mark(made))

    def losing_answers(self) -> AbstractContextManager[None] | None:
        """Let requests through and lose what the system answers, while it is entered."""
        return self.relay.losing()

    def late_answers(self, seconds: float) -> AbstractContextManager[None] | None:
        """Keep every answer back for so many seconds, while it is entered."""
        return self.relay.late(seconds)
