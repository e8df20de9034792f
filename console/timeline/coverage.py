"""What of time the logs cover, and what not: silence is only silence where somebody listened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from backends.declare import Capabilities
from backends.model import Covers, decode
from backends.words import count
from console.store.queries import backends as backend_rows
from console.store.queries import logs as log_rows
from console.store.queries import tokens as token_rows
from console.text import age, stamp


class UncoveredStretch(NamedTuple):
    """A stretch of time that a log does not tell of. None is without end."""

    since: int | None
    until: int | None
    kind: str
    """missing, truncated or unreadable; unread for what lies outside of what was read; partial
    where no log has every use, nameless where it is not known what a log calls the token, and
    unclear where entries do not say what they are."""
    what: str
    log: str


WORDS = {
    Covers.CHANGES: "has changes of tokens and no uses",
    Covers.PART: "has some uses and not others",
}
"""Why the silence of a log shows nothing."""


class LogCoverage(NamedTuple):
    """One log of a backend: its own, or a source of the configuration."""

    name: str
    backend: str
    type: str
    since: int | None
    until: int | None
    holes: tuple[UncoveredStretch, ...]
    notes: tuple[str, ...]
    """About its clock, and what went wrong with it."""
    skew: int = 0
    """Seconds that its clock was ahead of the clock that read it; below 0 behind."""
    covers: Covers = Covers.PART
    nameless: int = 0
    """Of the tokens that are asked about, those of which nobody could say what it calls them."""

    @property
    def read(self) -> bool:
        """Whether anything of the log was read."""
        return self.since is not None and self.until is not None

    def missing(self, start: int, end: int) -> list[UncoveredStretch]:
        """What of a stretch of time this log does not cover."""
        if self.since is None or self.until is None:
            return [UncoveredStretch(start, end, "unread", "nothing was read of it yet", self.name)]
        if self.nameless:
            what = "what it calls the token is not known, so no use in it can be found"
            if self.nameless > 1:
                what = f"what it calls {self.nameless} of the tokens is not known"
            return [UncoveredStretch(start, end, "nameless", what, self.name)]
        found = [hole for hole in self.holes if touches(hole, start, end)]
        if start < self.since:
            found.append(
                UncoveredStretch(
                    start, min(self.since, end), "unread", "before what was read of it", self.name
                )
            )
        if end > self.until:
            found.append(
                UncoveredStretch(max(self.until, start), end, "unread", "not read yet", self.name)
            )
        return sorted(found, key=lambda hole: hole.since or 0)


class Coverage(NamedTuple):
    """The logs of some backends together."""

    logs: tuple[LogCoverage, ...]

    @property
    def telling(self) -> tuple[LogCoverage, ...]:
        """The logs whose silence means something: every use is in them."""
        return tuple(log for log in self.logs if log.covers.all_uses)

    @property
    def since(self) -> int | None:
        """From where on every log tells something."""
        known = [log.since for log in self.logs if log.since is not None]
        return max(known) if known else None

    @property
    def until(self) -> int | None:
        """Up to where every log that has all uses was read."""
        known = [log.until for log in self.telling]
        return None if None in known else min(filter(None, known), default=None)

    def holes(self, start: int, end: int) -> list[UncoveredStretch]:
        """All that the logs which have every use do not tell of. Without one, that is all."""
        if not self.logs:
            return [
                UncoveredStretch(start, end, "unread", "no log is read that would show its use", "")
            ]
        telling = self.telling
        if not telling:
            return [
                UncoveredStretch(start, end, "partial", WORDS[log.covers], log.name)
                for log in self.logs
            ]
        return [hole for log in telling for hole in log.missing(start, end)]

    @property
    def skew(self) -> int:
        """Seconds that a log's clock may be off."""
        return max((abs(log.skew) for log in self.logs), default=0)


def coverage(
    connection: sqlite3.Connection, backends: Iterable[str], tokens: Iterable[str] = ()
) -> Coverage:
    """What is known of the logs of these backends; of all where none is named.

    ``tokens`` are the handles of those that are asked about, which a log may not know.
    """
    wanted = set(backends)
    asked = list(tokens)
    kinds: dict[str, set[str]] = {}
    for backend, kind in token_rows.kinds(connection, asked):
        kinds.setdefault(backend, set()).add(kind)
    nameless = log_rows.nameless(connection, asked)
    holes: dict[str, list[UncoveredStretch]] = {}
    for source, since, until, kind, what in log_rows.holes(connection):
        holes.setdefault(source, []).append(UncoveredStretch(since, until, kind, what, source))
    logs: list[LogCoverage] = []
    for name, type_, since, until, skew, said in backend_rows.logs(connection):
        if (not wanted or name in wanted) and until is not None:
            ms = skew or 0
            found = tuple(holes.get(name, ()))
            covers = _declared(said, kinds.get(name, set()))
            log = LogCoverage(
                name, name, type_, since, until, found, _clock(ms), ms // 1000, covers
            )
            logs.append(log)
    for name, backend, type_, since, until, ahead, back, error, told, named in log_rows.sources(
        connection
    ):
        if wanted and backend not in wanted:
            continue
        notes = _clock(ahead)
        if back:
            notes += (f"its time went back by up to {age(back / 1000)}",)
        if error:
            notes += (error,)
        found = tuple(holes.get(name, ()))
        unknown = nameless.get(backend, 0) if named else 0
        logs.append(
            LogCoverage(name, backend, type_, since, until, found, notes, ahead // 1000,
                # One that could not even be opened was not asked what it covers.
                Covers(told or Covers.BOTH), unknown)
        )  # fmt: skip
    return Coverage(tuple(logs))


def _declared(said: bytes | None, kinds: set[str]) -> Covers:
    """What a backend says that its own log covers of these kinds; of all where none is given."""
    if not said:
        return Covers.PART
    declared = decode(said, Capabilities)
    asked = [declared.of(kind) for kind in sorted(kinds)] or list(declared.kinds)
    found = {kind.covers for kind in asked}
    if found <= {Covers.USES, Covers.BOTH}:
        return Covers.BOTH if found == {Covers.BOTH} else Covers.USES
    return Covers.CHANGES if found == {Covers.CHANGES} else Covers.PART


def _clock(ms: int) -> tuple[str, ...]:
    """How far a log's clock was off when it was read, which another process may have done."""
    if abs(ms) < 1500:
        return ()
    where = "ahead of" if ms > 0 else "behind"
    return (f"its clock was {abs(ms) // 1000} s {where} the clock of whoever read it",)


def touches(hole: UncoveredStretch, start: int, end: int) -> bool:
    """Whether a hole has something of a stretch of time in it."""
    return (hole.since is None or hole.since < end) and (hole.until is None or hole.until >= start)


def words(hole: UncoveredStretch) -> str:
    """A hole in words: when, and why."""
    since = "the beginning" if hole.since is None else moment(hole.since)
    until = "now" if hole.until is None else moment(hole.until)
    log = f" ({hole.log})" if hole.log else ""
    return f"{since} to {until}: {hole.what}{log}"


def and_more(number: int) -> str:
    """How many holes there are beside those that are told one by one."""
    return f"and {count(number, 'more stretch', 'more stretches')}"


def moment(at: int) -> str:
    """A moment in words. One that no clock can have meant is given as its number."""
    try:
        return stamp(datetime.fromtimestamp(at, UTC))
    except (ValueError, OverflowError, OSError):
        return f"second {at}"
