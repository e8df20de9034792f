"""A witness: remembers the newest checkpoint of each log, and cosigns only what continues it.

The server's side of c2sp.org/tlog-witness. What it promises rests on two things: its
memory is on disk before it answers, and looking and storing happen under one lock. There
is no authentication but the log's own signature, so anybody may ask.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from console.errors import ConsoleError
from console.lock import only_one
from console.tlog import merkle, note
from console.tlog.checkpoint import Checkpoint, open_checkpoint
from console.tlog.cosign import Cosigner
from console.tlog.keyfile import load_or_make, sync_directory, write_durably
from console.tlog.merkle import ProofError
from console.tlog.note import (
    BadSignature,
    MalformedNote,
    NoteError,
    NoteSignature,
    NotSigned,
    Verifier,
)
from console.tlog.policy import Policy
from console.tlog.submit import MAX_REQUEST, PATH, Submission

SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"

_MONITOR = re.compile(r"/([0-9a-f]{64})/checkpoint")


class WitnessStateError(ConsoleError):
    """What the witness remembers of a log is damaged, so it must not cosign that log."""


class WitnessReply(NamedTuple):
    """What goes back over HTTP."""

    status: int
    body: bytes
    content_type: str = TEXT_TYPE


class WitnessService:
    """The decision and the memory, without the network. Safe for threads and processes.

    Its directory holds a file for each log, named by the SHA-256 of the log's origin: the
    newest checkpoint with the log's signature and this witness's cosignature.
    """

    def __init__(
        self, directory: Path, cosigner: Cosigner, logs: Mapping[str, Sequence[Verifier]]
    ) -> None:
        """``logs`` gives the keys that may sign for each origin."""
        self.directory = directory
        self.cosigner = cosigner
        self.logs = {origin: tuple(keys) for origin, keys in logs.items()}
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add_checkpoint(self, body: bytes) -> WitnessReply:
        """Decide about one request, in the order of the specification.

        Raises:
            WitnessStateError: the memory of this log is damaged.
            OSError: it cannot be read or written. Nothing was promised.
        """
        try:
            asked = Submission.parse(body)
            checkpoint = Checkpoint.parse(note.parse(asked.signed)[0])
        except MalformedNote as error:
            return _refusal(400, str(error))
        keys = self.logs.get(checkpoint.origin)
        if keys is None:
            return _refusal(404, "this log is not known here")
        try:
            _, opened = open_checkpoint(asked.signed, keys)
        except (NotSigned, BadSignature) as error:
            return _refusal(403, str(error))
        if asked.old > checkpoint.size:
            return _refusal(400, "the old size is above the checkpoint's size")
        # One at a time: the last checkpoint is read, and then replaced.
        with only_one(self.directory / "lock", patience=None):
            return self._check_and_store(asked, checkpoint, opened.verified)

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """The newest cosigned checkpoint of the log whose origin has this SHA-256."""
        for origin in self.logs:
            if _file_name(origin) == origin_hash:
                return self._stored(origin)
        return None

    def _check_and_store(
        self, asked: Submission, checkpoint: Checkpoint, signatures: tuple[NoteSignature, ...]
    ) -> WitnessReply:
        last = self._last(checkpoint.origin)
        if asked.old != last.size:
            return WitnessReply(409, b"%d\n" % last.size, SIZE_TYPE)
        try:
            merkle.verify_consistency(
                last.size, checkpoint.size, last.root, checkpoint.root, asked.proof
            )
        except ProofError as error:
            return _refusal(422, str(error))
        text = checkpoint.body()
        own = NoteSignature(
            self.cosigner.name, self.cosigner.key_id, self.cosigner.sign(text.encode())
        )
        # Signatures of strangers are not kept: nobody here has checked them.
        lines = "".join(each.line() for each in (*signatures, own))
        self._store(checkpoint.origin, f"{text}\n{lines}".encode())
        return WitnessReply(200, own.line().encode())

    def _last(self, origin: str) -> Checkpoint:
        stored = self._stored(origin)
        if stored is None:
            return Checkpoint(origin, 0, merkle.EMPTY)
        try:
            # The log's keys do as well: this witness's own key may have been changed.
            opened = note.open_note(stored, [self.cosigner.verifier, *self.logs[origin]])
            last = Checkpoint.parse(opened.text)
        except NoteError as error:
            raise WitnessStateError(
                f"the stored checkpoint of {origin!r} is damaged: {error}",
                "Restore it from a copy that is not older, or the log could be rolled back.",
            ) from None
        if last.origin != origin:
            raise WitnessStateError(f"the stored checkpoint of {origin!r} is of another log")
        return last

    def _stored(self, origin: str) -> bytes | None:
        try:
            return (self.directory / _file_name(origin)).read_bytes()
        except FileNotFoundError:
            return None

    def _store(self, origin: str, signed: bytes) -> None:
        """On disk when this returns; after a crash either the old or the new is there."""
        place = self.directory / _file_name(origin)
        draft = place.with_suffix(".new")
        write_durably(draft, signed)
        os.replace(draft, place)
        sync_directory(self.directory)


def open_witness(directory: Path, name: str, policy: Policy) -> WitnessService:
    """A witness for the logs of a policy file. Its key is made at first use.

    Args:
        directory: where key and memory are.
        name: the name under which it cosigns; no blanks, no plus sign.
        policy: only its ``log`` lines matter. Keys of one name are keys of one log.

    Raises:
        KeyFileError: the key cannot be read or made.
        MalformedNote: the name cannot be used.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key, _ = load_or_make(directory / "witness.key")
    origins = {each.verifier.name for each in policy.logs}
    logs = {origin: policy.keys_of(origin) for origin in origins}
    return WitnessService(directory, Cosigner(name, key), logs)


class WitnessServer:
    """The witness over HTTP. Use it in a ``with`` block, or call ``serve``.

    ``PATH`` takes checkpoints, and ``/<SHA-256 of the origin>/checkpoint`` gives the newest.
    """

    CONNECTIONS = 32
    """Connections at once. More wait in the kernel's queue."""
    IDLE = 10.0
    """Seconds after which a silent connection is closed."""
    LIFETIME = 60.0
    """Seconds after which any connection is closed, so that slow ones do not fill the room."""

    def __init__(
        self,
        witness: WitnessService,
        host: str = "127.0.0.1",
        port: int = 0,
        on_trouble: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Binds at once; port 0 takes a free one. ``on_trouble`` hears of failures to store.

        Raises:
            OSError: the address cannot be had.
        """
        self.witness = witness
        self.on_trouble = on_trouble
        self._server = _Server((host, port), self)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The TCP port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The submission prefix, which is the monitoring prefix too."""
        host = str(self._server.server_address[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def serve(self) -> None:
        """Answer until another thread calls ``close`` or an exception comes by."""
        self._server.serve_forever(poll_interval=0.1)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve, name="witness", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take no more connections, and free the port."""
        self._server.closing = True
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], owner: WitnessServer) -> None:
        self.owner = owner
        self.closing = False
        self._room = threading.BoundedSemaphore(owner.CONNECTIONS)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a request in a thread of its own, as soon as there is room for one more."""
        # Waiting here keeps the next ones in the kernel's queue instead of in threads.
        while not self._room.acquire(timeout=0.1):
            if self.closing:
                self.shutdown_request(request)
                return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a request, and cut it off when it takes too long."""
        timer = threading.Timer(self.owner.LIFETIME, _cut, (request,))
        timer.daemon = True
        timer.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            timer.cancel()
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke. The other end knows."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "witness"
    sys_version = ""
    timeout = WitnessServer.IDLE
    # Head and body leave in one piece and at once; otherwise TCP holds the second back for
    # 40 ms, and an intent waits for this answer.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer ``add-checkpoint``."""
        length = self.headers.get("Content-Length", "")
        plain = re.fullmatch(r"[0-9]{1,9}", length) and "Transfer-Encoding" not in self.headers
        if self.path != PATH or not plain:
            self.close_connection = True  # The body was not read and would look like a request.
            self._send(_refusal(404 if self.path != PATH else 411, "no such request"))
        elif int(length) > MAX_REQUEST:
            self.close_connection = True
            self._send(_refusal(413, "the request is too long"))
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                self._send(self._decide(lambda witness: witness.add_checkpoint(body)))

    def do_GET(self) -> None:
        """Answer what a monitor asks: the newest checkpoint of a log."""
        found = _MONITOR.fullmatch(self.path)
        if found is None:
            self._send(_refusal(404, "no such page"))
            return
        origin_hash = found[1]

        def newest(witness: WitnessService) -> WitnessReply:
            stored = witness.checkpoint(origin_hash)
            if stored is None:
                return _refusal(404, "no checkpoint of this log")
            return WitnessReply(200, stored)

        self._send(self._decide(newest))

    def _decide(self, decide: Callable[[WitnessService], WitnessReply]) -> WitnessReply:
        try:
            return decide(self.server.owner.witness)
        except (OSError, ConsoleError) as error:
            self.server.owner.on_trouble(str(error))
            return _refusal(500, "the witness cannot use its memory")

    def _send(self, answer: WitnessReply) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name.
        """Nothing: what strangers send belongs in no terminal."""


def _cut(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


def _refusal(status: int, reason: str) -> WitnessReply:
    return WitnessReply(status, f"{reason}\n".encode())


def _file_name(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()
