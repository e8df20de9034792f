"""Access keys: listed user by user, each with its last use, and put into the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from backends import words
from backends.aws_iam import ids
from backends.aws_iam.client import Aws, member, utc
from backends.aws_iam.people import PERSONAL, Missed, User, every
from backends.aws_iam.trail import Creators
from backends.errors import BackendError, Forbidden, NotFound
from backends.model import (
    UNBOUND,
    Binding,
    Found,
    Gap,
    GapKind,
    Principal,
    Progress,
    Reading,
    ScopeDone,
    Token,
    TokenRef,
    TokenState,
    known,
    never,
    not_read,
    not_tracked,
)

KIND = "access-key"
SLOTS = 2
"""Access keys that one user may have (IAM quotas; it cannot be raised)."""

USE_STEP = timedelta(minutes=15)
"""Of several uses within 15 minutes AWS records the first only (the credential report's page)."""

CONDITIONS = "IAM access keys; a policy's conditions may still limit them"

MAX_GAPS = 20
"""Users whose keys cannot be listed that are named one by one; the rest is counted."""

LAST_USE = "GetAccessKeyLastUsed"

STATES = {
    "Active": TokenState.ACTIVE,
    "Inactive": TokenState.DISABLED,
    "Expired": TokenState.EXPIRED,
}

OWNER_TAGS = ("owner", "team", "contact", "service-owner", "maintainer")
"""Tags that name who is accountable, in the order in which they are believed."""


class KeyUse:
    """When, where and for what a key was last used."""

    __slots__ = ("at", "service")

    def __init__(self, at: Reading[datetime], service: Reading[str]) -> None:
        self.at = at
        self.service = service

    @classmethod
    def told(cls, answer: Mapping[str, Any], as_of: datetime) -> KeyUse:
        """The last use as ``GetAccessKeyLastUsed`` tells it."""
        use = member(answer, "AccessKeyLastUsed", LAST_USE)
        source = f"iam {LAST_USE}"
        at = use.get("LastUsedDate")
        if at is None:
            return cls(never(source, as_of), never(source, as_of))
        what = f"{use.get('ServiceName', '')} in {use.get('Region', '')}"
        return cls(known(utc(at), source, as_of, USE_STEP), known(what, source, as_of))

    @classmethod
    def unread(cls, reading: Reading[Any]) -> KeyUse:
        """A last use that is not known, for the reason in ``reading``."""
        return cls(reading, reading)


class Keys:
    """Reads access keys for the backend called ``backend``."""

    def __init__(
        self, aws: Aws, backend: str, account: str, owner_tags: Iterable[str], parallel: int
    ) -> None:
        self._aws = aws
        self._backend = backend
        self._account = account
        self._owner_tags = [tag.casefold() for tag in owner_tags]
        self._parallel = parallel

    async def of_user(self, name: str) -> list[Mapping[str, Any]]:
        """The user's keys as ListAccessKeys tells them. Raises ``NotFound`` without such a user."""
        operation = "ListAccessKeys"
        keys = await every(self._aws, operation, "AccessKeyMetadata", UserName=name)
        for key in keys:
            member(key, "AccessKeyId", operation)
        return keys

    async def use(self, key_id: str, as_of: datetime) -> tuple[str, KeyUse]:
        """The name of the user who has a key, and its last use. Raises ``NotFound``."""
        answer = await self._aws.ask("iam", LAST_USE, AccessKeyId=key_id)
        return str(answer.get("UserName", "")), KeyUse.told(answer, as_of)

    async def stream(
        self,
        users: Iterable[User],
        complete: bool,
        missed: Missed,
        creators: Creators,
        as_of: datetime,
    ) -> AsyncIterator[Found]:
        """Everything about the users' keys. Scopes are done only if the users are complete.

        Raises:
            BackendError: a trouble with everything (``Missed.bear``).
        """
        everybody = list(users)
        seen = dict.fromkeys(ids.shards(self._account), 0)
        broken: set[str] = set()
        unlisted: list[Gap] = []
        queue = iter(everybody)
        running: set[asyncio.Task[list[Token] | Gap]] = set()
        done = 0
        try:
            while True:
                while len(running) < self._parallel * 2 and (user := next(queue, None)):
                    job = self._whole(user, missed, creators, as_of)
                    running.add(asyncio.ensure_future(job))
                if not running:
                    break
                ready, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ready:
                    done += 1
                    result = task.result()
                    if isinstance(result, Gap):
                        broken.add(result.scope)
                        unlisted.append(result)
                        if len(unlisted) <= MAX_GAPS:
                            yield result
                        continue
                    for token in result:
                        seen[token.scope] += 1
                        yield token
                yield Progress(done, len(everybody), "users")
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        for kind in GapKind:
            more = [gap for gap in unlisted[MAX_GAPS:] if gap.kind is kind]
            if more:
                others = words.count(len(more), "more user")
                what = f"access keys of {others}; the last: {more[-1].what}"
                yield Gap(f"account {self._account}", kind, what, more[-1].hint)
        for scope, count in seen.items():
            if complete and scope not in broken:
                yield ScopeDone(scope, count)

    async def _whole(
        self, user: User, missed: Missed, creators: Creators, as_of: datetime
    ) -> list[Token] | Gap:
        """The user's tokens, or the gap where their list cannot be had."""
        try:
            listed = await self.of_user(user.name)
            missed.fine()
        except NotFound:
            return []
        except BackendError as error:
            missed.bear(error)
            return Gap(
                ids.shard_of(self._account, user.name),
                GapKind.REFUSED if isinstance(error, Forbidden) else GapKind.FAILED,
                f"access keys of the user {user.name}: {error.message}",
                error.hint,
            )
        tokens: list[Token] = []
        for key in listed:
            try:
                _, use = await self.use(str(key["AccessKeyId"]), as_of)
            except NotFound:
                use = KeyUse.unread(not_read("the key went away while it was read"))
            except PERSONAL as error:
                use = KeyUse.unread(missed.add("last use of keys", error))
            tokens.append(self.token(user, key, len(listed), use, creators))
        return tokens

    def token(
        self, user: User, key: Mapping[str, Any], slots: int, use: KeyUse, creators: Creators
    ) -> Token:
        """One key in the model's words."""
        id_ = str(key["AccessKeyId"])
        state = STATES.get(str(key.get("Status", "")), TokenState.UNKNOWN)
        created = utc(key["CreateDate"]) if key.get("CreateDate") else None
        expired = state is TokenState.EXPIRED
        return Token(
            ref=TokenRef(self._backend, KIND, id_),
            # User names hold no slash, so the two parts stay apart, and can be typed.
            name=f"{user.name}/{id_[-4:]}",
            scope=ids.shard_of(self._account, user.name),
            state=state,
            principal=known(Principal(user.id or user.name, user.name, "user"), "IAM users"),
            owner=self._owner(user),
            created_at=(
                known(created, "iam ListAccessKeys")
                if created
                else not_read("iam ListAccessKeys gave no date")
            ),
            created_by=creators.of(id_, created),
            last_used_at=use.at,
            last_used_from=not_tracked("IAM keeps no address; CloudTrail does, see its dependents"),
            last_used_for=use.service,
            expires_at=(
                not_tracked("IAM says that it expired, not when")
                if expired
                else never("IAM access keys do not expire by themselves")
            ),
            grants=user.grants,
            parent=never("access keys are issued to users, not by other keys"),
            # SigV4 proves each request with the secret, and whoever copies that can do the same.
            binding=known("bearer: signs each request, and its secret can be copied", CONDITIONS),
            bound=known(Binding.BEARER, CONDITIONS),
            enforced=not_tracked(UNBOUND),
            facts=self._facts(user, id_, slots),
        )

    def _owner(self, user: User) -> Reading[str]:
        tags = user.tags
        if tags.value is None:
            return Reading(tags.how, None, tags.source)
        folded = {tag.casefold(): tag for tag in tags.value}
        for wanted in self._owner_tags:
            value = tags.value[folded[wanted]].strip() if wanted in folded else ""
            if value:
                return known(value, f"user tag {folded[wanted]}")
        return never("the user has no owner tag")

    def _facts(self, user: User, id_: str, slots: int) -> tuple[tuple[str, str], ...]:
        facts = [
            ("user arn", user.arn),
            ("path", user.path),
            ("slots", f"{slots} of {SLOTS}"),
        ]
        tags = user.tags.or_else({})
        # The AWS web console keeps a key's description in a user tag named like the key.
        facts.append(("description", tags.get(id_, "")))
        facts.extend(
            (f"tag {tag}", value)
            for tag, value in sorted(tags.items())
            if not ids.KEY_ID.fullmatch(tag)
        )
        facts.extend(
            ("policy seen", f"{grant.name} ({grant.kind}{', ' + grant.via if grant.via else ''})")
            for grant in user.policies_seen
        )
        return tuple((name, value) for name, value in facts if value)
