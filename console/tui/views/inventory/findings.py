"""What about a row deserves a second look, as a letter for the list and in words."""

from __future__ import annotations

from typing import NamedTuple

from console.inventory.search.inventory import Row
from console.tui.draw.readings import span

DAY = 86_400
UNUSED_AFTER = 90 * DAY
OLD_AFTER = 365 * DAY
NEVER_USED_AFTER = 7 * DAY


class RowFinding(NamedTuple):
    """``glyph`` stands in the list's last column; a lower ``rank`` goes first."""

    rank: int
    glyph: str
    text: str


def findings(row: Row, now: float) -> list[RowFinding]:
    """The findings of one row, the gravest first. Only readings count, never their lack."""
    if row.presence == "gone" or row.state in ("revoked", "expired"):
        return []
    found: list[RowFinding] = []
    if row.owner_how == "never":
        found.append(RowFinding(2, "O", "no owner"))
    if row.used_how == "never":
        born = row.created_at if row.created_how == "known" and row.created_at else row.first_seen
        if now - born > NEVER_USED_AFTER:
            found.append(RowFinding(3, "o", f"never used in {span(now - born)}"))
    elif row.used_how == "known" and row.used_at and now - row.used_at > UNUSED_AFTER:
        found.append(RowFinding(3, "o", f"not used for {span(now - row.used_at)}"))
    if row.expires_how == "never" and row.created_at and now - row.created_at > OLD_AFTER:
        found.append(RowFinding(1, "!", f"never expires, {span(now - row.created_at)} old"))
    return sorted(found)


CHANGE_GLYPHS = {"new": "+", "gone": "x", "back": "+"}
"""Any other change is ``~``."""


def change_words(row: Row, now: float) -> str:
    """What changed last, for the line under the list."""
    named = {
        "new": "seen for the first time",
        "gone": "gone from the system",
        "first seen": "known since the first look",
        "back": "back after it was gone",
        "grant+": "a grant was added",
        "grant-": "a grant was removed",
        "owner": "its owner changed",
        "state": f"now {row.state}",
    }
    return f"{named.get(row.change, f'{row.change} changed')} {span(now - row.changed_at)} ago"
