"""A log that is read for the first time: the newest day first, and nothing claimed of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from scripted import NOW, Desk, Scripted, listing, token

from backends.errors import Unreachable
from backends.model import AuditEvent, EventClass, Gap, GapKind
from console.audit import intake
from console.inventory.search.order import Sort
from console.inventory.search.query import parse
from console.store import reading
from console.timeline.coverage import coverage

ONE = token("a")
DAY = timedelta(days=1)


def use(id_: str, ago: timedelta) -> AuditEvent:
    return AuditEvent(id=id_, at=NOW - ago, action=id_, sort=EventClass.USE, token=ONE.ref)


class ByStretch(Scripted):
    """A log that can be asked stretch by stretch; ``fails`` is raised where one begins there."""

    log_by_stretch: ClassVar[bool] = True

    def __init__(self, *events: AuditEvent | Gap) -> None:
        super().__init__(listing(ONE))
        self.log = list(events)
        self.asked: list[tuple[timedelta, timedelta | None]] = []
        self.fails: dict[timedelta, Exception] = {}

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        self.asked.append((NOW - since, None if until is None else NOW - until))
        for found in self.log:
            if isinstance(found, AuditEvent) and (
                found.at < since or (until is not None and found.at > until)
            ):
                continue
            assert not isinstance(found, Exception)
            yield found
        if (error := self.fails.get(NOW - since)) is not None:
            raise error


LOG = [use("new", timedelta(hours=2)), use("older", 3 * DAY), use("oldest", 20 * DAY)]
HOURS = timedelta(hours=25)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    asyncio.run(desk.syncer.sync(Scripted(listing(ONE))))
    return desk


def take(desk: Desk, backend: Scripted, **options: Any) -> intake.EventReport:
    return asyncio.run(intake.take_in(desk.syncer, backend, **options))


def kept(desk: Desk) -> list[str]:
    with desk.reading() as inventory:
        return [event.action for event in inventory.events(ONE.ref.handle)]


def silent(desk: Desk, ago: timedelta) -> bool:
    """Whether no use in a stretch that long would show that there was none."""
    start, end = int((NOW - ago).timestamp()), int(NOW.timestamp())
    connection = reading.connect(desk.path)
    try:
        return not coverage(connection, ["vault"], [ONE.ref.handle]).holes(start, end)
    finally:
        connection.close()


def test_the_newest_day_comes_first_and_the_rest_after_it(desk: Desk) -> None:
    backend = ByStretch(*LOG)
    assert take(desk, backend).taken == 3
    assert backend.asked == [(HOURS, None), (7 * DAY, HOURS), (30 * DAY, 7 * DAY)]
    assert silent(desk, 29 * DAY)
    desk.clock.forward(hours=1)
    backend.asked.clear()
    assert take(desk, backend).taken == 0
    assert backend.asked == [(timedelta(minutes=15), None)], "only what is new"


def test_what_was_interrupted_claims_nothing_and_is_gone_on_with(desk: Desk) -> None:
    backend = ByStretch(*LOG)
    backend.fails[7 * DAY] = Unreachable("no route", "")
    report = take(desk, backend)
    assert report.message == "no route"
    assert kept(desk) == ["new", "older"], "what came is kept"
    assert silent(desk, DAY)
    assert not silent(desk, 2 * DAY), "it was not read to its end"
    backend.fails.clear()
    backend.asked.clear()
    desk.clock.forward(minutes=5)
    assert take(desk, backend).taken == 1
    assert [back for back, _ in backend.asked] == [
        timedelta(minutes=15), timedelta(days=7, minutes=-5), timedelta(days=30, minutes=-5),
    ]  # fmt: skip
    assert backend.asked[1][1] == HOURS, "from where the last one got to"
    assert kept(desk) == ["new", "older", "oldest"]
    assert silent(desk, 29 * DAY)


def test_no_day_of_uses_is_drawn_before_it_was_read(desk: Desk) -> None:
    now = int(NOW.timestamp())
    with desk.reading() as inventory:
        ids = [row.rowid for row in inventory.window(parse(""), Sort(), 0, 1)]
        take(desk, ByStretch(*LOG), since=NOW - timedelta(hours=6))
        assert inventory.uses(ids, now) == {}, "six hours are no day"
        take(desk, ByStretch(*LOG))
        assert sum(inventory.uses(ids, now)[ids[0]]) == 1


def test_how_far_it_is_is_told_while_something_is_missing(desk: Desk) -> None:
    told: list[tuple[int, datetime | None]] = []
    backend = ByStretch(*LOG)
    take(desk, backend, progress=lambda seen, back: told.append((seen, back)))
    whole = [NOW - HOURS, NOW - 7 * DAY, NOW - 30 * DAY]
    assert told == [(0, None), (1, whole[0]), (2, whole[1]), (3, whole[2])]
    told.clear()
    take(desk, backend, progress=lambda seen, back: told.append((seen, back)))
    assert told == [], "there is nothing that was never read"


def test_a_hole_at_the_beginning_of_a_log_is_one_hole(desk: Desk) -> None:
    begins = NOW - 2 * DAY
    gap = Gap("log", GapKind.UNLISTABLE, "the log begins there", until=begins)
    take(desk, ByStretch(gap, use("new", timedelta(hours=2))))
    connection = reading.connect(desk.path)
    try:
        (log,) = coverage(connection, ["vault"]).logs
    finally:
        connection.close()
    (hole,) = log.holes
    assert hole.until == int(begins.timestamp())
    assert hole.since == int((NOW - 30 * DAY).timestamp())


def test_a_log_that_cannot_be_asked_so_is_read_once_and_oldest_first(desk: Desk) -> None:
    backend = ByStretch(*LOG)
    backend.log_by_stretch = False  # type: ignore[misc]
    backend.fails[30 * DAY] = Unreachable("no route", "")
    take(desk, backend)
    assert backend.asked == [(30 * DAY, None)]
    assert not silent(desk, timedelta(hours=1))
    backend.fails.clear()
    take(desk, backend)
    assert silent(desk, 29 * DAY)
