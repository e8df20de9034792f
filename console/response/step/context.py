"""What the execution of a run on one backend works with.

The journal is a run's only state: what it holds is asked of ``board``, which is its fold.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from backends.contract import Backend
from backends.model import Secret
from console.journal.format.entry import Kind
from console.journal.format.parts import Sig
from console.journal.format.sentence import Entry
from console.journal.read import fingerprint
from console.journal.witnessing import Witnesses
from console.journal.write.group import GroupCommit
from console.journal.write.journal import Journal
from console.response.plan.model import Plan
from console.response.state.history import History
from console.response.step.bulk_look import BulkLook
from console.response.step.pace import Pace
from console.settings import Paths

_ANSWERS = frozenset({Kind.OUTCOME, Kind.RECOVERY, Kind.EVIDENCE, Kind.OBSERVE})
"""What the runner says about its calls, signed with the key that signed them."""


class StepContext:
    """One backend's part of a run: where it writes, whom it asks, how fast it may be.

    ``secrets`` are old values in hand, by their tokens' handles; they are in memory only.
    ``patience`` is for how many seconds at most an effect is waited for in one go; None is
    what the backend declares. ``single`` says that the plan has one token, which then gets
    its checks at the very last moment.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        backend: Backend,
        paths: Paths,
        group: GroupCommit,
        journal: Journal,
        board: History,
        lane: Pace,
        secrets: Mapping[str, Secret] | None = None,
        sinks: Mapping[str, Any] | None = None,
        sign: Callable[[bytes], Sig | None] | None = None,
        answer: Callable[[bytes], Sig | None] | None = None,
        witnesses: Witnesses | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        stopping: Callable[[], bool] = lambda: False,
        held: Callable[[], bool] = lambda: False,
        patience: float | None = None,
    ) -> None:
        self.plan, self.backend, self.paths = plan, backend, paths
        self.group, self.journal = group, journal
        self.board, self.lane = board, lane
        self.secrets, self.sinks = dict(secrets or {}), dict(sinks or {})
        self.sign, self.answer, self.witnesses = sign, answer, witnesses
        self.sleep, self.now, self.stopping = sleep, now, stopping
        self.held = held
        """Whether no further call may begin: the run is paused, or the lane has halted."""
        self.patience = patience
        self.single = len(plan.items) == 1
        self.bulk = BulkLook(backend, many=not self.single)
        """Where many tokens are looked at together."""
        self._pepper: bytes | None = None

    async def record(self, kind: Kind, **fields: Any) -> Entry:
        """Write an entry, durably, and take it into the fold.

        What came of a call is signed with the key of the session that the call was made in.
        Every entry carries the plan's incident.

        Raises:
            JournalError: it is not certain that the entry is durable; ``Taken`` and
                ``AlreadyRecorded`` among them.
        """
        if kind in _ANSWERS:
            fields |= {"sign": self.answer, "waits": False}
        elif kind is Kind.INTENT:
            fields |= {"answer": self.answer}
        fields.setdefault("incident", self.plan.incident)
        entry = await self.group.append(kind, **fields)
        self.board.feed([entry])
        return entry

    def fingerprint(self, value: Secret) -> str:
        """The value's keyed fingerprint. Raises ``JournalError`` without a usable pepper."""
        if self._pepper is None:
            self._pepper = fingerprint.pepper(self.journal.files.pepper, make=True) or b""
        return fingerprint.fingerprint(self._pepper, value)
