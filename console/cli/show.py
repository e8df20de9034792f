"""One token in words: the six questions, then its life."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from console.inventory.questions import questions
from console.inventory.search.inventory import Change, Detail, Event
from console.text import stamp

if TYPE_CHECKING:
    from console.response.state.token_life import About


def describe(
    detail: Detail,
    changes: Sequence[Change],
    events: Sequence[Event],
    now: datetime,
    limit: int,
    about: About | None = None,
) -> Iterator[str]:
    """The token page as lines of text, with the newest ``limit`` lines of its history."""
    token = detail.token
    presence = "" if detail.row.presence == "present" else f"  {detail.row.presence.upper()}"
    yield f"{token.name}  {token.ref.kind}  {token.ref.backend}  {token.state}{presence}"
    yield f"handle {token.ref.handle}  id {token.ref.id}"
    if about is not None:
        yield from response(about)
    yield ""
    for label, text in questions(token, now):
        yield f"{label:<10} {text}"
    for key, value in token.facts:
        yield f"{'':<10} {key}: {value}"
    yield ""
    yield f"HISTORY (first seen here {stamp(datetime.fromtimestamp(detail.first_seen, UTC))})"
    told = history(changes, events)
    for moment, text in told[:limit]:
        yield f"  {stamp(datetime.fromtimestamp(moment, UTC))}  {text}"
    if len(told) > limit:
        yield f"  and {len(told) - limit} more: --history {len(told)}"


def response(about: About) -> Iterator[str]:
    """What the journal tells: who ended it, and what is known of its value, each line whole."""
    if about.ended is not None:
        yield from labelled("ENDED", about.ended.words)
    if about.verdict is not None:
        yield from labelled("OLD VALUE", f"{about.verdict.labelled} (run {about.run[-8:]})")


def labelled(label: str, text: str) -> Iterator[str]:
    """A text beside its label, wrapped and never cut."""
    margin = f"{label:<10} "
    yield from textwrap.wrap(
        text, 80, initial_indent=margin, subsequent_indent=" " * len(margin), break_on_hyphens=False
    )


def history(changes: Sequence[Change], events: Sequence[Event]) -> list[tuple[int, str]]:
    """What was seen to change and what the audit log tells, newest first."""
    told = [(change.at, change_words(change)) for change in changes]
    for event in events:
        source = f" from {event.source}" if event.source else ""
        denied = "" if event.outcome == "ok" else f" {event.outcome.upper()}"
        target = f" {event.target}" if event.target else ""
        actor = f" by {event.actor}" if event.actor else ""
        told.append((event.at, f"{event.action}{target}{source}{actor}{denied} ({event.origin})"))
    return sorted(told, key=lambda item: item[0], reverse=True)


PRESENCE = {
    "new": "seen for the first time",
    "first seen": "known since the first look at this backend",
    "gone": "gone from the system",
    "back": "back after it was gone",
}


def change_words(change: Change) -> str:
    """A change in words."""
    if change.field == "presence":
        # Where it is or is not, the kind says all of it.
        state = f", {change.after}" if change.kind in ("new", "back") and change.after else ""
        return f"{PRESENCE.get(change.kind, change.kind)}{state} ({change.source or 'diff'})"
    if change.before or change.after:
        became = f"{change.before or '(none)'} -> {change.after or '(none)'}"
        return f"{change.kind}: {change.field} {became} (diff)"
    return f"{change.kind} (diff)"
