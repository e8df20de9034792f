"""What became different between two looks at a token.

A reading that cannot be read any more is no change: the last good one is kept aside, and
the next good one is compared with that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from backends.model import Grant, How, Principal, Reading, Token, decode, encode
from backends.words import count
from console.inventory.shape import grant_words, words

TEXT_LIMIT = 2_000
"""Characters of a value that the history keeps."""
ORDER = ("gone", "back", "new", "state", "grant+", "grant-", "owner", "principal", "expiry", "name")
"""Kinds of change, those first that a row shows when several came at once."""


class Difference(NamedTuple):
    """One change, not yet written."""

    kind: str
    field: str
    before: str
    after: str
    source: str


class Kept(msgspec.Struct, omit_defaults=True):
    """The last good readings of what the current record does not know."""

    owner: Reading[str] | None = None
    principal: Reading[Principal] | None = None
    expires_at: Reading[Any] | None = None
    grants: Reading[tuple[Grant, ...]] | None = None


FIELDS = (("owner", "owner"), ("principal", "principal"), ("expires_at", "expiry"))


def main_kind(differences: list[Difference]) -> str:
    """The kind that stands for them all on a row."""
    return min((found.kind for found in differences), key=ORDER.index, default="")


def compare(old: Token, new: Token, kept: bytes | None) -> tuple[list[Difference], bytes | None]:
    """The differences, and what has to be kept aside from now on."""
    before = decode(kept, Kept) if kept else Kept()
    after = Kept()
    found: list[Difference] = []
    if old.name != new.name:
        found.append(_difference("name", "name", old.name, new.name, ""))
    if old.state != new.state:
        found.append(_difference("state", "state", old.state.value, new.state.value, ""))
    for field, kind in FIELDS:
        last, now = getattr(before, field) or getattr(old, field), getattr(new, field)
        if _unread(now):
            setattr(after, field, None if _unread(last) else last)
        elif not _unread(last) and _told(last) != _told(now):
            found.append(_difference(kind, field, words(last), words(now), now.source))
    granted = before.grants or old.grants
    if _unread(new.grants):
        after.grants = None if _unread(granted) else granted
    elif not _unread(granted):
        found.extend(_grants(granted, new.grants))
    return found, encode(after) if after != Kept() else None


def _grants(
    old: Reading[tuple[Grant, ...]], new: Reading[tuple[Grant, ...]]
) -> Iterator[Difference]:
    if How.NOT_TRACKED in (old.how, new.how):
        # Without a list on one side, nobody can say which grants came or went.
        if old.how is not new.how:
            sides = [_count(reading) for reading in (old, new)]
            yield _difference("grant+", "grants", sides[0], sides[1], new.source)
        return
    had, has = set(old.value or ()), set(new.value or ())
    for grant in sorted(has - had, key=grant_words):
        yield _difference("grant+", "grants", "", grant_words(grant), new.source)
    for grant in sorted(had - has, key=grant_words):
        yield _difference("grant-", "grants", grant_words(grant), "", new.source)


def _count(reading: Reading[tuple[Grant, ...]]) -> str:
    return words(reading) if reading.value is None else count(len(reading.value), "grant")


def _unread(reading: Reading[Any]) -> bool:
    return reading.how in (How.NOT_READ, How.NOT_PERMITTED)


def _told(reading: Reading[Any]) -> tuple[How, Any]:
    value = reading.value
    return reading.how, value.id if isinstance(value, Principal) else value


def _difference(kind: str, field: str, before: str, after: str, source: str) -> Difference:
    return Difference(kind, field, before[:TEXT_LIMIT], after[:TEXT_LIMIT], source[:TEXT_LIMIT])
