"""What the client makes of witnesses that are silent, broken, hostile or somebody else."""

from __future__ import annotations

import socket
import threading

import pytest
from tlog_tree import Tree, key, leaves

from console.tlog import checkpoint as checkpoints
from console.tlog import note, submit
from console.tlog.cosign import Cosigner
from console.tlog.submit import BadWitnessAnswer, WitnessUnreachable

OWN = Cosigner("peer.example/witness", key(7))
TREE = Tree(leaves(5))


class Scripted:
    """Answers one request with given bytes, whatever was asked."""

    def __init__(self, answer: bytes) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, args=(answer,))

    def _run(self, answer: bytes) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.recv(65536)
            try:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                pass

    def __enter__(self) -> str:
        self._thread.start()
        return self.url

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._socket.close()


def answered(status: str, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


STRANGER = Cosigner("peer.example/witness", key(66))
OTHERS_LINE = note.parse(checkpoints.sign(TREE.checkpoint(5), STRANGER))[1][0].line().encode()
OLDER_LINE = note.parse(checkpoints.sign(TREE.checkpoint(4), OWN))[1][0].line().encode()


@pytest.mark.parametrize(
    "answer",
    [
        answered("200 OK", b""),
        answered("200 OK", b"\xff\n"),
        answered("200 OK", b"thank you\n"),
        answered("200 OK", OTHERS_LINE),
        answered("200 OK", OLDER_LINE),
        answered("200 OK", OTHERS_LINE * 100),
        answered("200 OK", b"x" * (submit.MAX_ANSWER + 1)),
        answered("409 Conflict", b"many\n"),
        answered("409 Conflict", b"9" * 40 + b"\n"),
        answered("409 Conflict", b"\xff\n"),
        answered("302 Found", b"", "Location: http://127.0.0.1:1/"),
        answered("500 Oops", b"no"),
        answered("200 OK", b"", "Content-Encoding: gzip"),
    ],
    # The keys are made anew for each process, so the bytes themselves are no stable name.
    ids=lambda _: "answer",
)
def test_an_answer_without_a_good_cosignature_is_no_cosignature(answer: bytes) -> None:
    with Scripted(answer) as url, pytest.raises(BadWitnessAnswer):
        submit.submit(url, 0, [], TREE.signed(5), OWN.verifier)


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage\r\n\r\n", answered("200 OK", b"x" * 9)[:-3]],
    ids=["nothing", "garbage", "cut"],
)
def test_a_broken_connection_leaves_it_open_what_the_witness_knows(answer: bytes) -> None:
    with Scripted(answer) as url, pytest.raises(WitnessUnreachable):
        submit.submit(url, 0, [], TREE.signed(5), OWN.verifier)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "", "ftp://x", "http://[", "no url"])
def test_an_address_without_a_witness_is_unreachable(url: str) -> None:
    with pytest.raises(WitnessUnreachable):
        submit.submit(url, 0, [], TREE.signed(5), OWN.verifier)


def test_a_witness_that_is_silent_does_not_hold_the_client_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(WitnessUnreachable):
            submit.submit(url, 0, [], TREE.signed(5), OWN.verifier, timeout=0.2)


def test_other_lines_in_the_answer_are_ignored() -> None:
    own = note.parse(checkpoints.sign(TREE.checkpoint(5), OWN))[1][0]
    with Scripted(answered("200 OK", OTHERS_LINE + own.line().encode())) as url:
        assert submit.submit(url, 0, [], TREE.signed(5), OWN.verifier) == own
