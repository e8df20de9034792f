"""A run's one reader of a system's log: what it keeps of a log of any size, and what it tells."""

from __future__ import annotations

import asyncio
import tracemalloc
import weakref
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rotation_scene import Scene

from backends.contract import Backend
from backends.errors import BackendError
from backends.estate import EstateWorld, create, hazard_cases
from backends.model import AuditEvent, EventClass, Gap, GapKind, TokenRef
from console.response.evidence.audit_log import OVERLAP, PAUSE, AuditLog
from console.response.evidence.ladder import climb
from console.response.evidence.logged_use import KEPT, USERS
from console.response.rotate import rotation
from console.response.step.attempt import Done, End

LINES = 200_000
SAMPLED = 100
"""Of so many lines of the flood one is watched, to see whether anybody keeps it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("estate") / "estate.db"
    create(file, seed=11, tokens=60)
    return file


class Line(AuditEvent, frozen=True, kw_only=True, weakref=True):
    """A line that tells whether it is still held."""


class Flood:
    """A backend's log with many thousand lines about tokens that no run is about."""

    def __init__(self, ends: datetime) -> None:
        self.first = ends - timedelta(days=6)
        self.apart = (ends - self.first) / LINES
        self.sampled: list[weakref.ref[Line]] = []
        self.reads = self.given = 0

    def over(self, backend: Backend) -> Backend:
        """The backend, with these lines in its log."""
        events = backend.events

        async def flooded(since: datetime, until: datetime | None = None) -> Any:
            self.reads += 1
            for number in range(LINES):
                at = self.first + number * self.apart
                if at >= since and (until is None or at < until):
                    yield self._line(number, at)
            async for event in events(since, until):
                yield event

        backend.events = flooded  # type: ignore[method-assign]
        return backend

    def _line(self, number: int, at: datetime) -> Line:
        self.given += 1
        line = Line(
            id=f"flood-{number}", at=at, action="read", sort=EventClass.USE,
            token=TokenRef("cloud", "access_key", f"other-{number % 5_000}"),
            source=f"10.9.{number % 200}.7", agent=f"job/{number % 50}",
        )  # fmt: skip
        if number % SAMPLED == 0:
            self.sampled.append(weakref.ref(line))
        return line

    @property
    def held(self) -> int:
        """How many of the watched lines are still in memory."""
        return sum(ref() is not None for ref in self.sampled)


def test_a_rotation_keeps_no_line_of_anybody_elses_tokens(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(tmp_path, "cloud", "access_key", made=made)
    with EstateWorld(scene.file) as world:
        hazard_cases.employ(
            world, "cloud", scene.ref.id, "api", address="10.7.0.1", agent="api/1", period=240
        )
    scene.travel(7200)
    plan = scene.approve("file")
    flood = Flood(plan.made_at)
    opened = scene.backend
    scene.backend = lambda: flood.over(opened())  # type: ignore[method-assign]

    async def both(tools: Any, item: Any) -> tuple[Done, int]:
        done = await rotation.rotate(tools, item)
        await climb(tools, item)
        return done, flood.held

    tracemalloc.start()
    done, held = scene.run_with(plan, both)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with capsys.disabled():
        print(
            f"\n{LINES:,} lines: peak {peak / 1e6:.1f} MB, {held} of {len(flood.sampled)} watched"
            f" lines held, {flood.reads} readings of {flood.given:,} lines"
        )
    assert done.end is End.WAITING, "api has not moved"
    assert "api" in done.words
    assert flood.given >= LINES
    assert held == 0


T0 = 1_700_000_000.0
OLD, NEW, OTHER = (TokenRef("cloud", "access_key", id_) for id_ in ("old", "new", "other"))


def line(second: float, ref: TokenRef = OLD, **more: Any) -> AuditEvent:
    """A use of a token so many seconds after the plan was made."""
    at = datetime.fromtimestamp(T0 + second, UTC)
    given = {"id": f"{ref.id}-{second}", "action": "read", "sort": EventClass.USE,
             "source": "10.7.0.1", "agent": "api/1", **more}  # fmt: skip
    return AuditEvent(at=at, token=ref, **given)


class Lines:
    """A backend that is nothing but a log; ``then`` is said, or raised, after the lines."""

    name = "cloud"

    def __init__(self, *lines: AuditEvent) -> None:
        self.lines = list(lines)
        self.then: Gap | BackendError | None = None
        self.asked: list[float] = []

    async def events(self, since: datetime, until: datetime | None = None) -> Any:
        self.asked.append(since.timestamp() - T0)
        for each in self.lines:
            if each.at >= since:
                yield each
        if isinstance(self.then, BackendError):
            raise self.then
        if self.then is not None:
            yield self.then


def log_of(lines: Lines, **more: Any) -> AuditLog:
    return AuditLog(lines, [OLD], T0, **more)  # type: ignore[arg-type]


def read(log: AuditLog, second: float) -> None:
    asyncio.run(log.read(T0 + second))


def test_of_a_token_that_everybody_uses_a_bounded_part_is_kept() -> None:
    lines = Lines(
        *(
            line(n / 100, source=f"10.7.{n % 1_000 // 250}.{n % 250}", agent=f"job/{n % 7}")
            for n in range(50_000)
        )
    )
    log = log_of(lines)
    read(log, 600)
    assert len(log.of(OLD).users) == USERS
    assert log.of(OLD).rest is not None, "and that there are more is known"
    assert log.kept <= (USERS + 1) * KEPT
    assert log.uses(OLD)[-1].at == pytest.approx(T0 + 499.99)


def test_refusals_do_not_push_out_the_use_that_alarms() -> None:
    lines = Lines(line(1), *(line(2 + n, outcome="denied") for n in range(5_000)))
    log = log_of(lines)
    read(log, 6_000)
    assert [use.at for use in log.uses(OLD) if use.ok] == [T0 + 1]


def test_the_longest_pause_and_the_first_use_outlive_the_lines() -> None:
    lines = Lines(line(0), line(900), *(line(901 + n) for n in range(4 * KEPT)))
    log = log_of(lines)
    for second in (1_000, 1_100, 1_200):
        read(log, second)
    (user,) = log.of(OLD).users
    assert user.first == T0
    assert user.let.longest_pause([user.let]) == 900
    assert log.let_before(OLD, T0 + 1) == {("read", "10.7.0.1", "api/1")}
    assert log.let_before(OLD, T0) == set()


def test_a_line_that_comes_late_is_seen_and_one_read_twice_is_one() -> None:
    lines = Lines(line(0), line(50))
    log = log_of(lines)
    read(log, 60)
    lines.lines.append(line(30))
    read(log, 60 + PAUSE)
    assert [use.at - T0 for use in log.uses(OLD)] == [0, 30, 50]


def test_a_token_made_by_the_run_is_read_from_when_it_was_made() -> None:
    lines = Lines(line(0), line(10, NEW), line(900, OTHER))
    log = log_of(lines)
    read(log, 900)
    assert not log.uses(NEW)
    log.watch(NEW, T0 + 5)
    read(log, 901)
    assert not log.uses(NEW), "many tokens of a run do not read it many times"
    read(log, 910)
    assert [use.at - T0 for use in log.uses(NEW)] == [10]
    assert lines.asked[-1] == 5 - OVERLAP


def test_what_broke_off_is_read_again_and_stays_a_hole() -> None:
    lines = Lines(line(0))
    log = log_of(lines)
    read(log, 10)
    lines.then = BackendError("no such file")
    lines.lines.append(line(15, OTHER))
    read(log, 20)
    assert "no such file" in log.trouble
    lines.then = None
    lines.lines += [line(16), line(400)]
    read(log, 400)
    assert not log.trouble
    assert [use.at - T0 for use in log.uses(OLD)] == [0, 16, 400]
    assert log.broken
    assert not log.covers(OLD, T0 + 12, T0 + 18)


def test_a_gap_is_asked_about_again_for_the_time_of_the_run_alone() -> None:
    lines = Lines(line(-100), line(5))
    lines.then = Gap("eu-west-1", GapKind.REFUSED, "events: no permission", "Grant it.", None)
    log = log_of(lines)
    read(log, 10)
    assert log.gap
    assert log.broken
    assert lines.asked == [-3600.0, 0.0]
