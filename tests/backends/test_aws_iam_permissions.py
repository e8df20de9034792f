"""What the aws_iam backend says that a key may do, against what moto then lets it do.

moto enforces policies and their resources for S3 objects, buckets and IAM roles, and actions for
all else. It knows less of IAM than AWS does, and what it lacks is kept out of its questions: the
wildcard ``?``, actions in another case, NotResource, conditions, variables and boundaries. Those
are asked of recorded answers, in ``test_aws_iam_policies``.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import httpx
import msgspec
import pytest
from aws_lab import ACCOUNT, config, new_key, reader_with, ref, server, with_
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from backends.aws_iam import AwsIam
from backends.aws_iam.client import Aws
from backends.aws_iam.policies.decide import EXCEPT, HALF, SOME, TRUST
from backends.aws_iam.policies.document import TRUSTED
from backends.errors import NotFound
from backends.lab.moto import REGION, LabKey, MotoServer, document
from backends.model import GapKind, TokenRef
from backends.permissions import Answer, Decision, Permissions

pytestmark = pytest.mark.lab
__all__ = ["server"]

USERS = 26
BUCKETS = ("ledger", "ledger-backup", "logs")
KEYS = ("a.txt", "2026/01/report.csv", "x:y/z", "secret/[bold]")
ROLES = ("deploy", "deploy-admin", "audit")
TRUSTING = "deploy"

ACTIONS = (
    "s3:*",
    "s3:Get*",
    "s3:GetObject",
    "s3:*Object",
    "s3:List*",
    "s3:PutObject*",
    "s3:DeleteObject",
    "s3:*Bucket*",
    "*",
    "iam:*",
    "iam:Get*",
    "iam:List*",
    "iam:ListRolePolicies",
    "iam:*Role*",
    "sts:*",
    "sts:AssumeRole",
    "secretsmanager:*",
    "secretsmanager:GetSecretValue",
)
RESOURCES = (
    "*",
    "*",
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::ledger",
    "arn:aws:s3:::ledger/*",
    "arn:aws:s3:::ledger*",
    "arn:aws:s3:::logs/2026/*",
    "arn:aws:s3:::*/a.txt",
    "arn:aws:s3:::ledger-backup/x:*",
    "arn:aws:s3:::*/*:y/*",
    f"arn:aws:iam::{ACCOUNT}:role/*",
    f"arn:aws:iam::{ACCOUNT}:role/deploy*",
    f"arn:aws:iam::{ACCOUNT}:role/audit",
)


class Question(NamedTuple):
    """One thing to do with a key, and what it is in the words of a policy."""

    action: str
    resource: str
    method: str
    path: str = "/"
    body: str = ""
    target: str = ""

    @property
    def service(self) -> str:
        return self.action.partition(":")[0]


def questions() -> Iterator[Question]:
    yield Question("s3:ListAllMyBuckets", "arn:aws:s3:::*", "GET")
    for bucket in BUCKETS:
        arn = f"arn:aws:s3:::{bucket}"
        yield Question("s3:ListBucket", arn, "GET", f"/{bucket}")
        yield Question("s3:GetBucketVersioning", arn, "GET", f"/{bucket}?versioning=")
        yield Question("s3:GetBucketLocation", arn, "GET", f"/{bucket}?location=")
        for key in KEYS:
            path = f"/{bucket}/{quote(key)}"
            yield Question("s3:GetObject", f"{arn}/{key}", "GET", path)
            yield Question("s3:PutObject", f"{arn}/{key}", "PUT", path)
            yield Question("s3:DeleteObject", f"{arn}/{key}", "DELETE", path)
            yield Question("s3:GetObjectTagging", f"{arn}/{key}", "GET", f"{path}?tagging=")
    for role in ROLES:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        for name in ("GetRole", "ListRolePolicies", "ListAttachedRolePolicies", "ListRoleTags"):
            yield Question(f"iam:{name}", arn, "POST", body=form(name, "2010-05-08", RoleName=role))
        body = form("AssumeRole", "2011-06-15", RoleArn=arn, RoleSessionName="t")
        yield Question("sts:AssumeRole", arn, "POST", body=body)
    for name in ("ListUsers", "ListRoles", "ListGroups", "GetAccountSummary", "ListPolicies"):
        yield Question(f"iam:{name}", "*", "POST", body=form(name, "2010-05-08"))
    yield Question(
        "sts:GetCallerIdentity", "*", "POST", body=form("GetCallerIdentity", "2011-06-15")
    )
    for name in ("ListSecrets", "GetSecretValue"):
        target = f"secretsmanager.{name}"
        body = json.dumps({"SecretId": "no-such"} if name == "GetSecretValue" else {})
        yield Question(f"secretsmanager:{name}", "*", "POST", body=body, target=target)


def form(action: str, version: str, **more: str) -> str:
    return urlencode({"Action": action, "Version": version, **more})


def let_in(client: httpx.Client, server: MotoServer, key: LabKey, asked: Question) -> bool:
    """Do it with the key: whether a policy was in the way. Any other trouble is being let in."""
    url = server.endpoint + asked.path
    kind = "application/x-amz-json-1.1" if asked.target else "application/x-www-form-urlencoded"
    headers = {"Content-Type": kind} if asked.service != "s3" else {}
    if asked.target:
        headers["X-Amz-Target"] = asked.target
    if asked.method == "PUT":
        headers["Content-Length"] = "0"
    request = AWSRequest(asked.method, url, headers, asked.body)
    signer = S3SigV4Auth if asked.service == "s3" else SigV4Auth
    signer(Credentials(key.id, key.secret), asked.service, REGION).add_auth(request)
    answer = client.request(
        asked.method, url, headers=dict(request.headers), content=request.data or b""
    )
    assert "Signature" not in answer.text, answer.text
    return not (answer.status_code == 403 and "AccessDenied" in answer.text)


def statement(chance: random.Random) -> dict[str, Any]:
    some = chance.sample(ACTIONS, chance.randint(1, 3))
    effect = "Deny" if chance.random() < 0.25 else "Allow"
    made: dict[str, Any] = {"Effect": effect}
    made["NotAction" if chance.random() < 0.15 else "Action"] = some if len(some) > 1 else some[0]
    where = chance.sample(RESOURCES, chance.randint(1, 3))
    made["Resource"] = where if len(where) > 1 else where[0]
    return made


def policy(chance: random.Random) -> str:
    made = [statement(chance) for _ in range(chance.randint(1, 3))]
    return json.dumps({"Version": "2012-10-17", "Statement": made if len(made) > 1 else made[0]})


def estate(server: MotoServer, chance: random.Random) -> list[LabKey]:
    """Users whose rights come from inline and managed policies, their own and their groups'."""
    iam, s3 = server.iam, server.client("s3")
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)
        for key in KEYS:
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    for role in ROLES:
        who = "*" if role == TRUSTING else f"arn:aws:iam::{ACCOUNT}:user/nobody"
        trust = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=text)
    managed = [
        iam.create_policy(PolicyName=f"gen-{number}", PolicyDocument=policy(chance))["Policy"][
            "Arn"
        ]
        for number in range(8)
    ]
    for number in range(4):
        iam.create_group(GroupName=f"gen-{number}")
        iam.put_group_policy(
            GroupName=f"gen-{number}", PolicyName="in", PolicyDocument=policy(chance)
        )
        iam.attach_group_policy(GroupName=f"gen-{number}", PolicyArn=chance.choice(managed))
    keys = []
    for _ in range(USERS):
        key = new_key(server)
        for number in range(chance.randint(0, 2)):
            iam.put_user_policy(
                UserName=key.user, PolicyName=f"in-{number}", PolicyDocument=policy(chance)
            )
        for arn in chance.sample(managed, chance.randint(0, 2)):
            iam.attach_user_policy(UserName=key.user, PolicyArn=arn)
        if chance.random() < 0.4:
            iam.add_user_to_group(GroupName=f"gen-{chance.randrange(4)}", UserName=key.user)
        keys.append(key)
    return keys


async def opened(backend: AwsIam, *keys: LabKey) -> list[Permissions]:
    async def one(key: LabKey) -> Permissions:
        return await backend.permissions(await backend.read(ref(key)))

    return list(await asyncio.gather(*(one(key) for key in keys)))


def claimed(answer: Answer, asked: Question) -> bool | None:
    """Whether moto should let it in, by our answer; None where that settles nothing."""
    if answer.decision is Decision.ALLOWED:
        return True
    if answer.decision is Decision.DENIED or answer.detail.endswith(HALF):
        # moto has no policy at any of the resources, so the user's half is the whole.
        return False
    if answer.detail in (SOME, EXCEPT):
        # moto takes "*" for the name of the resource.
        return answer.detail == EXCEPT
    conditions = {each for row in answer.because for each in row.conditions}
    if answer.detail == TRUST or conditions == {TRUSTED}:
        return asked.resource.endswith(f"/{TRUSTING}")
    return None


def test_every_answer_is_what_moto_does(
    server: MotoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(20261130)
    keys = estate(server, chance)
    every = list(questions())

    async def look(backend: AwsIam) -> list[tuple[LabKey, Question, Answer]]:
        found = await opened(backend, *keys)
        return [
            (key, asked, backend.permits(permissions, asked.action, asked.resource))
            for key, permissions in zip(keys, found, strict=True)
            # sts always; of the rest a part, so that many users are asked about.
            for asked in chance.sample(every, 36)
        ]

    answers = with_(config(server), look)
    wrong = []
    seen: Counter[str] = Counter()
    with httpx.Client(trust_env=False, timeout=10) as client:
        for key, asked, answer in answers:
            does = let_in(client, server, key, asked)
            seen["let in" if does else "refused"] += 1
            if claimed(answer, asked) is not does:
                wrong.append((key.user, asked.action, asked.resource, answer, does))
    with capsys.disabled():
        print(f"\nmoto: {len(answers) - len(wrong)} of {len(answers)} answers agree ({dict(seen)})")
    assert len(answers) >= 900
    assert min(seen.values()) > 200  # Neither answer is the one for everything.
    assert wrong == []


def test_what_may_not_be_read_is_a_gap_and_no_answer_forgets_it(server: MotoServer) -> None:
    key = new_key(server)
    server.allow(key.user, "ec2:RunInstances")
    server.iam.put_user_policy(
        UserName=key.user, PolicyName="closed", PolicyDocument=document("Deny", "ec2:Stop*")
    )
    # Everything but the text of inline policies.
    rights = [
        "iam:GetAccessKeyLastUsed", "iam:GetUser", "iam:ListAccessKeys", "iam:ListGroupsForUser",
        "iam:ListAttachedUserPolicies", "iam:ListUserPolicies",
    ]  # fmt: skip
    reader = reader_with(server, *rights)

    async def look(backend: AwsIam) -> None:
        (found,) = await opened(backend, key)
        assert {gap.kind for gap in found.gaps} == {GapKind.REFUSED}
        assert [gap.what.partition(":")[0] for gap in found.gaps] == [
            "inline policy closed",
            "inline policy least-privilege",
        ]
        assert all("iam:GetUserPolicy" in gap.hint for gap in found.gaps)
        answer = backend.permits(found, "ec2:RunInstances", "*")
        assert answer.decision is Decision.UNKNOWN
        assert "inline policy closed" in answer.detail

    with_(config(server, reader), look)


def test_a_boundary_that_may_not_be_read_leaves_no_answer_certain(
    server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto's users have no boundary: one is written into its answer; the rest is moto's."""
    key = new_key(server)
    server.allow(key.user, "ec2:*")
    ask = Aws.ask

    async def bounded(self: Aws, service: str, operation: str, **more: Any) -> dict[str, Any]:
        told = await ask(self, service, operation, **more)
        if operation == "GetUser":
            arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
            told["User"]["PermissionsBoundary"] = {"PermissionsBoundaryArn": arn}
        return told

    monkeypatch.setattr(Aws, "ask", bounded)
    rights = [
        "iam:GetAccessKeyLastUsed", "iam:GetUser", "iam:GetUserPolicy", "iam:ListAccessKeys",
        "iam:ListGroupsForUser", "iam:ListAttachedUserPolicies", "iam:ListUserPolicies",
    ]  # fmt: skip

    async def refused(backend: AwsIam) -> None:
        (found,) = await opened(backend, key)
        (gap,) = found.gaps
        assert "permissions boundary AmazonS3ReadOnlyAccess" in gap.what
        assert "iam:GetPolicy" in gap.hint
        assert backend.permits(found, "ec2:Run", "*").decision is Decision.CONDITIONAL

    async def read(backend: AwsIam) -> None:
        (found,) = await opened(backend, key)
        assert found.whole
        assert backend.permits(found, "ec2:Run", "*").decision is Decision.DENIED
        assert found.elevations == ()

    with_(config(server, reader_with(server, *rights)), refused)
    with_(config(server), read)


def test_one_policy_that_is_not_understood_hides_no_other(
    server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto takes only what IAM takes, so a word of tomorrow is written into its answer."""
    key = new_key(server)
    server.allow(key.user, "ec2:*", policy="odd")
    server.allow(key.user, "rds:*", policy="plain")
    ask = Aws.ask

    async def odd(self: Aws, service: str, operation: str, **more: Any) -> dict[str, Any]:
        told = await ask(self, service, operation, **more)
        if more.get("PolicyName") == "odd":
            told["PolicyDocument"]["Statement"][0]["Unless"] = "tomorrow"
        return told

    monkeypatch.setattr(Aws, "ask", odd)

    async def look(backend: AwsIam) -> None:
        (found,) = await opened(backend, key)
        (gap,) = found.gaps
        assert gap.kind is GapKind.FAILED
        assert gap.what.startswith("inline policy odd: ")
        assert {row.source for row in found.rows} >= {"inline policy plain"}
        answer = backend.permits(found, "rds:StopDBCluster", "*")
        assert answer.decision is Decision.CONDITIONAL
        assert "inline policy odd" in answer.detail

    with_(config(server), look)


def test_a_managed_policys_version_in_force_is_the_one_that_counts(server: MotoServer) -> None:
    key = new_key(server)
    iam = server.iam
    arn = iam.create_policy(PolicyName="v", PolicyDocument=document("Allow", "ec2:*"))["Policy"][
        "Arn"
    ]
    iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=document("Allow", "rds:*"), SetAsDefault=True
    )
    iam.attach_user_policy(UserName=key.user, PolicyArn=arn)

    async def look(backend: AwsIam) -> None:
        (found,) = await opened(backend, key)
        assert backend.permits(found, "rds:StopDBCluster", "*").decision is Decision.ALLOWED
        assert backend.permits(found, "ec2:RunInstances", "*").decision is Decision.DENIED

    with_(config(server), look)


def test_names_and_patterns_may_be_anything_that_iam_takes(server: MotoServer) -> None:
    key = new_key(server)
    name = "=1+1,@evil.example-=_"
    nasty = "arn:aws:s3:::b/[bold red]\x1b]0;owned\x07\u202e\u2066(a+)+$/*"
    statement = {
        "Sid": "x", "Effect": "Allow", "Action": "s3:GetObject", "Resource": nasty,
        "Condition": {"StringLike": {"s3:prefix": "[link=evil]\u2028"}},
    }  # fmt: skip
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    server.iam.put_user_policy(UserName=key.user, PolicyName=name, PolicyDocument=text)

    async def look(backend: AwsIam) -> None:
        (found,) = await opened(backend, key)
        row = found.rows[0]
        assert (row.resource, row.source) == (nasty, f"inline policy {name}")
        assert row.conditions == ("StringLike s3:prefix [link=evil]\u2028",)
        answer = backend.permits(found, "s3:GetObject", nasty.replace("*", "aaaa" * 500))
        assert answer.decision is Decision.CONDITIONAL

    with_(config(server), look)


def test_the_root_users_key_may_do_everything(
    server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto has no root user: its answer about who one is is changed to that of one."""

    async def look(backend: AwsIam) -> None:
        token = await backend.read(ref(new_key(server)))
        me = TokenRef("aws", "access-key", (await backend._aws.key_id())[0])
        own = msgspec.structs.replace(token, ref=me)

        async def root(_: object) -> dict[str, str]:
            return {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root", "UserId": ACCOUNT}

        async def unknown(*_: object) -> None:
            raise NotFound("no user has it")

        monkeypatch.setattr(backend, "_identity", root)
        monkeypatch.setattr(backend._lookup, "find", unknown)
        found = await backend.permissions(own)
        assert found.subject == "the account's root user"
        assert backend.permits(found, "iam:DeleteUser", "*").decision is Decision.ALLOWED
        assert "put-user-policy" in {way.code for way in found.elevations}
        with pytest.raises(NotFound):
            await backend.permissions(token)

    with_(config(server), look)
