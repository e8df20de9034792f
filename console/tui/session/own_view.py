"""What this console itself knows of a backend, next to what the shared store has of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from console.contact import FAILED, NOTICED, OK, SILENT, UNKNOWN, Contact
from console.inventory.search.inventory import BackendState

ENDED = ("ok", "partial", "failed")
"""How a look ends. "busy" is none of them: another process looked."""


OTHERS = "as the last look said, which was not this console's"
"""Behind an error of the shared store: another process may have had other credentials."""


class Mine(NamedTuple):
    """``news`` is the worker's last word about a look, ``looked`` the last that ended."""

    contact: Contact = UNKNOWN
    news: Mapping[str, Any] | None = None
    looked: Mapping[str, Any] | None = None

    @property
    def well(self) -> bool:
        """Whether it answered when it was last asked, and nothing is waited for."""
        return self.contact.state == OK and not self.contact.waiting_since

    @property
    def reads(self) -> bool:
        """Whether a look of ours goes on."""
        return self.news is not None and self.news.get("state") == "running"

    @property
    def log(self) -> tuple[int, float | None] | None:
        """What a look of ours has read so far of a log that was never read as far back.

        How many events, and from when on all of them. None where no such reading goes on.
        """
        told = self.news.get("log") if self.news is not None and self.reads else None
        if not told:
            return None
        events, back_to = told
        return int(events), None if back_to is None else float(back_to)

    def looking(self, now: float) -> int:
        """Seconds that a look of ours goes on; 0 where none does, or not for long."""
        if self.news is None or not self.reads:
            return 0
        took = int(now - float(self.news.get("began") or now))
        return took if took >= NOTICED else 0

    def waited(self, now: float) -> int:
        """Seconds of whatever is waited for."""
        return self.contact.waited(now) or self.looking(now)

    def result(self, state: BackendState) -> str:
        """ok, partial, failed, running or never: as this console sees it.

        Another one may have failed for want of a credential that we have, or got through
        where we do not.
        """
        mine = str(self.looked.get("state")) if self.looked is not None else ""
        if mine == "failed" or self.contact.state == FAILED:
            return "failed"
        return mine if mine and state.result == "failed" else state.result

    def trouble(self, state: BackendState) -> tuple[str, str]:
        """What is wrong, and what to do next; empty where nothing is."""
        if self.contact.state in (FAILED, SILENT):
            return self.contact.error, self.contact.hint
        if self.looked is not None:
            if self.looked.get("state") == "failed":
                return str(self.looked.get("message", "")), str(self.looked.get("hint", ""))
            return "", ""
        return state.error, state.hint

    @property
    def of_others(self) -> bool:
        """Whether what is wrong is known from the shared store only: from whoever looked last."""
        return self.contact.state not in (FAILED, SILENT) and self.looked is None


NOTHING = Mine()
"""Of a backend of which only the store tells."""
