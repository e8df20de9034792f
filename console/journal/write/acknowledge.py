"""A person settles an open intent that no read can settle, and says why.

What they found is kept as their word, apart from what a system's own records showed. The
runner must be dead: whoever calls this holds its lock meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from console.errors import UsageError
from console.journal.format import scan
from console.journal.format.entry import Kind, SchemaError
from console.journal.format.parts import KnownBy, Out, OutState, Sig
from console.journal.format.sentence import Entry
from console.journal.format.who import host
from console.journal.write.journal import Journal
from console.text import age

ELSEWHERE = timedelta(minutes=15)
"""How old an intent of another machine must be. Whether its runner lives is not to be seen
from here; a runner that is silent for so long is dead, or has no network."""


class PersonFound(StrEnum):
    """What the person found out about the call. Its value stands in the answer's status."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    UNKNOWN = "unknown"
    """Nobody will ever know: the system keeps no record."""


_WORDS = {
    PersonFound.APPLIED: "a person found that it was done",
    PersonFound.NOT_APPLIED: "a person found that it was not done",
    PersonFound.UNKNOWN: "a person found that it cannot be known any more",
}


def acknowledge(
    journal: Journal,
    wanted: Entry,
    why: str,
    found: PersonFound = PersonFound.UNKNOWN,
    sign: Callable[[bytes], Sig | None] | None = None,
) -> Entry:
    """Settle an open intent, or the one of which ``wanted`` is the unknown outcome.

    Raises:
        UsageError: it is not open, or its machine could still be at it.
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        AlreadyRecorded: somebody else settled it at this moment.
        JournalError: the journal takes no entry.
    """
    id_ = wanted.id if wanted.kind == Kind.INTENT else wanted.ref
    intent = next((each for each in journal.open_intents() if each.id == id_), None)
    if intent is None:
        raise UsageError(
            f"entry {wanted.seq} is no call that is still open",
            "See which are: token-console journal list --open.",
        )
    try:
        body = intent.body
    except SchemaError:
        raise UsageError(f"entry {intent.seq} cannot be read by this version") from None
    old = time.time() - intent.t_us / 1e6
    if body.host.machine != host().machine and old < ELSEWHERE.total_seconds():
        raise UsageError(
            f"{body.host.name} began that call {age(old)} ago, and could still be at it",
            f"Settle it there; or from here once it is {ELSEWHERE.seconds // 60} minutes old.",
        )
    return journal.append(
        Kind.RECOVERY,
        why=scan.reason(why),
        incident=intent.incident,
        act=body.act,
        out=Out(
            ref=intent.id,
            state=OutState.ACKNOWLEDGED,
            how=KnownBy.PERSON,
            status=found.value,
            detail=_WORDS[found],
        ),
        sign=sign,
    )
