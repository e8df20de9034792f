"""Whose key is it: from a key id to its user, also where AWS's answer is ambiguous."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from backends.aws_iam import ids
from backends.aws_iam.client import Aws
from backends.aws_iam.keys import Keys, KeyUse
from backends.aws_iam.people import PERSONAL, Missed, People
from backends.errors import BadAnswer, Forbidden, NotFound
from backends.model import not_permitted

BATCH = 100
"""Users whose keys are asked for together; the client bounds what is under way."""


class Lookup:
    """Finds the user of a key."""

    def __init__(self, aws: Aws, keys: Keys) -> None:
        self._aws = aws
        self._keys = keys
        self._gate = asyncio.Lock()
        self._began = 0.0
        self._owners: dict[str, str] = {}
        self._stopped = "nobody has looked"

    async def find(self, key_id: str, now: datetime) -> tuple[str, KeyUse]:
        """The name of the key's user, and its last use.

        Raises:
            NotFound: no user has it.
            Forbidden: that cannot be told from not being allowed to ask.
        """
        if not ids.WELL_FORMED.fullmatch(key_id):
            raise NotFound("no access key has such an id")
        try:
            name, use = await self._keys.use(key_id, now)
        except Forbidden as error:
            # The API's page names no error for a key that does not exist, and AWS may
            # answer AccessDenied then. Only a whole listing tells the two apart.
            await self._walk()
            if key_id in self._owners:
                return self._owners[key_id], KeyUse.unread(not_permitted(error.message))
            if self._stopped:
                raise
            raise NotFound(f"no user of the account has the access key {key_id}") from None
        if not name:
            raise BadAnswer("the answer to iam GetAccessKeyLastUsed has no UserName")
        return name, use

    async def _walk(self) -> None:
        """List all keys, in a listing that began after this was asked for.

        Many questions at one time share a listing.
        """
        asked = time.monotonic()
        async with self._gate:
            if self._began < asked:
                self._began = time.monotonic()
                self._stopped = "the listing did not end"
                self._owners, self._stopped = await self._listed()

    async def _listed(self) -> tuple[dict[str, str], str]:
        """Which user has which key, and why that is not whole, if it is not."""
        names, stopped = await People(self._aws).names()
        owners: dict[str, str] = {}
        missed = Missed()
        for start in range(0, len(names), BATCH):
            part = names[start : start + BATCH]
            jobs = (self._keys.of_user(name) for name in part)
            results = await asyncio.gather(*jobs, return_exceptions=True)
            for name, result in zip(part, results, strict=True):
                if isinstance(result, list):
                    owners.update((str(key["AccessKeyId"]), name) for key in result)
                elif isinstance(result, PERSONAL):
                    missed.bear(result)
                    stopped = f"the keys of {name} cannot be listed: {result.message}"
                elif not isinstance(result, NotFound):
                    raise result
        return owners, stopped
