"""The aws_iam backend under the kit that every backend passes."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

import pytest
from aws_answers import form
from aws_lab import dead_url, new_key, ref, server
from botocore.exceptions import ClientError
from raw_server import RawServer

from backends.aws_iam import AwsIam, rotation
from backends.conformance import Check, Fixture, checks
from backends.conformance import Made as MadeToken
from backends.contract import Backend, BackendConfig, Verb
from backends.lab.moto import Made, MotoServer
from backends.model import Secret

pytestmark = pytest.mark.lab
__all__ = ["server"]

CHANGES = ("CreateAccessKey", "DeleteAccessKey", "UpdateAccessKey")


def forward(port: int, request: bytes) -> bytes:
    """The server's whole answer. moto speaks HTTP/1.0 style: it closes after each."""
    with socket.create_connection(("127.0.0.1", port)) as upstream:
        upstream.sendall(request)
        told = b""
        while chunk := upstream.recv(65536):
            told += chunk
    return told


class OnMoto(Fixture):
    """The lab's server behind a line that counts changes, and can lose their answers."""

    # moto goes on accepting a key that is Inactive.
    refuses: ClassVar[frozenset[Verb]] = frozenset({Verb.REVOKE, Verb.ROTATE})

    def __init__(self, server: MotoServer) -> None:
        self.server = server
        self.line = RawServer(self._pass_on)
        self.losing = False

    def _pass_on(self, _: int, request: bytes) -> bytes | None:
        told = forward(self.server.port, request)
        lost = self.losing and form(request).get("Action") in CHANGES
        return None if lost else told

    def _on(self, url: str, read: Secret | None = None, *, act: bool = False) -> Backend:
        keys = {
            name: Secret((self.server.home / name).read_text()) for name in ("reader", "responder")
        }
        return AwsIam(
            BackendConfig(
                name="aws",
                type="aws_iam",
                options={"endpoint_url": url, "timeout": 10.0},
                read=read or keys["reader"],
                act=keys["responder"] if act else None,
            )
        )

    def backend(self, *, act: bool = False) -> Backend:
        return self._on(self.line.url, act=act)

    def make(self, kind: str) -> MadeToken:
        made = new_key(self.server)
        return MadeToken(ref(made), Secret(made.text), f"{made.user}/{made.id[-4:]}", "payments")

    def crowded(self, kind: str) -> MadeToken:
        made = new_key(self.server)
        self.server.key(made.user)
        return MadeToken(ref(made), Secret(made.text), f"{made.user}/{made.id[-4:]}", "payments")

    def accepts(self, made: MadeToken) -> bool:
        id_, _, secret = made.secret.reveal().partition(":")
        try:
            self.server.client("sts", Made("", id_, secret)).get_caller_identity()
        except ClientError:
            return False
        return True

    def wait(self, seconds: float) -> None:
        """moto is consistent at once; only its dates of creation need whole seconds."""
        time.sleep(0.02 if seconds == int(seconds) else seconds)

    def calls(self, made: MadeToken) -> int | None:
        forms = [form(request) for request in self.line.requests]
        return sum(
            asked.get("Action") in CHANGES and asked.get("AccessKeyId") == made.ref.id
            for asked in forms
        )

    def wrong_credential(self) -> tuple[Backend, Secret] | None:
        wrong = Secret("AKIARZPUZDIKNOBODY22:nobody-knows-this-one")
        return self._on(self.line.url, wrong), wrong

    def unreachable(self) -> Backend | None:
        return self._on(dead_url(), act=True)

    @contextlib.contextmanager
    def losing_answers(self) -> Iterator[None]:
        self.losing = True
        yield
        self.losing = False


@pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)
def test_conformance(server: MotoServer, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    # One clock, and no listing that lags: nothing to allow for but the whole seconds.
    monkeypatch.setattr(rotation, "SLACK", timedelta(seconds=1))
    monkeypatch.setattr(rotation, "SETTLED", timedelta())
    fixture = OnMoto(server)
    with fixture.line:
        check(fixture)
