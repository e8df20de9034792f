"""The rows that bear on an action, by what they do to it.

Shared by those who answer one question and those who look for what is open at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from backends.aws_iam.policies import patterns
from backends.aws_iam.policies.document import BOUNDARY, BOUNDS
from backends.permissions import Permission, PermissionEffect


class Weighing(NamedTuple):
    """The rows that bear on a question, by what they do to it."""

    allows: tuple[Permission, ...]
    """Of the user's and its groups' policies."""
    denies: tuple[Permission, ...]
    bounds: tuple[Permission, ...]
    """Of the permissions boundary, allowing."""
    boundary: tuple[Permission, ...]
    """All rows of the permissions boundary, whatever they are for."""

    @property
    def bounded(self) -> bool:
        """Whether there is a boundary at all. One that only denies lets nothing through."""
        return bool(self.boundary)

    @property
    def refused(self) -> tuple[Permission, ...]:
        """The denies that hold whatever the circumstances."""
        return tuple(row for row in self.denies if not row.conditions)

    @property
    def possible(self) -> bool:
        """Whether it may be let in under some circumstances."""
        return bool(self.allows) and not self.refused and (bool(self.bounds) or not self.bounded)

    @property
    def certain(self) -> bool:
        """Whether it is let in under all circumstances."""
        return (
            self.possible
            and not self.denies
            and not all(row.conditions for row in self.allows)
            and (not self.bounded or any(row.conditions == (BOUNDARY,) for row in self.bounds))
        )


def weighing(
    rows: Iterable[Permission], action: str, bears: Callable[[Permission], bool]
) -> Weighing:
    """Sort the rows of an action for which ``bears`` says that they concern the resource."""
    allows: list[Permission] = []
    denies: list[Permission] = []
    bounds: list[Permission] = []
    boundary: list[Permission] = []
    for row in rows:
        gives = row.effect is PermissionEffect.ALLOW
        bound = gives and row.conditions[:1] == (BOUNDARY,)
        if row.source.startswith(BOUNDS):
            boundary.append(row)
        if patterns.action_matches(row.action, action) and bears(row):
            (denies if not gives else bounds if bound else allows).append(row)
    return Weighing(tuple(allows), tuple(denies), tuple(bounds), tuple(boundary))


PLACES: Final = {
    "iam:passrole": "role",
    "iam:createaccesskey": "user",
    "iam:createloginprofile": "user",
    "iam:updateloginprofile": "user",
    "iam:attachuserpolicy": "user",
    "iam:putuserpolicy": "user",
    "iam:deleteuserpermissionsboundary": "user",
    "iam:putuserpermissionsboundary": "user",
    "iam:attachgrouppolicy": "group",
    "iam:putgrouppolicy": "group",
    "iam:addusertogroup": "group",
    "iam:attachrolepolicy": "role",
    "iam:putrolepolicy": "role",
    "iam:updateassumerolepolicy": "role",
    "sts:assumerole": "role",
    "iam:createpolicyversion": "policy",
    "iam:setdefaultpolicyversion": "policy",
}
"""Of what kind a resource of an action is, where IAM has several."""

SERVICES: Final = {
    "ssm:sendcommand": ("ssm", "ec2"),
    "ssm:startsession": ("ssm", "ec2", "ecs"),
}
"""Whose resources an action is done on, where they are not its own service's."""

SAME: Final = frozenset(
    {
        "cloudformation",
        "codebuild",
        "ec2",
        "ecr",
        "ecs",
        "glue",
        "iam",
        "kms",
        "lambda",
        "redshift",
        "s3",
        "sagemaker",
        "secretsmanager",
        "ssm",
        "states",
    }
)
"""Services whose resources have the service's own prefix in their ARNs; others may have none."""


def _fits(action: str, resource: str) -> bool:
    """Whether a row's resource can be one that the action is done on."""
    key = action.lower()
    service = key.partition(":")[0]
    if kind := PLACES.get(key):
        homes = [f"arn:*:iam::*:{kind}/*"]
    elif key in SERVICES or service in SAME:
        homes = [f"arn:*:{each}:*:*:*" for each in SERVICES.get(key, (service,))]
    else:
        return True
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
