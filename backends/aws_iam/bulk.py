"""Many keys for less than one by one: their records, and which of them are gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from backends.aws_iam.client import Aws
from backends.aws_iam.keys import Keys
from backends.aws_iam.lookup import Lookup
from backends.aws_iam.people import AT_HAND, People
from backends.aws_iam.trail import Creators
from backends.model import Token, TokenRef

FEW = 8
"""Keys for fewer than which nobody lists what all users of the account may do."""


class KeyAtHand(NamedTuple):
    """What was read of a key among many: its user's name, and that user's keys.

    ``until`` is when it is too old to plan by, by the clock of ``time.monotonic``.
    """

    user: str
    listed: list[Mapping[str, Any]]
    until: float


class Bulk:
    """Asks about many keys at a time with the console's reading credential."""

    def __init__(self, aws: Aws, lookup: Lookup) -> None:
        self._aws = aws
        self._lookup = lookup
        self._read: dict[TokenRef, KeyAtHand] = {}

    async def read(
        self, keys: Keys, refs: Sequence[TokenRef], creators: Creators, now: datetime
    ) -> dict[TokenRef, Token]:
        """Those of these keys that could be read: one listing of all users, one of each's keys.

        Raises:
            BackendError: users cannot be listed with what they may do.
        """
        if len(refs) < FEW:
            return {}
        users = {user.name: user for user in (await People(self._aws).details()).users}
        listings: dict[str, asyncio.Future[list[Mapping[str, Any]]]] = {}

        async def one(ref: TokenRef) -> Token | None:
            name, use = await self._lookup.find(ref.id, now)
            if name not in listings:
                listings[name] = asyncio.ensure_future(keys.of_user(name))
            listed, user = await listings[name], users.get(name)
            key = next((key for key in listed if key.get("AccessKeyId") == ref.id), None)
            if key is None or user is None:
                return None
            self._read[ref] = KeyAtHand(name, listed, time.monotonic() + AT_HAND)
            return keys.token(user, key, len(listed), use, creators)

        found = await asyncio.gather(*map(one, refs), return_exceptions=True)
        told = zip(refs, found, strict=True)
        return {ref: token for ref, token in told if isinstance(token, Token)}

    def at_hand(self, ref: TokenRef) -> KeyAtHand | None:
        """What was read of a key a moment ago, for the one plan that it was read for."""
        found = self._read.pop(ref, None)
        return found if found is not None and time.monotonic() < found.until else None

    async def gone(self, keys: Keys, tokens: Sequence[Token]) -> frozenset[TokenRef]:
        """The keys that are missing in the list of their user's keys.

        Of a user who is not there nothing is told: it may have another name by now.
        """
        users: dict[str, list[TokenRef]] = {}
        for token in tokens:
            if token.principal.value is not None:
                users.setdefault(token.principal.value.name, []).append(token.ref)
        listings = await asyncio.gather(*map(keys.of_user, users), return_exceptions=True)
        gone: set[TokenRef] = set()
        for refs, listed in zip(users.values(), listings, strict=True):
            if isinstance(listed, list):
                there = {str(key["AccessKeyId"]) for key in listed}
                gone.update(ref for ref in refs if ref.id not in there)
        return frozenset(gone)
