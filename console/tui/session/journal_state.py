"""How far the journal can be trusted right now, and the words for it on every view."""

from __future__ import annotations

from typing import NamedTuple

from console.journal.format.advice import HARMLESS, WORDS, next_step
from console.journal.verify.report import checked_signatures
from console.tui.draw import readings
from console.tui.draw.lines import Line, Part, clip, count

BROKEN = "NOT WHOLE"
UNREADABLE = "UNREADABLE"
WIDE = 130
"""Columns from which the words are written out."""


class JournalTrouble(NamedTuple):
    """One finding: ``grave`` where the journal takes no more entries."""

    what: str
    text: str
    grave: bool

    @property
    def next(self) -> str:
        """What to do about it."""
        return next_step(self.what)


class JournalState(NamedTuple):
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
    code: int = 0
    """The verdict, as ``journal verify`` exits."""
    found: tuple[JournalTrouble, ...] = ()
    checking: str = ""
    """How far a check is that is under way, in words."""
    checkpoints: int = 0
    checked: int = 0
    """Of how many of these the signature was checked."""
    skipped: int = 0
    """Of how many it was not, as it had been checked before."""
    skipped_since: float = 0
    """When all of those had been checked; 0 where that is not known."""
    signatures: int = 0
    """Responders' signatures that hold."""
    unsigned: int = 0
    key: str = ""
    root: str = ""

    @property
    def problem(self) -> str:
        """What is wrong with it; empty while entries may be added."""
        if not self.word:
            return ""
        return next((each.text for each in self.found if each.grave), "it cannot be read")

    @property
    def verdict(self) -> str:
        """The verdict in the words of ``journal verify``."""
        return WORDS.get(self.code, "")

    @property
    def remark(self) -> str:
        """What is wrong and no reason to stop writing, in two words; else empty."""
        if self.code in (0, 3):
            return ""
        return next((HARMLESS[each.what] for each in self.found if each.what in HARMLESS), "")


def short(standing: JournalState, now: float, width: int) -> list[Part]:
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
        if standing.remark:
            parts.append((f"{standing.remark}, ", "bad"))
        parts.append((f"{opened:,} OPEN", "bad") if opened else ("none open", "dim"))
        return [*parts, (f", {witnessed(standing)}", "dim")]
    if standing.remark:
        said = f"journal {standing.remark} ({entries:,})"
        parts = [(said, "bad")]
    else:
        said = f"journal {state or 'ok'} ({entries:,})"
        parts = [(said, "dim")]
    if opened:
        parts.append((f", {opened:,} OPEN", "bad"))
    if not state:
        parts.append((f", {witnessed(standing, narrow=True)}", "dim"))
    return parts


def witnessed(standing: JournalState, *, narrow: bool = False) -> str:
    """How far others have seen the journal."""
    if not standing.witnessed:
        return "no witness" if narrow else "unwitnessed"
    if standing.witnessed >= standing.entries:
        return "all witnessed"
    return f"witnessed up to {standing.witnessed:,}"


def alarm(standing: JournalState, width: int) -> Line:
    """The red line for every view; empty while nothing is wrong."""
    if not standing.word:
        return ()
    said = f" JOURNAL {standing.word}: {standing.problem}. Nothing can be sent."
    return clip([(said, "bad"), (" J, then V: what to do.", "bad")], width)


def signatures(standing: JournalState, now: float) -> str:
    """Of which checkpoints the signature was checked, in the words of ``journal verify``."""
    since = standing.skipped_since
    last = f"{readings.ago(since, now)} ago" if since else ""
    return checked_signatures(standing.checked, standing.skipped, last)


def sentence(standing: JournalState, now: float) -> list[Part]:
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
    if standing.skipped and (last := readings.ago(standing.skipped_since, now)) != age:
        said += f", {count(standing.skipped, 'old signature')} {last} ago"
    if standing.remark:
        return [(f" {standing.remark}: V says more", "bad"), (said, "dim")]
    return [(said, "good"), (f" · {witnessed(standing)} · V checks it all now", "dim")]
