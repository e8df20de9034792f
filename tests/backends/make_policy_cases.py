"""Makes ``aws_policy_cases.json``: questions about IAM policies, answered by another program.

moto lacks much of IAM, and AWS cannot be asked from a test. So questions about what moto lacks are
answered once by ``@cloud-copilot/iam-simulate`` (npm), an evaluator of IAM policies that shares no
code with ours, and kept with their answers. It has to be installed somewhere first:

    npm install --prefix DIR --ignore-scripts @cloud-copilot/iam-simulate@0.1.173
    python tests/backends/make_policy_cases.py DIR

Each question is asked under several circumstances (``CONTEXTS``), so that what hangs on a
condition shows. The same seed gives the same questions.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

CASES = Path(__file__).with_name("aws_policy_cases.json")
ACCOUNT = "123456789012"
USER = "alice"
ARN = f"arn:aws:iam::{ACCOUNT}:user/team/{USER}"
WORLDS = 80
QUESTIONS = 12

CONTEXTS: tuple[dict[str, str], ...] = (
    {"aws:SourceIp": "192.0.2.7", "aws:SecureTransport": "true", "s3:prefix": "home/alice"},
    {
        "aws:SourceIp": "10.1.2.3",
        "aws:SecureTransport": "false",
        "aws:RequestedRegion": "eu-west-1",
        "s3:prefix": "home/bob",
    },
    {
        "aws:SourceIp": "10.1.2.3",
        "aws:SecureTransport": "true",
        "aws:MultiFactorAuthPresent": "true",
        "aws:RequestedRegion": "us-east-1",
        "s3:prefix": "a.txt",
    },
)
KNOWN = {
    "aws:username": USER,
    "aws:userid": "AIDAALICE",
    "aws:PrincipalArn": ARN,
    "aws:PrincipalAccount": ACCOUNT,
    "aws:PrincipalType": "User",
    "aws:PrincipalTag/team": "blue",
}

ACTIONS = (
    "*",
    "s3:*",
    "S3:GET*",
    "s3:Get?bject",
    "s3:getobject",
    "s3:?etObject",
    "s3:Put*",
    "iam:*",
    "IAM:*AccessKey*",
    "iam:List*",
    "iam:CreateAccessKey",
    "dynamodb:*Item",
    "dynamodb:GetItem",
    "ec2:*Instances",
    "ec2:RunInstances",
)
RESOURCES = (
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::ledger/*",
    "arn:aws:s3:::ledger/home/${aws:username}/*",
    "arn:aws:s3:::ledger/home/${aws:USERNAME}",
    "arn:aws:s3:::ledger/${aws:PrincipalTag/team}/*",
    "arn:aws:s3:::ledger/${aws:PrincipalTag/team, 'none'}?x",
    "arn:aws:s3:::ledger/${s3:prefix}",
    "arn:aws:s3:::ledger/${s3:prefix}*",
    "arn:aws:s3:::l?dger/a.txt",
    "arn:aws:s3:::ledger/${*}",
    "arn:aws:s3:::led${?}er/*",
    "arn:aws:s3:::LEDGER/*",
    f"arn:aws:iam::{ACCOUNT}:user/team/${{aws:username}}",
    f"arn:aws:iam::{ACCOUNT}:user/*",
    f"arn:aws:iam::{ACCOUNT}:user/team/b?b",
    "arn:aws:iam::*:user/team/*",
    "arn:aws:dynamodb",
    f"arn:aws:dynamodb:*:{ACCOUNT}:table/orders*",
    f"arn:aws:dynamodb:us-*:{ACCOUNT}:table/*",
    f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/*",
)
ASKED = (
    *(
        (action, f"arn:aws:s3:::{place}")
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
        for place in (
            "ledger/a.txt",
            "ledger/home/alice/x",
            "ledger/home/alice",
            "ledger/home/bob/x",
            "ledger/blue/x",
            "ledger/noneyx",
            "ledger/blueyx",
            "LEDGER/a.txt",
            "led?er/a.txt",
            "other/home/alice/x",
        )
    ),
    *(
        (action, f"arn:aws:iam::{ACCOUNT}:user/team/{name}")
        for action in ("iam:CreateAccessKey", "iam:ListAccessKeys", "iam:DeleteUser")
        for name in ("alice", "bob")
    ),
    *(
        (action, f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{table}")
        for action in ("dynamodb:GetItem", "dynamodb:PutItem")
        for region, table in (("us-east-1", "orders"), ("eu-west-1", "orders-2"))
    ),
    ("ec2:RunInstances", f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/i-0123456789abcdef1"),
    ("ec2:TerminateInstances", f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/i-0123456789abcdef0"),
)
CONDITIONS: tuple[dict[str, Any], ...] = (
    {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "172.16.0.0/12"]}},
    {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
    {"StringEquals": {"aws:RequestedRegion": "us-east-1"}, "Bool": {"aws:SecureTransport": True}},
    {"Null": {"aws:MultiFactorAuthPresent": "true"}},
)


def statement(chance: random.Random) -> dict[str, Any]:
    """One statement with something in it that moto does not know, more often than not."""
    made: dict[str, Any] = {"Effect": "Deny" if chance.random() < 0.25 else "Allow"}
    some = chance.sample(ACTIONS, chance.randint(1, 3))
    made["NotAction" if chance.random() < 0.2 else "Action"] = some if len(some) > 1 else some[0]
    where = chance.sample(RESOURCES, chance.randint(1, 4))
    if chance.random() < 0.3:
        where = ["*"]
    negative = chance.random() < 0.2 and where != ["*"]
    made["NotResource" if negative else "Resource"] = where if len(where) > 1 else where[0]
    if chance.random() < 0.25:
        made["Condition"] = chance.choice(CONDITIONS)
    return made


def policy(chance: random.Random) -> dict[str, Any]:
    """A policy of one to three statements; some are of the old version, without variables."""
    made = [statement(chance) for _ in range(chance.randint(1, 3))]
    # The other program knows variables in the old version too, where AWS has none.
    old = chance.random() < 0.2 and "${" not in json.dumps(made)
    return {"Version": "2008-10-17" if old else "2012-10-17", "Statement": made}


def worlds(seed: int = 20261130) -> list[dict[str, Any]]:
    """Users' policies with questions about them, not answered yet."""
    chance = random.Random(seed)
    return [
        {
            "policies": [policy(chance) for _ in range(chance.randint(1, 3))],
            "boundary": policy(chance) if chance.random() < 0.35 else None,
            "asked": [{"ask": list(ask)} for ask in chance.sample(ASKED, QUESTIONS)],
        }
        for _ in range(WORLDS)
    ]


SCRIPT = """
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
const main = createRequire(process.argv[2] + '/').resolve('@cloud-copilot/iam-simulate')
const { runUnsafeSimulation } = await import(pathToFileURL(main))
const { worlds, contexts, known, arn, account } = JSON.parse(readFileSync(0))
for (const world of worlds) for (const one of world.asked) {
  one.allowed = []
  for (const context of contexts) {
    const answer = await runUnsafeSimulation({
      request: {
        principal: arn, action: one.ask[0],
        resource: { resource: one.ask[1], accountId: account },
        contextVariables: { ...known, ...context },
      },
      identityPolicies: world.policies.map((policy, n) => ({ name: `p${n}`, policy })),
      serviceControlPolicies: [], resourceControlPolicies: [],
      permissionBoundaryPolicies:
        world.boundary ? [{ name: 'b', policy: world.boundary }] : undefined,
    }, {})
    const found = typeof answer === 'string' ? answer : answer.result
    if (!['Allowed', 'ExplicitlyDenied', 'ImplicitlyDenied'].includes(found))
      throw new Error(JSON.stringify(answer).slice(0, 500))
    one.allowed.push(found === 'Allowed')
  }
}
console.log(JSON.stringify(worlds))
"""


def main(folder: str) -> None:
    """Ask, and write questions and answers."""
    asked = {
        "worlds": worlds(),
        "contexts": CONTEXTS,
        "known": KNOWN,
        "arn": ARN,
        "account": ACCOUNT,
    }
    done = subprocess.run(
        ["node", "--input-type=module", "-e", SCRIPT, "-", str(Path(folder).resolve())],
        input=json.dumps(asked),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    lines = [json.dumps(world, separators=(",", ":")) for world in json.loads(done.stdout)]
    CASES.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main(sys.argv[1])
