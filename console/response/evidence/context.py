"""What a step works with, and what is needed to show what came of it: the system's log."""

from __future__ import annotations

from functools import cached_property

from backends.contract import Verb
from console.response.evidence.audit_log import CONSUMERS, LOOKBACK, AuditLog
from console.response.step.context import StepContext


class LookMemory:
    """What one runner remembers of an item between two looks; the journal has the rest.

    Times are in unix seconds.
    """

    def __init__(self) -> None:
        self.read_at = 0.0
        self.probes: list[float] = []
        self.unsettled = 0
        self.no_probe = False
        self.looks = 0


class EvidenceContext(StepContext):
    """One backend's part of a run, with its log and with what was seen of each item."""

    @cached_property
    def log(self) -> AuditLog:
        """The one reader of this backend's log while the run goes on."""
        plan, name = self.plan, self.backend.name
        refs = [item.token.ref for item in plan.items if item.backend == name]
        lookback = CONSUMERS if plan.verb is Verb.ROTATE else LOOKBACK
        return AuditLog(self.backend, refs, plan.made_at.timestamp(), lookback)

    @cached_property
    def looks(self) -> dict[int, LookMemory]:
        """What is remembered of each item that was looked at, by the item's number."""
        return {}
