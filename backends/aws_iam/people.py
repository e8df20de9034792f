"""The users of an account, with their tags and what they may do.

``GetAccountAuthorizationDetails`` tells all of it in a few calls. Where that is refused
or its answer is broken, the users are listed and asked for one by one, so that one
missing permission or one unreadable user does not hide the others.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from backends.aws_iam.client import Aws, member
from backends.errors import (
    BackendError,
    BadAnswer,
    Forbidden,
    NotFound,
    RateLimited,
    ServerFault,
    TimedOut,
)
from backends.model import Gap, GapKind, Grant, Reading, known, not_permitted, not_read

MAX_PAGES = 1000
"""Pages of one listing. An account has 5,000 users by default, and 1,000 fit on a page."""

PERSONAL = (Forbidden, BadAnswer, ServerFault, TimedOut, RateLimited)
"""Troubles that one user may have while the others are well."""

STREAK = 8
"""So many timeouts or faults one after another are a trouble with everything."""

POLICIES = "IAM policies of the user and its groups"
"""The source of grants, whichever calls told them."""

DETAILS = "GetAccountAuthorizationDetails"

AT_HAND = 10.0
"""Seconds for which a listing of all users tells what one of them may do."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One IAM user. ``policies_seen`` are the grants read when not all could be."""

    name: str
    id: str
    arn: str
    path: str
    tags: Reading[dict[str, str]] = not_read()
    grants: Reading[tuple[Grant, ...]] = not_read()
    policies_seen: tuple[Grant, ...] = ()


class Missed:
    """Counts what could not be read about single users, to say it once and not for each."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[GapKind, str, str]] = Counter()
        self._streak = 0

    def add(self, what: str, error: BackendError) -> Reading[Any]:
        """Note the trouble, and give the reading that says so.

        Raises:
            BackendError: the trouble itself, when it is with everything by now.
        """
        self.bear(error)
        refused = isinstance(error, Forbidden)
        kind = GapKind.REFUSED if refused else GapKind.FAILED
        self._counts[kind, f"{what}: {error.message}" if refused else what, error.hint] += 1
        return not_permitted(error.message) if refused else not_read(error.message)

    def bear(self, error: BackendError) -> None:
        """Raise the trouble if it is not one user's own.

        A refused connection or credential is everybody's at once; timeouts and faults are
        when nothing else came in between, or a dead system would be asked for hours.
        """
        self._streak = self._streak + 1 if isinstance(error, TimedOut | ServerFault) else 0
        if not isinstance(error, PERSONAL) or self._streak >= STREAK:
            raise error

    def fine(self) -> None:
        """Note that a call has worked."""
        self._streak = 0

    def gaps(self, scope: str) -> list[Gap]:
        """One gap for each kind of trouble."""
        return [
            Gap(scope, kind, f"{what} ({number} not read)", hint)
            for (kind, what, hint), number in sorted(self._counts.items())
        ]


class UserListing(msgspec.Struct, frozen=True):
    """What a listing of the users gave. ``stopped`` says why it did not come to its end."""

    users: tuple[User, ...]
    stopped: str = ""


async def pages(
    aws: Aws, operation: str, *lists: str, **arguments: Any
) -> tuple[dict[str, list[Any]], str]:
    """All pages of an IAM listing, the named lists joined; and why it was stopped, if it was.

    A marker that comes again, or pages without end, stop the listing instead of the console.
    """
    found: dict[str, list[Any]] = {name: [] for name in lists}
    marker = ""
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        more: dict[str, Any] = {"Marker": marker} if marker else {}
        answer = await aws.ask("iam", operation, **arguments, **more)
        if not any(name in answer for name in lists):
            # Somebody else's page, such as a proxy's, parses as an answer without members.
            raise BadAnswer(f"the answer to iam {operation} has no {lists[0]}")
        for name in lists:
            found[name].extend(answer.get(name, ()))
        if not answer.get("IsTruncated"):
            return found, ""
        marker = str(answer.get("Marker", ""))
        if not marker or marker in seen:
            return found, f"iam {operation} gave the same page marker again"
        seen.add(marker)
    return found, f"iam {operation} had no end after {MAX_PAGES} pages"


async def every(aws: Aws, operation: str, list_: str, **arguments: Any) -> list[Any]:
    """One whole list. Raises ``BadAnswer`` where it has no end."""
    found, stopped = await pages(aws, operation, list_, **arguments)
    if stopped:
        raise BadAnswer(stopped)
    return found[list_]


class People:
    """Reads users. ``missed`` gathers what was refused or failed about single ones."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self.missed = Missed()
        self._groups: dict[str, asyncio.Task[tuple[Grant, ...]]] = {}

    async def all(self) -> UserListing:
        """Every user, with tags and grants as far as they can be read.

        Raises:
            BackendError: the users cannot be listed at all.
        """
        try:
            return await self.details()
        except (Forbidden, BadAnswer, ServerFault, TimedOut):
            pass
        return await self._one_by_one()

    async def names(self) -> tuple[list[str], str]:
        """The names alone, and why the listing was stopped, if it was."""
        found, stopped = await pages(self._aws, "ListUsers", "Users", MaxItems=1000)
        return [str(user["UserName"]) for user in found["Users"]], stopped

    async def one(self, name: str, everybody: Everybody) -> User:
        """One user by name. Only what it may do may be as old as ``everybody``'s listing.

        Raises:
            NotFound: there is none of that name.
        """
        bare = User(name=name, id="", arn="", path="")
        at_hand = everybody.at_hand(name)
        if at_hand is not None:
            user, _ = await self._described(bare)
            if not user.tags.known:
                return at_hand
            if user.id == at_hand.id:
                return msgspec.structs.replace(user, grants=at_hand.grants)
        user = await self._filled(bare)
        if user.id and user.tags.known and user.grants.known:
            return user
        try:
            return await everybody.user(name) or user
        except BackendError:
            return user

    async def details(self) -> UserListing:
        """Every user with tags and grants, by the one operation that tells all of it.

        Raises:
            BackendError: it is refused, or its answer is broken.
        """
        found, stopped = await pages(
            self._aws,
            DETAILS,
            "UserDetailList",
            "GroupDetailList",
            Filter=["User", "Group"],
            MaxItems=1000,
        )
        groups = {
            str(group["GroupName"]): _policies(
                group.get("AttachedManagedPolicies", ()),
                (policy["PolicyName"] for policy in group.get("GroupPolicyList", ())),
                via=f"group {group['GroupName']}",
            )
            for group in found["GroupDetailList"]
        }
        users = tuple(_detailed(detail, groups) for detail in found["UserDetailList"])
        return UserListing(users, stopped)

    async def _one_by_one(self) -> UserListing:
        try:
            found, stopped = await pages(self._aws, "ListUsers", "Users", MaxItems=1000)
        except Forbidden as error:
            raise Forbidden(
                f"{error.message} (or iam:{DETAILS})",
                f"Allow iam:ListUsers and iam:{DETAILS} to the console's credential.",
            ) from None
        bare = [_bare(user) for user in found["Users"]]
        users: list[User] = []
        for start in range(0, len(bare), 100):
            jobs = (self._filled_or_gone(user) for user in bare[start : start + 100])
            users.extend(user for user in await asyncio.gather(*jobs) if user)
        return UserListing(tuple(users), stopped)

    async def _filled_or_gone(self, user: User) -> User | None:
        try:
            return await self._filled(user)
        except NotFound:
            return None

    async def _filled(self, user: User) -> User:
        user, boundary = await self._described(user)
        seen: list[Grant] = list(boundary.or_else(()))
        trouble: Reading[Any] | None = None if boundary.known else boundary
        for part in (self._attached, self._inline, self._grouped):
            try:
                seen.extend(await part(user.name))
                self.missed.fine()
            except PERSONAL as error:
                trouble = self.missed.add("grants", error)
        if trouble:
            return msgspec.structs.replace(user, grants=trouble, policies_seen=_sorted(seen))
        grants = known(_sorted(seen), POLICIES)
        return msgspec.structs.replace(user, grants=grants)

    async def _described(self, user: User) -> tuple[User, Reading[tuple[Grant, ...]]]:
        """The user with its tags, and its permissions boundary."""
        try:
            answer = await self._aws.ask("iam", "GetUser", UserName=user.name)
            told = member(answer, "User", "GetUser")
            self.missed.fine()
            tags = known(_tags(told.get("Tags", ())), "iam GetUser")
            boundary = known(_boundary(told), "iam GetUser")
            return msgspec.structs.replace(_bare(told), tags=tags), boundary
        except PERSONAL as error:
            unknown = self.missed.add("permissions boundaries", error)
        try:
            found = await every(self._aws, "ListUserTags", "Tags", UserName=user.name)
            tags = known(_tags(found), "iam ListUserTags")
        except PERSONAL as error:
            tags = self.missed.add("owner tags", error)
        return msgspec.structs.replace(user, tags=tags), unknown

    async def _attached(self, name: str) -> tuple[Grant, ...]:
        operation = "ListAttachedUserPolicies"
        return _policies(await every(self._aws, operation, "AttachedPolicies", UserName=name), ())

    async def _inline(self, name: str) -> tuple[Grant, ...]:
        return _policies(
            (), await every(self._aws, "ListUserPolicies", "PolicyNames", UserName=name)
        )

    async def _grouped(self, name: str) -> tuple[Grant, ...]:
        grants: list[Grant] = []
        for group in await every(self._aws, "ListGroupsForUser", "Groups", UserName=name):
            grants.append(Grant("group", str(group["GroupName"])))
            grants.extend(await self._of_group(str(group["GroupName"])))
        return tuple(grants)

    async def _of_group(self, group: str) -> tuple[Grant, ...]:
        """A group's policies, asked for once however many members there are."""
        if group not in self._groups:
            self._groups[group] = asyncio.ensure_future(self._ask_group(group))
        return await asyncio.shield(self._groups[group])

    async def _ask_group(self, group: str) -> tuple[Grant, ...]:
        try:
            attached = await every(
                self._aws, "ListAttachedGroupPolicies", "AttachedPolicies", GroupName=group
            )
            inline = await every(self._aws, "ListGroupPolicies", "PolicyNames", GroupName=group)
        except NotFound:
            # The group went away between two calls; its members have not.
            return ()
        return _policies(attached, inline, via=f"group {group}")


class Everybody:
    """A listing of all users that those share who ask for one of them at about one time.

    Where policies may not be read user by user, a thousand readings would else be a
    thousand listings of the whole account. One event loop's own.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._gate = asyncio.Lock()
        self._users: dict[str, User] = {}
        self._began = self._until = -math.inf

    def at_hand(self, name: str) -> User | None:
        """The user as listed a moment ago; None where nobody asked for that."""
        return self._users.get(name) if time.monotonic() < self._until else None

    async def user(self, name: str) -> User | None:
        """The user, listed a moment ago or now. None when a listing has none of that name.

        Raises:
            BackendError: nobody can be listed so.
        """
        asked = time.monotonic()
        async with self._gate:
            newer = name not in self._users and self._began < asked
            if newer or time.monotonic() >= self._until:
                self._began = time.monotonic()
                listing = await People(self._aws).details()
                self._users = {user.name: user for user in listing.users}
                self._until = time.monotonic() + AT_HAND
            return self._users.get(name)


def _bare(told: Mapping[str, Any]) -> User:
    return User(
        name=str(member(told, "UserName", "an IAM user")),
        id=str(told.get("UserId", "")),
        arn=str(told.get("Arn", "")),
        path=str(told.get("Path", "")),
    )


def _detailed(told: Mapping[str, Any], groups: Mapping[str, tuple[Grant, ...]]) -> User:
    grants = [*_boundary(told)]
    grants.extend(
        _policies(
            told.get("AttachedManagedPolicies", ()),
            (policy["PolicyName"] for policy in told.get("UserPolicyList", ())),
        )
    )
    for group in told.get("GroupList", ()):
        grants.append(Grant("group", str(group)))
        grants.extend(groups.get(str(group), ()))
    return msgspec.structs.replace(
        _bare(told),
        tags=known(_tags(told.get("Tags", ())), f"iam {DETAILS}"),
        grants=known(_sorted(grants), POLICIES),
    )


def _tags(told: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in told}


def _boundary(told: Mapping[str, Any]) -> tuple[Grant, ...]:
    arn = str(told.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""))
    return (Grant("permissions boundary", arn.rpartition("/")[2]),) if arn else ()


def _policies(
    attached: Iterable[Mapping[str, Any]], inline: Iterable[str], via: str = ""
) -> tuple[Grant, ...]:
    managed = [Grant("managed policy", str(policy["PolicyName"]), via=via) for policy in attached]
    return (*managed, *(Grant("inline policy", str(name), via=via) for name in inline))


def _sorted(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    return tuple(sorted(grants, key=lambda grant: (grant.via, grant.kind, grant.name)))
