"""A TCP proxy that passes everything, but holds one request, or its answer, for a test."""

from __future__ import annotations

import contextlib
import socket
import threading
from enum import StrEnum


class Hold(StrEnum):
    REQUEST = "request"
    """The request that holds the mark is never passed on: the system never sees it."""
    ANSWER = "answer"
    """It is passed on, and what the system answers never comes back."""


class HoldingProxy:
    """Listens on 127.0.0.1 in front of another port of this machine."""

    def __init__(self, target: int, mark: bytes, hold: Hold) -> None:
        self.mark = mark
        self.hold = hold
        self.held = threading.Event()
        """The request is held, or the system has answered and the answer is held."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> HoldingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._open += [client, server]
            silenced = threading.Event()
            for source, sink, towards in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._pump, args=(source, sink, towards, silenced), daemon=True
                ).start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, towards: bool, silenced: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if towards and self.mark in data and not self.held.is_set():
                    if self.hold is Hold.REQUEST:
                        self.held.set()
                        return
                    silenced.set()
                if not towards and silenced.is_set():
                    self.held.set()
                    continue
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
