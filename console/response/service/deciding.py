"""What a responder decides about a run that is under way: one entry each, with its reason."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from console.errors import UsageError
from console.journal import opening
from console.journal.format import scan
from console.journal.format.sentence import Entry
from console.journal.write.journal import Journal
from console.response.plan.model import Plan
from console.response.run import decisions
from console.settings import Paths


class Decide(StrEnum):
    """What can be decided. To close a run has a module of its own."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    UNHALT = "unhalt"
    """Let a halted lane go on, and try what failed in it again."""
    WAIVE = "waive"
    """Retire an old value without the proof that every consumer has moved."""
    EXCEPT = "except"
    """Let a token be until a date, on somebody's word."""


class Decision(NamedTuple):
    """A decision as a person words it; what does not belong to ``what`` stays empty."""

    what: str
    """One of ``Decide``."""
    reason: str
    item: str = ""
    """The token's number in the plan; for an exception, or a late arrival's handle."""
    backend: str = ""
    """Whose lane is to go on."""
    consumer: str = ""
    """The one consumer that is not waited for; empty for all of them."""
    owner: str = ""
    """Who answers for an exception."""
    until: str = ""
    """When an exception ends: ISO 8601, in UTC where it does not say otherwise."""


def decide(plan: Plan, paths: Paths, decision: Decision) -> Entry:
    """Write a decision into the journal; whoever runs the plan obeys it.

    Raises:
        UsageError: there is no such decision, item or late arrival, the date is none or is
            over, or nobody is named who answers for an exception.
        PlanRefused: the run was never approved, is over, or is not in that state.
        ReasonRefused: the reason is missing, too short, or holds what looks like a secret.
        JournalError: the journal cannot take it.
    """
    scan.reason(decision.reason)
    with opening.journal(paths) as journal:
        return _write(plan, journal, decision)


def _write(plan: Plan, journal: Journal, decision: Decision) -> Entry:
    why = decision.reason
    match decision.what:
        case Decide.PAUSE:
            return decisions.pause(plan, journal, why)
        case Decide.RESUME:
            return decisions.resume(plan, journal, why)
        case Decide.ABORT:
            return decisions.abort(plan, journal, why)
        case Decide.UNHALT:
            return decisions.unhalt(plan, journal, why, decision.backend)
        case Decide.WAIVE:
            return decisions.waive(plan, journal, why, _number(decision.item), decision.consumer)
        case Decide.EXCEPT:
            until = _date(decision.until)
            number, late = decisions.which(plan, decision.item)
            return decisions.except_(plan, journal, why, number, decision.owner, until, late=late)
        case what:
            raise UsageError(f"nothing that can be decided about a run: {what!r}")


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) < 12):
        raise UsageError(f"{word[:40]!r} is no item", "Give the token's number in the plan.")
    return int(word)


def _date(word: str) -> datetime:
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        raise UsageError(f"{word!r} is no date", "Write it as 2027-01-31.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
