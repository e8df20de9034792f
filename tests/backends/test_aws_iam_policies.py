"""What IAM policies say, without a server: recorded answers of another program, and ways up.

``aws_policy_cases.json`` has what moto lacks: ``?``, actions in any case, NotResource, variables,
conditions, permissions boundaries. ``make_policy_cases.py`` says who answered, and how.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from make_policy_cases import ARN, CASES, KNOWN, worlds

from backends.aws_iam.policies import decide, document, elevations, patterns
from backends.aws_iam.policies.access import access_of
from backends.errors import BadAnswer
from backends.model import TokenRef
from backends.permissions import Access, Decision, Permission, Permissions

VALUES = {name.lower(): value for name, value in KNOWN.items()}
REF = TokenRef("aws", "access-key", "AKIAXXXXXXXXXXXXXXXX")


def permissions(*policies: Any, boundary: Any = None) -> Permissions:
    """What a user of these policies may do."""
    rows: list[Permission] = []
    for number, policy in enumerate(policies):
        rows += document.rows(policy, f"policy p{number}", VALUES)
    if boundary:
        rows += document.rows(boundary, f"{document.BOUNDS}b", VALUES)
    return Permissions(ref=REF, rows=(*rows, *decide.FREE), as_of=datetime.now(UTC))


def test_every_answer_is_the_other_programs(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    seen: Counter[str] = Counter()
    number = 0
    for world in json.loads(CASES.read_text()):
        found = permissions(*world["policies"], boundary=world["boundary"])
        hangs = any(set(row.conditions) - {document.BOUNDARY} for row in found.rows)
        for one in world["asked"]:
            number += 1
            answer = decide.permits(found, *one["ask"])
            seen[answer.decision.value] += 1
            may = {
                Decision.ALLOWED: all(one["allowed"]),
                Decision.DENIED: not any(one["allowed"]),
                # The other program was given no policy of a resource.
                Decision.UNKNOWN: not any(one["allowed"]) and answer.detail.endswith(decide.HALF),
                Decision.CONDITIONAL: hangs,
            }[answer.decision]
            if not may:
                wrong.append((one["ask"], one["allowed"], answer, world))
    with capsys.disabled():
        print(f"\nrecorded: {number - len(wrong)} of {number} answers agree ({dict(seen)})")
    assert number >= 900
    assert wrong == []
    # The questions are those that the script makes, so that nobody has picked from them.
    asked = [one["ask"] for world in worlds() for one in world["asked"]]
    assert asked == [one["ask"] for w in json.loads(CASES.read_text()) for one in w["asked"]]


def allow(*actions: str, on: str = "*", **more: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": list(actions), "Resource": on, **more},
    }


def ways(*policies: Any, boundary: Any = None) -> set[str]:
    found = permissions(*policies, boundary=boundary)
    return {way.code for way in elevations.elevations(found.rows, ARN)}


ALL_USERS = "arn:aws:iam::123456789012:user/*"


@pytest.mark.parametrize(
    ("policy", "codes"),
    [
        (allow("iam:CreateAccessKey"), {"create-access-key"}),
        (allow("iam:CreateAccessKey", on=ALL_USERS), {"create-access-key"}),
        (allow("iam:Create*", on="arn:aws:iam::*:user/${aws:username}"),
         {"own-create-access-key", "own-create-login-profile"}),
        (allow("iam:CreateAccessKey", on="arn:aws:iam::123456789012:role/*"), set()),
        (allow("IAM:PUTUSERPOLICY"), {"put-user-policy"}),
        (allow("iam:PassRole", "lambda:CreateFunction"), {"pass-role-lambda"}),
        (allow("iam:PassRole", "ec2:RunInstances"), {"pass-role-ec2"}),
        (allow("iam:PassRole"), set()),
        (allow("sts:AssumeRole"), {"assume-role"}),
        (allow("iam:SetDefaultPolicyVersion", "iam:CreatePolicyVersion"),
         {"set-default-policy-version", "create-policy-version"}),
        (allow("iam:AddUserToGroup", "iam:UpdateAssumeRolePolicy"),
         {"add-user-to-group", "update-assume-role-policy"}),
        (allow("s3:*", "dynamodb:*"), {"put-bucket-policy"}),
        (allow("iam:Get*", "iam:List*"), set()),
    ],
)  # fmt: skip
def test_ways_up(policy: Any, codes: set[str]) -> None:
    assert ways(policy) == codes


def test_what_takes_a_way_up_away() -> None:
    admin = allow("*")
    everything = ways(admin)
    assert {way.code for way in elevations.WAYS} <= everything
    no_iam = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Deny", "Action": "iam:*", "Resource": "*"},
    }
    assert not any("policy" in code and "bucket" not in code for code in ways(admin, no_iam))
    assert ways(admin, boundary=allow("s3:Get*")) == set()
    own = allow("iam:CreateAccessKey", on=f"arn:aws:iam::*:user/{ARN.rpartition('/')[2]}")
    assert ways(admin, boundary=own) == {"own-create-access-key"}
    # A deny that may not count closes nothing, and makes the way conditional at most.
    maybe = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    }
    assert ways(admin, maybe) == everything


def test_a_boundary_that_does_not_allow_is_named() -> None:
    found = permissions(allow("ec2:*"), boundary=allow("s3:Get*"))
    answer = decide.permits(found, "ec2:RunInstances", "*")
    assert answer.decision is Decision.DENIED
    assert [row.source for row in answer.because] == ["policy p0", f"{document.BOUNDS}b"]
    # By itself it gives nothing, and says so.
    (bound,) = (row for row in found.rows if row.source.startswith(document.BOUNDS))
    assert bound.conditions == (document.BOUNDARY,)
    answer = decide.permits(found, "s3:GetObject", "arn:aws:s3:::b/k")
    assert answer.decision is not Decision.ALLOWED


def test_secrets_are_narrowed_to_the_action_and_its_place() -> None:
    place = "arn:aws:secretsmanager:*:*:secret:payments/*"
    found = permissions(allow("secretsmanager:*", on=place), allow("ssm:GetParam*"))
    told = {(row.action, row.resource) for row in elevations.secrets(found.rows)}
    assert told == {
        ("secretsmanager:GetSecretValue", place),
        ("ssm:GetParameter", "arn:aws:ssm:*:*:parameter/*"),
    }
    bounded = permissions(allow("secretsmanager:GetSecretValue"), boundary=allow("*", on=place))
    (row,) = elevations.secrets(bounded.rows)
    assert row.conditions == ("the permissions boundary allows it",)


def test_a_condition_is_told_in_the_policys_words() -> None:
    found = permissions(
        allow(
            "s3:GetObject", Condition={"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.7"]}}
        )
    )
    answer = decide.permits(found, "s3:GetObject", "arn:aws:s3:::b/k")
    assert answer.decision is Decision.CONDITIONAL
    (row,) = answer.because
    assert row.conditions == ("IpAddress aws:SourceIp 10.0.0.0/8 or 192.0.2.7",)


def test_what_each_answer_means() -> None:
    found = permissions(allow("s3:GetObject", "sts:AssumeRole", "ec2:RunInstances"))
    role = "arn:aws:iam::123456789012:role/deploy"

    def asked(action: str, resource: str = "*") -> Decision:
        return decide.permits(found, action, resource).decision

    assert asked("ec2:RunInstances") is Decision.ALLOWED
    assert asked("ec2:TerminateInstances") is Decision.DENIED
    # What holds for some resources only is no answer about all of them.
    some = permissions(allow("ec2:*", on="arn:aws:ec2:*:*:instance/*"))
    assert decide.permits(some, "ec2:StopInstances", "*").decision is Decision.CONDITIONAL
    not_all = {"Effect": "Deny", "Action": "ec2:*", "Resource": "arn:aws:ec2:*:*:volume/*"}
    most = permissions(allow("ec2:*"), {"Version": "2012-10-17", "Statement": not_all})
    answer = decide.permits(most, "ec2:DeleteVolume", "*")
    assert (answer.decision, answer.detail) == (Decision.CONDITIONAL, decide.EXCEPT)
    # A bucket's own policy may let the user in, and a role's has to.
    assert asked("s3:PutObject", "arn:aws:s3:::b/k") is Decision.UNKNOWN
    assert asked("sts:AssumeRole", role) is Decision.CONDITIONAL
    assert asked("sts:GetFederationToken") is Decision.DENIED
    denied = {"Effect": "Deny", "Action": "sts:*", "Resource": "*"}
    never = permissions({"Version": "2012-10-17", "Statement": [denied]})
    assert decide.permits(never, "sts:AssumeRole", role).decision is Decision.DENIED
    # No policy can take these from a key.
    for action in decide.NO_PERMISSION:
        assert decide.permits(never, action, "*").decision is Decision.ALLOWED


@pytest.mark.parametrize(
    "told",
    [
        "not json",
        "[]",
        {"Version": "2012-10-17"},
        {"Version": "2012-10-17", "Statement": []},
        allow("s3:*") | {"Principal": "*"},
        {"Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}},
        {"Statement": {"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}},
        {"Statement": {"Effect": "Allow", "Action": "*"}},
        {"Statement": {"Effect": "Allow", "Action": 7, "Resource": "*"}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": []}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": 'NotResource ["*"]'}},
    ],
)
def test_a_policy_that_is_not_understood_is_refused_whole(told: Any) -> None:
    with pytest.raises(BadAnswer):
        list(document.rows(told, "policy p", VALUES))


@pytest.mark.parametrize(
    ("action", "access"),
    [
        ("*", Access.ADMIN),
        ("s3:*", Access.ADMIN),
        ('NotAction ["iam:*"]', Access.ADMIN),
        ("iam:CreateUser", Access.ADMIN),
        ("iam:GetUser", Access.READ),
        ("iam:GenerateCredentialReport", Access.READ),
        ("kms:GenerateDataKey", Access.UNKNOWN),
        ("s3:GetObject*", Access.READ),
        ("s3:G*", Access.UNKNOWN),
        ("s3:PutBucketPolicy", Access.ADMIN),
        ("s3:PutObject", Access.WRITE),
        ("sts:GetFederationToken", Access.WRITE),
        ("sts:AssumeRole", Access.WRITE),
        ("ec2:DescribeInstances", Access.READ),
        ("dynamodb:BatchGetItem", Access.READ),
        ("quicksight:Whatever", Access.UNKNOWN),
        ("lambda:InvokeFunction", Access.WRITE),
    ],
)
def test_what_an_action_does(action: str, access: Access) -> None:
    assert access_of(action) is access


@pytest.mark.parametrize(
    ("pattern", "resource", "fits"),
    [
        ("arn:aws:s3:::b/*a*a*a*a*a*a*a*a*a*a*a*a*b", "arn:aws:s3:::b/" + "a" * 2000, False),
        ("arn:aws:s3:::b/" + "*?" * 200, "arn:aws:s3:::b/" + "a" * 1000, True),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", True),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/x", False),
        ("arn:aws:s3:::b/${$}{x}", "arn:aws:s3:::b/${x}", True),
        ("arn:aws:s3:::b.c/*", "arn:aws:s3:::bXc/k", False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/x\ny:z", True),
        ("arn:aws:iam:*:user/a", "arn:aws:iam::1:user/a", True),
        ("arn:aws:*:*:1:user/a", "arn:aws:iam::2:user/a", False),
        ("*", "", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:::B", "arn:aws:s3:::b", False),
    ],
)
def test_patterns(pattern: str, resource: str, fits: bool) -> None:
    assert patterns.resource_matches(pattern, resource) is fits


def test_before_2012_a_policy_has_no_variables() -> None:
    """Here the other program differs from AWS, so it is not asked."""
    old = allow("s3:GetObject", on="arn:aws:s3:::b/${aws:username}") | {"Version": "2008-10-17"}
    found = permissions(old)
    alice, literal = "arn:aws:s3:::b/alice", "arn:aws:s3:::b/${aws:username}"
    assert decide.permits(found, "s3:GetObject", alice).decision is Decision.UNKNOWN
    assert decide.permits(found, "s3:GetObject", literal).decision is Decision.ALLOWED


def test_what_an_arn_without_an_end_leaves_out_is_not_guessed() -> None:
    statement = {"Effect": "Deny", "Action": "*", "NotResource": ["arn:aws:dynamodb"]}
    found = permissions(allow("ec2:*"), {"Version": "2012-10-17", "Statement": [statement]})
    answer = decide.permits(found, "ec2:RunInstances", "arn:aws:ec2:us-east-1:1:instance/i-1")
    assert answer.decision is Decision.CONDITIONAL
