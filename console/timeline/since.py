"""Was it used since the leak? In words, with what the answer rests on and what it does not."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from backends.words import count
from console.store.classes import OTHER, SLOT, USE
from console.store.queries import events
from console.text import age
from console.timeline.axis import Window
from console.timeline.coverage import WORDS, UncoveredStretch, and_more, moment, words
from console.timeline.view import Timeline

FEW = 8
"""Addresses, and holes, that are named; of more only how many."""
FRESH = 1800
"""Seconds that a log's end may lie back without it being called a hole: logs are delivered late,
and are read now and then. Up to where they were read is told in any case."""


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
    """Whether the logs cover all of the time from the leak to where they were read, just now."""
    holes: tuple[UncoveredStretch, ...]
    told: bool = False
    """Whether the issuer's own record has a use after the leak, or one that may lie after it."""


class _Seen(NamedTuple):
    """What the logs have since the leak."""

    counts: Counter[str]
    """How often its value was shown, by how it ended."""
    last: tuple[int, str] | None
    """The newest of those, and from where."""
    let_in: int | None
    """The newest that was not refused."""
    addresses: Counter[str]
    before: set[str]
    """Addresses before the leak."""
    kept: int
    """Single events from the first whole five minutes on."""
    unclear: int
    """Entries about it of which nobody told what they are."""

    @property
    def strangers(self) -> tuple[str, ...]:
        """The addresses that had not used the token before the leak."""
        return tuple(sorted(self.addresses.keys() - self.before))


def since(timeline: Timeline, leak: int) -> Since:
    """What was done with the timeline's token from the leak to now.

    Counts come from single events, and from the five-minute counts where those were dropped;
    the five minutes in which the leak falls then count whole.
    """
    now = max(timeline.now, leak)
    seen = _read(timeline, leak)
    counted = timeline.whole
    # Single events were dropped if there are fewer of them than were counted.
    dropped = counted.all.between(-(-leak // SLOT) * SLOT, now + SLOT) > seen.kept
    if dropped:
        begin = leak // SLOT * SLOT
        total = counted.all.between(begin, now + SLOT)
        denied = counted.denied.between(begin, now + SLOT)
        seen = seen._replace(counts=Counter({"ok": total - denied, "denied": denied}))
    window = Window.of(leak, now + 1)
    holes = tuple(hole for hole in timeline.holes(window) if _matters(hole, leak, now))
    after = _after(timeline, leak)
    used = seen.counts.total() - seen.counts["denied"]
    until = timeline.coverage.until
    sure = not holes and until is not None and until > leak
    issuer = _issuer(timeline, leak, seen.let_in)
    return Since(
        _sentence(timeline, leak, seen, after, issuer, sure=sure),
        tuple(_facts(timeline, leak, seen, holes, dropped=dropped)),
        used,
        seen.counts["denied"],
        after,
        seen.strangers,
        sure and not issuer,
        holes,
        bool(issuer),
    )


def _matters(hole: UncoveredStretch, leak: int, now: int) -> bool:
    """Whether a hole is more than the delay between two readings of a log."""
    begun = leak if hole.since is None else max(hole.since, leak)
    return hole.kind != "unread" or hole.until != now or now - begun > FRESH


def _read(timeline: Timeline, leak: int) -> _Seen:
    counts: Counter[str] = Counter()
    addresses: Counter[str] = Counter()
    last: tuple[int, str] | None = None
    let_in: int | None = None
    kept = 0
    connection, handles = timeline.connection, timeline.subject.handles
    whole_from = -(-leak // SLOT) * SLOT
    for outcome, source, times, newest, whole in events.uses_since(
        connection, handles, leak, whole_from
    ):
        counts[outcome if outcome in ("ok", "denied") else "error"] += times
        if source:
            addresses[source] += times
        if last is None or newest > last[0]:
            last = (newest, source)
        if outcome != "denied":
            let_in = max(let_in or newest, newest)
        kept += whole
    before = events.addresses_before(connection, handles, leak)
    unclear = events.count_since(connection, handles, leak, OTHER)
    return _Seen(counts, last, let_in, addresses, before, kept, unclear)


def _after(timeline: Timeline, leak: int) -> int:
    if timeline.ended is None:
        return 0
    start = max(timeline.ended + 1, leak)
    return events.count_since(
        timeline.connection, timeline.subject.handles, start, USE, let_in=True
    )


def _issuer(timeline: Timeline, leak: int, let_in: int | None) -> str:
    """What the issuer's record has that the logs have not; empty where that is nothing."""
    use = timeline.issuer
    later = use.after(leak) if use is not None else False
    if use is None or later is False or (let_in is not None and let_in + use.step >= use.at):
        return ""
    at = moment(use.at)
    kept = f", kept to {age(use.step)}" if use.step > 1 else ""
    source = use.source or "its issuer"
    if later:
        return f"{source} has its last use at {at}{kept}"
    return f"{source} has its last use at {at}{kept}, which may lie on either side of the leak"


def _sentence(
    timeline: Timeline, leak: int, seen: _Seen, after: int, issuer: str, *, sure: bool
) -> str:
    at = moment(leak)
    counts = seen.counts
    if not counts.total():
        return _nothing_seen(timeline, leak, seen, issuer, sure=sure)
    parts = [f"{counts['ok']:,} let through"] if counts["ok"] else []
    parts += [f"{counts['denied']:,} denied"] if counts["denied"] else []
    parts += [f"{counts['error']:,} failed"] if counts["error"] else []
    verb = "Used" if counts.total() > counts["denied"] else "Tried, and denied each time,"
    if issuer and verb != "Used":
        verb = "Tried, and denied each time in the logs,"
    told = f"{verb} {_times(counts.total())} since the leak ({at}): {', '.join(parts)}"
    if seen.last is not None:
        ago = age(max(0, timeline.now - seen.last[0]))
        told += f"; last {ago} ago" + (f" from {seen.last[1]}" if seen.last[1] else "")
    told += "."
    if seen.strangers and seen.before:
        many = len(seen.strangers)
        places = "an address" if many == 1 else f"{many} addresses"
        told += f" From {places} that never used it before: {_some(seen.strangers)}."
    if after:
        told += f" {_times(after).capitalize()} it was let through after it had been revoked."
    if issuer:
        told += f" {issuer[:1].upper()}{issuer[1:]}: the logs have not all of it."
    if seen.unclear:
        told += f" {_unclear(seen.unclear)}"
    if not sure:
        told += " The logs do not cover all of that time: there may be more."
    return told


def _nothing_seen(timeline: Timeline, leak: int, seen: _Seen, issuer: str, *, sure: bool) -> str:
    """The sentence where no log has a use since the leak, which need not mean that it was not."""
    at = moment(leak)
    if issuer and timeline.issuer is not None:
        verb = "Used" if timeline.issuer.after(leak) else "Perhaps used"
        return f"{verb} since the leak ({at}): {issuer}. No log that is read shows that use."
    logs, until = timeline.coverage.logs, timeline.coverage.until
    if not any(log.read for log in logs):
        return (
            f"Nobody knows whether it was used since the leak ({at}): "
            "no log that would show its use is read."
        )
    if not timeline.coverage.telling:
        why = "; ".join(f"{log.name} {WORDS[log.covers]}" for log in logs[:3])
        return f"No use is seen since the leak ({at}), but this is no proof: {why}."
    if until is not None and until <= leak:
        return (
            f"Nobody knows yet whether it was used since the leak ({at}): the logs were read to "
            f"{moment(until)} only."
        )
    if seen.unclear:
        return (
            f"No use is seen since the leak ({at}), but this is no proof. {_unclear(seen.unclear)}"
        )
    if sure and until is not None:
        return f"Not used since the leak ({at}): the logs cover all of the time to {moment(until)}."
    return (
        f"No use is seen since the leak ({at}), but the logs do not cover all of that "
        "time: this is no proof."
    )


def _unclear(times: int) -> str:
    number = "One entry" if times == 1 else f"{times:,} entries"
    return f"{number} about it may be uses: the log does not tell."


def _facts(
    timeline: Timeline,
    leak: int,
    seen: _Seen,
    holes: tuple[UncoveredStretch, ...],
    *,
    dropped: bool,
) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    strangers = seen.strangers
    for address, times in seen.addresses.most_common(FEW):
        new = ", new" if address in strangers else ""
        found.append(("from", f"{address} ({_times(times)}{new})"))
    if len(seen.addresses) > FEW:
        found.append(
            ("from", f"and {count(len(seen.addresses) - FEW, 'more address', 'more addresses')}")
        )
    for log in timeline.coverage.logs:
        begin = "nothing" if log.since is None else f"from {moment(log.since)}"
        end = "" if log.until is None else f" to {moment(log.until)}"
        notes = "".join(f"; {note}" for note in log.notes)
        part = "" if log.covers.all_uses else f"; {WORDS[log.covers]}"
        found.append(("log", f"{log.name} ({log.type}): {begin}{end}{part}{notes}"))
    if timeline.issuer is not None:
        use = timeline.issuer
        kept = f", kept to {age(use.step)}" if use.step > 1 else ""
        found.append(("issuer", f"last use {moment(use.at)}{kept} ({use.source or 'its record'})"))
    found += [("not covered", words(hole)) for hole in holes[:FEW]]
    if len(holes) > FEW:
        found.append(("not covered", and_more(len(holes) - FEW)))
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
