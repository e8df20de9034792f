"""What an event is to its token is for its log to say, and silence for one that has every use."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scripted import NOW, token
from timeline_world import T0, World, append, line

from backends.model import AuditEvent, Covers, Effect, EventClass, Gap, GapKind, known, never
from console.inventory.search.inventory import Inventory, Sort
from console.inventory.search.query import parse
from console.response.evidence import audit_log
from console.store.database import open_for_writing
from console.timeline import plain
from console.timeline.axis import Window
from console.timeline.since import Since, since

HOUR = 3600


def at(after: float) -> datetime:
    return NOW.fromtimestamp(T0 + after, NOW.tzinfo)


def event(id_: str, after: float, action: str, sort: EventClass, **more: Any) -> AuditEvent:
    return AuditEvent(
        id=id_, at=at(after), action=action, sort=sort, token=token("a").ref, **more
    )  # fmt: skip


def answer(world: World, leak: float) -> Since:
    with world.timeline("a", leak=T0 + int(leak)) as timeline:
        return since(timeline, T0 + int(leak))


def bars(world: World) -> int:
    """How many uses the list's bar of the last day has."""
    inventory = Inventory(world.paths.inventory)
    try:
        (row,) = inventory.window(parse(""), Sort(), 0, 9)
        return sum(inventory.uses([row.rowid], int(world.clock.now)).get(row.rowid, ()))
    finally:
        inventory.close()


def test_the_class_counts_and_not_the_words(tmp_path: Path) -> None:
    """A backend of somebody else, whose words nobody here knows, and some that mislead."""
    world = World(tmp_path, token("a", last_used_at=never("record")))
    world.events(
        event("1", 2 * HOUR + 100, "api-token-created", EventClass.LIFE, effect=Effect.CREATED),
        event("2", 2 * HOUR + 200, "scope-widened", EventClass.PERMISSION),
    )
    found = answer(world, 50)
    assert found.sentence.startswith("Not used since the leak (2026-11-22T03:00:50Z)")
    assert (found.used, found.sure) == (0, True)
    assert bars(world) == 0
    with world.timeline("a") as timeline:
        told = {mark.kind: mark.text for mark in timeline.marks if mark.source == "log"}
        assert told == {"created": "api-token-created", "scope": "scope-widened"}
        timeline.load()
        assert timeline.frame(Window(T0, T0 + 3 * HOUR), 4).whole.total == 0
    # The word "revoke" in a use does not make it the end of the token.
    world.events(
        event("3", 2 * HOUR + 300, "revoke", EventClass.USE),
        event("4", 2 * HOUR + 400, "grant", EventClass.USE, outcome="denied"),
    )
    found = answer(world, 50)
    assert (found.used, found.denied) == (1, 1)
    assert found.sentence.startswith("Used 2 times since the leak")
    assert bars(world) == 1, "a refused try is no bar of use"
    with world.timeline("a") as timeline:
        assert timeline.revoked is None
    world.events(event("5", 2 * HOUR + 500, "item-erased", EventClass.LIFE, effect=Effect.REVOKED))
    world.events(event("6", 2 * HOUR + 600, "item-read", EventClass.USE))
    assert answer(world, 50).after == 1


def test_an_event_of_no_class_is_neither_use_nor_silence(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    world.events(AuditEvent(id="1", at=at(2 * HOUR), action="thing", token=token("a").ref))
    found = answer(world, 50)
    assert found.used == 0
    assert not found.sure
    assert found.sentence == (
        "No use is seen since the leak (2026-11-22T03:00:50Z), but this is no proof. "
        "One entry about it may be uses: the log does not tell."
    )
    assert bars(world) == 0
    with world.timeline("a") as timeline:
        timeline.load()
        drawn = "\n".join(plain.draw(timeline, Window(T0, T0 + 4 * HOUR), ascii_=True))
        assert "1 entry whose class no log tells" in drawn
        assert "//\n" in drawn


@pytest.mark.parametrize("covers", ["part", "changes", ""])
def test_a_log_without_every_use_shows_no_silence(tmp_path: Path, covers: str) -> None:
    world = World(tmp_path, token("a"))
    append(world.log, line(0))
    world.ingest(world.source(covers=covers))
    found = answer(world, 1000)
    assert not found.sure
    assert "Not used" not in found.sentence
    words = "changes of tokens and no uses" if covers == "changes" else "some uses and not others"
    assert found.sentence == (
        "No use is seen since the leak (2026-11-22T03:16:40Z), but this is no proof: log has "
        f"{words}."
    )
    with world.timeline("a") as timeline:
        assert timeline.frame(Window(T0 + 600, T0 + 1000), 4).unseen == ["partial"] * 4
    append(world.log, line(2000))
    world.ingest(world.source(covers=covers))
    told = answer(world, 1000)
    assert told.sentence.startswith("Used once since the leak")
    assert "there may be more" in told.sentence


@pytest.mark.parametrize(
    ("used", "step", "words"),
    [
        (5000, 1, "Used since the leak (2026-11-22T03:16:40Z): record has its last use at"),
        (500, HOUR, "Perhaps used since the leak (2026-11-22T03:16:40Z): record has its last use"),
    ],
)
def test_the_issuers_own_last_use_is_weighed(
    tmp_path: Path, used: int, step: int, words: str
) -> None:
    mine = token("a", last_used_at=known(at(used), "record", granularity=timedelta(seconds=step)))
    world = World(tmp_path, mine)
    append(world.log, line(0))
    world.ingest()
    found = answer(world, 1000)
    assert found.sentence.startswith(words), found.sentence
    assert "No use is seen" not in found.sentence
    assert (found.told, found.sure) == (True, False)
    # A refused try in the log is not that use.
    append(world.log, line(6000, out="denied"))
    world.ingest()
    told = answer(world, 1000).sentence
    assert told.startswith("Tried, and denied each time in the logs, once since the leak"), told
    assert "Record has its last use at" in told


def test_before_the_leak_the_issuers_last_use_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, token("a", last_used_at=known(at(0), "record")))
    append(world.log, line(0))
    world.ingest()
    assert answer(world, 1000).sentence.startswith("Not used since the leak")


def test_nothing_is_said_of_time_that_no_log_was_read_for(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    append(world.log, line(0))
    world.ingest()
    read = world.clock.now - T0
    world.clock.now += 300
    found = answer(world, read + 60)
    assert found.sentence.startswith("Nobody knows yet whether it was used since the leak")
    assert not found.sure
    # Of what was read, it says up to when.
    told = answer(world, 1000).sentence
    assert told.startswith("Not used since the leak (2026-11-22T03:16:40Z): the logs cover all")
    assert told.endswith("to 2026-11-23T03:00:00Z.")


@pytest.mark.parametrize("since_", [None, at(0)])
def test_every_gap_of_a_backends_own_log_is_a_hole(tmp_path: Path, since_: Any) -> None:
    """Also one without a time of its own: it is about all that was asked for."""
    world = World(tmp_path, token("a"))
    gap = Gap("eu-west-1", GapKind.REFUSED, "events: no permission", "Grant it.", since_)
    for _ in range(3):
        world.events(gaps=[gap])
        world.clock.now += 60
    found = answer(world, 1000)
    assert not found.sure
    assert "this is no proof" in found.sentence
    assert len(world.rows("SELECT since, until FROM log_hole")) == 1, "it grows, and is not many"


def test_what_was_done_to_a_token_is_no_use_in_a_run() -> None:
    """Nor is a line of no class: but while there is one, there is no silence either."""
    ref = token("a").ref
    log = audit_log.AuditLog(None, [ref], T0)  # type: ignore[arg-type]
    log.newest = log._reached = T0 + 1000
    log._note(event("1", 10, "get", EventClass.LIFE, effect=Effect.REVOKED))
    assert log.uses(ref) == []
    assert log.covers(ref, T0, T0 + 900)
    log._note(event("2", 20, "whatever", EventClass.OTHER))
    assert log.uses(ref) == []
    assert not log.covers(ref, T0, T0 + 900)
    assert log.covers(ref, T0 + 30, T0 + 900)
    log._note(event("3", 30, "whatever", EventClass.USE))
    assert [use.ok for use in log.uses(ref)] == [True]


def test_two_words_that_contradict_each_other_alarm() -> None:
    assert event("1", 0, "x", EventClass.USE, outcome="denied").settled is EventClass.DENIED
    assert event("1", 0, "x", EventClass.DENIED, outcome="ok").settled is EventClass.USE
    assert event("1", 0, "x", EventClass.LIFE, outcome="denied").settled is EventClass.LIFE
    assert AuditEvent(id="1", at=at(0), action="x").settled is EventClass.OTHER
    assert [each for each in Covers if each.all_uses] == [Covers.USES, Covers.BOTH]


def test_a_changed_class_breaks_the_seal(tmp_path: Path) -> None:
    """Whoever turns a use into something else in the store is found out."""
    from console.audit.check_seals import check_seals
    from console.audit.seal import Sealer
    from console.journal.write.journal import Journal

    world = World(tmp_path, token("a"))
    world.events(event("1", 100, "get", EventClass.USE))
    journal = Journal(world.paths.journal)
    sealer = Sealer(world.syncer, world.paths, act=True, every=0)
    assert asyncio.run(sealer.seal("vault", early=True)) is not None
    now = float(world.clock.now)
    assert check_seals(world.paths.inventory, journal, 30, now) == []
    engine = open_for_writing(world.paths.inventory)
    with engine.begin() as connection:
        connection.execute("UPDATE event SET class = 'life'")
    engine.dispose()
    (problem,) = check_seals(world.paths.inventory, journal, 30, now)
    assert problem.altered
    journal.close()
