"""Ways to more than the rows say, and rows that read secrets.

Sources: the published research on privilege escalation in AWS (Rhino Security Labs, "AWS IAM
Privilege Escalation"; Bishop Fox, "IAM Vulnerable") and the Service Authorization Reference. A
way is named where a policy gives what it takes on anything at all; whether there is a role or a
user that it leads to is not looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from backends.aws_iam.policies import patterns
from backends.aws_iam.policies.decide import Weighing, weighing
from backends.aws_iam.policies.document import BOUNDARY
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
    Way("assume-any-role", "assumes every role that trusts it", ("sts:AssumeRole",)),
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

SECRETS: Final = (
    "secretsmanager:GetSecretValue",
    "secretsmanager:BatchGetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
    "ssm:GetParameterHistory",
    "lambda:GetFunctionConfiguration",
    "lambda:GetFunction",
    "ec2:GetPasswordData",
    "ec2:DescribeInstanceAttribute",
    "ecs:DescribeTaskDefinition",
    "codebuild:BatchGetProjects",
    "redshift:GetClusterCredentials",
    "ecr:GetAuthorizationToken",
)
"""Actions whose answers hold secrets, or settings in which secrets are kept."""


PLACES: Final = {
    "iam:passrole": ("role",),
    "iam:createaccesskey": ("user",),
    "iam:createloginprofile": ("user",),
    "iam:updateloginprofile": ("user",),
    "iam:attachuserpolicy": ("user",),
    "iam:putuserpolicy": ("user",),
    "iam:deleteuserpermissionsboundary": ("user",),
    "iam:putuserpermissionsboundary": ("user",),
    "iam:attachgrouppolicy": ("group",),
    "iam:putgrouppolicy": ("group",),
    "iam:addusertogroup": ("group",),
    "iam:attachrolepolicy": ("role",),
    "iam:putrolepolicy": ("role",),
    "iam:updateassumerolepolicy": ("role",),
    "sts:assumerole": ("role",),
    "iam:createpolicyversion": ("policy",),
    "iam:setdefaultpolicyversion": ("policy",),
}
"""Of what kind a resource of an action is, where IAM has several."""

SERVICES: Final = {
    "ssm:sendcommand": ("ssm", "ec2"),
    "ssm:startsession": ("ssm", "ec2", "ecs"),
}
"""Whose resources an action is done on, where they are not its own service's."""


def _fits(action: str, resource: str) -> bool:
    """Whether a row's resource can be one that the action is done on."""
    key = action.lower()
    if kinds := PLACES.get(key):
        homes = [f"arn:*:iam::*:{kind}/*" for kind in kinds]
    else:
        homes = [f"arn:*:{each}:*:*:*" for each in SERVICES.get(key, (key.partition(":")[0],))]
    return not all(patterns.apart(home, resource) for home in homes)


def open_to(rows: Sequence[Permission], action: str) -> Weighing:
    """The rows by which an action is allowed on something; without any ``allows`` it is not.

    A row counts unless a deny without conditions stands for all that it is for, and where there
    is a permissions boundary only with a row of that which may have something in common with it.
    """
    found = weighing(rows, action, lambda row: True)
    bounds = tuple(row for row in found.bounds if _fits(action, row.resource))
    left = tuple(
        row
        for row in found.allows
        if _fits(action, row.resource)
        and not any(patterns.covers(deny.resource, row.resource) for deny in found.refused)
        and (not found.bounded or _touched(row, bounds))
    )
    return found._replace(allows=left, bounds=tuple(b for b in bounds if _touched(b, left)))


def _touched(row: Permission, others: Iterable[Permission]) -> bool:
    return any(not patterns.apart(row.resource, other.resource) for other in others)


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
    for action in SECRETS:
        reach = open_to(rows, action)
        for row in reach.allows:
            more = [f"no deny of {deny.source} counts" for deny in reach.denies]
            if reach.bounded and not any(
                bound.conditions == (BOUNDARY,) and patterns.covers(bound.resource, row.resource)
                for bound in reach.bounds
            ):
                more.append("the permissions boundary allows it")
            found.append(
                Permission(
                    action=action,
                    resource=row.resource,
                    access=Access.READ,
                    conditions=tuple(dict.fromkeys((*row.conditions, *more))),
                    source=row.source,
                )
            )
    return tuple(found)
