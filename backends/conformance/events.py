"""Checks of a system's own log: whole lines, in order, of tokens that there are."""

from __future__ import annotations

from datetime import datetime, timedelta

from backends.conformance.checking import check
from backends.conformance.fixture import (
    Failure,
    Fixture,
    check_times,
    kinds,
    listed,
    listing,
    living,
    need,
    public,
    skip,
)
from backends.conformance.traces import shown
from backends.contract import Backend, Readable, Support
from backends.errors import NotFound
from backends.model import AuditEvent, EventClass, TokenRef

DISORDER = timedelta(seconds=1)
"""How far a log written by several processes at a time may be out of order."""


@check
async def events_are_in_order(fixture: Fixture) -> None:
    """``events`` tells oldest first, whatever order the system has."""
    async with fixture.backend() as backend:
        began = fixture.now() - timedelta(seconds=1)
        made = []
        for _ in range(3):
            made += [living(fixture, kind) for kind in fixture.kinds()]
            fixture.wait(2)
        found: list[AuditEvent] = []
        waited = 0
        while len({event.at for event in found}) < 2 and waited <= fixture.patience:
            found = [
                event async for event in backend.events(began) if isinstance(event, AuditEvent)
            ]
            fixture.wait(1)
            waited += 1
        if len({event.at for event in found}) < 2:
            skip("too few events in the log to tell their order")
        newest: dict[str, AuditEvent] = {}
        for event in found:
            last = newest.get(event.origin)
            need(
                last is None or event.at >= last.at - DISORDER,
                f"events() gives one of {event.at} after one of {last.at if last else ''} from "
                f"the same log ({event.origin!r}); turn them round, oldest first",
            )
            newest[event.origin] = event


@check
async def events_name_what_there_is(fixture: Fixture) -> None:
    """An event's token is one that the inventory lists, or that ``read`` knows."""
    async with fixture.backend() as backend:
        began = fixture.now() - timedelta(seconds=1)
        for kind in fixture.kinds():
            await listed(fixture, backend, living(fixture, kind))
        known = set((await listing(backend)).tokens)
        declared = {kind.kind for kind in backend.capabilities().kinds}
        strange: dict[TokenRef, AuditEvent] = {}
        async for event in backend.events(began):
            if isinstance(event, AuditEvent) and event.token and event.token not in known:
                strange[event.token] = event
        for ref, event in strange.items():
            try:
                need(ref.kind in declared, f"an event names the kind {ref.kind!r}: not declared")
                await backend.read(ref)
            except NotFound:
                raise Failure(
                    f"events() has a line ({event.action}) about {ref.kind} {ref.id!r}, which "
                    "neither inventory() nor read() knows. Use the ref that the inventory uses, "
                    "or None where the line does not say whose it is"
                ) from None


@check
async def events_are_typed(fixture: Fixture) -> None:
    """Events are inside the span asked for, in UTC, with ids that stay; no log is a ``Gap``."""
    async with fixture.backend() as backend:
        made = [fixture.make(kind) for kind in fixture.kinds()]
        for one in made:
            fixture.accepts(one)
        until = fixture.now()
        since = until - timedelta(hours=1)
        first = [found async for found in backend.events(since, until)]
        events = [found for found in first if isinstance(found, AuditEvent)]
        declared = {kind.can_read(Readable.EVENTS) for kind in backend.capabilities().kinds} & {
            Support.FULL,
            Support.PARTIAL,
        }
        need(
            events or declared or len(first) > 0,
            "events() yields nothing though no kind declares events; yield a Gap that says so",
        )
        for event in events:
            check_times("an event's ", event)
            need(since <= event.at <= until, f"events({since}, {until}) gave one of {event.at}")
            need(
                event.outcome in ("ok", "denied", "error"),
                f"an event's outcome is {event.outcome!r}; it is ok, denied or error",
            )
            need(
                event.token is None or event.token.backend == backend.name,
                f"an event's token is of {event.token.backend if event.token else ''!r}; it must "
                f"be of the configured name, {backend.name!r}",
            )
            need(
                not any(shown(one.secret, event, public=public(one)) for one in made),
                "an event holds a secret; redact it where the log is read",
            )
        ids = [event.id for event in events]
        need(len(ids) == len(set(ids)), "two events have one id; hash the whole line")
        again = {
            found.id
            async for found in backend.events(since, until)
            if isinstance(found, AuditEvent)
        }
        need(
            set(ids) <= again,
            "the same line has another id when it is read again, so that it would count twice",
        )


@check
async def events_say_what_they_are(fixture: Fixture) -> None:
    """An event's class is told: what is no use counts as none, and a use counts as one."""
    tested = False
    async with fixture.backend() as backend:
        for kind in kinds(fixture, backend):
            if kind.can_read(Readable.EVENTS) not in (Support.FULL, Support.PARTIAL):
                continue
            began = fixture.now() - timedelta(seconds=1)
            quiet, used = fixture.make(kind.kind), living(fixture, kind.kind)
            waited = 0
            while not (told := await _classes(backend, began)).get(used.ref):
                if waited > fixture.patience:
                    break
                fixture.wait(1)
                waited += 1
            need(
                not any(each.shown for each in told.get(quiet.ref, ())),
                f"a {kind.kind} that was made and never used has an event of the class use or "
                "denied; its making is of the class LIFE",
            )
            if not told.get(used.ref):
                continue
            tested = True
            need(
                not kind.covers.all_uses or EventClass.USE in told[used.ref],
                f"a {kind.kind} was used, its log is declared to have every use, and its events "
                f"are of the classes {sorted(told[used.ref])}; say EventClass.USE",
            )
    if not tested:
        skip("no log has a line about a new token")


async def _classes(backend: Backend, since: datetime) -> dict[TokenRef, set[EventClass]]:
    """The classes of each token's events."""
    found: dict[TokenRef, set[EventClass]] = {}
    async for event in backend.events(since):
        if isinstance(event, AuditEvent) and event.token is not None:
            found.setdefault(event.token, set()).add(event.settled)
    return found


CHECKS = (
    events_are_typed,
    events_are_in_order,
    events_name_what_there_is,
    events_say_what_they_are,
)
