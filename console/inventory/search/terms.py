"""The terms of a query, and the condition over the store that each of them means.

What a term finds is told again in words by :mod:`console.inventory.search.matched`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from console.store.queries import conditions
from console.store.queries.conditions import Clause
from console.store.text_fold import fold

RECENT = 86_400
"""Seconds for which something counts as new or changed."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}

HOWS = {
    "unknown": ("not_tracked", "not_permitted", "not_read"),
    "untracked": ("not_tracked",),
    "unpermitted": ("not_permitted",),
    "unread": ("not_read",),
}


class Term(NamedTuple):
    """One condition. ``key`` is empty for free text; one of ``values`` must hold."""

    key: str
    values: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        values = ",".join(_quoted(value) for value in self.values)
        return ("-" if self.negated else "") + (f"{self.key}:{values}" if self.key else values)


def among(term: Term, handles: Callable[[str], str]) -> Term:
    """The term with the tokens of incidents in the place of their ids.

    ``handles`` gives, for an id, a JSON array of handles.
    """
    if term.key != "incident":
        return term
    return Term("handles", tuple(map(handles, term.values)), term.negated)


def usable(value: str) -> bool:
    """Whether there is anything to look for in a value."""
    return bool(fold(value))


def clause(term: Term, now: int) -> Clause:
    """The condition that a term means, relative to ``now`` (unix seconds).

    Raises:
        LookupError: an incident's id, in whose place its tokens' handles have to be: see ``among``.
    """
    found = conditions.either([_positive(term.key, value, now) for value in term.values])
    return conditions.negation(found) if term.negated else found


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w<>=./@*+#%$&;?~^(){}\[\]|-]+", value) and value[0] not in "-!":
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _positive(key: str, value: str, now: int) -> Clause:
    whole = value.startswith("=")
    text = value.removeprefix("=")
    match key:
        case "":
            return conditions.any_word(value)
        case "text":
            return conditions.called(value)
        case "used" | "expires" | "age" | "changed":
            return _time("created" if key == "age" else key, value, now)
        case "state":
            return conditions.in_state(value)
        case "is":
            return _is(value, now)
        case "handles":
            return conditions.among(value)
        case "incident":
            # To find nothing would make its negation find everything.
            raise LookupError("the tokens of an incident were not looked up before")
        case "handle":
            return conditions.handle_begins(text.lower())
        case "grant" if value == "none":
            return conditions.without_grants()
        case "grant" if value in HOWS:
            return conditions.known_by("grants", HOWS[value])
        case "grant":
            return conditions.grant(text, whole=whole)
        case "owner" if value == "none":
            return conditions.unowned()
        case "principal" if value == "none":
            return conditions.without_principal()
        case "owner" | "principal" if value in HOWS:
            return conditions.known_by(key, HOWS[value])
        case "owner" | "backend" | "kind":
            return conditions.text(key, text, whole=whole)
        case _:
            return conditions.kept_text(key, text, whole=whole)


def _is(value: str, now: int) -> Clause:
    match value:
        case "gone":
            return conditions.gone()
        case "present":
            return conditions.present()
        case "orphan":
            return conditions.orphan()
        case "new":
            return conditions.appeared(now - RECENT)
        case _:
            return conditions.changed(now - RECENT)


def _time(time: str, value: str, now: int) -> Clause:
    if value in HOWS:
        return conditions.known_by(time, HOWS[value])
    if value == "never":
        return conditions.never(time)
    if value == "past":
        return conditions.before(time, now)
    if value == "known":
        return conditions.at_some_time(time)
    seconds = int(value[1:-1]) * UNITS[value[-1]]
    shorter = value[0] == "<"
    if time == "expires":
        return (
            conditions.expires_within(now, now + seconds)
            if shorter
            else conditions.expires_within(now + seconds, None)
        )
    since = now - seconds
    return conditions.within(time, since, None) if shorter else conditions.within(time, None, since)
