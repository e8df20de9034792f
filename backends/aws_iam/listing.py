"""The whole account, once: its users, their keys, and what an account hides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from backends.aws_iam.client import Aws, member
from backends.aws_iam.keys import Keys
from backends.aws_iam.people import People
from backends.aws_iam.trail import EventHistory
from backends.errors import AuthFailed, BackendError, Forbidden, Unreachable
from backends.model import Found, Gap, GapKind, Progress

SESSIONS = "temporary credentials (ASIA...) of roles and sessions"


async def inventory(
    aws: Aws, trail: EventHistory, keys: Keys, account: str
) -> AsyncIterator[Found]:
    """Everything that can be seen, and a gap for what cannot.

    Raises:
        BackendError: the users cannot be listed, or nothing works any more.
    """
    now = datetime.now(UTC)
    scope = f"account {account}"
    yield Progress(0, None, "users")
    people = People(aws)
    asking = asyncio.ensure_future(trail.creators(now))
    try:
        listing = await people.all()
        creators, gap = await asking
    finally:
        asking.cancel()
    if gap:
        yield gap
    for unseen in await asyncio.gather(_root(aws, scope), _services(aws, scope)):
        if unseen:
            yield unseen
    hint = "Their use shows in CloudTrail; deny them with a policy on their role or user."
    yield Gap(scope, GapKind.UNLISTABLE, SESSIONS, hint)
    if listing.stopped:
        what = f"users after the first {len(listing.users)}: {listing.stopped}"
        hint = "Check that endpoint_url leads to AWS, then sync again."
        yield Gap(scope, GapKind.LIMITED, what, hint)
    complete = not listing.stopped
    async for found in keys.stream(listing.users, complete, people.missed, creators, now):
        yield found
    for gap in people.missed.gaps(scope):
        yield gap


async def _root(aws: Aws, scope: str) -> Gap | None:
    """A gap for the root user's keys, unless the account says that it has none."""
    what = "access keys of the root user"
    hint = "Only the root user can list and delete them: sign in as root."
    try:
        answer = await aws.ask("iam", "GetAccountSummary")
        present = member(answer, "SummaryMap", "GetAccountSummary").get("AccountAccessKeysPresent")
    except (AuthFailed, Unreachable):
        raise
    except Forbidden as error:
        return Gap(scope, GapKind.UNLISTABLE, f"{what} (whether there are: {error.message})", hint)
    except BackendError:
        return Gap(scope, GapKind.UNLISTABLE, f"{what} (whether there are any is not known)", hint)
    if present == 0:
        return None
    there = " (there are)" if present else ""
    return Gap(scope, GapKind.UNLISTABLE, what + there, hint)


async def _services(aws: Aws, scope: str) -> Gap | None:
    """A gap for credentials of single services, which this backend does not read."""
    operation = "ListServiceSpecificCredentials"
    what = "service-specific credentials (CodeCommit, Bedrock, CloudWatch Logs)"
    hint = "List them with: aws iam list-service-specific-credentials --all-users"
    try:
        answer = await aws.ask("iam", operation, attempts=1, AllUsers=True)
        number = len(member(answer, "ServiceSpecificCredentials", operation))
    except (AuthFailed, Unreachable):
        raise
    except Forbidden as error:
        return Gap(scope, GapKind.REFUSED, f"{what}: {error.message}", error.hint)
    except BackendError:
        return Gap(scope, GapKind.UNLISTABLE, f"{what}: not listed here", hint)
    more = "or more " if answer.get("IsTruncated") else ""
    if number or more:
        return Gap(scope, GapKind.LIMITED, f"{what}: {number} {more}exist, none is read", hint)
    return None
