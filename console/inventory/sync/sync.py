"""Brings the store up to what the backends say, and never takes a failure for an absence."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from backends.contract import Backend, Capabilities, Health, WhoAmI
from backends.errors import AuthFailed, ConfigError, MissingLibrary, TimedOut, Unreachable
from backends.model import Gap, GapKind, Progress, ScopeDone, Token, TokenRef
from backends.words import count
from console.inventory.sync import (
    confirm_gone,
    coverage,
    listing,
    refresh,
    remove_backend,
    write_tokens,
)
from console.inventory.sync.coverage import Gaps, Trouble, trouble
from console.inventory.sync.lock import SyncUnderWay, only_one
from console.inventory.sync.validate import Garbage, shape
from console.inventory.sync.write_tokens import SyncPass
from console.store.database import Connection, Engine
from console.store.write import backends, tokens
from console.store.writer import StoreWriter, off_loop

BATCH = 10_000
"""Tokens in one transaction. Each of them rewrites a part of every index: a few large ones cost
half of many small ones."""
CONFIRM_LIMIT = 2_000
"""Missing tokens that are asked for in one look; a later look asks for the others."""
TOKEN_LIMIT = 5_000_000
"""Tokens that one look takes before it believes that the listing never ends."""
HOPELESS = (AuthFailed, ConfigError, MissingLibrary, TimedOut, Unreachable)
"""Errors of the first call after which no other call needs to be tried."""


class SyncReport(NamedTuple):
    """How a look ended. ``result`` is ok, partial, failed, or busy when another one goes on."""

    backend: str
    result: str
    tokens: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0
    back: int = 0
    gaps: int = 0
    message: str = ""
    hint: str = ""
    unreachable: bool = False
    """It failed since no connection could be had."""


class Syncer(StoreWriter):
    """Brings a store up to what backends say, one backend at a time."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], float] = time.time,
        batch: int = BATCH,
        confirm_limit: int = CONFIRM_LIMIT,
        token_limit: int = TOKEN_LIMIT,
    ) -> None:
        super().__init__(engine, clock=clock)
        self._batch = batch
        self._confirm_limit = confirm_limit
        self._token_limit = token_limit
        self._skews: dict[str, int] = {}

    async def sync(
        self,
        backend: Backend,
        on_progress: Callable[[Progress], None] | None = None,
        *,
        wait: bool = False,
    ) -> SyncReport:
        """One look at an opened backend. With ``wait``, another look at it is waited for.

        Each batch is written as it comes; what the look means for the tokens that it did
        not see is written at its end, and only if it comes to one.
        """
        try:
            async with only_one(self._path, backend.name, wait=wait):
                try:
                    return await self._look(backend, on_progress or (lambda progress: None))
                except BaseException:
                    with contextlib.suppress(Exception):
                        self.write_now(coverage.stop, backend.name)
                    raise
        except SyncUnderWay:
            return SyncReport(backend.name, "busy", message="another look at it goes on")

    async def refresh(self, backend: Backend, ref: TokenRef) -> Token | None:
        """Read one token again. None when its system says that there is none such.

        Raises:
            BackendError: it could not be read; the store is as before.
        """
        return await refresh.refresh(self, backend, ref)

    async def record_failure(self, name: str, type_: str, error: Exception) -> None:
        """Show on a backend's row that it could not even be configured or opened, or broke."""
        await self.write(self._failed_early, name, type_, trouble(error))

    async def remove_backend(self, backend: str) -> int:
        """Remove a backend with its tokens, history and events. Returns the tokens removed."""
        async with only_one(self._path, backend, wait=True):
            return await remove_backend.remove_backend(self, backend)

    def skew(self, backend: str) -> int | None:
        """Milliseconds by which a system's clock is ahead of ours, as this process saw it."""
        return self._skews.get(backend)

    async def _look(self, backend: Backend, report: Callable[[Progress], None]) -> SyncReport:
        at = self.time()
        try:
            capabilities = backend.capabilities()
        except Exception as error:  # noqa: BLE001
            # A third party's backend may fail in any way; it is its own row that shows it.
            return await self._fail(backend, trouble(error, backend))
        first, unseen = await self.write(self._begin, backend, capabilities, at)
        look = SyncPass(backend.name, at, first=first, unseen=unseen)
        gaps = Gaps()
        hopeless = await self._greet(backend, gaps)
        if hopeless is not None:
            return await self._fail(backend, hopeless)
        stream = await listing.take_in(
            self, backend, look, gaps, report, self._batch, self._token_limit
        )
        if stream.trouble is not None:
            return await self._fail(backend, stream.trouble, look)
        unlisted = await self._missing(backend, look, stream)
        found = stream.gaps.all(backend.name)
        result = await self.write(self._end, backend.name, look, unlisted, found, stream.scopes)
        return self._report(backend.name, result, look)._replace(gaps=len(found))

    def _report(self, name: str, result: str, look: SyncPass) -> SyncReport:
        counts = look.counts
        return SyncReport(
            name,
            result,
            tokens=sum(look.listed.values()),
            new=counts["new"],
            changed=counts["changed"],
            gone=counts["gone"],
            back=counts["back"],
        )

    async def _fail(
        self, backend: Backend, why: Trouble, look: SyncPass | None = None
    ) -> SyncReport:
        await self.write(self._failed, backend, why)
        report = self._report(backend.name, "failed", look or SyncPass(backend.name, 0, first=True))
        return report._replace(message=why.message, hint=why.hint, unreachable=why.unreachable)

    async def _greet(self, backend: Backend, gaps: Gaps) -> Trouble | None:
        """Health and own credential. Returns a trouble that makes going on pointless.

        What they say is of this process alone, and is not kept (see ``console.contact``): the
        next one to look may have another credential. Only how far the system's clock is off
        is, with the events that it dates.
        """
        try:
            health = await backend.health()
        except HOPELESS as error:
            return trouble(error)
        except Exception as error:  # noqa: BLE001
            # Some systems forbid this and list all the same.
            why = trouble(error, backend)
            gaps.add(backend.name, why.kind, f"health: {why.message}", why.hint)
        else:
            self._check(backend, health, Health, gaps)
            skew = getattr(health, "skew", None)
            if isinstance(skew, timedelta):
                self._skews[backend.name] = int(skew.total_seconds() * 1000)
        try:
            self._check(backend, await backend.whoami(), WhoAmI, gaps)
        except HOPELESS as error:
            return trouble(error)
        except Exception as error:  # noqa: BLE001
            # As above.
            why = trouble(error, backend)
            gaps.add(backend.name, why.kind, f"own credential: {why.message}", why.hint)
        return None

    def _check(self, backend: Backend, told: object, promised: type, gaps: Gaps) -> None:
        if not isinstance(told, promised):
            what = "health or own credential: not what a backend promises"
            gaps.add(backend.name, GapKind.FAILED, what, coverage.FAULT_HINT)

    async def _missing(
        self, backend: Backend, look: SyncPass, stream: listing.ListingEnd
    ) -> list[int]:
        """Decide about what was not listed. Returns the rows that this look has not seen."""
        named = {gap.scope for gap in stream.gaps.all(backend.name)}
        found = await off_loop(
            lambda: confirm_gone.missing(
                self._path, backend.name, look.seen, stream.scopes, named, self._confirm_limit
            )
        )
        for scope, times in found.left_over.items():
            more = count(times, "more missing token was", "more missing tokens were")
            what = f"{more} not asked for in this look"
            stream.gaps.add(scope, GapKind.LIMITED, what, "The next look asks for them.")
        for scope, times in found.unmentioned.items():
            what = f"{count(times, 'known token')} of this scope: the listing did not speak of it"
            stream.gaps.add(scope, GapKind.FAILED, what, "They stay as they were last seen.")
        asked = await confirm_gone.confirm(backend, found.refs, stream.gaps, backend.name)
        present = []
        for token in asked.present:
            try:
                present.append(shape(token, backend.name))
            except (Garbage, AttributeError) as error:
                what = f"a token read by itself: {trouble(error).message}"
                stream.gaps.add(backend.name, GapKind.FAILED, what, coverage.FAULT_HINT)
        if present:
            await self.write(write_tokens.write, look, present)
        for start in range(0, len(asked.gone), self._batch):
            numbers = asked.gone[start : start + self._batch]
            source = "not listed any more, and not found when asked for"
            await self.write(write_tokens.mark_gone, look, numbers, source)
        gone = set(asked.gone)
        return [num for num in found.newly_unseen if num not in look.seen and num not in gone]

    # The transactions.

    def _begin(
        self, connection: Connection, backend: Backend, capabilities: Capabilities, at: int
    ) -> tuple[bool, set[str]]:
        coverage.begin(connection, backend, capabilities, at)
        before = backends.synced_at(connection, backend.name)
        return before is None, coverage.unseen_scopes(connection, backend.name)

    def _failed(self, connection: Connection, backend: Backend, why: Trouble) -> None:
        coverage.begin(connection, backend, None, self.time())
        coverage.fail(connection, backend.name, why)

    def _failed_early(self, connection: Connection, name: str, type_: str, why: Trouble) -> None:
        backends.ensure(connection, name, coverage.clean(type_))
        backends.change(connection, name, tried_at=self.time())
        coverage.fail(connection, name, why)

    def _end(
        self,
        connection: Connection,
        name: str,
        look: SyncPass,
        unlisted: list[int],
        gaps: list[Gap],
        scopes: dict[str, ScopeDone],
    ) -> str:
        if unlisted:
            before = backends.synced_at(connection, name) or look.at
            tokens.unsee(connection, unlisted, before)
        named = [ScopeDone(scope, look.listed[scope]) for scope in scopes]
        return coverage.end(connection, name, look.at, gaps, named)
