"""Asks the user's ssh-agent for signatures (draft-miller-ssh-agent, sections 3 and 4).

Only listing and signing. The agent may be another machine's, forwarded, and is not trusted:
frames are bounded, every request has a deadline, and signatures are checked by the caller.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from console.journal.ssh import keys
from console.journal.ssh.errors import (
    AgentBroken,
    AgentRefused,
    KeyUnusable,
    Malformed,
    NoAgent,
    SignatureRefused,
)
from console.journal.ssh.wire import Reader, string, u32

MAX_FRAME = 256 * 1024
"""Bytes of one answer; OpenSSH's agent has the same limit."""
LIST_TIMEOUT = 5.0
SIGN_TIMEOUT = 60.0
"""Seconds. Signing may wait for a person to touch a key or to confirm."""
_FAILURE, _LIST, _IDENTITIES, _SIGN, _SIGNED = 5, 11, 12, 13, 14
_RSA_SHA2_512 = 4
_START = "Start one and add a key: eval $(ssh-agent); ssh-add. Over SSH, forward it: ssh -A."


class Identity(NamedTuple):
    """A key in the agent: its blob (a certificate's too), and a comment, which is raw text."""

    blob: bytes
    comment: str


class SshAgent:
    """The agent behind one socket. Each request opens a connection of its own."""

    def __init__(
        self, path: str, list_timeout: float = LIST_TIMEOUT, sign_timeout: float = SIGN_TIMEOUT
    ) -> None:
        self.path = path
        self._list_timeout, self._sign_timeout = list_timeout, sign_timeout

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """The agent that ``SSH_AUTH_SOCK`` names. Raises ``NoAgent`` where it names none."""
        path = environ.get("SSH_AUTH_SOCK", "")
        if not path:
            raise NoAgent("there is no ssh-agent: SSH_AUTH_SOCK is not set", _START)
        if not Path(path).is_socket():
            raise NoAgent("SSH_AUTH_SOCK names no socket; its agent has ended", _START)
        return cls(path)

    def identities(self) -> list[Identity]:
        """The keys that the agent offers, in its order. A locked agent offers none.

        Raises:
            NoAgent: nobody answers at the socket.
            AgentBroken: what answers is no agent, or is too slow.
        """
        reader = self._ask(bytes([_LIST]), _IDENTITIES, self._list_timeout)
        try:
            found = [
                Identity(reader.string(), reader.string().decode("utf-8", "replace"))
                for _ in range(reader.u32())
            ]
            reader.end()
        except Malformed as error:
            raise _broken(str(error)) from None
        return found

    def choose(self, wanted: str = "", may: Callable[[keys.Key], object] | None = None) -> Identity:
        """The key to sign with: the one with a fingerprint or comment, else the first usable.

        A certificate goes before its plain key, as it says more. ``may`` refuses a key by
        raising ``SignatureRefused``; another one is taken then.

        Raises:
            NoAgent: the agent offers no key.
            KeyUnusable: the wanted one is not there, or none can sign here.
            SignatureRefused: none of those that could sign may; each is named.
        """
        offered = self.identities()
        if not offered:
            raise NoAgent(
                "the ssh-agent holds no key, or is locked",
                "ssh-add, or if it is locked: ssh-add -X",
            )
        problem: KeyUnusable | None = None
        usable: list[tuple[bool, Identity]] = []
        refused: list[SignatureRefused] = []
        for identity in offered:
            try:
                key = keys.parse(identity.blob)
            except KeyUnusable as error:
                problem = problem or error
                continue
            if wanted and wanted not in (key.fingerprint, identity.comment):
                continue
            try:
                if may is not None:
                    may(key)
                usable.append((key.certificate is None, identity))
            except SignatureRefused as error:
                refused.append(error)
        if not usable and refused:
            told = "; ".join(dict.fromkeys(map(str, refused[:5])))
            raise SignatureRefused(told, refused[0].hint)
        if not usable and wanted:
            raise KeyUnusable(
                "the ssh-agent has no usable key of the configured name",
                "Fingerprints and names of its keys: ssh-add -l.",
            )
        if not usable:
            raise problem or KeyUnusable("the ssh-agent has no usable key")
        return min(usable, key=lambda item: item[0])[1]

    def sign(self, blob: bytes, data: bytes) -> bytes:
        """The agent's signature over ``data``, not yet checked. RSA signs with SHA-512.

        May wait for a person: not for an event loop.

        Raises:
            AgentRefused: the hint says what the likely cause is.
            NoAgent: nobody answers at the socket.
            AgentBroken: what answers is no agent, or nobody touched the key in time.
        """
        kind = keys.type_of(blob)
        flags = _RSA_SHA2_512 if kind.startswith("ssh-rsa") else 0
        request = bytes([_SIGN]) + string(blob) + string(data) + u32(flags)
        try:
            reader = self._ask(request, _SIGNED, self._sign_timeout)
        except AgentRefused:
            raise AgentRefused("the ssh-agent refused to sign", self._why(blob, kind)) from None
        try:
            signature = reader.string()
            reader.end()
        except Malformed as error:
            raise _broken(str(error)) from None
        return signature

    def _why(self, blob: bytes, kind: str) -> str:
        """The agent gives no reason, so the likely ones are told apart as far as can be."""
        if all(identity.blob != blob for identity in self.identities()):
            return "It is locked or the key was removed. Unlock it: ssh-add -X, or add it: ssh-add."
        hint = (
            "A key added for certain hosts only (ssh-add -h) signs nothing but logins: add it "
            "without -h, or name another key. With ssh-add -c, the request has to be confirmed."
        )
        return f"Touch the key when it blinks. {hint}" if kind.startswith("sk-") else hint

    def _ask(self, request: bytes, expected: int, timeout: float) -> Reader:
        deadline = time.monotonic() + timeout
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(timeout)
                connection.connect(self.path)
                connection.sendall(string(request))
                size = int.from_bytes(_receive(connection, 4, deadline), "big")
                if not 1 <= size <= MAX_FRAME:
                    raise _broken(f"an answer of size {size}")
                answer = _receive(connection, size, deadline)
        except TimeoutError:
            raise AgentBroken(
                f"the ssh-agent gave no answer in {timeout:.0f} s",
                "Confirm or touch the key when it asks. See whether it lives: ssh-add -l.",
            ) from None
        except OSError as error:
            raise NoAgent(
                f"the ssh-agent cannot be reached: {error.strerror or error}", _START
            ) from None
        if answer[0] == _FAILURE:
            raise AgentRefused("the ssh-agent refused", "See whether it works: ssh-add -l.")
        if answer[0] != expected:
            raise _broken(f"an answer of type {answer[0]}")
        reader = Reader(answer)
        reader.byte()
        return reader


def _receive(connection: socket.socket, count: int, deadline: float) -> bytes:
    """Exactly so many bytes before one common deadline, however slowly they drip in."""
    received = bytearray()
    while len(received) < count:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(min(count - len(received), 65536))
        if not part:
            raise _broken("it hung up in the middle of an answer")
        received += part
    return bytes(received)


def _broken(what: str) -> AgentBroken:
    return AgentBroken(
        f"what answers at SSH_AUTH_SOCK is no sound ssh-agent: {what}", "Try: ssh-add -l."
    )
