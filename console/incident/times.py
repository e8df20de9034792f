"""The times of an incident, computed from what was recorded and never typed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from console.incident.record import Incident
from console.incident.standing import TokenStanding, known_as
from console.inventory.search.inventory import Inventory
from console.journal.format.entry import Kind
from console.journal.format.sentence import Entry
from console.settings import Paths
from console.store import reading
from console.store.queries import events
from console.store.queries.events import UsesFrom

BESIDE = 5.0
"""Seconds between our try of a value and what its system's log has of it."""


class BadUse(NamedTuple):
    """A use that was let through after the leak, from an address that had not used it before."""

    at: int
    handle: str
    source: str


class Times(NamedTuple):
    """When what happened, in unix seconds; 0 where it has not, or nobody knows.

    ``contained``, ``ended`` and ``dead`` are when the last token was: 0 as long as one is not,
    and then ``uncontained``, ``unended`` and ``unrefused`` say how many. They are 0 too where a
    record says that it is so and not since when. Ended is what the
    issuer's record says, and only what was seen to be refused is dead.
    """

    exposed: float
    found: float
    contained: float
    ended: float
    dead: float
    closed: float
    uncontained: int
    unended: int
    unrefused: int
    counted: int
    """How many tokens these are about: those that nobody excepted."""
    last_use: int
    """The newest use since the leak that was let through, by whomever."""
    bad_use: BadUse | None
    unlooked: tuple[str, ...] = ()
    """Backends of the scope whose logs were not read for all the time since the leak."""

    @property
    def window(self) -> float:
        """Seconds from the exposure until the last token was stopped; 0 where one is unknown."""
        return max(0.0, self.contained - self.exposed) if self.exposed and self.contained else 0.0


def of(
    incident: Incident,
    tokens: Sequence[TokenStanding],
    paths: Paths,
    inventory: Inventory | None,
    entries: Sequence[Entry],
    now: float,
) -> Times:
    """The times of an incident; its entries tell of our own tries.

    Raises:
        StoreError: the store cannot be read.
    """
    counted = [each for each in tokens if not each.excepted(now)]
    stops = [each.stopped for each in counted]
    # Until the declared propagation is over, it may still work.
    ends = [each.over if each.over <= now else 0.0 for each in counted]
    deaths = [each.dead for each in counted]
    last, bad = 0, None
    if incident.leaked and inventory is not None:
        handles = [each.scoped.member.handle for each in tokens]
        # Where no log of before the leak was read, every address would look new.
        blind = set(_unlooked(tokens, incident.leaked, inventory))
        sure = {
            each.scoped.member.handle for each in tokens if each.scoped.member.backend not in blind
        }
        last, bad = _uses(paths, handles, incident.leaked, _tries(entries), sure)
    return Times(
        exposed=incident.leaked,
        found=incident.opened_at,
        contained=_last(stops),
        ended=_last(ends),
        dead=_last(deaths),
        closed=incident.closed.at if incident.closed is not None else 0.0,
        uncontained=sum(not each.is_stopped for each in counted),
        unended=sum(not each.is_over or each.over > now for each in counted),
        unrefused=deaths.count(0.0),
        counted=len(counted),
        last_use=last,
        bad_use=bad,
        unlooked=_unlooked(tokens, incident.leaked, inventory) if incident.leaked else (),
    )


def _unlooked(
    tokens: Sequence[TokenStanding], leak: float, inventory: Inventory | None
) -> tuple[str, ...]:
    """Where a use could have been and nobody looked."""
    wanted = {each.scoped.member.backend for each in tokens}
    read = inventory.backends() if inventory is not None else ()
    told = {
        state.name
        for state in read
        if state.events_until is not None and (state.events_since or 0) <= leak
    }
    return tuple(sorted(wanted - told))


def _last(moments: Sequence[float]) -> float:
    """The last of them; 0 where one is missing, or there is none."""
    return max(moments) if moments and all(moments) else 0.0


def _tries(entries: Sequence[Entry]) -> dict[str, list[float]]:
    """When the console itself tried a value, in unix seconds, by its token's handle."""
    found: dict[str, list[float]] = {}
    for entry in entries:
        if entry.kind == Kind.OBSERVE and entry.verb:
            found.setdefault(entry.handle, []).append(entry.t_us / 1e6)
    return found


def _ours(use: UsesFrom, tries: Sequence[float]) -> bool:
    """Whether all uses from one address can be our own tries: no more, and the last beside one."""
    beside = any(abs(use.newest - at) <= BESIDE for at in tries)
    return beside and use.times <= len(tries)


def _uses(
    paths: Paths,
    handles: Sequence[str],
    leak: float,
    tries: Mapping[str, Sequence[float]],
    sure: Collection[str],
) -> tuple[int, BadUse | None]:
    """The newest use since the leak, and the newest from an address that was new then.

    What can be our own tries of a value is neither. ``sure`` are the tokens whose addresses of
    before the leak are known.
    """
    last, bad, since = 0, None, int(leak)
    with contextlib.closing(reading.connect(paths.inventory)) as connection:
        try:
            for handle in handles:
                named = known_as(connection, handle)
                known: set[str] | None = None
                for use in events.uses_since(connection, named, since, since):
                    if use.outcome == "denied" or _ours(use, tries.get(handle, ())):
                        continue
                    last = max(last, use.newest)
                    if known is None:
                        known = events.addresses_before(connection, named, since)
                    stranger = handle in sure and use.source and use.source not in known
                    if stranger and (bad is None or use.newest > bad.at):
                        bad = BadUse(use.newest, handle, use.source)
        except sqlite3.Error as error:
            raise reading.unusable(paths.inventory, error) from None
    return last, bad
