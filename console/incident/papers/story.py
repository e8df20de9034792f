"""One timeline of an incident: what leaked, who used it, what we did, and what was decided.

From the journal's entries, the store's events and the marks of its tokens, merged oldest
first. Nothing is kept. Where there are too many rows they are counted by hour, and what was
counted, and what no log tells, is said beside it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from backends.words import count
from console.incident.assess import Assessment
from console.incident.papers.names import Names
from console.incident.words import moment
from console.journal import proof
from console.journal.format.entry import Kind
from console.journal.format.incident_mark import IncidentEvent
from console.journal.format.parts import RunEvent
from console.journal.format.sentence import Entry
from console.settings import Paths
from console.store import reading
from console.store.queries import events, logs, rollups
from console.timeline import marks as timeline_marks
from console.timeline.coverage import coverage, words
from console.timeline.since import FRESH

FEW_TOKENS = 20
"""Tokens of which each use is told by address; of more, uses are counted by hour."""
FEW_ADDRESSES = 60
"""Addresses of an incident's few tokens that are told one by one."""
FEW_ROWS = 400
"""Calls and their like, and marks, that are told one by one; of more, they are counted by hour."""
FEW_HOLES = 40
ONE_LOOK = 60
"""Seconds within which entries about a scope are parts of one look."""
HOUR = 3600

EXPOSED, USE, DENIED, DECISION, CALL, EVIDENCE, NOTE, MARK, MILESTONE = (
    "exposed", "use", "refused use", "decision", "call", "evidence", "note", "record", "milestone",
)  # fmt: skip
KINDS = (EXPOSED, USE, DENIED, DECISION, CALL, EVIDENCE, NOTE, MARK, MILESTONE)
"""What a row can be about."""
_KIND: Mapping[str, str] = {
    Kind.INTENT: CALL,
    Kind.OUTCOME: CALL,
    Kind.RECOVERY: CALL,
    Kind.RECOVERY_CLAIM: CALL,
    Kind.EVIDENCE: EVIDENCE,
    Kind.OBSERVE: EVIDENCE,
    Kind.NOTE: NOTE,
    "": NOTE,
}
"""What an entry of a kind is about; any other is a decision. "" is one that cannot be read."""
_QUIET = (RunEvent.MOVED, RunEvent.LATE, RunEvent.TAKEN)
"""Decisions of a run of which there may be one for each token; the runner's, and nobody's own."""


class StoryRow(NamedTuple):
    """A moment of an incident. ``at`` and ``until`` are in unix seconds.

    ``words`` may hold names and is raw but for what the journal has made safe; ``bare`` is the
    same without a name. ``source`` says who tells: journal, log, store or computed. A row that
    stands for many has their number in ``times`` and when the last was in ``until``.
    """

    at: float
    kind: str
    words: str
    bare: str
    source: str
    who: str = ""
    handle: str = ""
    backend: str = ""
    address: str = ""
    times: int = 1
    until: float = 0.0


class Unseen(NamedTuple):
    """A stretch of time of which a log tells nothing. ``words`` is raw, ``bare`` has no name."""

    words: str
    bare: str


class Story(NamedTuple):
    """The timeline, and what it does not show."""

    rows: tuple[StoryRow, ...]
    """Oldest first."""
    folded: tuple[str, ...]
    """What was counted instead of told, in sentences without a name."""
    unseen: tuple[Unseen, ...]


def story(found: Assessment, paths: Paths) -> Story:
    """The timeline of an incident as it stood when it was assessed.

    Raises:
        StoreError: the store cannot be read.
    """
    folded: list[str] = []
    rows = [*_entries(found, folded), *_milestones(found)]
    unseen: tuple[Unseen, ...] = ()
    if found.incident.leaked:
        rows.append(
            StoryRow(
                found.incident.leaked,
                EXPOSED,
                "the leak began, as given",
                "the leak began, as given",
                "journal",
                found.incident.opened_by,
            )
        )
    if found.inventory and found.incident.scope:
        with contextlib.closing(reading.connect(paths.inventory)) as connection:
            try:
                rows += _uses(connection, found, folded)
                rows += _marks(connection, found, folded)
                unseen = _unseen(connection, found)
            except sqlite3.Error as error:
                raise reading.unusable(paths.inventory, error) from None
    elif found.incident.scope:
        unseen = (_same("there is no inventory here, so no use of its tokens is known"),)
    if not found.incident.leaked:
        unseen = (
            _same("nobody said when the leak began, so uses are not told from others"), *unseen,
        )  # fmt: skip
    return Story(tuple(sorted(rows, key=lambda row: row.at)), tuple(folded), unseen)


def rows(told: Story, names: Names) -> Iterator[tuple[str, str, str, str, str]]:
    """Each row as people read it: when, what kind, who, which token, and what."""
    for row in told.rows:
        what = names.sentence(row.words, row.bare)
        if row.address:
            what = f"{what}; {names.address(row.address)}"
        whose = names.token(row.handle) if row.handle else row.backend
        yield moment(row.at), row.kind, names.person(row.who), whose, what


def _same(words: str) -> Unseen:
    return Unseen(words, words)


# What the journal has.


def _entries(found: Assessment, folded: list[str]) -> Iterator[StoryRow]:
    told = [_of_entry(entry) for entry in found.entries if not _scoped(entry)]
    yield from _scopes(found.entries)
    many = [row for row in told if row.kind in (CALL, EVIDENCE)]
    if len(many) <= FEW_ROWS:
        yield from told
        return
    yield from (row for row in told if row.kind not in (CALL, EVIDENCE))
    yield from _by_hour(many, lambda row: (row.kind, row.bare, row.backend))
    folded.append(
        f"{count(len(many), 'entry', 'entries')} about single calls and their evidence"
        " are counted by hour; the journal has each"
    )


def _scoped(entry: Entry) -> bool:
    return entry.case is not None and entry.case.what is IncidentEvent.SCOPE


def _scopes(entries: Iterable[Entry]) -> Iterator[StoryRow]:
    """One row for each look: a large one takes many entries, all of one moment."""
    looks: list[list[Entry]] = []
    for entry in filter(_scoped, entries):
        last = looks[-1][-1] if looks else None
        if last is not None and _look(last) == _look(entry) and entry.t - last.t < ONE_LOOK:
            looks[-1].append(entry)
        else:
            looks.append([entry])
    for told in looks:
        first, marks = told[0], [entry.case for entry in told if entry.case is not None]
        holes = max(len(mark.holes) for mark in marks)
        blind = f"; {count(holes, 'part')} not seen" if holes else ""
        came = f"{count(sum(len(mark.members) for mark in marks), 'token')} came into the scope"
        by = f" by {marks[0].query}" if marks[0].query else f": {first.why}"
        yield StoryRow(
            first.t_us / 1e6, DECISION, f"{came}{by}{blind}", f"{came}{blind}", "journal",
            first.who, times=len(told), until=told[-1].t_us / 1e6,
        )  # fmt: skip


def _look(entry: Entry) -> tuple[str, str, str]:
    return (entry.case.query if entry.case is not None else "", entry.who, entry.why)


def _of_entry(entry: Entry) -> StoryRow:
    kind = _KIND.get(entry.kind, DECISION)
    if entry.case is not None and entry.case.what is IncidentEvent.NOTE:
        kind = NOTE
    if entry.run is not None and entry.run.what in _QUIET:
        kind = EVIDENCE
    handle = entry.handle
    if entry.case is not None and entry.case.what is IncidentEvent.EXCEPT:
        handle = entry.case.subject
    return StoryRow(
        entry.t_us / 1e6, kind, entry.sentence, bare(entry), "journal", entry.who, handle,
        entry.backend,
    )  # fmt: skip


def bare(entry: Entry) -> str:
    """What an entry says, in a closed set of words."""
    if entry.case is not None:
        return f"incident: {entry.case.what.value}"
    if entry.run is not None:
        return f"run: {entry.run.what}"
    told = f"{entry.verb}: {entry.kind}" if entry.verb else entry.kind or "an unreadable entry"
    if entry.evidence is not None:
        told = f"{told}, {proof.word(entry.evidence)}"
    return f"{told}, {entry.state}" if entry.state else told


def _milestones(found: Assessment) -> Iterator[StoryRow]:
    times = found.times
    for at, told in (
        (times.contained, "contained: the last token was stopped"),
        (times.ended, "ended: the last token is recorded as ended"),
        (times.dead, "dead: the last value was seen refused"),
    ):
        if at:
            yield StoryRow(at, MILESTONE, told, told, "computed")
    if times.bad_use is not None:
        told = "the last use seen from an address that was new after the leak"
        yield StoryRow(
            times.bad_use.at, MILESTONE, told, told, "computed",
            handle=times.bad_use.handle, address=times.bad_use.source,
        )  # fmt: skip
    if found.incident.deadline:
        yield StoryRow(
            found.incident.deadline, MILESTONE, "the deadline", "the deadline", "journal"
        )


# What the store has.


def _named(connection: sqlite3.Connection, found: Assessment) -> tuple[list[str], dict[str, str]]:
    """The handles that logs know the tokens by, and which token's each alias is."""
    handles = list(found.incident.scope)
    aliases = dict(logs.names(connection, handles))
    return list(dict.fromkeys([*handles, *aliases])), aliases


def _uses(
    connection: sqlite3.Connection, found: Assessment, folded: list[str]
) -> Iterator[StoryRow]:
    leak = int(found.incident.leaked)
    if not leak:
        return
    named, aliases = _named(connection, found)
    if len(found.incident.scope) > FEW_TOKENS:
        total = 0
        for hour in rollups.hours_since(connection, named, leak):
            total += hour.times
            told = f"{_shown(hour.times, hour.outcome)}, {count(hour.tokens, 'token')}"
            yield StoryRow(
                max(hour.hour * HOUR, leak), DENIED if hour.outcome == "denied" else USE,
                told, told, "log", backend=hour.backend, times=hour.times,
                until=hour.hour * HOUR + HOUR - 1,
            )  # fmt: skip
        if total:
            folded.append(
                f"{count(total, 'use')} of {count(len(found.incident.scope), 'token')}"
                " are counted by hour, without addresses; timeline ID has one token's"
            )
        return
    spans = list(events.spans_since(connection, named, leak))
    before: dict[str, set[str]] = {}
    for span in sorted(spans, key=lambda span: -span.times)[:FEW_ADDRESSES]:
        handle = aliases.get(span.handle, span.handle)
        if handle not in before:
            known = [handle, *(alias for alias, own in aliases.items() if own == handle)]
            before[handle] = events.addresses_before(connection, known, leak)
        yield _span(span, handle, new=bool(span.source) and span.source not in before[handle])
    if len(spans) > FEW_ADDRESSES:
        folded.append(
            f"uses from {count(len(spans) - FEW_ADDRESSES, 'more address', 'more addresses')}"
            " are not told one by one; timeline ID --by address has them"
        )
    kept = sum(span.times for span in spans)
    counted = rollups.shown_since(connection, named, leak)
    if counted > kept:
        folded.append(
            f"{count(counted - kept, 'use')} are known by their number alone: their lines were"
            " dropped from the store, with their addresses"
        )


def _span(span: events.UseSpan, handle: str, *, new: bool) -> StoryRow:
    until = f", the last at {moment(span.last)}" if span.last > span.first else ""
    where = ", an address that was new after the leak" if new else ""
    told = f"{_shown(span.times, span.outcome)}{where}{until}"
    return StoryRow(
        span.first, DENIED if span.outcome == "denied" else USE, told, told, "log",
        handle=handle, address=span.source, times=span.times, until=span.last,
    )  # fmt: skip


def _shown(times: int, outcome: str) -> str:
    how = {"ok": "let through", "denied": "refused"}.get(outcome, "with an error")
    return f"{count(times, 'use')} {how}"


def _marks(
    connection: sqlite3.Connection, found: Assessment, folded: list[str]
) -> Iterator[StoryRow]:
    start = found.incident.leaked or found.incident.opened_at
    handles = list(found.incident.scope)
    rows = []
    for mark in timeline_marks.marks(connection, handles):
        if mark.at >= start:
            member = found.incident.scope.get(mark.handle)
            backend = member.member.backend if member is not None else ""
            bare = f"{mark.kind}, as its {mark.source} has it"
            rows.append(
                StoryRow(mark.at, MARK, mark.text, bare, mark.source, "", mark.handle, backend)
            )
    if len(rows) <= FEW_ROWS:
        yield from rows
        return
    yield from _by_hour(rows, lambda row: (row.kind, row.bare, row.backend))
    folded.append(
        f"{count(len(rows), 'change')} of its tokens' records are counted by hour; changes and"
        " log lines beyond the newest thousands are not read for this"
    )


def _unseen(connection: sqlite3.Connection, found: Assessment) -> tuple[Unseen, ...]:
    leak = int(found.incident.leaked)
    if not leak:
        return ()
    backends = sorted({scoped.member.backend for scoped in found.incident.scope.values()})
    told: list[Unseen] = []
    for backend in backends:
        own = [h for h, each in found.incident.scope.items() if each.member.backend == backend]
        covered = coverage(connection, [backend], own)
        for hole in covered.holes(leak, int(found.now)):
            if hole.kind == "unread" and (hole.since or 0) > found.now - FRESH:
                continue
            told.append(
                Unseen(
                    f"{backend}: {words(hole)}",
                    f"{moment(hole.since or leak)} to {moment(hole.until or found.now)}:"
                    f" {hole.kind}",
                )
            )
    if len(told) > FEW_HOLES:
        left = count(len(told) - FEW_HOLES, "more stretch", "more stretches")
        told = [*told[:FEW_HOLES], _same(f"and {left} of time that no log tells of")]
    return tuple(told)


def _by_hour(
    rows: Iterable[StoryRow], key: Callable[[StoryRow], Sequence[str]]
) -> Iterator[StoryRow]:
    """One row for all of an hour that are alike."""
    bins: dict[tuple[object, ...], list[StoryRow]] = {}
    for row in rows:
        bins.setdefault((int(row.at) // HOUR, *key(row)), []).append(row)
    for alike in bins.values():
        first, last = alike[0], max(row.until or row.at for row in alike)
        if len(alike) == 1:
            yield first
            continue
        tokens = len({row.handle for row in alike})
        bare = f"{len(alike):,} x {first.bare}, {count(tokens, 'token')}"
        who = first.who if all(row.who == first.who for row in alike) else ""
        yield first._replace(
            words=bare, bare=bare, who=who, handle="", times=len(alike), until=last
        )
