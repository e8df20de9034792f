"""Single events: those of a stretch of time, and one of them whole, without secrets."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from backends.model import EventClass
from console.journal.format.scan import withhold
from console.store.queries import events
from console.timeline.view import Timeline

CLASSES: dict[str, str] = {
    EventClass.LIFE: "life: it was made, changed or ended",
    EventClass.PERMISSION: "permission: what it may do was changed",
    EventClass.USE: "use",
    EventClass.DENIED: "denied: its value was shown and refused",
    EventClass.OTHER: "other: its log does not tell whether that is a use",
}


class ShownEvent(NamedTuple):
    """One event. All text is as the log had it, but for what looks like a secret."""

    key: int
    at: int
    action: str
    sort: str
    """life, permission, use, denied or other."""
    outcome: str
    actor: str
    target: str
    source: str
    agent: str
    origin: str
    detail: str
    handle: str | None
    backend: str
    after: bool = False
    """Let through after the token was revoked."""


def within(
    timeline: Timeline,
    start: int,
    end: int,
    *,
    lane: str | None = None,
    limit: int = 200,
    skip: int = 0,
) -> list[ShownEvent]:
    """The events from ``start`` to before ``end``, oldest first; of one lane if it is named."""
    keys = None
    if lane is not None:
        aliases = timeline.subject.aliases.items()
        keys = [lane, *(alias for alias, token in aliases if token == lane)]
    rows = events.within(
        timeline.connection, timeline.whose, start, end,
        by=timeline.by, keys=keys, limit=limit, skip=skip,
    )  # fmt: skip
    return [_event(timeline, row) for row in rows]


def one(timeline: Timeline, key: int) -> ShownEvent | None:
    """One event; None when it was dropped in the meantime."""
    row = events.one(timeline.connection, key)
    return None if row is None else _event(timeline, row)


def facts(timeline: Timeline, event: ShownEvent) -> list[tuple[str, str]]:
    """An event whole, line by line: what stands in it, and under which seal it is."""
    sealed = events.seal_of(timeline.connection, event.key)
    told = [
        ("action", event.action),
        ("class", CLASSES.get(event.sort, event.sort)),
        ("outcome", event.outcome + (", after the token was revoked" if event.after else "")),
        ("actor", event.actor),
        ("target", event.target),
        ("from", event.source),
        ("agent", event.agent),
        ("detail", event.detail),
        ("log", event.origin),
        ("backend", event.backend),
        ("token", event.handle or "none that is known"),
        ("sealed", f"journal entry {sealed}" if sealed else "not yet"),
    ]
    return [(name, value) for name, value in told if value]


_INTENT = re.compile(
    r"\b(?:token-console|intent)/"
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?![\w-])"
)
"""What our own calls name themselves: the id of the journal's intent, which is no secret."""


def _agent(text: str) -> str:
    """A program's name without secrets, and with the intent that it names as ours."""
    shown, place = "", 0
    for found in _INTENT.finditer(text):
        shown += withhold(text[place : found.start()]) + found[0]
        place = found.end()
    return shown + withhold(text[place:])


def _event(timeline: Timeline, row: tuple[Any, ...]) -> ShownEvent:
    event = ShownEvent(*row)
    late = timeline.ended is not None and event.at > timeline.ended
    return event._replace(
        # What a client can put a secret into: a path, a program's name, an error's own words.
        target=withhold(event.target),
        agent=_agent(event.agent),
        detail=withhold(event.detail),
        actor=withhold(event.actor, formats_only=True),
        action=withhold(event.action, formats_only=True),
        handle=timeline.subject.aliases.get(event.handle or "", event.handle),
        after=late and event.outcome == "ok" and event.sort == EventClass.USE,
    )
