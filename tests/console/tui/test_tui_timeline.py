"""A token's timeline on the screen: by keys, and what a responder reads there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import tui_world as world
from timeline_scene import THIEF, busy, home, leaked, open_timeline
from tui_world import drive, fill, screen, settled, until

from console.timeline.axis import Window
from console.timeline.lanes import LaneFrame
from console.timeline.view import TimelineFrame
from console.tui.draw.cells import Lines
from console.tui.views.timeline import density
from console.tui.views.timeline.viewport import Eye


@pytest.fixture
def app(tmp_path: Path) -> Any:
    return world.application(home(tmp_path))


def text_of(app: Any) -> str:
    return " ".join(screen(app).split())


def test_used_since_the_leak_is_answered_with_what_the_answer_rests_on(app: Any) -> None:
    async def steps(pilot: Any) -> None:
        await open_timeline(pilot, app)
        assert "Used since the leak? Last use known is" in text_of(app)
        await leaked(pilot, app)
        text = text_of(app)
        assert "Used 337 times since the leak (2026-11-23T06:40:00Z): 176 let through" in text
        assert f"From an address that never used it before: {THIEF}." in text
        assert "4 times it was let through after it had been revoked" in text
        assert "Rests on vault-prod from Nov 17 02:40 to Nov 24 02:40." in text
        assert "4 USES AFTER REVOKE" in text
        assert "! leak Nov 23 06:40" in text
        assert "X revoked Nov 23 23:40" in text
        assert "own log scales" in text

    drive(app, steps)


def test_a_time_that_is_none_is_refused_and_the_leak_can_be_forgotten(app: Any) -> None:
    async def steps(pilot: Any) -> None:
        view = await open_timeline(pilot, app)
        await pilot.press("at", *"soon", "enter")
        await settled(pilot)
        lines = screen(app).splitlines()
        assert "is no time" in lines[-3]
        assert "esc leaves this" in lines[-1]
        await pilot.press("escape")
        await pilot.press("left_parenthesis")
        await settled(pilot)
        assert "the time of the leak is not told yet; @ tells it" in screen(app)
        await leaked(pilot, app, "2026-11-23T06:40Z")
        await pilot.press("left_parenthesis")
        await settled(pilot)
        assert "! the leak, as given (you)" in text_of(app)
        await pilot.press("right_parenthesis")
        await settled(pilot)
        assert view._eye.bin.start <= view._loaded.timeline.revoked < view._eye.bin.end
        await pilot.press("at", "enter")
        await until(pilot, lambda: "@ sets the time" in screen(app))

    drive(app, steps)


def test_a_gap_is_hatched_and_named_and_never_blank(app: Any) -> None:
    async def steps(pilot: Any) -> None:
        view = await open_timeline(pilot, app)
        await pilot.press("0")
        text = screen(app)
        assert "╱gap╱" in text
        assert "Not covered: 2026-11-22T00:40:00Z to 2026-11-22T06:40:00Z" in text_of(app)
        window, bins = view._eye.window, view._eye.bins
        gap = window.bin_of(int(world.ago(hours=47).timestamp()), bins)
        view._eye.put(gap)
        view._moved()
        await settled(pilot)
        assert "0 events, 0 denied log gap: not known" in text_of(app)

    drive(app, steps)


def test_brush_zoom_and_back(app: Any) -> None:
    async def steps(pilot: Any) -> None:
        view = await open_timeline(pilot, app)
        whole = view._eye.window
        await pilot.press("v", "shift+left", "left")
        await settled(pilot)
        assert "━" in screen(app)
        assert "brush 2026-11-23" in screen(app)
        await pilot.press("enter")
        await settled(pilot)
        assert view._eye.window.span < whole.span / 4
        assert "━" not in screen(app)
        await pilot.press("home", "left")
        await settled(pilot)
        assert view._eye.window.start < whole.end - 60_000
        await pilot.press("backspace")
        assert view._eye.window == whole
        await pilot.press("backspace", "backspace", "backspace", "backspace")
        await settled(pilot)
        assert view._eye.window == view._eye.limits
        await pilot.press("0")
        assert view._eye.window == whole

    drive(app, steps)


def test_enter_lists_the_events_of_the_bin_and_one_of_them_whole_without_its_secret(
    app: Any,
) -> None:
    async def steps(pilot: Any) -> None:
        await open_timeline(pilot, app)
        await pilot.press("left_square_bracket", "enter")
        await until(pilot, lambda: "ACTION, TARGET" in screen(app) and "DENY" in screen(app))
        assert "41 events" in screen(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "OUTCOME" in screen(app))
        assert "SEALED" in screen(app)
        await pilot.press("escape", "up", "enter")
        await until(pilot, lambda: "withheld: looks like a secret" in screen(app))
        assert "A1b2A1b2" not in screen(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "ACTION, TARGET" in screen(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "own log scales" in screen(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "1 of 2" in screen(app)

    drive(app, steps)


def test_lanes_by_token_actor_address_and_action(app: Any) -> None:
    async def steps(pilot: Any) -> None:
        view = await open_timeline(pilot, app)
        assert f"{THIEF} 245" in text_of(app)
        seen = []
        for _ in range(4):
            await pilot.press("tab")
            await until(pilot, lambda: view._loaded.load.by == view._by)
            seen.append(view._by)
        assert seen == ["action", "token", "actor", "address"]
        await pilot.press("tab", "tab")
        await until(pilot, lambda: "by token" in screen(app) and "ci-deploy 628" in text_of(app))
        await pilot.press("tab", "tab")
        await until(pilot, lambda: f"{THIEF} 245" in text_of(app))
        await pilot.press("down")
        await settled(pilot)
        assert f">{THIEF}" in screen(app)
        assert f"of {THIEF}" in screen(app)
        await pilot.press("end", "left_square_bracket", "enter")
        await until(pilot, lambda: "ACTION, TARGET" in screen(app) and THIEF in screen(app))
        assert "10.20.0.3" not in screen(app)

    drive(app, steps)


def test_log_scale_is_said(app: Any) -> None:
    async def steps(pilot: Any) -> None:
        await open_timeline(pilot, app)
        assert screen(app).splitlines()[1].endswith("linear")
        await pilot.press("Y")
        await settled(pilot)
        assert screen(app).splitlines()[1].endswith("log")
        assert "log scale" in screen(app)

    drive(app, steps)


def test_follow_shows_what_comes_in(tmp_path: Path) -> None:
    paths = home(tmp_path)
    app = world.application(paths)

    async def steps(pilot: Any) -> None:
        await open_timeline(pilot, app)
        await pilot.press("F")
        await settled(pilot)
        assert "LIVE" in screen(app)
        assert "161 denied of 628" in screen(app)
        await asyncio.to_thread(fill, paths, [busy(hostile=True)])
        await until(pilot, lambda: "5 USES AFTER REVOKE" in screen(app))

    drive(app, steps)


def test_hostile_names_stay_in_their_cells(tmp_path: Path) -> None:
    app = world.application(home(tmp_path, busy(hostile=True)))

    async def steps(pilot: Any) -> None:
        view = await open_timeline(pilot, app)
        await pilot.press("left", "end")
        await until(pilot, lambda: " AFTER evil" in screen(app))
        for key in ("tab", "tab", "tab"):
            await pilot.press(key)
            await until(pilot, lambda: view._loaded.load.by == view._by)
            text = screen(app)
            assert text.replace("\n", "").isprintable()
            assert all(len(line) <= 80 for line in text.splitlines())
        await pilot.press("enter")
        await until(pilot, lambda: "ACTION, TARGET" in screen(app) and "AFTER" in screen(app))
        await pilot.press("end", "enter")
        await until(pilot, lambda: "OUTCOME" in screen(app))
        assert "evil" in screen(app)
        assert screen(app).replace("\n", "").isprintable()

    drive(app, steps)


def test_an_empty_log_says_what_is_not_known_and_why(tmp_path: Path) -> None:
    paths = world.where(tmp_path)
    fill(paths, [busy(), world.aws()])
    app = world.application(paths)

    async def steps(pilot: Any) -> None:
        await open_timeline(pilot, app, "idle")
        assert "no event in this window; the logs cover all of it" in screen(app)
        await pilot.press("escape", "escape")
        await open_timeline(pilot, app, "AKIA1")
        text = text_of(app)
        assert "No log is read that would show use: aws-main: audit events (unlistable)" in text
        assert "╱ not read ╱" in screen(app)
        await leaked(pilot, app)
        assert "Nobody knows whether it was used since the leak" in text_of(app)

    drive(app, steps)


def test_marked_tokens_share_a_timeline(app: Any) -> None:
    async def steps(pilot: Any) -> None:
        await pilot.press("space", "space", "t")
        await until(pilot, lambda: "2 tokens  " in screen(app) and "by token" in screen(app))
        await until(pilot, lambda: "ci-deploy" in screen(app))

    drive(app, steps)


def test_in_ascii_nothing_else_is_drawn(tmp_path: Path) -> None:
    app = world.application(home(tmp_path), ascii_only=True)

    async def steps(pilot: Any) -> None:
        await open_timeline(pilot, app)
        await leaked(pilot, app)
        await pilot.press("end", "v", "left", "left")
        await settled(pilot)
        assert screen(app).isascii()
        for sign in ("XXX", "/gap/", "!", "A", "^=", "x"):
            assert sign in screen(app), sign

    try:
        drive(app, steps)
    finally:
        Lines.plain_ascii = False


# Arithmetic and cells, without a screen


def frame_of(
    counts: list[int], denied: list[int], after: list[int], unseen: list[str]
) -> TimelineFrame:
    lane = LaneFrame("", counts, denied, after, max(counts), sum(counts))
    size = len(counts)
    return TimelineFrame(Window(0, size * 60), size, lane, [lane], unseen, [], True)


def drawn(frame: TimelineFrame, rows: int, **more: Any) -> list[str]:
    cells = density.tower(frame, frame.whole, rows, density.BLOCKS, log=False, leak=None, **more)
    return ["".join(character for character, _ in row) for row in cells]


def test_zero_is_blank_a_little_is_seen_and_a_gap_is_neither() -> None:
    frame = frame_of([0, 1, 1000, 0], [0] * 4, [0] * 4, ["", "", "", "missing"])
    assert drawn(frame, 2) == ["  █╱", " ▁█╱"]


def test_the_denied_share_is_rounded_and_use_after_revoke_is_always_seen() -> None:
    frame = frame_of([100, 100, 100, 100], [1, 50, 100, 0], [0, 0, 0, 1], [""] * 4)
    assert drawn(frame, 2) == ["██▓█", "█▓▓A"]
    roles = [role for _, role in density.lane_row(frame.whole, frame, density.PLAIN, leak=0)]
    assert roles == ["since", "since", "bad", "late"]


def test_the_cursor_moves_the_window_at_its_ends_but_not_beyond_what_is_known() -> None:
    eye = Eye()
    eye.limits, eye.window = Window(0, 100_000), Window(40_000, 50_000)
    eye.fit(100)
    eye.put(99)
    eye.move(1)
    assert eye.window == Window(42_500, 52_500)
    assert eye.at == 50_000
    for _ in range(1000):
        eye.move(10)
    assert eye.window == Window(90_000, 100_000)
    assert eye.cursor == 99
    eye.jump(5)
    assert eye.window.start == 0
    assert eye.at <= 5 < eye.at + 100


def test_it_opens_on_the_last_use_and_not_on_an_empty_bin(app: Any) -> None:
    async def steps(pilot: Any) -> None:
        view = await open_timeline(pilot, app)
        here = next(line for line in screen(app).splitlines() if line.startswith(" 2026-11-2"))
        assert " 0 events" not in here, "the last event was two hours ago"
        assert view._chart.lane.counts[view._eye.cursor] > 0
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        assert view._chart.lane.counts[view._eye.cursor] > 0, "on another width it rests there too"
        await pilot.press("end")
        await settled(pilot)
        assert " 0 events" in screen(app)

    drive(app, steps)
