"""Ways to more than the rows say, and rows that read secrets.

Sources: the published research on privilege escalation in AWS (Rhino Security Labs, "AWS IAM
Privilege Escalation"; Bishop Fox, "IAM Vulnerable") and the Service Authorization Reference. A
way is named where a policy gives what it takes on anything at all; whether there is a role or a
user that it leads to is not looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from backends.aws_iam.policies import patterns
from backends.aws_iam.policies.document import BOUNDARY
from backends.aws_iam.policies.weighing import open_to
from backends.permissions import Access, Elevation, Permission


class Way(NamedTuple):
    """One way: all of ``needs`` have to be allowed, each on a resource of the right kind."""

    code: str
    text: str
    needs: tuple[str, ...]


OTHERS: Final = (
    Way("create-access-key", "makes an access key of another user", ("iam:CreateAccessKey",)),
    Way(
        "create-login-profile",
        "gives another user a password for the web console",
        ("iam:CreateLoginProfile",),
    ),
    Way(
        "update-login-profile",
        "sets another user's password for the web console",
        ("iam:UpdateLoginProfile",),
    ),
)
"""What makes its holder another user; on the own user it makes a second credential."""

WAYS: Final = (
    Way("attach-user-policy", "attaches any policy to a user", ("iam:AttachUserPolicy",)),
    Way("attach-group-policy", "attaches any policy to a group", ("iam:AttachGroupPolicy",)),
    Way("attach-role-policy", "attaches any policy to a role", ("iam:AttachRolePolicy",)),
    Way("put-user-policy", "writes an inline policy of a user", ("iam:PutUserPolicy",)),
    Way("put-group-policy", "writes an inline policy of a group", ("iam:PutGroupPolicy",)),
    Way("put-role-policy", "writes an inline policy of a role", ("iam:PutRolePolicy",)),
    Way(
        "create-policy-version",
        "writes a new default version of a managed policy",
        ("iam:CreatePolicyVersion",),
    ),
    Way(
        "set-default-policy-version",
        "puts another version of a managed policy in force",
        ("iam:SetDefaultPolicyVersion",),
    ),
    Way("add-user-to-group", "puts a user into a group", ("iam:AddUserToGroup",)),
    Way(
        "update-assume-role-policy",
        "lets anybody assume a role",
        ("iam:UpdateAssumeRolePolicy",),
    ),
    Way(
        "delete-user-boundary",
        "takes a user's permissions boundary away",
        ("iam:DeleteUserPermissionsBoundary",),
    ),
    Way(
        "put-user-boundary",
        "sets a user's permissions boundary",
        ("iam:PutUserPermissionsBoundary",),
    ),
    Way(
        "assume-role",
        "acts as the roles that trust it, with rights that are not among these",
        ("sts:AssumeRole",),
    ),
    Way(
        "pass-role-lambda",
        "runs code as a role in a Lambda function",
        ("iam:PassRole", "lambda:CreateFunction"),
    ),
    Way(
        "update-lambda-code",
        "runs code as the role of a Lambda function that is there",
        ("lambda:UpdateFunctionCode",),
    ),
    Way(
        "pass-role-ec2",
        "runs a machine as a role, and takes its credentials",
        ("iam:PassRole", "ec2:RunInstances"),
    ),
    Way(
        "pass-role-ecs",
        "runs a container as a role",
        ("iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:RunTask"),
    ),
    Way(
        "pass-role-cloudformation",
        "has CloudFormation make anything as a role",
        ("iam:PassRole", "cloudformation:CreateStack"),
    ),
    Way(
        "pass-role-glue",
        "runs code as a role in a Glue endpoint",
        ("iam:PassRole", "glue:CreateDevEndpoint"),
    ),
    Way("pass-role-glue-job", "runs a Glue job as a role", ("iam:PassRole", "glue:CreateJob")),
    Way(
        "pass-role-sagemaker",
        "runs a notebook as a role",
        ("iam:PassRole", "sagemaker:CreateNotebookInstance"),
    ),
    Way(
        "pass-role-codebuild",
        "runs a build as a role",
        ("iam:PassRole", "codebuild:CreateProject", "codebuild:StartBuild"),
    ),
    Way(
        "pass-role-states",
        "runs a state machine as a role",
        ("iam:PassRole", "states:CreateStateMachine"),
    ),
    Way("ssm-command", "runs commands on machines, as their roles", ("ssm:SendCommand",)),
    Way("ssm-session", "opens a shell on machines, as their roles", ("ssm:StartSession",)),
    Way(
        "put-bucket-policy",
        "rewrites who may read and write a bucket",
        ("s3:PutBucketPolicy",),
    ),
    Way(
        "create-grant",
        "hands on the use of a KMS key",
        ("kms:CreateGrant",),
    ),
)

SECRETS: Final = {
    "secretsmanager:GetSecretValue": "arn:aws:secretsmanager:*:*:secret:*",
    "secretsmanager:BatchGetSecretValue": "arn:aws:secretsmanager:*:*:secret:*",
    "ssm:GetParameter": "arn:aws:ssm:*:*:parameter/*",
    "ssm:GetParameters": "arn:aws:ssm:*:*:parameter/*",
    "ssm:GetParametersByPath": "arn:aws:ssm:*:*:parameter/*",
    "ssm:GetParameterHistory": "arn:aws:ssm:*:*:parameter/*",
    "lambda:GetFunctionConfiguration": "arn:aws:lambda:*:*:function:*",
    "lambda:GetFunction": "arn:aws:lambda:*:*:function:*",
    "ec2:GetPasswordData": "arn:aws:ec2:*:*:instance/*",
    "ec2:DescribeInstanceAttribute": "arn:aws:ec2:*:*:instance/*",
    "ecs:DescribeTaskDefinition": "arn:aws:ecs:*:*:task-definition/*",
    "codebuild:BatchGetProjects": "arn:aws:codebuild:*:*:project/*",
    "redshift:GetClusterCredentials": "arn:aws:redshift:*:*:dbuser:*",
    "ecr:GetAuthorizationToken": "arn:aws:ecr:*:*:repository/*",
}
"""Actions whose answers hold secrets, or settings in which secrets are kept (user data, variables
of functions, tasks and builds), and on what each is done."""


def elevations(rows: Sequence[Permission], arn: str) -> tuple[Elevation, ...]:
    """The ways that the rows open. ``arn`` is the user's own, to tell itself from others."""
    found: list[Elevation] = []
    for way in OTHERS:
        reach = open_to(rows, way.needs[0])
        if not reach.allows:
            continue
        others = tuple(row for row in reach.allows if not _own(row, arn))
        bounds = tuple(row for row in reach.bounds if not _own(row, arn))
        if others and (bounds or not reach.bounded):
            found.append(Elevation(way.code, way.text, (*others, *bounds)))
        else:
            text = way.text.replace("of another user", "for itself")
            text = text.replace("another user's", "its own").replace("another user", "itself")
            by = (*reach.allows, *reach.bounds)
            found.append(Elevation(f"own-{way.code}", f"{text}, which outlives this key", by))
    for way in WAYS:
        each = [open_to(rows, action) for action in way.needs]
        if all(reach.allows for reach in each):
            by = tuple(dict.fromkeys(row for reach in each for row in reach.allows + reach.bounds))
            found.append(Elevation(way.code, way.text, by))
    return tuple(found)


def _own(row: Permission, arn: str) -> bool:
    """Whether a row is for the user itself and nobody else."""
    *_, own = arn.split(":", 5)
    *_, place = row.resource.split(":", 5)
    return place in (own, f"user/{own.rpartition('/')[2]}")


def secrets(rows: Sequence[Permission]) -> tuple[Permission, ...]:
    """The rows that read secrets, each narrowed to the one action that does."""
    found: list[Permission] = []
    for action, home in SECRETS.items():
        reach = open_to(rows, action)
        for row in reach.allows:
            more = [f"no deny of {deny.source} counts" for deny in reach.denies]
            if reach.bounded and not any(
                bound.conditions == (BOUNDARY,) and patterns.covers(bound.resource, row.resource)
                for bound in reach.bounds
            ):
                more.append("the permissions boundary allows it")
            told = Permission(
                action=action,
                resource=home if row.resource == "*" else row.resource,
                access=Access.READ,
                conditions=tuple(dict.fromkeys((*row.conditions, *more))),
                source=row.source,
            )
            # One way to the same place is enough to tell.
            if not any(replace(each, action=action) == told for each in found):
                found.append(told)
    return tuple(found)
