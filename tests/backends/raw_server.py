"""A server that answers with exactly the bytes a test gives it, to misbehave on purpose."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from patience import HANG

Script = Callable[[int, bytes], bytes | None]
"""Takes the number of the request (from 0) and its bytes; None closes without an answer."""


def forward(port: int, request: bytes) -> bytes:
    """The whole answer of a server that closes after each, HTTP/1.0 style, as moto does."""
    with socket.create_connection(("127.0.0.1", port)) as upstream:
        upstream.sendall(request)
        told = b""
        while chunk := upstream.recv(65536):
            told += chunk
    return told


class RawServer:
    """Serves one request a connection on 127.0.0.1."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # Each by itself: one on which nothing is asked must not hold up those behind it.
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(HANG)
            request = _read(connection)
            with self._counting:
                number = len(self.requests)
                self.requests.append(request)
            answer = self._script(number, request)
            if answer is not None:
                connection.sendall(answer)

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(status: int, body: bytes = b"{}", *headers: str) -> bytes:
    """A whole HTTP/1.1 answer."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


@contextlib.contextmanager
def serving(*answers: bytes | None) -> Iterator[RawServer]:
    """Gives the answers in order; the last one again and again."""
    with RawServer(lambda number, _: answers[min(number, len(answers) - 1)]) as server:
        yield server
