"""Was it used since the leak? In words, with what the answer rests on and what it does not."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from console.store.classes import LIFE, SLOT, class_of
from console.text import age
from console.timeline.axis import Window
from console.timeline.coverage import Hole, moment, words
from console.timeline.view import Timeline

FEW = 8
"""Addresses, and holes, that are named; of more only how many."""


class Since(NamedTuple):
    """The answer. ``sentence`` is one paragraph; ``facts`` are pairs of a label and a text."""

    sentence: str
    facts: tuple[tuple[str, str], ...]
    used: int
    """Let through, since the leak."""
    denied: int
    after: int
    """Let through although the token had been revoked."""
    strangers: tuple[str, ...]
    """Addresses that never used it before the leak, as far as single events are kept."""
    sure: bool
    """Whether the logs cover all of the time from the leak to now."""
    holes: tuple[Hole, ...]


def since(timeline: Timeline, leak: int) -> Since:
    """What was done with the timeline's token from the leak to now.

    Counts come from single events, and from the five-minute counts where those were dropped;
    the five minutes in which the leak falls then count whole.
    """
    now = max(timeline.now, leak)
    counts, last, addresses, before, kept = _read(timeline, leak)
    counted = timeline.whole
    # Single events were dropped if there are fewer of them than were counted.
    dropped = counted.all.between(-(-leak // SLOT) * SLOT, now + SLOT) > kept
    if dropped:
        begin = leak // SLOT * SLOT
        total = counted.all.between(begin, now + SLOT)
        denied = counted.denied.between(begin, now + SLOT)
        counts = Counter({"ok": total - denied, "denied": denied})
    window = Window.of(leak, now + 1)
    holes = tuple(hole for hole in timeline.holes(window) if _matters(hole, leak, now))
    strangers = tuple(sorted(addresses.keys() - before))
    after = _after(timeline, leak)
    used = counts.total() - counts["denied"]
    sure = not holes
    return Since(
        _sentence(timeline, leak, counts, last, strangers, after, sure, bool(before)),
        tuple(_facts(timeline, leak, addresses, strangers, holes, dropped)),
        used,
        counts["denied"],
        after,
        strangers,
        sure,
        holes,
    )


FRESH = 900
"""Seconds that a log may not have been read for without it being called a hole."""


def _matters(hole: Hole, leak: int, now: int) -> bool:
    """Whether a hole is more than the delay between two readings of a log."""
    begun = leak if hole.since is None else max(hole.since, leak)
    return hole.kind != "unread" or hole.until != now + 1 or now - begun > FRESH


def _read(
    timeline: Timeline, leak: int
) -> tuple[Counter[str], tuple[int, str, str] | None, Counter[str], set[str], int]:
    """Outcomes since the leak, the last use, addresses since and before, and how many events
    there are from the first whole five minutes on."""
    counts: Counter[str] = Counter()
    addresses: Counter[str] = Counter()
    last: tuple[int, str, str] | None = None
    kept = 0
    marks = ", ".join("?" * len(timeline.subject.handles))
    whose = f"FROM event WHERE handle IN ({marks})"
    # Grouped by the store, since a token may have been used a million times.
    for action, outcome, source, times, newest, whole in timeline.connection.execute(
        f"SELECT action, outcome, source, count(*), max(at), sum(at >= ?) {whose} AND at >= ?"
        " GROUP BY 1, 2, 3",
        (-(-leak // SLOT) * SLOT, *timeline.subject.handles, leak),
    ):
        if class_of(action) == LIFE:
            continue
        counts[outcome if outcome in ("ok", "denied") else "error"] += times
        if source:
            addresses[source] += times
        if last is None or newest > last[0]:
            last = (newest, action, source)
        kept += whole
    earlier = timeline.connection.execute(
        f"SELECT DISTINCT source, action {whose} AND at < ?",
        (*timeline.subject.handles, leak),
    )
    before = {source for source, action in earlier if class_of(action) != LIFE}
    return counts, last, addresses, before, kept


def _after(timeline: Timeline, leak: int) -> int:
    if timeline.ended is None:
        return 0
    start = max(timeline.ended + 1, leak)
    marks = ", ".join("?" * len(timeline.subject.handles))
    rows = timeline.connection.execute(
        f"SELECT action FROM event WHERE handle IN ({marks})"  # noqa: S608 - bound values.
        " AND at >= ? AND outcome = 'ok'",
        (*timeline.subject.handles, start),
    )
    return sum(1 for (action,) in rows if class_of(action) != LIFE)


def _sentence(
    timeline: Timeline,
    leak: int,
    counts: Counter[str],
    last: tuple[int, str, str] | None,
    strangers: tuple[str, ...],
    after: int,
    sure: bool,
    known_before: bool,
) -> str:
    logs = timeline.coverage.logs
    at = moment(leak)
    if not counts.total():
        if not logs or all(log.until is None for log in logs):
            return (
                f"Nobody knows whether it was used since the leak ({at}): "
                "no log that would show its use is read."
            )
        if sure:
            return f"Not used since the leak ({at}): the logs cover all of that time."
        return (
            f"No use is seen since the leak ({at}), but the logs do not cover all of that "
            "time: this is no proof."
        )
    parts = [f"{counts['ok']:,} let through"] if counts["ok"] else []
    parts += [f"{counts['denied']:,} denied"] if counts["denied"] else []
    parts += [f"{counts['error']:,} failed"] if counts["error"] else []
    verb = "Used" if counts.total() > counts["denied"] else "Tried, and denied each time,"
    told = f"{verb} {_times(counts.total())} since the leak ({at}): {', '.join(parts)}"
    if last is not None:
        ago = age(max(0, timeline.now - last[0]))
        told += f"; last {ago} ago" + (f" from {last[2]}" if last[2] else "")
    told += "."
    if strangers and known_before:
        places = "an address" if len(strangers) == 1 else f"{len(strangers)} addresses"
        told += f" From {places} that never used it before: {_some(strangers)}."
    if after:
        told += f" {_times(after).capitalize()} it was let through after it had been revoked."
    if not sure:
        told += " The logs do not cover all of that time: there may be more."
    return told


def _facts(
    timeline: Timeline,
    leak: int,
    addresses: Counter[str],
    strangers: tuple[str, ...],
    holes: tuple[Hole, ...],
    dropped: bool,
) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for address, times in addresses.most_common(FEW):
        new = ", new" if address in strangers else ""
        found.append(("from", f"{address} ({_times(times)}{new})"))
    if len(addresses) > FEW:
        found.append(("from", f"and {len(addresses) - FEW} more addresses"))
    for log in timeline.coverage.logs:
        begin = "nothing" if log.since is None else f"from {moment(log.since)}"
        end = "" if log.until is None else f" to {moment(log.until)}"
        notes = "".join(f"; {note}" for note in log.notes)
        found.append(("log", f"{log.name} ({log.type}): {begin}{end}{notes}"))
    found += [("not covered", words(hole)) for hole in holes[:FEW]]
    if len(holes) > FEW:
        found.append(("not covered", f"and {len(holes) - FEW} more stretches"))
    if dropped:
        found.append(
            ("counted", "single events of that time were dropped; counts are to five minutes")
        )
    return found


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
