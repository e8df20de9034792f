"""Log sources come in: each event once, whatever happens, and what is lost is told."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from patience import HANG
from scripted import NOW, token
from timeline_world import T0, World, append, line

from backends.model import AuditEvent, EventClass, Gap, GapKind
from console.journal.log import Journal
from console.response.seals import Sealer
from console.store.database import open_for_writing

COUNT = "SELECT handle, outcome, count(*) FROM event GROUP BY 1, 2 ORDER BY 1, 2"
ROLLED = (
    "SELECT handle, outcome, sum(uses) FROM rollup WHERE handle <> '' GROUP BY 1, 2 ORDER BY 1, 2"
)


def test_events_come_in_once_and_are_counted(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"), token("b"))
    append(world.log, line(0), line(10, "b", out="denied"), line(20), line(30, "nobody"))
    report = world.ingest()
    assert (report.taken, report.lines, report.unknown) == (4, 4, 1)
    append(world.log, line(40))
    assert world.ingest().taken == 1
    assert world.ingest().taken == 0
    assert world.rows(COUNT) == world.rows(ROLLED)
    a = token("a").ref.handle
    assert (a, "ok", 3) in world.rows(COUNT)
    whole = world.rows("SELECT sum(uses) FROM rollup WHERE handle = ''")
    assert whole == [(5,)]


def test_a_name_that_nobody_knew_is_found_later(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    append(world.log, line(0, "name of late"))
    assert world.ingest().unknown == 1
    world.backend.items[:0] = [token("late")]
    asyncio.run(world.syncer.sync(world.backend))
    assert world.ingest().unknown == 0
    with world.timeline("late") as timeline:
        timeline.load()
        assert len(timeline.whole.all) == 1
        assert [lane.key for lane in timeline.lanes] == [token("late").ref.handle]


def test_an_old_store_reads_its_logs_again(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    append(world.log, *(line(at) for at in range(0, 3000, 10)))
    world.ingest()
    before = world.rows("SELECT * FROM rollup ORDER BY 1, 2, 3, 4, 5")

    def forget(connection: Any) -> None:
        for name in ("rollup", "log_source", "log_position", "log_hole", "log_name", "log_learned"):
            connection.exec_driver_sql(f"DROP TABLE {name}")
        for name in ("class", "effect"):
            connection.exec_driver_sql(f"ALTER TABLE event DROP COLUMN {name}")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'graph_links'")
        connection.exec_driver_sql("PRAGMA user_version = 2")

    asyncio.run(world.syncer.write(forget))
    open_for_writing(world.paths.inventory).dispose()
    # What an older version took in does not say whether it was a use, so nothing is claimed.
    assert world.rows("SELECT * FROM rollup") == []
    world.ingest()
    assert world.rows("SELECT * FROM rollup ORDER BY 1, 2, 3, 4, 5") == before


def test_lines_that_are_none_are_a_hole_between_their_neighbours(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    append(world.log, line(0), "no object", "nor this", line(60), line(4 * 86_400))
    report = world.ingest()
    assert report.bad == 3
    holes = world.rows("SELECT since, until, kind FROM log_hole ORDER BY id")
    assert holes[0] == (T0, T0 + 60, "unreadable")
    # An event from the future is not believed, and that is told as well.
    assert world.rows("SELECT count(*) FROM event") == [(2,)]
    assert len(holes) == 2


def test_a_lost_generation_is_a_hole_that_the_next_line_ends(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    append(world.log, line(0), line(10))
    world.ingest()
    world.log.unlink()
    append(world.log, line(500))
    world.ingest()
    assert world.rows("SELECT since, until, kind FROM log_hole") == [(T0 + 10, T0 + 500, "missing")]


def test_a_clock_that_goes_back_and_one_that_is_ahead_are_kept(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    append(world.log, line(1000), line(400), line(86_400 + 90))
    world.ingest()
    ((ahead, back),) = world.rows("SELECT ahead_ms, back_ms FROM log_source")
    assert (ahead, back) == (90_000, 600_000)
    with world.timeline("a") as timeline:
        (log,) = [log for log in timeline.coverage.logs if log.name == "log"]
        assert log.notes[0] == "its clock was 90 s ahead of the clock of whoever read it"
        assert timeline.coverage.skew == 90
        # Events stand where their own log puts them.
        assert timeline.whole.all.last >= T0 + 86_400


def test_what_the_backend_itself_does_not_tell_is_a_hole(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    when = NOW.replace(hour=1)
    gap = Gap("log", GapKind.UNLISTABLE, "off", since=when, until=NOW.replace(hour=2))
    event = AuditEvent(id="1", at=when, action="read", sort=EventClass.USE, token=token("a").ref)
    for _ in range(2):
        world.events(event, gaps=[gap])
    assert world.rows("SELECT since, until, what FROM log_hole") == [
        (int(when.timestamp()), int(NOW.replace(hour=2).timestamp()), "off")
    ]


def test_time_in_which_the_console_did_not_look_is_a_hole(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"), days=2)
    world.events()
    world.clock.now += 5 * 86_400
    world.events()
    ((since, until),) = world.rows("SELECT since, until FROM log_hole")
    assert until - since == 3 * 86_400


def test_events_are_dropped_when_they_are_old_and_their_counts_stay(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"), days=1)
    append(world.log, line(-5 * 86_400), line(0), line(86_000))
    world.ingest()
    assert world.rows("SELECT count(*) FROM event") == [(2,)]
    assert world.rows("SELECT sum(uses) FROM rollup WHERE handle <> ''") == [(3,)]


def test_no_event_is_dropped_before_it_is_sealed(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"), days=1)
    append(world.log, line(-100))
    world.ingest()  # Nothing is sealed here yet, so nothing waits for it.
    sealer = Sealer(world.syncer, world.paths, act=True, every=0)
    append(world.log, line(80_000))
    world.ingest()
    Journal(world.paths.journal).close()
    assert asyncio.run(sealer.seal("vault")) is not None
    append(world.log, line(-2 * 86_400))
    world.ingest()
    assert world.rows("SELECT count(*) FROM event WHERE at < ?", T0) == [(1,)]
    asyncio.run(sealer.seal("vault"))
    world.ingest()
    assert world.rows("SELECT count(*) FROM event WHERE at < ?", T0) == [(0,)]


def test_hostile_fields_are_kept_as_they_are(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    evil = "\x1b]0;x\x07[red]\u202e" + "y" * 9000
    append(world.log, line(0, ua=evil, who=evil, on=evil, ip="'; DROP TABLE event; --"))
    append(world.log, {**line(1), "t": "9" * 400}, line(2, "\ud800"), line(3, key={"a": 1}))
    world.ingest()
    ((agent,),) = world.rows("SELECT agent FROM event WHERE at = ?", T0)
    assert agent == evil[:2000]
    assert world.rows("SELECT count(*) FROM event") == [(3,)]


CHILD = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from backends.logs import tail
from timeline_world import World
tail.CHUNK = 4000
world = World(Path({home!r}))
world.ingest()
"""


def test_killed_in_the_middle_and_started_again(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"), token("b"))
    truth = 0
    dice = random.Random(11)
    code = CHILD.format(paths=sys.path[:8], home=str(tmp_path))
    for turn in range(6):
        entries = [line(turn * 1000 + n % 1000, dice.choice("ab")) for n in range(3000)]
        append(world.log, *entries)
        truth += len(entries)
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
        before = world.rows("SELECT count(*) FROM event")[0][0]
        deadline = time.monotonic() + HANG
        while child.poll() is None and time.monotonic() < deadline:
            if world.rows("SELECT count(*) FROM event")[0][0] > before + dice.randrange(500):
                break
        assert child.poll() != 1
        child.kill()
        child.wait()
        if turn % 2:
            for number in range(turn, 0, -1):
                old = tmp_path / f"audit.log.{number}"
                if old.exists():
                    old.rename(tmp_path / f"audit.log.{number + 1}")
            world.log.rename(tmp_path / "audit.log.1")
    world.ingest()
    assert world.rows("SELECT count(*) FROM event") == [(truth,)]
    assert world.rows("SELECT sum(uses) FROM rollup WHERE handle = ''") == [(truth,)]
    assert world.rows("SELECT sum(uses) FROM use_hour") == [(truth,)]
    assert world.rows("SELECT events FROM log_source") == [(truth,)]
    assert world.rows("SELECT count(*) FROM log_hole") == [(0,)]
