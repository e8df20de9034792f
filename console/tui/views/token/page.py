"""A token's page: seven answers, each with how it is known, and its history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from backends.model import How, Reading, Token
from console.inventory.questions import holds
from console.inventory.search.inventory import Change, Detail, Event
from console.response.state.report import short as short_id
from console.response.state.token_life import About
from console.tui.draw import readings
from console.tui.draw.lines import Line, Part, block, count, fit, short, spread, wrap
from console.tui.draw.roles import VERDICTS
from console.tui.views.act.page import Consumers
from console.tui.views.inventory.findings import findings
from console.tui.views.rights import Rights, may_do

SHOWN_GRANTS = 12
SHOWN_CONSUMERS = 6
LEAST_RIGHTS = 6
"""Lines that what it may do has on the smallest of screens."""


class Life(NamedTuple):
    """Everything that the page shows."""

    detail: Detail
    changes: Sequence[Change]
    events: Sequence[Event]
    consumers: Consumers
    title: str = ""
    """The kind's title as its backend declares it."""
    sees_dependents: bool = True
    about: About | None = None
    """What the journal tells; None while it is read."""
    rights: Rights = Rights()


def heading(life: Life, now: float, width: int) -> Line:
    """The line above the page: which token, and its state."""
    row = life.detail.row
    found = findings(row, now)
    gone = row.presence == "gone"
    right: list[Part] = [("gone" if gone else row.state, "bad" if gone else "good")]
    if found:
        right.append((f"   {found[0].glyph} {count(len(found), 'finding')}", "warn"))
    return spread(
        [
            (f" {row.name or row.id}", "bold"),
            (f" · {life.title or row.kind} · {row.backend}", "dim"),
        ],
        [*right, (" ", "")],
        width,
    )


def token_lines(life: Life, now: float, width: int, height: int = 24) -> list[Line]:
    """The page at a width; ``height`` says how many lines its longest list may take."""
    token, row = life.detail.token, life.detail.row
    lines: list[Line] = []
    for found in findings(row, now):
        lines.append([(f" {found.glyph} {found.text}", "warn")])
    if row.presence == "gone":
        since = life.detail.gone_at or row.changed_at
        lines.append([(f" x gone: its system had it last {readings.ago(since, now)} ago", "bad")])
    lines += _response(life.about, width)
    if lines:
        lines.append(())
    lines += block("WHAT", _what(token), width)
    lines += block("CREATED", _created(token, now), width)
    lines += block("OWNER", _answer(token.owner, str, now, none="nobody claims it"), width)
    lines += block("LAST USED", _used(token, now), width)
    lines += block("MAY", _may(token, now), width)
    lines += may_do(life.rights, row, now, width, max(height // 3, LEAST_RIGHTS))
    lines += _depends(life, now, width)
    lines += block("BOUND", _bound(token, now), width)
    for number, (label, value) in enumerate(token.facts):
        facts: list[Part] = [(f"{label}: ", "dim"), (value, "")]
        lines += block("FACTS" if number == 0 else "", facts, width)
    seen = (
        f"first seen {readings.moment(life.detail.first_seen)}, "
        f"last seen {readings.ago(life.detail.last_seen, now)} ago, handle {row.handle}"
    )
    lines += block("RECORD", [(seen, "dim")], width)
    return [*lines, (), *_history(life, now, width)]


def _response(about: About | None, width: int) -> list[Line]:
    """What is known of its value after an act, and who ended it: whole, never cut."""
    lines: list[Line] = []
    if about is None:
        return lines
    if (ended := about.ended) is not None:
        lines += block("ENDED", [(ended.words, "")], width)
    if (known := about.verdict) is not None:
        run = f"  (run {short_id(about.run)})"
        lines += block("OLD VALUE", [(known.labelled, VERDICTS[known.what]), (run, "dim")], width)
    return lines


def _what(token: Token) -> list[Part]:
    parts: list[Part] = [(f"{token.ref.kind} {token.ref.id}, in {token.scope or '-'}", "")]
    expires = token.expires_at
    if expires.known:
        parts.append((f", expires {readings.words(expires, readings.moment)}", ""))
    elif expires.how is How.NEVER:
        parts.append((", never expires", "warn"))
    else:
        parts.append((f", expiry {readings.words(expires, str)}", "dim"))
    if expires.source:
        parts.append((f" ({expires.source})", "dim"))
    if token.principal.value is not None:
        speaks = token.principal.value
        kind = f"{speaks.kind} " if speaks.kind else ""
        off = ", disabled" if speaks.disabled else ""
        parts.append((f" · speaks for {kind}{speaks.name}{off}", ""))
    elif token.principal.how is not How.NOT_TRACKED:
        parts.append((f" · speaks for: {readings.words(token.principal, str)}", "dim"))
    if token.parent.value is not None:
        parts.append((f" · child of {token.parent.value.id}", ""))
    return parts


def _created(token: Token, now: float) -> list[Part]:
    parts = _answer(token.created_at, readings.moment, now, ago=True)
    by = token.created_by
    if by.known:
        parts[1:1] = [(f" by {by.value}", "")]
        if by.source and by.source != token.created_at.source:
            parts.append((f" (by whom: {by.source})", "dim"))
    elif by.how is not How.NOT_READ or token.created_at.known:
        parts.append((f" · by whom: {readings.words(by, str)}", "dim"))
    return parts


def _used(token: Token, now: float) -> list[Part]:
    parts = _answer(token.last_used_at, readings.moment, now, ago=True)
    extra: list[Part] = []
    if token.last_used_for.known:
        extra.append((f", {token.last_used_for.value}", ""))
    if token.last_used_from.known:
        extra.append((f", from {token.last_used_from.value}", ""))
    elif token.last_used_at.known:
        extra.append((f" · from where: {readings.words(token.last_used_from, str)}", "dim"))
    return [parts[0], *extra, *parts[1:]]


def _may(token: Token, now: float) -> list[Part]:
    if token.grants.value is None:
        return _answer(token.grants, str, now)
    grants = token.grants.value
    parts: list[Part] = []
    for number, grant in enumerate(grants[:SHOWN_GRANTS]):
        on = f" on {grant.on}" if grant.on else ""
        parts.append((f"{', ' if number else ''}{grant.name}{on}", ""))
        if grant.via:
            parts.append((f" via {grant.via}", "dim"))
    if len(grants) > SHOWN_GRANTS:
        parts.append((f", and {len(grants) - SHOWN_GRANTS:,} more", "bold"))
    if not grants:
        parts.append(("nothing: it carries no grant", ""))
    if told := readings.provenance(token.grants, now):
        parts.append((f" ({told})", "dim"))
    return parts


def _depends(life: Life, now: float, width: int) -> list[Line]:
    backend = life.detail.row.backend
    found = life.consumers.found
    if found is None:
        word = life.consumers.trouble or f"asking {backend} …"
        role: Part = (word, "warn" if life.consumers.trouble else "dim")
        return list(block("DEPENDS", [role], width))
    lines: list[Line] = []
    consumers = found.consumers
    by_kind: dict[str, int] = {}
    for consumer in consumers:
        by_kind[consumer.kind] = by_kind.get(consumer.kind, 0) + 1
    if consumers:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(by_kind.items()))
        lines += block("DEPENDS", [(f"{count(len(consumers), 'consumer')}: {kinds}", "")], width)
    else:
        none = "no consumer is seen, but not everything can be seen" if found.gaps else "nothing"
        lines += block("DEPENDS", [(none, "warn" if found.gaps else "")], width)
    for consumer in consumers[:SHOWN_CONSUMERS]:
        seen = consumer.last_seen
        at = f", seen {readings.ago(seen.value.timestamp(), now)} ago" if seen.value else ""
        detail = f" {consumer.detail}" if consumer.detail else ""
        source = f" ({consumer.source})" if consumer.source else ""
        text: list[Part] = [
            (f"{consumer.kind} {short(consumer.name, 60)}", ""), (f"{detail}{at}{source}", "dim")
        ]  # fmt: skip
        lines += block("", text, width)
    if len(consumers) > SHOWN_CONSUMERS:
        lines += block("", [(f"and {len(consumers) - SHOWN_CONSUMERS:,} more", "dim")], width)
    for gap in found.gaps:
        hint = f" {gap.hint}" if gap.hint else ""
        lines += block(
            "", [(f"not seen: {gap.what} ({gap.kind.value}).", "warn"), (hint, "")], width
        )
    return lines


def _bound(token: Token, now: float) -> list[Part]:
    parts = _answer(token.binding, str, now)
    if told := holds(token):
        parts.insert(1, (told, ""))
    return parts


def _answer(
    reading: Reading[Any],
    show: Callable[[Any], str],
    now: float,
    *,
    ago: bool = False,
    none: str = "never",
) -> list[Part]:
    """A reading as its value and how it is known; always at least one part."""
    if reading.value is None:
        word = none if reading.how is How.NEVER else readings.LONG[reading.how]
        role: Part = (word, "warn" if reading.how is How.NEVER else "dim")
        told = readings.provenance(reading, now)
        return [role, (f" ({told})", "dim")] if told else [role]
    value = reading.value
    text = show(value)
    told = readings.provenance(reading, now)
    parts: list[Part] = []
    if ago:
        passed = readings.ago(value.timestamp(), now)
        parts.append((f"{passed} ago, {text}", ""))
    else:
        parts.append((text, ""))
    if told:
        parts.append((f" ({told})", "dim"))
    return parts


def _history(life: Life, now: float, width: int) -> list[Line]:
    entries: list[tuple[int, int, str, str]] = []
    for change in life.changes:
        entries.append((change.at, 1, change_words(change), change.source or "seen by the console"))
    for event in life.events:
        parts = [event.action]
        if event.outcome != "ok":
            parts.append(event.outcome.upper())
        if event.target:
            parts.append(event.target)
        if event.actor:
            parts.append(f"by {event.actor}")
        if event.source:
            parts.append(f"from {event.source}")
        entries.append((event.at, 0, ", ".join(parts), event.origin or "audit"))
    entries.sort(key=lambda entry: entry[:2], reverse=True)
    if not entries:
        return [*block("HISTORY", [("nothing is recorded yet", "dim")], width)]
    lines: list[Line] = []
    source_width = 14 if width < 100 else 24
    room = max(width - 14 - 17 - source_width - 1, 10)
    for number, (at, _, text, source) in enumerate(entries):
        label = " " + fit("HISTORY" if number == 0 else "", 12)
        for piece_number, piece in enumerate(wrap(text, room)):
            first = piece_number == 0
            lines.append(
                [
                    (label if first else " " * 13, "title"),
                    (fit(readings.moment(at)[:16] if first else "", 17), "dim"),
                    (fit(piece, room + 1), ""),
                    (fit(source if first else "", source_width), "dim"),
                ]
            )
    return lines


def change_words(change: Change) -> str:
    """One change as a sentence without its time."""
    match change.kind:
        case "new":
            return "seen for the first time"
        case "first seen":
            return "known since the first look at this backend"
        case "gone":
            return "gone from the system"
        case "back":
            return "back after it was gone"
        case "grant+":
            return f"grant {change.after} added"
        case "grant-":
            return f"grant {change.before} removed"
        case _:
            name = change.field or change.kind
            return f"{name} changed: from {change.before or '-'} to {change.after or '-'}"
