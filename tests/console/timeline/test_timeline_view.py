"""What a timeline shows: bins, lanes, markers, holes, and the answer in words."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from patience import HANG
from scripted import NOW, token
from timeline_world import T0, World, append, line

from backends.model import AuditEvent, Effect, EventClass, Grant, known
from console.errors import StoreError
from console.journal.format.entry import uuid7
from console.timeline import events, plain
from console.timeline.axis import Window, bursts, next_burst
from console.timeline.lanes import Series
from console.timeline.since import since
from console.timeline.view import Timeline


def test_every_moment_is_in_the_bin_whose_edges_hold_it() -> None:
    dice = random.Random(3)
    for _ in range(300):
        window = Window.of(dice.randrange(10**9), dice.randrange(10**9))
        bins = dice.randrange(1, 300)
        edges = window.edges(bins)
        for at in [window.start, window.end - 1, *(dice.randrange(*window) for _ in range(5))]:
            index = window.bin_of(at, bins)
            assert index is not None
            assert edges[index] <= at < edges[index + 1]
        assert window.bin_of(window.end, bins) is None


def test_zoom_keeps_the_moment_under_the_cursor_and_pan_the_span() -> None:
    window = Window(0, 10_000)
    near = window.zoom(0.1, 2_500)
    assert near.span == 1000
    assert near.bin_of(2_500, 100) == window.bin_of(2_500, 100)
    assert near.pan(500).span == near.span
    assert near.pan(-99_999).within(window) == Window(0, 1000)
    assert window.zoom(1e-9).span == 10
    assert window.brush(70, 20, 100) == Window(2000, 7100)
    assert window.brush(-5, 999, 100) == window


def test_bursts() -> None:
    counts = [0, 0, 2, 2, 0, 1, 9, 9, 1, 0, 0, 1]
    assert bursts(counts) == [2, 5, 6, 11]
    assert next_burst(counts, 2) == 5
    assert next_burst(counts, 11) is None
    assert next_burst(counts, 5, back=True) == 2
    assert bursts([0, 0]) == []


def test_a_series_counts_as_a_list_does() -> None:
    dice = random.Random(4)
    times = [dice.randrange(1000) for _ in range(500)]
    series = Series()
    for at in times:
        series.add(at)
    edges = [0, 1, 40, 40, 900, 1000]
    wanted = [sum(a <= at < b for at in times) for a, b in pairwise(edges)]
    assert series.counts(edges) == wanted
    summed = Series([10, 20], [3, 4])
    assert (len(summed), summed.counts([0, 15, 30])) == (7, [3, 4])


def ended(at: datetime) -> AuditEvent:
    """A system's own line about the end of the token a, in words that nobody knows."""
    return AuditEvent(
        id="end", at=at, action="api-token-deleted", sort=EventClass.LIFE, effect=Effect.REVOKED,
        token=token("a").ref,
    )  # fmt: skip


def used(world: World, *moments: int, **fields: Any) -> None:
    append(world.log, *(line(at, **fields) for at in moments))


def test_lanes_denied_and_use_after_revoke(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    used(world, 0, 60, 70, ip="10.0.0.1")
    used(world, 80, ip="10.0.0.2", out="denied")
    world.ingest()
    world.events(ended(NOW.fromtimestamp(T0 + 100, NOW.tzinfo)))
    used(world, 101, 200, ip="10.0.0.3")
    used(world, 300, ip="10.0.0.3", out="denied")
    world.ingest()
    with world.timeline("a") as timeline:
        timeline.load("address")
        assert timeline.revoked == T0 + 100
        frame = timeline.frame(Window(T0, T0 + 400), 4)
        assert frame.exact
        assert frame.whole.counts == [4, 1, 1, 1]
        assert frame.whole.denied == [1, 0, 0, 1]
        # A second after the revocation is within the doubt of two clocks.
        assert frame.whole.after == [0, 0, 1, 0]
        lanes = {lane.key: (lane.total, lane.peak) for lane in frame.lanes}
        assert lanes == {"10.0.0.1": (3, 3), "10.0.0.3": (3, 1), "10.0.0.2": (1, 1)}
        assert [mark.kind for _, mark in frame.marks] == ["revoked"]
        late = events.within(timeline, T0 + 150, T0 + 250)
        assert [event.after for event in late] == [True]
        only = events.within(timeline, T0, T0 + 400, lane="10.0.0.2")
        assert [event.outcome for event in only] == ["denied"]
        for by in ("token", "actor", "action"):
            timeline.load(by)
            assert sum(len(lane.all) for lane in timeline.lanes) == 7


def test_counts_and_single_events_agree_at_any_zoom(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"), token("b"))
    dice = random.Random(8)
    entries = [line(dice.randrange(80_000), dice.choice("ab")) for _ in range(3000)]
    append(world.log, *entries)
    world.ingest()
    for ids in (("a",), ("a", "b"), ()):
        with world.timeline(*ids) as timeline:
            window = Window((T0 - 300) // 300 * 300, (T0 + 90_000) // 300 * 300)
            rolled = timeline.frame(window, window.span // 300)
            timeline.load()
            single = timeline.frame(window, window.span // 300)
            assert (rolled.exact, single.exact) == (False, True)
            assert rolled.whole.counts == single.whole.counts
            wanted = sum(entry["key"] in (ids or "ab") for entry in entries)
            assert sum(single.whole.counts) == wanted


def test_holes_are_drawn_and_never_as_silence(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    used(world, 0, 100)
    world.ingest()
    world.log.unlink()
    used(world, 5000, 6000)
    world.ingest()
    with world.timeline("a") as timeline:
        timeline.load()
        frame = timeline.frame(Window(T0 - 1000, T0 + 7000), 80)
        assert frame.unseen[:9] == ["unread"] * 9
        assert frame.unseen[11:59] == ["missing"] * 48
        assert frame.unseen[62:70] == [""] * 8
        for ascii_, gap in ((False, "╱"), (True, "/")):
            drawn = "\n".join(plain.draw(timeline, frame.window, ascii_=ascii_))
            assert gap * 20 in drawn
            assert "removed or cut short" in drawn
            assert drawn.isascii() == ascii_
    with World(tmp_path / "other", token("a")).timeline("a") as timeline:
        frame = timeline.frame(Window(T0, T0 + 1000), 10)
        assert frame.unseen == ["unread"] * 10
        assert "no log is read" in "\n".join(plain.draw(timeline, frame.window))


def answer(world: World, leak: int, **options: Any) -> Any:
    with world.timeline("a", leak=T0 + leak, **options) as timeline:
        return since(timeline, T0 + leak)


def test_used_since_the_leak(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    assert answer(world, 0).sentence.startswith("Nobody knows")
    used(world, 0, 100, ip="10.0.0.1")
    world.ingest()
    found = answer(world, 1000)
    assert (found.used, found.sure) == (0, True)
    assert found.sentence.startswith("Not used since the leak (2026-11-22T03:16:40Z)")
    used(world, 2000, 2001, ip="203.0.113.7")
    used(world, 2002, ip="10.0.0.1", out="denied")
    world.ingest()
    found = answer(world, 1000)
    assert (found.used, found.denied, found.strangers) == (2, 1, ("203.0.113.7",))
    assert found.sentence == (
        "Used 3 times since the leak (2026-11-22T03:16:40Z): 2 let through, 1 denied; last 23h ago "
        "from 10.0.0.1. From an address that never used it before: 203.0.113.7."
    )
    assert any(label == "log" and "log (json_lines)" in text for label, text in found.facts)


def test_not_used_is_no_proof_where_the_log_has_a_hole(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    used(world, 0)
    world.ingest()
    world.log.unlink()
    used(world, 5000, key="b")
    world.ingest()
    found = answer(world, 1000)
    assert not found.sure
    assert "this is no proof" in found.sentence
    assert any(label == "not covered" and "cut short" in text for label, text in found.facts)
    # Nor is a log that was last read long ago.
    world = World(tmp_path / "other", token("a"))
    used(world, 0)
    world.ingest()
    world.clock.now += 7200
    assert "this is no proof" in answer(world, 1000).sentence
    # Nor one that begins after the leak.
    world.ingest()
    assert "there may be more" in answer(world, -1000).sentence
    assert not answer(world, -1000).sure


def test_the_answer_outlives_the_single_events(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"), days=1)
    used(world, -3 * 86_400, -3 * 86_400 + 600, out="denied")
    used(world, 1000)
    world.ingest()
    found = answer(world, -4 * 86_400)
    assert (found.used, found.denied) == (1, 2)
    assert any(label == "counted" for label, _ in found.facts)


def test_use_after_revoke_is_in_the_answer(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    end = NOW.fromtimestamp(T0 + 100, NOW.tzinfo)
    world.events(ended(end))
    used(world, 50, 500, 501)
    used(world, 502, out="denied")
    world.ingest()
    found = answer(world, 10)
    assert found.after == 2
    assert "let through after it had been revoked" in found.sentence


def test_changes_that_sync_found_are_marks(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    world.clock.forward(hours=1)
    grants = known((Grant("policy", "read"), Grant("policy", "admin")), "record")
    world.backend.items[0] = token("a", grants=grants, owner=known("search", "tag"))
    asyncio.run(world.syncer.sync(world.backend))
    with world.timeline("a", leak=T0) as timeline:
        kinds = {mark.kind: mark for mark in timeline.marks}
        drawn = "\n".join(plain.draw(timeline, timeline.limits))
    assert "created: " in drawn
    assert "created: created" not in drawn
    assert {"created", "scope", "owner", "leak"} <= kinds.keys()
    assert kinds["scope"].source == "sync"
    assert "policy admin" in kinds["scope"].text


def test_one_event_is_shown_whole_without_secrets(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    secret = "ghp_" + "a1B2" * 9
    used(world, 0, on=f"/v1/x?token={secret}", ua=f"curl {secret}", who="\x1b[31mci")
    world.ingest()
    with world.timeline("a") as timeline:
        (event,) = events.within(timeline, T0, T0 + 1)
        told = dict(events.facts(timeline, event))
        again = events.one(timeline, event.key)
    assert again == event
    assert secret not in str(told)
    assert "withheld" in told["target"]
    assert told["sealed"] == "not yet"


@pytest.mark.parametrize(
    "agent", ["token-console/{id}", "token-console/0.1 intent/{id}", "Boto3 x token-console/{id}"]
)
def test_our_own_calls_are_shown_with_the_intent_that_they_name(tmp_path: Path, agent: str) -> None:
    world = World(tmp_path, token("a"))
    mine = agent.format(id=uuid7())
    forged = "token-console/" + "a1B2" * 9 + " intent/" + "Zx9Q" * 9
    used(world, 0, ua=mine)
    used(world, 1, ua=forged)
    world.ingest()
    with world.timeline("a") as timeline:
        ours, theirs = events.within(timeline, T0, T0 + 2)
        assert dict(events.facts(timeline, ours))["agent"] == mine
    assert theirs.agent.count("withheld") == 2


def test_hostile_names_stay_on_their_line(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    used(world, 0, 5, ip="\x1b[2J\n\u202eevil" + "z" * 4000)
    world.ingest()
    with world.timeline("a") as timeline:
        timeline.load("address")
        for text in plain.draw(timeline, Window(T0 - 10, T0 + 100)):
            assert text.isprintable()
            assert len(text) < 400


@pytest.mark.parametrize("form", ["", "--json", "--csv", "--ascii"])
def test_the_command(tmp_path: Path, form: str) -> None:
    world = World(tmp_path, token("a"))
    now = int(time.time())
    append(world.log, {**line(0), "t": now - 600, "ip": "=1+1\x1b[2J"}, {**line(0), "t": now - 300})
    world.paths.config.write_text(
        '[backend.vault]\ntype = "estate"\n[source.log]\n'
        + "".join(f'{key} = "{value}"\n' for key, value in (world.source().config.options).items()
                  if isinstance(value, str))
        + 'type = "json_lines"\nbackend = "vault"\n'
    )  # fmt: skip

    def console(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "console", "--home", str(tmp_path), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=HANG)

    done = console("ingest")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "log: 2 events from 2 lines" in done.stdout
    leak = [] if form == "--csv" else ["--leak", "15m"]
    done = console("timeline", token("a").ref.handle, *leak, *([form] if form else []))
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    if form == "--csv":
        assert done.stdout.count("\n") == 3
        assert "'=1+1" in done.stdout
    else:
        assert "Used twice" in done.stdout or "Used 2 times" in done.stdout
    assert console("timeline", "nobody").returncode == 2
    assert console("timeline", token("a").ref.handle, "--leak", "soon").returncode == 2


def test_what_a_screen_needs_loads_no_toolkit() -> None:
    code = (
        "import sys; import console.timeline.since, console.timeline.plain,"
        " console.timeline.events;"
        "print([name for name in ('sqlalchemy', 'sqlmodel', 'textual', 'httpx', 'boto3')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_no_timeline_of_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Timeline(tmp_path / "none.db")
