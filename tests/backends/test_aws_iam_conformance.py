"""The aws_iam backend under the kit that every backend passes."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import ClassVar

import pytest
from aws_answers import form
from aws_lab import dead_url, new_key, reader_with, ref, server
from botocore.exceptions import ClientError

from backends.aws_iam import AwsIam, rotation
from backends.conformance import Check, Relay, Relayed, checks
from backends.conformance import ThrowAway as MadeToken
from backends.conformance.relay import Request
from backends.contract import Backend, BackendConfig, Verb
from backends.lab.moto import LabKey, MotoServer
from backends.model import Secret

pytestmark = pytest.mark.lab
__all__ = ["server"]

RIGHTS = [
    {"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"},
    {"Effect": "Allow", "Action": ["iam:CreateAccessKey", "sts:AssumeRole"], "Resource": "*"},
    {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::${aws:username}/${x:y}/*"},
    {"Effect": "Deny", "Action": "s3:*", "NotResource": ["arn:aws:s3:::ledger/*"]},
    {
        "Effect": "Deny",
        "Action": "ec2:*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    },
]

CHANGES = ("CreateAccessKey", "DeleteAccessKey", "UpdateAccessKey")


def changing(request: Request) -> bool:
    """IAM's operations are all POST; the form says which."""
    return form(request.raw).get("Action") in CHANGES


class OnMoto(Relayed):
    """The lab's server behind the kit's relay."""

    # moto goes on accepting a key that is Inactive.
    refuses: ClassVar[frozenset[Verb]] = frozenset({Verb.REVOKE, Verb.ROTATE})

    def __init__(self, server: MotoServer) -> None:
        self.server = server
        self.relay = Relay("127.0.0.1", server.port, changing)

    def _on(
        self, url: str, read: Secret | None = None, *, act: bool = False, actor: str = "responder"
    ) -> Backend:
        keys = {name: Secret((self.server.home / name).read_text()) for name in ("reader", actor)}
        return AwsIam(
            BackendConfig(
                name="aws",
                type="aws_iam",
                options={"endpoint_url": url, "timeout": 10.0},
                read=read or keys["reader"],
                act=keys[actor] if act else None,
            )
        )

    def backend(self, *, act: bool = False) -> Backend:
        return self._on(self.relay.url, act=act)

    def make(self, kind: str) -> MadeToken:
        made = new_key(self.server)
        # Rights of all sorts, for the checks of what a token may do.
        text = json.dumps({"Version": "2012-10-17", "Statement": RIGHTS})
        self.server.iam.put_user_policy(
            UserName=made.user, PolicyName="rights", PolicyDocument=text
        )
        self.server.iam.add_user_to_group(UserName=made.user, GroupName="developers")
        return MadeToken(ref(made), Secret(made.text), f"{made.user}/{made.id[-4:]}", "payments")

    def crowded(self, kind: str) -> MadeToken:
        made = new_key(self.server)
        self.server.key(made.user)
        return MadeToken(ref(made), Secret(made.text), f"{made.user}/{made.id[-4:]}", "payments")

    def accepts(self, made: MadeToken) -> bool:
        id_, _, secret = made.secret.reveal().partition(":")
        try:
            self.server.client("sts", LabKey("", id_, secret)).get_caller_identity()
        except ClientError:
            return False
        return True

    def wait(self, seconds: float) -> None:
        """moto is consistent at once; only its dates of creation need whole seconds."""
        time.sleep(0.02 if seconds == int(seconds) else seconds)

    def wrong_credential(self) -> tuple[Backend, Secret] | None:
        wrong = Secret("AKIARZPUZDIKNOBODY22:nobody-knows-this-one")
        return self._on(self.relay.url, wrong), wrong

    def unreachable(self) -> Backend | None:
        return self._on(dead_url(), act=True)

    def powerless(self) -> Backend | None:
        name = reader_with(self.server, "iam:ListAccessKeys", "iam:GetUser")
        return self._on(self.relay.url, act=True, actor=name)


@pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)
def test_conformance(server: MotoServer, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    # One clock, and no listing that lags: nothing to allow for but the whole seconds.
    monkeypatch.setattr(rotation, "SLACK", timedelta(seconds=1))
    monkeypatch.setattr(rotation, "SETTLED", timedelta())
    fixture = OnMoto(server)
    with fixture.relay:
        check(fixture)
