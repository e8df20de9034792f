"""The moments worth a marker: from the record, from sync, from the audit log, from our journal.

Nothing is copied for this: the sources are merged when a timeline is asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from backends.model import Effect, EventClass
from console.journal.read.view import JournalView
from console.store.classes import SLOT
from console.store.queries import events, rollups, tokens

SIGNS = {
    "created": "+", "scope": "~", "owner": "o", "leak": "!", "contained": "c", "restored": "u",
    "rotated": "t", "revoked": "X", "disconnected": "d", "gone": "x", "back": "b", "state": "s",
    "proof": "p", "planned": "a",
}  # fmt: skip
"""One ASCII character for each kind, so that a marker is told without its colour."""
_VERBS = {
    "contain": "contained",
    "restore": "restored",
    "rotate": "rotated",
    "revoke": "revoked",
    "disconnect": "disconnected",
}
_CHANGES = {
    "grant+": "scope", "grant-": "scope", "owner": "owner", "principal": "owner",
    "expiry": "scope", "state": "state", "gone": "gone", "back": "back", "new": "created",
}  # fmt: skip
_EFFECTS = frozenset(effect.value for effect in Effect if effect)
LIMIT = 2_000


class Mark(NamedTuple):
    """A moment. ``text`` is raw; ``source`` says who tells: record, sync, log, journal, you."""

    at: int
    kind: str
    text: str
    source: str
    handle: str = ""

    @property
    def sign(self) -> str:
        """The character that stands for its kind; it says the same without colour."""
        return SIGNS.get(self.kind, "*")


def marks(
    connection: sqlite3.Connection,
    handles: Sequence[str],
    journal: JournalView | None = None,
    leak: int | None = None,
) -> list[Mark]:
    """All markers of some tokens, oldest first."""
    found = [*_records(connection, handles), *_events(connection, handles)]
    if journal is not None:
        for handle in handles:
            found += _journaled(journal, handle)
    if leak is not None:
        found.append(Mark(leak, "leak", "the leak, as given", "you"))
    return sorted(found, key=lambda mark: (mark.at, mark.kind))


def revoked_at(found: Sequence[Mark]) -> int | None:
    """When the token was ended: by the journal, by the system's log, else when it was missed.

    A token that came back after that was not.
    """
    back = max((mark.at for mark in found if mark.kind == "back"), default=None)
    ends = [mark for mark in found if back is None or mark.at > back]
    for source, kind in (("journal", "revoked"), ("log", "revoked"), ("sync", "gone")):
        times = [mark.at for mark in ends if mark.kind == kind and mark.source == source]
        if times:
            return min(times)
    return None


def _records(connection: sqlite3.Connection, handles: Sequence[str]) -> list[Mark]:
    found = [
        Mark(at, "created", f"created: {name}", "record", handle)
        for handle, name, at in tokens.created(connection, handles)
    ]
    for handle, at, kind, field, before, after in tokens.changes_of(connection, handles, LIMIT):
        if kind not in _CHANGES:
            continue
        became = f" {before or '(none)'} -> {after or '(none)'}" if before or after else ""
        found.append(Mark(at, _CHANGES[kind], f"{kind}: {field}{became}", "sync", handle))
    return found


def _events(connection: sqlite3.Connection, handles: Sequence[str]) -> list[Mark]:
    # The classes of events come from the counts, so that no token's every event is read.
    slots = rollups.slots_about(connection, handles, LIMIT)
    found: list[Mark] = []
    for handle, slot in set(slots):
        for at, action, actor, target, sort, effect in events.about(
            connection, handle, slot * SLOT, slot * SLOT + SLOT
        ):
            kind = _kind(sort, effect)
            by = f" by {actor}" if actor else ""
            found.append(Mark(at, kind, f"{action} {target}{by}".strip(), "log", handle))
    return found


def _kind(sort: str, effect: str) -> str:
    """The marker of what was done to a token: by what its log says of it, not by its words."""
    if sort == EventClass.PERMISSION:
        return "scope"
    return effect if effect in _EFFECTS else "state"


def _journaled(journal: JournalView, handle: str) -> list[Mark]:
    found: list[Mark] = []
    for entry in journal.entries(LIMIT, handle=handle):
        kind = None
        if entry.done:
            kind = _VERBS.get(entry.verb)
        elif entry.kind == "evidence":
            kind = "proof"
        elif entry.kind == "plan":
            kind = "planned"
        if kind is not None:
            found.append(Mark(entry.t, kind, entry.sentence, "journal", handle))
    return found
