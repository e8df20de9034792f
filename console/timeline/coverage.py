"""What of time the logs cover, and what not: silence is only silence where somebody listened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from console.text import age, stamp


class Hole(NamedTuple):
    """A stretch of time that a log does not tell of. None is without end."""

    since: int | None
    until: int | None
    kind: str
    """missing, truncated or unreadable; unread for what lies outside of what was read."""
    what: str
    log: str


class Log(NamedTuple):
    """One log of a backend: its own, or a source of the configuration."""

    name: str
    backend: str
    type: str
    since: int | None
    until: int | None
    holes: tuple[Hole, ...]
    notes: tuple[str, ...]
    """About its clock, and what went wrong with it."""
    skew: int = 0
    """Seconds that its clock is ahead of ours; below 0 behind."""

    def missing(self, start: int, end: int) -> list[Hole]:
        """What of a stretch of time this log does not cover."""
        if self.since is None or self.until is None:
            return [Hole(start, end, "unread", "nothing was read of it yet", self.name)]
        found = [hole for hole in self.holes if _touches(hole, start, end)]
        if start < self.since:
            found.append(Hole(start, min(self.since, end), "unread", "before it begins", self.name))
        if end > self.until:
            found.append(Hole(max(self.until, start), end, "unread", "not read yet", self.name))
        return sorted(found, key=lambda hole: hole.since or 0)


class Coverage(NamedTuple):
    """The logs of some backends together."""

    logs: tuple[Log, ...]

    @property
    def since(self) -> int | None:
        """From where on every log tells something."""
        known = [log.since for log in self.logs if log.since is not None]
        return max(known) if known else None

    @property
    def until(self) -> int | None:
        """Up to where every log was read."""
        known = [log.until for log in self.logs if log.until is not None]
        return min(known) if known else None

    def holes(self, start: int, end: int) -> list[Hole]:
        """All that any log does not tell of. With no log at all, that is everything."""
        if not self.logs:
            return [Hole(start, end, "unread", "no log is read that would show its use", "")]
        return [hole for log in self.logs for hole in log.missing(start, end)]

    @property
    def skew(self) -> int:
        """Seconds that a log's clock may be off."""
        return max((abs(log.skew) for log in self.logs), default=0)


def coverage(connection: sqlite3.Connection, backends: Iterable[str]) -> Coverage:
    """What is known of the logs of these backends; of all where none is named."""
    wanted = set(backends)
    holes: dict[str, list[Hole]] = {}
    for source, since, until, kind, what in connection.execute(
        "SELECT source, since, until, kind, what FROM log_hole ORDER BY since"
    ):
        holes.setdefault(source, []).append(Hole(since, until, kind, what, source))
    logs: list[Log] = []
    for name, type_, since, until, skew in connection.execute(
        "SELECT name, type, events_since, events_until, skew_ms FROM backend ORDER BY name"
    ):
        if (not wanted or name in wanted) and until is not None:
            ms = skew or 0
            found = tuple(holes.get(name, ()))
            logs.append(Log(name, name, type_, since, until, found, _clock(ms), ms // 1000))
    for name, backend, type_, since, until, ahead, back, error in connection.execute(
        "SELECT name, backend, type, covers_since, covers_until, ahead_ms, back_ms, error"
        " FROM log_source ORDER BY name"
    ):
        if wanted and backend not in wanted:
            continue
        notes = _clock(ahead)
        if back:
            notes += (f"its time went back by up to {age(back / 1000)}",)
        if error:
            notes += (error,)
        found = tuple(holes.get(name, ()))
        logs.append(Log(name, backend, type_, since, until, found, notes, ahead // 1000))
    return Coverage(tuple(logs))


def _clock(ms: int) -> tuple[str, ...]:
    if abs(ms) < 1500:
        return ()
    return (f"its clock is {'ahead of' if ms > 0 else 'behind'} ours by {abs(ms) // 1000} s",)


def _touches(hole: Hole, start: int, end: int) -> bool:
    return (hole.since is None or hole.since < end) and (hole.until is None or hole.until >= start)


def words(hole: Hole) -> str:
    """A hole in words: when, and why."""
    since = "the beginning" if hole.since is None else moment(hole.since)
    until = "now" if hole.until is None else moment(hole.until)
    log = f" ({hole.log})" if hole.log else ""
    return f"{since} to {until}: {hole.what}{log}"


def moment(at: int) -> str:
    """A moment in words. One that no clock can have meant is given as its number."""
    try:
        return stamp(datetime.fromtimestamp(at, UTC))
    except (ValueError, OverflowError, OSError):
        return f"second {at}"
