"""Asks each backend how it is, apart from the long looks, so that silence is noticed.

One question to a system is under way at a time. What came of it goes to the screen and
nowhere else: it is this process's own (``console.contact``).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import msgspec

from backends.contract import Backend
from console import contact
from console.contact import FAILED, OK, SILENT, Contact
from console.fleet import Fleet

PERIOD = 15.0
"""Seconds from one question to the next; a system that came back is noticed within them."""
SOONEST = 1.0
"""Seconds between two questions at the least, however often a key is pressed."""


class Pulse:
    """Keeps asking one backend. ``tell`` gets each new contact, ``back`` is called when the
    system answers after it did not."""

    def __init__(
        self,
        fleet: Fleet,
        name: str,
        tell: Callable[[str, Contact], None],
        back: Callable[[str], None],
    ) -> None:
        self._fleet = fleet
        self._name = name
        self._tell = tell
        self._back = back
        self._nudged = asyncio.Event()
        self._known = contact.UNKNOWN
        self._used: Backend | None = None
        """What the question under way is put to."""
        self._may_open = False
        """It was open before. The first time is left to the look: opening may run a command
        that asks a person for the credential, and nobody is to be asked twice."""

    @property
    def well(self) -> bool:
        """Whether the system answered when it was last asked."""
        return self._known.state == OK and not self._known.waiting_since

    def nudge(self) -> None:
        """Ask again soon; what a silent system was asked is given up for it."""
        self._nudged.set()

    async def keep_asking(self) -> None:
        """Ask again and again, for ever."""
        while True:
            await self._openable()
            started = time.monotonic()
            self._used = None
            self._judge(await self._watched())
            rest = PERIOD - (time.monotonic() - started)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), max(rest, SOONEST))
            self._nudged.clear()
            await asyncio.sleep(max(SOONEST - (time.monotonic() - started), 0))

    def lost(self, error: str, hint: str) -> None:
        """A look found nobody there: that is known now, and nothing is waited for."""
        if self._known.state != SILENT:
            self._learn(Contact(state=FAILED, error=error, hint=hint))

    async def _openable(self) -> None:
        while not self._may_open:
            if self._fleet.opened(self._name) is None:
                await asyncio.sleep(SOONEST)
            else:
                self._may_open = True

    async def _open(self) -> Backend:
        self._used = await self._fleet.backend(self._name)
        return self._used

    async def _watched(self) -> Contact:
        """The answer. When it takes its time, that it is waited for is told meanwhile."""
        began = time.time()
        asking = asyncio.ensure_future(contact.ask(self._open, self._fleet.type_of(self._name)))
        nudged = asyncio.ensure_future(self._nudged.wait())
        try:
            await asyncio.wait({asking}, timeout=contact.NOTICED)
            # What has failed stays so until it is known better, however long that takes.
            quiet = self._known.waiting_since or self._known.state == FAILED
            if not asking.done() and not quiet:
                self._known = msgspec.structs.replace(self._known, waiting_since=began)
                self._tell(self._name, self._known)
            await asyncio.wait({asking, nudged}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done() and self._known.state == SILENT:
                # A line that died with the system would be waited for until it times out.
                return self._known
            return await asking
        finally:
            nudged.cancel()
            asking.cancel()

    def _judge(self, told: Contact) -> None:
        """Learn what came of a question, unless it came of something else."""
        if told.state == FAILED and self._used is None:
            # It cannot even be opened. A look tries that again, and tells why.
            self._may_open = False
        elif told.state == FAILED and self._used is not self._fleet.opened(self._name):
            # It was closed under the question, by a look that failed: that says nothing
            # of the system, and the look tells what does.
            self._withdraw()
            return
        self._learn(told)

    def _withdraw(self) -> None:
        """Nothing is waited for any more; a system that was silent still is."""
        if self._known.state != SILENT and self._known.waiting_since:
            self._known = msgspec.structs.replace(self._known, waiting_since=0)
            self._tell(self._name, self._known)

    def _learn(self, told: Contact) -> None:
        before = self._known
        if told.state == SILENT:
            # What was known before is still the last that it said; only the silence is new.
            told = msgspec.structs.replace(
                before,
                state=SILENT,
                error=told.error,
                hint=told.hint,
                waiting_since=before.waiting_since or told.waiting_since,
            )
        elif told.state == FAILED and not told.answered_at:
            told = msgspec.structs.replace(told, answered_at=before.answered_at)
        self._known = told
        if told != msgspec.structs.replace(before, answered_at=told.answered_at):
            self._tell(self._name, told)
        if told.state == OK and before.state not in (OK, ""):
            self._back(self._name)
