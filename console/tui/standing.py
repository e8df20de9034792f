"""How far the journal can be trusted right now, and the words for it on every view."""

from __future__ import annotations

from typing import NamedTuple

from console.tui import readings
from console.tui.lines import Line, Part, clip, count

BROKEN = "NOT WHOLE"
UNREADABLE = "UNREADABLE"
WIDE = 130
"""Columns from which the words are written out."""

NEXT = {
    "damage": "Copy the journal's files as evidence, then bring back a backup.",
    "chain": "Copy the journal's files as evidence. What comes before that entry is in order.",
    "cut": "Copy the journal's files as evidence; a backup has the missing entries.",
    "unsigned-tail": "Copy the journal's files as evidence: those entries were not written by us.",
    "signature": "Copy the journal's files as evidence; compare it with an export or a backup.",
    "rolled-back": "Copy the files as evidence. If a backup was brought back, bring a newer one.",
    "forked": "Copy the files as evidence: there are two histories. Compare it with an export.",
    "other-log": "Another journal was put here. Bring back the right file.",
    "not-signed": "The pin beside the journal is not of it. Bring back the right files.",
    "gone": "Bring the file back from a backup: it holds the record of what was done.",
    "untrusted": "Bring back the journal's own key, or find out who signed with this one.",
    "signer": "Find out who that is; if they may sign, name them in [journal] allowed_signers.",
    "responder": "Copy the journal's files as evidence: that signature was not made for it.",
    "unreadable": "Check the disk, and the file's owner and mode.",
    "unwitnessed": "Ask the witnesses: token-console journal witness.",
    "open": "Find out what became of them: token-console journal recover.",
    "tree": "Make the tree anew: token-console journal doctor.",
    "no-tree": "Start once with --act: it gets its tree then.",
    "unsigned": "Start an ssh-agent with the responder's key before acting.",
}
"""What to do about a finding, by its word for programs."""


class Trouble(NamedTuple):
    """One finding: ``grave`` where the journal takes no more entries."""

    what: str
    text: str
    grave: bool

    @property
    def next(self) -> str:
        """What to do about it."""
        return NEXT.get(self.what, "See: token-console journal verify.")


class Standing(NamedTuple):
    """What the last verification found. Times are in unix seconds, 0 for never."""

    entries: int = 0
    open: int = 0
    witnessed: int = 0
    """The size up to which enough witnesses have cosigned."""
    checked_at: float = 0
    """When every entry was checked."""
    since_at: float = 0
    """When what was added later was checked."""
    word: str = ""
    """Empty while it is not broken, else ``BROKEN`` or ``UNREADABLE``."""
    found: tuple[Trouble, ...] = ()
    checking: str = ""
    """How far a check is that is under way, in words."""
    checkpoints: int = 0
    key: str = ""
    root: str = ""

    @property
    def problem(self) -> str:
        """What is wrong with it; empty while entries may be added."""
        if not self.word:
            return ""
        return next((each.text for each in self.found if each.grave), "it cannot be read")


def short(standing: Standing, now: float, width: int) -> list[Part]:
    """The journal's state for the top line: words first, colour only besides."""
    entries, opened = standing.entries, standing.open
    if standing.word:
        return [(f"journal {standing.word}", "bad")]
    if not standing.checked_at:
        state = "checking" if entries else "empty"
    elif not entries:
        return [("journal empty", "dim")]
    else:
        state = ""
    age = readings.ago(standing.checked_at, now)
    if width >= WIDE:
        said = state or f"verified {age} ago"
        parts: list[Part] = [(f"journal {count(entries, 'entry', 'entries')}, {said}, ", "dim")]
        parts.append((f"{opened:,} OPEN", "bad") if opened else ("none open", "dim"))
        return [*parts, (f", {witnessed(standing)}", "dim")]
    parts = [(f"journal {state or 'ok'}, {count(entries, 'entry', 'entries')}", "dim")]
    if opened:
        parts.append((f", {opened:,} OPEN", "bad"))
    if not state:
        parts.append((f", {witnessed(standing, narrow=True)}", "dim"))
    return parts


def witnessed(standing: Standing, *, narrow: bool = False) -> str:
    """How far others have seen the journal."""
    if not standing.witnessed:
        return "no witness" if narrow else "unwitnessed"
    if standing.witnessed >= standing.entries:
        return "all witnessed"
    return f"witnessed up to {standing.witnessed:,}"


def alarm(standing: Standing, width: int) -> Line:
    """The red line for every view; empty while nothing is wrong."""
    if not standing.word:
        return ()
    said = f" JOURNAL {standing.word}: {standing.problem}. Nothing can be sent."
    return clip([(said, "bad"), (" J, then V: what to do.", "bad")], width)


def sentence(standing: Standing, now: float) -> list[Part]:
    """The state in one line for the journal's own view."""
    if standing.checking:
        return [(f" {standing.checking}", "accent")]
    if standing.word:
        return [(f" {standing.word}: {standing.problem}. V checks it all again.", "bad")]
    if not standing.checked_at:
        return [(" not checked yet", "dim")]
    if not standing.entries:
        return [("", "")]
    age = readings.ago(standing.checked_at, now)
    said = f" whole: every entry was checked {age} ago"
    if standing.since_at > standing.checked_at:
        said += f", later ones {readings.ago(standing.since_at, now)} ago"
    return [(said, "good"), (f" · {witnessed(standing)} · V checks it all now", "dim")]
