"""Single events: those of a stretch of time, and one of them whole, without secrets."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from backends.model import EventClass
from console.journal.format.scan import withhold
from console.timeline.view import BY, Timeline

COLUMNS = (
    "key, at, action, class, outcome, actor, target, source, agent, origin, detail, handle, backend"
)


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
    subject = timeline.subject
    if subject.tokens:
        which, some = "handle", subject.handles
    else:
        which, some = "backend", list(subject.backends)
    marks = ", ".join("?" * len(some)) or "NULL"
    values: list[object] = [*some, start, end]
    narrowed = ""
    if lane is not None:
        keys = [lane, *(alias for alias, token in subject.aliases.items() if token == lane)]
        narrowed = f" AND coalesce({BY[timeline.by]}, '') IN ({', '.join('?' * len(keys))})"
        values += keys
    rows = timeline.connection.execute(
        f"SELECT {COLUMNS} FROM event WHERE {which} IN ({marks})"  # noqa: S608 - bound values.
        f" AND at >= ? AND at < ?{narrowed} ORDER BY at, key LIMIT ? OFFSET ?",
        (*values, limit, skip),
    )
    return [_event(timeline, row) for row in rows]


def one(timeline: Timeline, key: int) -> ShownEvent | None:
    """One event; None when it was dropped in the meantime."""
    row = timeline.connection.execute(
        f"SELECT {COLUMNS} FROM event WHERE key = ?",  # noqa: S608 - constants only.
        (key,),
    ).fetchone()
    return None if row is None else _event(timeline, row)


def facts(timeline: Timeline, event: ShownEvent) -> list[tuple[str, str]]:
    """An event whole, line by line: what stands in it, and under which seal it is."""
    sealed = timeline.connection.execute(
        "SELECT seal FROM sealed WHERE key = ?", (event.key,)
    ).fetchone()
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
        ("sealed", f"journal entry {sealed[0]}" if sealed else "not yet"),
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
