"""OpenSSH's own programs for the tests, and agents that misbehave."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from patience import HANG

from console.sshsig.agent import SshAgent
from console.sshsig.wire import WireReader, mpint, string, u32

needs_openssh = pytest.mark.skipif(
    not all(map(shutil.which, ("ssh-agent", "ssh-add", "ssh-keygen"))), reason="needs OpenSSH"
)
NAMESPACE = "journal-entry@token-console"


def run(
    *words: str | Path, stdin: bytes = b"", sock: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """A program of OpenSSH, with no agent but the given one."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SSH_")}
    environ |= {"SSH_AUTH_SOCK": sock} if sock else {}
    return subprocess.run(
        [str(word) for word in words], input=stdin, capture_output=True, env=environ, timeout=HANG
    )


def must(*words: str | Path, stdin: bytes = b"", sock: str = "") -> str:
    """As ``run``, for what has to work."""
    done = run(*words, stdin=stdin, sock=sock)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def keygen(path: Path, kind: str = "ed25519", *more: str) -> Path:
    """A new key pair without a passphrase."""
    must("ssh-keygen", "-q", "-t", kind, *more, "-N", "", "-C", f"key {path.name}", "-f", path)
    return path


def public(path: Path) -> str:
    """``type base64`` of a key's public file."""
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def certify(ca: Path, key: Path, *more: str) -> Path:
    """A user certificate beside the key."""
    must("ssh-keygen", "-q", "-s", ca, "-I", "the id", *more, f"{key}.pub")
    return key.with_name(key.name + "-cert.pub")


def fingerprint(path: Path) -> str:
    """As ``ssh-keygen -l`` prints it."""
    return must("ssh-keygen", "-l", "-f", path).split()[1]


def keygen_accepts(
    folder: Path, armoured: str, message: bytes, allowed: str, principal: str, *more: str
) -> bool:
    """What ``ssh-keygen -Y verify`` says."""
    signature, signers = folder / "message.sig", folder / "signers"
    signature.write_text(armoured)
    signers.write_text(allowed)
    words = ("-Y", "verify", "-f", signers, "-I", principal, "-n", NAMESPACE, "-s", signature)
    return run("ssh-keygen", *words, *more, stdin=message).returncode == 0


@contextlib.contextmanager
def ssh_agent() -> Iterator[SshAgent]:
    """A real ssh-agent with no keys."""
    # A socket's path may have 107 characters, which a test's own directory can pass.
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/agent"
        process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + HANG
            while run("ssh-add", "-l", sock=path).returncode not in (0, 1):
                assert process.poll() is None
                assert time.monotonic() < deadline
            yield SshAgent(path)
        finally:
            process.terminate()
            process.wait(HANG)


Answer = Callable[[bytes], bytes | None]


@contextlib.contextmanager
def fake_agent(answer: Answer) -> Iterator[str]:
    """A socket at which every request gets what ``answer`` makes of it; None keeps silent.

    What is returned goes out as it is, with no length before it.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(f"{folder}/agent")
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError):
                    head = connection.recv(4, socket.MSG_WAITALL)
                    size = int.from_bytes(head, "big")
                    said = answer(connection.recv(size, socket.MSG_WAITALL))
                    if said is None:
                        held.callback(connection.close)
                        continue
                    connection.sendall(said)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"{folder}/agent"
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(30)


class FidoKey:
    """What a FIDO key does, by OpenSSH's PROTOCOL.u2f, without the hardware."""

    def __init__(self, flags: int = 1, curve: bool = False, application: bytes = b"ssh:") -> None:
        self.flags, self.application = flags, application
        self.private = (
            ec.generate_private_key(ec.SECP256R1()) if curve else Ed25519PrivateKey.generate()
        )
        self.type = (
            b"sk-ecdsa-sha2-nistp256@openssh.com" if curve else b"sk-ssh-ed25519@openssh.com"
        )

    @property
    def blob(self) -> bytes:
        """The public key."""
        key = self.private.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            fields = string(b"nistp256") + string(point)
        else:
            fields = string(key.public_bytes_raw())
        return string(self.type) + fields + string(self.application)

    @property
    def line(self) -> str:
        """``type base64`` for allowed_signers."""
        return f"{self.type.decode()} {base64.b64encode(self.blob).decode()}"

    def sign(self, data: bytes, counter: int = 7) -> bytes:
        """The signature as an agent returns it."""
        tail = bytes([self.flags]) + u32(counter)
        signed = hashlib.sha256(self.application).digest() + tail + hashlib.sha256(data).digest()
        if isinstance(self.private, Ed25519PrivateKey):
            value = self.private.sign(signed)
        else:
            r, s = utils.decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
            value = mpint(r) + mpint(s)
        return string(self.type) + string(value) + tail

    def answer(self, request: bytes) -> bytes:
        """What an agent with this key answers."""
        if request[:1] == b"\x0b":
            return string(b"\x0c" + u32(1) + string(self.blob) + string(b"fido"))
        reader = WireReader(request[1:])
        reader.string()
        return string(b"\x0e" + string(self.sign(reader.string())))
