"""moto's server as AWS: IAM, STS and S3 with real enforcement of keys and policies.

moto checks nothing until it is told to. So the first thing after its start is an
administrator with a key, and then the switch: from there on it refuses deleted keys,
wrong secrets and calls that no policy allows. It still accepts ``Inactive`` keys, has
no CloudTrail, and keeps everything in memory: a restart is an empty account.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import boto3
import httpx
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from backends import child
from backends.lab.server import Server, free_port

REGION = "us-east-1"
ADMIN = "lab-admin"
READER = "token-console-reader"
RESPONDER = "token-console-responder"

READER_ACTIONS = (
    "cloudtrail:LookupEvents",
    "iam:GetAccessKeyLastUsed",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetAccountSummary",
    "iam:GetGroupPolicy",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetUser",
    "iam:GetUserPolicy",
    "iam:ListAccessKeys",
    "iam:ListAttachedGroupPolicies",
    "iam:ListAttachedUserPolicies",
    "iam:ListGroupPolicies",
    "iam:ListGroupsForUser",
    "iam:ListServiceSpecificCredentials",
    "iam:ListUserPolicies",
    "iam:ListUserTags",
    "iam:ListUsers",
)
"""The least that reading takes. STS needs no permission to say who one is."""

RESPONDER_ACTIONS = (
    "iam:CreateAccessKey",
    "iam:DeleteAccessKey",
    "iam:UpdateAccessKey",
    "iam:ListAccessKeys",
)
"""The least that acting takes; the first is for rotating only."""

WORK = {
    "payments": ("api-prod", "api-staging", "ledger-export", "fraud-scores", "stripe-webhook"),
    "search": ("indexer", "crawler", "query-cache"),
    "data-platform": ("airflow", "dbt-runner", "s3-sync", "snowpipe", "kafka-connect"),
    "ci": ("github-actions", "release-bot", "terraform-plan", "terraform-apply", "image-push"),
    "mobile": ("push-gateway", "crash-upload", "store-deploy"),
    "sre": ("backup", "grafana-cloudwatch", "pagerduty-sync", "log-shipper", "cost-report"),
}
PEOPLE = ("a.lindqvist", "m.okafor", "j.tanaka", "s.moreau", "p.novak", "r.haddad", "k.silva")

HOSTILE_USER = "=1+1@evil.example,--no-preserve-root"
"""A user name that IAM takes, and that a spreadsheet or a shell may take for something else."""
HOSTILE_PATH = "/[bold red]owned[/]/[link=evil]/"
"""Any printable ASCII is allowed in a path, markup included."""
HOSTILE_OWNER = "אבטחה\u2028\u00a0payments" + "x" * 230
"""A tag value of letters and separators as IAM takes them: right-to-left, a line separator,
and the whole length of 256 characters."""

SESSION = boto3.Session()
"""One for all clients: each session reads the services' descriptions anew."""

AWS_POLICY = "arn:aws:iam::aws:policy/"
GROUPS: Mapping[str, Sequence[str]] = {
    "administrators": ("AdministratorAccess",),
    "developers": ("PowerUserAccess", "IAMReadOnlyAccess"),
    "readers": ("ReadOnlyAccess",),
    "deployers": ("AmazonECS_FullAccess", "AmazonEC2ContainerRegistryPowerUser"),
}
MANAGED = ("AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "AmazonSQSFullAccess", "SecurityAudit")


class LabKey(NamedTuple):
    """A key that the lab made, with its secret for as long as the lab needs it."""

    user: str
    id: str
    secret: str

    @property
    def text(self) -> str:
        """The form that the backend's credentials have."""
        return f"{self.id}:{self.secret}"

    def __repr__(self) -> str:
        return f"Made({self.user!r}, {self.id!r})"


class MotoServer(Server):
    """One account, enforced. Ready to use after :meth:`start`, populated by :meth:`fill`."""

    name = "aws-lab"
    title = "AWS IAM (moto)"

    def start(self) -> None:
        """Start moto on a free port, with the policies that AWS manages."""
        self.port = free_port()
        self.spawn(
            child.python("moto.server", "-H", "127.0.0.1", "-p", str(self.port)),
            self._answers,
            env={"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
        )
        self.__dict__.pop("iam", None)
        admin = self._administrator()
        self._enforce()
        self.keep("admin", admin.text)

    @property
    def endpoint(self) -> str:
        """The address that clients of AWS are to use."""
        return f"http://127.0.0.1:{self.port}"

    def _answers(self) -> bool:
        asked = httpx.get(f"{self.endpoint}/moto-api/", timeout=2, trust_env=False)
        return asked.status_code == 200

    def _administrator(self) -> LabKey:
        """The first user, made while nothing is enforced yet."""
        iam = self.client("iam", LabKey("", "AKIAXXXXXXXXXXXXXXXX", "not-checked-yet"))
        iam.create_user(UserName=ADMIN, Path="/lab/", Tags=[{"Key": "owner", "Value": "sre"}])
        arn = f"{AWS_POLICY}AdministratorAccess"
        iam.attach_user_policy(UserName=ADMIN, PolicyArn=arn)
        return _key(iam, ADMIN)

    def _enforce(self) -> None:
        """From now on every call needs a good signature and a policy (moto counts down from 0)."""
        answer = httpx.post(
            f"{self.endpoint}/moto-api/reset-auth",
            content=b"0",
            headers={"Content-Type": "text/plain"},
            timeout=10,
            trust_env=False,
        )
        answer.raise_for_status()

    def client(self, service: str, key: LabKey | str = "admin") -> Any:
        """A boto3 client for a key, or for a credential file of this server by its name.

        It retries nothing, and takes nothing from the environment but the CA bundle.
        """
        if isinstance(key, str):
            id_, _, secret = (self.home / key).read_text().partition(":")
            key = LabKey("", id_, secret)
        return SESSION.client(
            service,  # type: ignore[call-overload]
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            config=Config(
                retries={"total_max_attempts": 1}, proxies={}, s3={"addressing_style": "path"}
            ),
        )

    @functools.cached_property
    def iam(self) -> Any:
        """IAM as its administrator."""
        return self.client("iam")

    def fill(self, tokens: int) -> None:
        """Users of six teams with their keys; some own nothing, some have two keys, some none."""
        rng = random.Random(20261124)  # noqa: S311
        iam = self.iam
        for name, actions in ((READER, READER_ACTIONS), (RESPONDER, RESPONDER_ACTIONS)):
            iam.create_user(UserName=name, Path="/lab/", Tags=[{"Key": "owner", "Value": "sre"}])
            self.allow(name, *actions)
            made = self.key(name)
            self.keep(name.rpartition("-")[2], made.text)
        self._groups(iam)
        self.client("s3").create_bucket(Bucket="payments-ledger")
        keys: list[LabKey] = []
        for number, user in enumerate(_names()):
            if len(keys) >= tokens:
                break
            keys.extend(self._user(iam, rng, number, *user))
        self._hostile(iam)
        self._use(rng, keys)

    def _groups(self, iam: Any) -> None:
        for group, policies in GROUPS.items():
            iam.create_group(GroupName=group)
            for policy in policies:
                iam.attach_group_policy(GroupName=group, PolicyArn=AWS_POLICY + policy)
        iam.put_group_policy(
            GroupName="developers",
            PolicyName="deny-billing",
            PolicyDocument=document("Deny", "aws-portal:*"),
        )

    def _user(
        self, iam: Any, rng: random.Random, number: int, name: str, team: str
    ) -> list[LabKey]:
        human = not team
        tags = {"cost-centre": str(rng.randrange(100, 999))}
        if human:
            tags["Contact"] = f"{name}@example.com"
        elif rng.random() < 0.75:
            tags[rng.choice(("owner", "Owner", "team"))] = team
        iam.create_user(
            UserName=name,
            Path="/people/" if human else f"/{team}/",
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        groups = ("developers", "readers") if human else ("deployers",) if team == "ci" else ()
        for group in groups:
            iam.add_user_to_group(GroupName=group, UserName=name)
        if not human:
            iam.attach_user_policy(UserName=name, PolicyArn=AWS_POLICY + rng.choice(MANAGED))
        if number % 7 == 3:
            self.allow(name, "s3:ListAllMyBuckets", "sts:AssumeRole", policy="own-buckets")
        made = [_key(iam, name) for _ in range(rng.choice((1, 1, 1, 2)))]
        if len(made) == 2:
            # The console's description of a key is a user tag that is named like it.
            tag = {"Key": made[1].id, "Value": "rotation 2026-Q4"}
            iam.tag_user(UserName=name, Tags=[tag])
        if number % 9 == 4:
            iam.update_access_key(UserName=name, AccessKeyId=made[0].id, Status="Inactive")
        return made

    def _hostile(self, iam: Any) -> None:
        tags = [{"Key": "owner", "Value": HOSTILE_OWNER[:256]}]
        iam.create_user(UserName=HOSTILE_USER, Path=HOSTILE_PATH, Tags=tags)
        _key(iam, HOSTILE_USER)

    def _use(self, rng: random.Random, keys: Sequence[LabKey]) -> None:
        """Real calls with about half of the keys, so that their last use is real."""
        with httpx.Client(trust_env=False, timeout=10) as client:
            for number, key in enumerate(keys):
                if rng.random() < 0.5:
                    self.use(client, key, ("sts", "s3", "s3")[number % 3])

    def use(self, client: httpx.Client, key: LabKey, service: str) -> int:
        """Ask STS who a key is, or S3 for its buckets; the answer's status.

        Signed by hand, since to make a client of boto3 for each key takes a tenth of a
        second. A call that no policy allows (403) is a use as well.
        """
        url = f"{self.endpoint}/"
        if service == "sts":
            body = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
            kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
            request = AWSRequest("POST", url, kind, urlencode(body))
        else:
            request = AWSRequest("GET", url)
        signer = SigV4Auth if service == "sts" else S3SigV4Auth
        signer(Credentials(key.id, key.secret), service, REGION).add_auth(request)
        method = "POST" if service == "sts" else "GET"
        sent = client.request(method, url, headers=dict(request.headers), content=request.data)
        return sent.status_code

    def key(self, user: str) -> LabKey:
        """Another access key for a user."""
        return _key(self.iam, user)

    def allow(self, user: str, *actions: str, policy: str = "least-privilege") -> None:
        """Give a user an inline policy with exactly these actions, in place of the old one."""
        self.iam.put_user_policy(
            UserName=user, PolicyName=policy, PolicyDocument=document("Allow", *actions)
        )

    def table(self) -> Mapping[str, Any]:
        """The table of a backend for this server."""
        return {
            "type": "aws_iam",
            "region": REGION,
            "endpoint_url": self.endpoint,
            "read": {"file": str(self.home / "reader")},
            "act": {"file": str(self.home / "responder")},
        }


def document(effect: str, *actions: str) -> str:
    """A policy document of one statement on everything."""
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _key(iam: Any, user: str) -> LabKey:
    told = iam.create_access_key(UserName=user)["AccessKey"]
    return LabKey(user, told["AccessKeyId"], told["SecretAccessKey"])


def _names() -> Sequence[tuple[str, str]]:
    """Users and their teams; a person has no team. The round's number makes names unique."""
    every = [(f"{team}-{job}", team) for team, jobs in WORK.items() for job in jobs]
    every += [(person, "") for person in PEOPLE]
    random.Random(7).shuffle(every)  # noqa: S311
    rounds = (
        (name if number == 0 else f"{name}-{number + 1}", team)
        for number in range(200)
        for name, team in every
    )
    return list(rounds)
