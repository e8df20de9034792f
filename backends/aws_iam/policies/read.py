"""The policies of one user, read when somebody wants to see what they say.

A policy that cannot be read, or cannot be understood, is a gap that names the missing right; the
others are read all the same. Source: IAM API Reference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from backends.aws_iam.client import Aws, member
from backends.aws_iam.people import every
from backends.aws_iam.policies import decide, document, elevations
from backends.errors import AuthFailed, BackendError, Forbidden, NotFound, Unreachable
from backends.model import Gap, GapKind, TokenRef
from backends.permissions import Access, Permission, Permissions

MAX_ROWS: Final = 50_000
"""Rows that are kept. A user with the largest policies that IAM allows stays below."""

ELSEWHERE: Final = "secrets in objects, tables, logs and images, and those of roles it can become"
ELSEWHERE_HINT: Final = "Search what the rows let it read; look at each role that it may assume."

ABSENT: Final = ("saml:sub", "aws:federatedprovider", "ec2:sourceinstancearn")
"""Variables that a request signed with a user's own key never has."""


class Policies:
    """Reads one user's policies. ``rows`` and ``gaps`` grow as they come."""

    def __init__(self, aws: Aws, user: str, account: str) -> None:
        self._aws = aws
        self._user = user
        self._account = account
        self._values: dict[str, str | None] = {}
        self._found: dict[tuple[int, str], tuple[Permission, ...]] = {}
        self.arn = f"arn:aws:iam::{account}:user/{user}"
        self.gaps: list[Gap] = []

    async def read(self) -> None:
        """Read all of them.

        Raises:
            NotFound: there is no such user.
            AuthFailed, Unreachable: nothing can be asked.
        """
        boundary = await self._person()
        jobs = [self._attached(), self._inline(), self._groups()]
        if boundary:
            source = f"{document.BOUNDS}{boundary.rpartition('/')[2]}"
            jobs.append(self._managed(3, boundary, source))
        await asyncio.gather(*jobs)

    @property
    def rows(self) -> tuple[Permission, ...]:
        """All rows: own policies first, then groups', then the boundary's."""
        ordered = sorted(self._found.items())
        return tuple(row for _, rows in ordered for row in rows)

    async def _person(self) -> str:
        """Fill in what variables need; the ARN of the permissions boundary, if there is one."""
        self._values = {
            "aws:username": self._user,
            "aws:principalaccount": self._account,
            "aws:principaltype": "User",
            **dict.fromkeys(ABSENT),
        }
        try:
            answer = await self._aws.ask("iam", "GetUser", UserName=self._user)
            told = member(answer, "User", "GetUser")
        except NotFound:
            raise
        except BackendError as error:
            self._gap("whether a permissions boundary bounds the user", error)
            return ""
        self.arn = str(told.get("Arn") or self.arn)
        self._values["aws:principalarn"] = self.arn
        if told.get("UserId"):
            self._values["aws:userid"] = str(told["UserId"])
        for tag in told.get("Tags", ()):
            self._values[f"aws:principaltag/{tag['Key']}".lower()] = str(tag["Value"])
        return str(told.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""))

    async def _attached(self) -> None:
        operation = "ListAttachedUserPolicies"
        listed = await self._list(operation, "AttachedPolicies", UserName=self._user)
        await self._each(
            self._managed(0, str(policy["PolicyArn"]), _named(policy)) for policy in listed
        )

    async def _inline(self) -> None:
        names = await self._list("ListUserPolicies", "PolicyNames", UserName=self._user)
        await self._each(
            self._written(
                1,
                f"inline policy {name}",
                "GetUserPolicy",
                UserName=self._user,
                PolicyName=str(name),
            )
            for name in names
        )

    async def _groups(self) -> None:
        groups = await self._list("ListGroupsForUser", "Groups", UserName=self._user)
        await self._each(self._group(str(group["GroupName"])) for group in groups)

    async def _group(self, group: str) -> None:
        operation = "ListAttachedGroupPolicies"
        attached = await self._list(operation, "AttachedPolicies", GroupName=group)
        names = await self._list("ListGroupPolicies", "PolicyNames", GroupName=group)
        via = f", via group {group}"
        await self._each(
            self._managed(2, str(policy["PolicyArn"]), _named(policy) + via) for policy in attached
        )
        await self._each(
            self._written(
                2,
                f"inline policy {name}{via}",
                "GetGroupPolicy",
                GroupName=group,
                PolicyName=str(name),
            )
            for name in names
        )

    async def _each(self, jobs: Iterable[Coroutine[Any, Any, None]]) -> None:
        await asyncio.gather(*jobs)

    async def _list(self, operation: str, name: str, **arguments: str) -> list[Any]:
        try:
            return await every(self._aws, operation, name, **arguments)
        except BackendError as error:
            whose = "; ".join(f"{value}" for value in arguments.values())
            self._gap(f"{operation} of {whose}", error)
            return []

    async def _managed(self, order: int, arn: str, source: str) -> None:
        try:
            policy = member(await self._aws.ask("iam", "GetPolicy", PolicyArn=arn), "Policy", arn)
            version = str(member(policy, "DefaultVersionId", "GetPolicy"))
            answer = await self._aws.ask(
                "iam", "GetPolicyVersion", PolicyArn=arn, VersionId=version
            )
            told = member(member(answer, "PolicyVersion", arn), "Document", "GetPolicyVersion")
        except BackendError as error:
            self._gap(source, error)
            return
        self._take(order, source, told)

    async def _written(self, order: int, source: str, operation: str, **arguments: Any) -> None:
        try:
            answer = await self._aws.ask("iam", operation, **arguments)
            told = member(answer, "PolicyDocument", operation)
        except BackendError as error:
            self._gap(source, error)
            return
        self._take(order, source, told)

    def _take(self, order: int, source: str, told: object) -> None:
        try:
            rows = tuple(dict.fromkeys(document.rows(told, source, self._values)))
        except BackendError as error:
            self._gap(source, error)
            return
        if sum(map(len, self._found.values())) + len(rows) > MAX_ROWS:
            what = f"{source}: with it there would be more than {MAX_ROWS} rows"
            self.gaps.append(Gap(self._user, GapKind.LIMITED, what))
            return
        self._found[order, source] = rows

    def _gap(self, what: str, error: BackendError) -> None:
        """Note what was not read.

        Raises:
            BackendError: the trouble itself, where it is with everything.
        """
        if isinstance(error, AuthFailed | Unreachable):
            raise error
        kind = GapKind.REFUSED if isinstance(error, Forbidden) else GapKind.FAILED
        self.gaps.append(Gap(self._user, kind, f"{what}: {error.message}", error.hint))


def _named(policy: Mapping[str, Any]) -> str:
    """A managed policy's name; one of AWS's own may be called like one of the account's."""
    by_aws = ":iam::aws:" in str(policy["PolicyArn"])
    return f"{'AWS ' if by_aws else ''}policy {policy['PolicyName']}"


async def permissions(aws: Aws, ref: TokenRef, user: str, account: str) -> Permissions:
    """What the policies of a key's user let it do.

    Raises:
        NotFound: there is no such user.
        BackendError: nothing can be asked.
    """
    policies = Policies(aws, user, account)
    await policies.read()
    rows = (*policies.rows, *decide.FREE)
    return Permissions(
        ref=ref,
        rows=rows,
        elevations=elevations.elevations(rows, policies.arn),
        secrets=elevations.secrets(rows),
        gaps=tuple(sorted(policies.gaps, key=lambda gap: (gap.kind, gap.what))),
        secret_gaps=(Gap(user, GapKind.UNLISTABLE, ELSEWHERE, ELSEWHERE_HINT),),
        subject=f"user {user}, by the policies of the user and its groups alone",
        as_of=datetime.now(UTC),
    )


def of_root(ref: TokenRef) -> Permissions:
    """What a root user's key may do: everything, whatever a policy of the account says."""
    row = Permission(action="*", resource="*", access=Access.ADMIN, source=decide.ROOT)
    return Permissions(
        ref=ref,
        rows=(row, *decide.FREE),
        elevations=elevations.elevations((row,), ""),
        secrets=elevations.secrets((row,)),
        secret_gaps=(Gap(ref.id, GapKind.UNLISTABLE, ELSEWHERE, ELSEWHERE_HINT),),
        subject="the account's root user",
        as_of=datetime.now(UTC),
    )
