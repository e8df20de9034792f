"""A witness over real sockets: what it refuses, what it remembers, what its client sees."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from patience import HANG
from tlog_tree import LOG, ORIGIN, Tree, key, leaves

from console.journal.tlog import checkpoint as checkpoints
from console.journal.tlog import cosign as cosigning
from console.journal.tlog import note, policy, submit
from console.journal.tlog.checkpoint import Checkpoint
from console.journal.tlog.cosign import Cosigner
from console.journal.tlog.note import Ed25519Signer
from console.journal.tlog.submit import (
    Ahead,
    BadAnswer,
    BadProof,
    Conflict,
    Forbidden,
    Forgot,
    Submission,
    UnknownLog,
    Unreachable,
)
from console.journal.tlog.witness import Witness, WitnessServer, WitnessStateError, open_witness

OWN = Cosigner("peer.example/witness", key(7))
TREE = Tree(leaves(40))
FORK = Tree([*leaves(20), *(b"forged %d" % number for number in range(30))])


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness", OWN, {ORIGIN: [LOG.verifier]})


@pytest.fixture
def url(witness: Witness) -> Iterator[str]:
    with WitnessServer(witness) as server:
        yield server.url


def send(url: str, old: int, new: int, tree: Tree = TREE, signer: Ed25519Signer = LOG) -> int:
    """Submit ``new``; the time in the cosignature."""
    got = submit.submit(url, old, tree.proof(old, new), tree.signed(new, signer), OWN.verifier)
    return cosigning.time_of(got)


def seen(witness: Witness) -> int:
    stored = witness.checkpoint(hashlib.sha256(ORIGIN.encode()).hexdigest())
    return Checkpoint.parse(note.parse(stored)[0]).size if stored else 0


def raw(url: str, body: bytes) -> tuple[int, str, bytes]:
    host = url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=HANG)
    connection.request("POST", "/add-checkpoint", body)
    answer = connection.getresponse()
    got = answer.status, answer.headers["Content-Type"], answer.read()
    connection.close()
    return got


def request(old: int, new: int, tree: Tree = TREE) -> bytes:
    return Submission(old, tuple(tree.proof(old, new)), tree.signed(new)).body()


def test_a_log_that_grows_is_cosigned_each_time(url: str, witness: Witness) -> None:
    old = 0
    for new in (1, 2, 17, 17, 40):
        got = submit.submit(url, old, TREE.proof(old, new), TREE.signed(new), OWN.verifier)
        both = note.add(TREE.signed(new), [got])
        names = checkpoints.open_checkpoint(both, [LOG.verifier], [OWN.verifier])[1].names
        assert names == (LOG.name, OWN.name)
        assert seen(witness) == new
        old = new


def test_an_empty_log_can_be_cosigned_and_a_false_empty_root_cannot(url: str) -> None:
    assert send(url, 0, 0)
    false = checkpoints.sign(Checkpoint(ORIGIN, 0, bytes(32)), LOG)
    with pytest.raises(BadProof):
        submit.submit(url, 0, [], false, OWN.verifier)


def test_a_rolled_back_log_gets_the_size_that_was_seen_and_no_cosignature(
    url: str, witness: Witness
) -> None:
    send(url, 0, 40)
    with pytest.raises(Conflict) as caught:
        send(url, 0, 30)
    assert caught.value.size == 40
    assert raw(url, request(30, 30)) == (409, "text/x.tlog.size", b"40\n")
    assert seen(witness) == 40


def test_a_fork_is_refused_at_the_same_size_and_beyond(url: str, witness: Witness) -> None:
    send(url, 0, 40)
    assert raw(url, request(40, 40, FORK))[0] == 422
    assert raw(url, request(40, 50, FORK))[0] == 422
    with pytest.raises(BadProof):
        send(url, 40, 50, FORK)
    assert seen(witness) == 40


def test_proofs_that_do_not_belong_are_refused(url: str) -> None:
    with pytest.raises(BadProof):  # The first checkpoint takes no proof.
        submit.submit(url, 0, [bytes(32)], TREE.signed(5), OWN.verifier)
    send(url, 0, 5)
    for proof in ([], TREE.proof(5, 9)[:-1], [*TREE.proof(5, 9), bytes(32)], TREE.proof(4, 9)):
        with pytest.raises(BadProof):
            submit.submit(url, 5, proof, TREE.signed(9), OWN.verifier)
    assert send(url, 5, 9)


def test_a_wrong_key_is_refused_even_beside_a_right_name(url: str, witness: Witness) -> None:
    with pytest.raises(Forbidden):
        send(url, 0, 5, signer=Ed25519Signer(ORIGIN, key(99)))
    text, (line,) = note.parse(TREE.signed(5))
    bad = f"{text}\n{line._replace(value=bytes(64)).line()}".encode()
    for signed in (bad, bad + line.line().encode()):
        with pytest.raises(Forbidden):
            submit.submit(url, 0, [], signed, OWN.verifier)
    assert seen(witness) == 0


def test_an_unknown_log_is_refused(url: str) -> None:
    stranger = Ed25519Signer("other.example/log", key(3))
    signed = checkpoints.sign(Checkpoint(stranger.name, 1, bytes(32)), stranger, LOG)
    with pytest.raises(UnknownLog):
        submit.submit(url, 0, [], signed, OWN.verifier)


def test_a_rotated_log_key_is_accepted_under_both_keys(tmp_path: Path) -> None:
    second = Ed25519Signer(ORIGIN, key(2))
    keys = [LOG.verifier, second.verifier]
    with WitnessServer(Witness(tmp_path, OWN, {ORIGIN: keys})) as server:
        send(server.url, 0, 5)
        both = checkpoints.sign(TREE.checkpoint(6), LOG, second)
        submit.submit(server.url, 5, TREE.proof(5, 6), both, OWN.verifier)
        send(server.url, 6, 7, signer=second)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        request(0, 5).replace(b"old 0", b"old 00"),
        request(0, 5).replace(b"old 0", b"old -1"),
        request(0, 5).replace(b"old 0", b"new 0"),
        request(0, 5).replace(b"old 0\n", b"old 0\nAAAA\n"),
        request(0, 5).replace(b"old 0\n", b"old 0\n" + (b"A" * 43 + b"=\n") * 64),
        request(0, 5).replace(b"old 0", b"old 6"),
        request(0, 5).replace(b"old 0", b"old 9223372036854775808"),
        request(0, 5).replace(b"\n5\n", b"\n05\n"),
        request(0, 5)[:-1],
        request(0, 5).replace(ORIGIN.encode(), b"\xff"),
    ],
)
def test_malformed_requests_get_a_400(url: str, witness: Witness, body: bytes) -> None:
    assert raw(url, body)[0] == 400
    assert seen(witness) == 0


def test_hostile_http_is_bounded(url: str, witness: Witness) -> None:
    host, port = url.removeprefix("http://").split(":")

    def talk(data: bytes) -> bytes:
        with socket.create_connection((host, int(port)), timeout=HANG) as raw_socket:
            raw_socket.sendall(data)
            return raw_socket.makefile("rb").read()

    start = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n"
    body = request(0, 5)
    length = b"Content-Length: %d\r\n" % len(body)
    assert b" 411 " in talk(start + b"\r\n")
    assert b" 411 " in talk(start + b"Content-Length: -1\r\n\r\n")
    assert b" 411 " in talk(start + length + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert b" 413 " in talk(start + b"Content-Length: 999999999\r\n\r\n")
    assert b" 404 " in talk(b"POST /other HTTP/1.1\r\n" + length + b"\r\n" + body)
    assert b" 431 " in talk(start + b"X: y\r\n" * 200 + b"\r\n")
    assert b" 414 " in talk(b"GET /" + b"x" * 70000)
    assert b" 501 " in talk(b"DELETE / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert seen(witness) == 0
    assert send(url, 0, 5)


def test_a_connection_serves_several_requests(url: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=HANG)
    for old, new in ((0, 3), (3, 9)):
        connection.request("POST", "/add-checkpoint", request(old, new))
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read().startswith("— peer.example/witness ".encode())
    connection.close()


def test_silent_connections_do_not_shut_others_out_for_ever(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WitnessServer, "CONNECTIONS", 2)
    monkeypatch.setattr(WitnessServer, "LIFETIME", 0.3)
    with WitnessServer(witness) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
        assert send(server.url, 0, 5)
        for each in silent:
            each.close()


def test_the_newest_checkpoint_can_be_read_with_both_signatures_and_no_others(url: str) -> None:
    assert submit.newest(url, ORIGIN) is None
    stranger = Ed25519Signer("stranger.example", key(4))
    signed = checkpoints.sign(TREE.checkpoint(5), stranger, LOG)
    submit.submit(url, 0, [], signed, OWN.verifier)
    stored = submit.newest(url, ORIGIN)
    assert stored is not None
    point, opened = checkpoints.open_checkpoint(stored, [LOG.verifier], [OWN.verifier])
    assert point == TREE.checkpoint(5)
    assert opened.names == (LOG.name, OWN.name)
    assert opened.unverified == ()
    assert submit.newest(url, "other.example/log") is None


def test_of_racing_submissions_one_wins_and_nothing_is_rolled_back(
    url: str, witness: Witness
) -> None:
    send(url, 0, 10)
    barrier = threading.Barrier(8)

    def race(new: int) -> int | None:
        barrier.wait()
        try:
            send(url, 10, new)
        except Conflict:
            return None
        return new

    with ThreadPoolExecutor(8) as pool:
        won = [size for size in pool.map(race, range(11, 19)) if size is not None]
    assert won == [seen(witness)]


def test_two_forks_that_race_are_never_both_cosigned(tmp_path: Path) -> None:
    """Two processes' worth of witnesses on one directory: only the lock file stands between."""
    for turn in range(10):
        place = tmp_path / str(turn)
        pair = [Witness(place, OWN, {ORIGIN: [LOG.verifier]}) for _ in range(2)]
        barrier = threading.Barrier(2)

        def race(witness: Witness, body: bytes, barrier: threading.Barrier = barrier) -> int:
            barrier.wait()
            return witness.add_checkpoint(body).status

        with ThreadPoolExecutor(2) as pool:
            jobs = zip(pair, (request(0, 30), request(0, 30, FORK)), strict=True)
            statuses = [pool.submit(race, *job) for job in jobs]
            assert sorted(each.result() for each in statuses) == [200, 409]


CHILD = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{here!r}, {shared!r}]
from tlog_tree import LOG, ORIGIN
from test_tlog_witness import OWN
from console.journal.tlog import witness as module

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

moment = {moment!r}
if moment == "before storing":
    module.Witness._store = die
elif moment == "while storing":
    module.os.replace = die
elif moment == "after storing":
    module._Handler._send = die
server = module.WitnessServer(module.Witness(Path({place!r}), OWN, {{ORIGIN: [LOG.verifier]}}))
print(server.url, flush=True)
server.serve()
"""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Starts a witness in a process of its own that kills itself at the given moment."""
    children: list[subprocess.Popen[str]] = []

    def start(moment: str = "") -> str:
        script = CHILD.format(
            here=str(Path(__file__).parent),
            shared=str(Path(__file__).parents[1]),
            moment=moment,
            place=str(tmp_path / "w"),
        )
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout is not None
        return child.stdout.readline().strip()

    yield start
    for child in children:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


@pytest.mark.parametrize(
    ("moment", "kept"),
    [("before storing", 5), ("while storing", 5), ("after storing", 9)],
)
def test_killed_at_any_moment_it_forgets_nothing_that_it_promised(
    serve: Callable[[str], str], moment: str, kept: int
) -> None:
    url = serve("")
    send(url, 0, 5)
    url = serve(moment)
    with pytest.raises(Unreachable):
        send(url, 5, 9)
    url = serve("")
    with pytest.raises(Conflict) as caught:
        send(url, 0, 3)
    assert caught.value.size == kept
    # The fork that a rollback would need is refused, and the honest log goes on.
    with pytest.raises(BadProof):
        send(url, kept, 30, Tree([b"forged", *leaves(39)]))
    got = submit.cosign(url, TREE.signed(12), TREE.get, OWN.verifier, known=5)
    OWN.verifier.verify(TREE.checkpoint(12).body().encode(), got.value)


def test_without_a_durable_memory_there_is_no_cosignature(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles: list[str] = []
    with WitnessServer(witness, on_trouble=troubles.append) as server:
        send(server.url, 0, 5)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(BadAnswer):
                send(server.url, 5, 9)
        assert troubles
        assert send(server.url, 5, 9)


def fail(descriptor: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_damaged_memory_is_never_taken_for_an_empty_one(witness: Witness, url: str) -> None:
    send(url, 0, 5)
    (place,) = (each for each in witness.directory.iterdir() if len(each.name) == 64)
    good = place.read_bytes()
    for bad in (b"", good[:-5], good.replace(b"\n5\n", b"\n3\n")):
        place.write_bytes(bad)
        with pytest.raises(WitnessStateError):
            witness.add_checkpoint(request(0, 9))
        assert raw(url, request(0, 9))[0] == 500
    place.write_bytes(good)
    assert send(url, 5, 9)


def test_a_witness_outlives_a_change_of_its_own_key(tmp_path: Path) -> None:
    logs = {ORIGIN: [LOG.verifier]}
    assert Witness(tmp_path, OWN, logs).add_checkpoint(request(0, 5)).status == 200
    changed = Witness(tmp_path, Cosigner("peer.example/witness", key(8)), logs)
    assert changed.add_checkpoint(request(0, 5)).status == 409
    assert changed.add_checkpoint(request(5, 9)).status == 200


def test_a_witness_makes_its_key_once_and_takes_its_logs_from_a_policy(tmp_path: Path) -> None:
    trusted = policy.parse(f"log {LOG.vkey}\nquorum none\n".encode())
    first = open_witness(tmp_path / "w", "peer.example/w", trusted)
    second = open_witness(tmp_path / "w", "peer.example/w", trusted)
    assert first.cosigner.vkey == second.cosigner.vkey
    assert second.add_checkpoint(request(0, 5)).status == 200
    assert (tmp_path / "w").stat().st_mode & 0o077 == 0
    for path in (tmp_path / "w").iterdir():
        assert path.stat().st_mode & 0o077 == 0


def test_the_client_follows_a_witness_that_moved_on(url: str, witness: Witness) -> None:
    for size in (7, 12, 12, 40):
        submit.cosign(url, TREE.signed(size), TREE.get, OWN.verifier)
        assert seen(witness) == size


def test_the_client_tells_when_the_witness_has_seen_more(url: str) -> None:
    send(url, 0, 40)
    for known in (0, 30, 40):
        with pytest.raises(Ahead) as caught:
            submit.cosign(url, TREE.signed(30), TREE.get, OWN.verifier, known=known)
        assert (caught.value.seen, caught.value.size) == (40, 30)


def test_the_client_tells_when_the_witness_lost_its_memory(url: str) -> None:
    send(url, 0, 10)
    with pytest.raises(Forgot) as caught:
        submit.cosign(url, TREE.signed(30), TREE.get, OWN.verifier, known=20)
    assert (caught.value.seen, caught.value.known) == (10, 20)
