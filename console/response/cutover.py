"""Who still uses an old value: consumer by consumer, by the system's own log.

A consumer has moved when it was seen with the new value and the old one is silent since.
The console's own probes are no use. What nobody can see, a responder has to vouch for: by a
waiver, with a reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from weakref import WeakKeyDictionary

from backends.errors import BackendError
from backends.model import AuditEvent, Consumer, EventClass, Gap, TokenRef
from backends.words import count
from console.journal.describe import Entry
from console.journal.entry import Kind
from console.journal.parts import RunMark
from console.response import facts
from console.response.plan import Item
from console.response.silence import NEAR
from console.response.tools import Tools

LOOKBACK = timedelta(days=7)
"""How far back a use makes a consumer. Who comes more rarely is not known from the log."""
QUIET = (60.0, 3600.0)
"""Seconds that the old value has to be silent, at least and at most: as long as the longest
pause between two uses of that consumer."""
FRESH = 5.0
"""Seconds for which one reading of a log serves all tokens of a run."""
READ_TIMEOUT = 120.0
OWN = "token-console"
"""In the agent of whatever the console itself does."""
IN_SESSION = "in a session"
"""How the detail of an event begins that needed no value: the session was open before."""
CARRIES = frozenset({"session", "address", "workload"})
"""The kinds of consumers that hold the value. Objects, leases and children do not move."""


class Standing(NamedTuple):
    """One consumer. ``moved`` is what the log shows, ``waived`` what a responder answers for."""

    name: str
    moved: bool
    waived: bool
    words: str


class Cutover(NamedTuple):
    """Every known consumer, and why more of them cannot be seen (empty where they can)."""

    consumers: tuple[Standing, ...]
    blind: str = ""

    @property
    def staying(self) -> tuple[Standing, ...]:
        """Those that have not moved, waived or not."""
        return tuple(each for each in self.consumers if not each.moved)

    @property
    def holding(self) -> tuple[Standing, ...]:
        """Those for which a routine rotation waits."""
        return tuple(each for each in self.staying if not each.waived)

    @property
    def waiting(self) -> str:
        """For whom a routine rotation waits, in words that change only with that. Raw text."""
        names = [each.name for each in self.holding]
        told = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        parts = [f"not moved: {told}" if told else "", self.blind]
        return f"the old one is not retired: {'; '.join(part for part in parts if part)}"

    @property
    def words(self) -> str:
        """How far it is, on one line. Raw text."""
        moved = sum(each.moved for each in self.consumers)
        told = f"{moved} of {count(len(self.consumers), 'consumer')} seen with the new value"
        if self.staying:
            told += "; not: " + ", ".join(f"{e.name} ({e.words})" for e in self.staying[:5])
        if len(self.staying) > 5:
            told += f" and {len(self.staying) - 5} more"
        return f"{told}; {self.blind}" if self.blind else told


class _Log:
    """What one backend's log said of uses, read on from where the last reading ended."""

    def __init__(self) -> None:
        self.uses: dict[TokenRef, dict[str, AuditEvent]] = {}
        self.read_at = float("-inf")
        self.since: datetime | None = None
        self.events = 0
        self.trouble = ""
        self.gap = ""
        self.gate = asyncio.Lock()


_logs: WeakKeyDictionary[Tools, _Log] = WeakKeyDictionary()


async def follow(
    tools: Tools, item: Item, new: TokenRef, changed: Entry, limit: float | None = None
) -> Cutover:
    """Ask who has moved to the token ``new``, and journal each consumer's move once.

    ``changed`` is the intent of the call that made the new value. Where it has the old
    token's id, a use after it was one with the new value, for the old one was refused.
    ``limit`` is for how many seconds at most the system is asked.

    Raises:
        JournalError: the journal cannot be written.
    """
    try:
        async with asyncio.timeout(limit):
            seen = await survey(tools, item, new, changed)
    except TimeoutError:
        return Cutover((), f"who uses it was not told within {limit:.0f} s")
    entries = tools.history.of(item.number)
    known = {e.run.detail for e in entries if e.run is not None and e.run.what == "moved"}
    for each in seen.consumers:
        detail = facts.name(each.name, 160)
        if each.moved and detail not in known:
            known.add(detail)
            mark = RunMark(
                plan=tools.plan.id,
                what="moved",
                item=item.number,
                backend=item.backend,
                detail=detail,
            )
            await tools.record(Kind.RUN, run=mark)
    return seen


async def survey(tools: Tools, item: Item, new: TokenRef, changed: Entry) -> Cutover:
    """Who has moved, as far as the system tells. Writes nothing. Raises nothing."""
    old = item.token.ref
    log = _logs.setdefault(tools, _Log())
    now = await _read(tools, log)
    holders, gaps = await _dependents(tools, old)
    after = holders if new == old else (await _dependents(tools, new))[0]
    # Where the log keeps agents, our own tries are told by theirs, whatever a clock says.
    told = any(event.agent for event in log.uses.get(new, {}).values())
    tried = 0.0 if told else _tried(tools, item, changed, now - tools.now())
    if new != old:
        after = tuple(each for each in after if not _by(each, tried))
    # Who has moved is told of with the new token, and was called so with the old one.
    everybody = (*holders, *after)
    uses = _by_user(log.uses.get(old, {}).values(), everybody)
    fresh = [event for event in log.uses.get(new, {}).values() if event.agent or _at(event) > tried]
    later = uses if new == old else _by_user(fresh, everybody)
    began = _began(log.uses.get(old, {}).values(), changed, now - tools.now())
    found: list[tuple[str, bool, str]] = []
    if new == old:
        before = {who for who, events in uses.items() if any(_at(e) <= began for e in events)}
        for who in sorted(before):
            found.append((who, *_in_place(uses[who], began)))
    else:
        for who, events in sorted(uses.items()):
            found.append((who, *_apart(events, later.get(who, []), now)))
    named = {who for who, _, _ in found}
    for consumer in holders:
        told = any(_names(event, consumer) for events in uses.values() for event in events[-1:])
        if consumer.name not in named and not told:
            found.append((consumer.name, *_by_record(consumer, new == old, began, after, later)))
            named.add(consumer.name)
    waived = _waivers(tools.history.of(item.number))
    blind = log.trouble
    if not blind and not found and not log.events and (log.gap or gaps):
        blind = f"who uses it cannot be seen ({log.gap or gaps})"
    return Cutover(
        tuple(
            Standing(who, moved, bool({who, None} & waived), words) for who, moved, words in found
        ),
        "" if None in waived else blind,
    )


def _apart(old: list[AuditEvent], new: list[AuditEvent], now: float) -> tuple[bool, str]:
    """Whether a consumer has gone over from one token to the other."""
    worked = [_at(event) for event in old if event.outcome == "ok"]
    fresh = [_at(event) for event in new if event.outcome == "ok"]
    if not fresh:
        return False, "not seen with the new one yet"
    if not worked:
        return True, "seen with the new one"
    if max(worked) >= max(fresh):
        return False, "used the old one again"
    pauses = [later - earlier for earlier, later in pairwise(worked)]
    quiet = min(max([QUIET[0], *pauses]), QUIET[1])
    if now - max(worked) < quiet:
        return False, f"the old one is silent for {max(0.0, now - max(worked)):.0f} s only"
    return True, "seen with the new one, the old one is silent since"


def _in_place(events: list[AuditEvent], began: float) -> tuple[bool, str]:
    """Whether a consumer was let in after the value was changed."""
    after = [event for event in events if _at(event) > began]
    fresh = [_at(e) for e in after if e.outcome == "ok" and not e.detail.startswith(IN_SESSION)]
    refused = [_at(event) for event in after if event.outcome == "denied"]
    if fresh and max(fresh) >= max(refused, default=0.0):
        return True, "let in since the change"
    return False, "refused since the change" if refused else "not seen since the change"


def _by_record(
    consumer: Consumer,
    in_place: bool,
    began: float,
    after: tuple[Consumer, ...],
    later: dict[str, list[AuditEvent]],
) -> tuple[bool, str]:
    """The same for a consumer that only the system's record names."""
    if in_place:
        seen = consumer.last_seen.value
        # A session that was open before goes on with the old value's rights.
        if consumer.kind != "session" and seen is not None and seen.timestamp() > began:
            return True, "seen since the change"
        return False, "a session from before" if consumer.kind == "session" else "not seen since"
    if consumer.name in later or any(each.name == consumer.name for each in after):
        return True, "seen with the new one"
    return False, "not seen with the new one yet"


def _waivers(entries: Iterable[Entry]) -> set[str | None]:
    """Whom a responder answers for, by name; None is everybody."""
    waived = [e.run for e in entries if e.run is not None and e.run.what == "waive"]
    return {mark.detail or None for mark in waived}


def _by_user(
    events: Iterable[AuditEvent], holders: Iterable[Consumer]
) -> dict[str, list[AuditEvent]]:
    """The uses by consumer, each oldest first. Ours, and what names nobody, are left out."""
    found: dict[str, list[AuditEvent]] = {}
    # A session's name is not the same the next time, so the use itself gives the name.
    named = [each for each in holders if each.kind != "session"]
    for event in sorted(events, key=_at):
        if not event.settled.shown or OWN in event.agent or not (event.source or event.agent):
            continue
        who = next(
            (each.name for each in named if _names(event, each)),
            f"{event.agent or 'somebody'} from {event.source or 'an unknown address'}",
        )
        found.setdefault(who, []).append(event)
    return found


def _names(event: AuditEvent, consumer: Consumer) -> bool:
    """Whether a use is that consumer's, by its address and its program."""
    return all(word in consumer.detail for word in (event.source, event.agent) if word)


def _began(events: Iterable[AuditEvent], changed: Entry, skew: float) -> float:
    """When the value changed, by the system's clock: as its own log says, where it does."""
    noted = [_at(event) for event in events if changed.id in event.detail]
    return min(noted) if noted else changed.t_us / 1e6 + skew


def _tried(tools: Tools, item: Item, changed: Entry, skew: float) -> float:
    """Until when, by the system's clock, only the console can have used the new value.

    It tries the value before it delivers it. A log that keeps no agent has that as anybody's
    use, from an address at which a consumer may be at home too.
    """
    tries = [
        entry.t_us / 1e6
        for entry in tools.history.of(item.number)
        if entry.step == f"{item.number}.new-value" and entry.ref == changed.id
    ]
    return max(tries) + skew + NEAR if tries else 0.0


def _by(consumer: Consumer, moment: float) -> bool:
    seen = consumer.last_seen.value
    return seen is not None and seen.timestamp() <= moment


def _at(event: AuditEvent) -> float:
    return event.at.timestamp()


async def _dependents(tools: Tools, ref: TokenRef) -> tuple[tuple[Consumer, ...], str]:
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            told = await tools.backend.dependents(ref)
    except TimeoutError:
        return (), "no answer"
    except BackendError as error:
        return (), facts.words(error.message, 160)
    except Exception as error:  # noqa: BLE001
        # A backend's defect must leave the old value alive, and the run going.
        return (), f"the backend failed with {type(error).__name__}"
    carries = tuple(each for each in told.consumers if each.kind in CARRIES)
    return carries, "; ".join(facts.words(gap.what, 80) for gap in told.gaps[:2])


async def _read(tools: Tools, log: _Log) -> float:
    """Read on in the log. Returns the time by the system's clock."""
    skew = 0.0
    try:
        async with log.gate, asyncio.timeout(READ_TIMEOUT):
            told = (await tools.backend.health()).skew
            skew = told.total_seconds() if told is not None else 0.0
            if tools.now() - log.read_at >= FRESH:
                since = datetime.fromtimestamp(tools.now() + skew, UTC) - LOOKBACK
                await _read_on(tools, log, log.since or since)
    except TimeoutError:
        log.trouble = "the log gave no answer"
    except BackendError as error:
        log.trouble = f"the log cannot be read: {facts.words(error.message, 160)}"
    except Exception as error:  # noqa: BLE001
        # A backend's defect must leave the old value alive, and the run going.
        log.trouble = f"the backend failed with {type(error).__name__}"
    return tools.now() + skew


async def _read_on(tools: Tools, log: _Log, since: datetime) -> None:
    log.gap = ""
    async for event in tools.backend.events(since):
        if isinstance(event, Gap):
            log.gap = log.gap or facts.words(event.what, 120)
        elif event.token is not None:
            log.uses.setdefault(event.token, {})[event.id] = event
            log.events += 1
            log.since = max(log.since or event.at, event.at)
    log.trouble, log.read_at = "", tools.now()


async def used(tools: Tools, ref: TokenRef) -> bool:
    """Whether anybody but us was seen to use a token."""
    log = _logs.setdefault(tools, _Log())
    log.read_at = float("-inf")
    await _read(tools, log)
    return any(
        event.settled is EventClass.USE
        and event.outcome == "ok"
        and OWN not in event.agent
        and bool(event.source or event.agent)
        for event in log.uses.get(ref, {}).values()
    )
