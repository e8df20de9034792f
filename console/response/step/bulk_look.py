"""Looks at many tokens that are to be gone, by few requests: one list shows all that are.

Whoever waits for an effect asks here. What is asked at about one time goes together, where the
backend can tell of many (``KindCapabilities.in_bulk``); what that does not show as gone is read
by itself. Reads, never changes.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from backends.contract import Backend
from backends.model import Token, TokenRef
from console.response.step.read_back import GONE, READ_TIMEOUT, ReadBack, look

TICK = 0.02
"""Seconds between two looks at whether all are there that may go along."""
LONGEST = 1.0
"""Seconds that a question waits for others: at a slow pace, those would be few."""
LEAST = 8
"""Tokens for which a list is asked for at all."""
MOST = 64
"""Tokens that no longer wait for more: the calls go on while these are asked about."""


class _Waiting(NamedTuple):
    token: Token
    told: asyncio.Future[bool]
    """Whether a list has shown that the token is gone."""


class BulkLook:
    """The looks at one backend's tokens. One event loop's own.

    ``many`` says that there are others to wait for.
    """

    def __init__(self, backend: Backend, *, many: bool) -> None:
        self._backend, self._many = backend, many
        self.under_way = 0
        """Attempts that have begun: each of them may come with a question soon."""
        self._waiting: list[_Waiting] = []
        self._asking: asyncio.Task[None] | None = None

    async def look(
        self, token: Token, expect: str, gate: AbstractAsyncContextManager[None] | None = None
    ) -> ReadBack:
        """As ``read_back.look``, for a token of the plan. ``gate`` is held for a single look."""
        if (
            self._many
            and expect == GONE
            and self._backend.capabilities().of(token.ref.kind).in_bulk
        ):
            told = asyncio.get_running_loop().create_future()
            self._waiting.append(_Waiting(token, told))
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask())
            if await told:
                return ReadBack(True, "the system no longer lists it")
        async with gate or contextlib.nullcontext():
            return await look(self._backend, token.ref, expect)

    async def _ask(self) -> None:
        """Answer what is asked, as long as anything is: what came meanwhile goes together."""
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                waited = 0.0
                while len(self._waiting) < min(self.under_way, MOST) and waited < LONGEST:
                    await asyncio.sleep(TICK)
                    waited += TICK
                batch, self._waiting = self._waiting, []
                gone: frozenset[TokenRef] = frozenset()
                if len(batch) >= LEAST:
                    gone = await self._list([each.token for each in batch])
                for each in batch:
                    if not each.told.done():
                        each.told.set_result(each.token.ref in gone)
        finally:
            self._asking = None
            for each in (*batch, *self._waiting):
                if not each.told.done():
                    each.told.set_result(False)
            self._waiting = []

    async def _list(self, tokens: list[Token]) -> frozenset[TokenRef]:
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                return await self._backend.gone(tokens)
        except Exception:  # noqa: BLE001
            # Each is read by itself then, and what is wrong is told of each.
            return frozenset()
