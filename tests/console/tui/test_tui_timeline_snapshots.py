"""Pictures of the timeline, with a fixed clock: narrow, wide, in ASCII, and of no log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tui_world as world
from timeline_scene import busy, home, leaked, open_timeline
from tui_world import fill, screen, settled, until

from console.tui.draw.cells import Lines


def picture(snap_compare: Any, app: Any, steps: Any, size: tuple[int, int]) -> None:
    async def run_before(pilot: Any) -> None:
        await settled(pilot)
        await steps(pilot)
        await settled(pilot)

    try:
        assert snap_compare(app, terminal_size=size, run_before=run_before)
    finally:
        Lines.plain_ascii = False


async def after_the_leak(pilot: Any, app: Any) -> None:
    await open_timeline(pilot, app)
    await leaked(pilot, app)
    await pilot.press("left_square_bracket")
    await until(pilot, lambda: "GET kms/decrypt" in screen(app))


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
def test_picture_of_a_timeline(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    app = world.application(home(tmp_path))

    async def steps(pilot: Any) -> None:
        await after_the_leak(pilot, app)

    picture(snap_compare, app, steps, size)


def test_picture_of_a_timeline_under_a_brush(snap_compare: Any, tmp_path: Path) -> None:
    app = world.application(home(tmp_path))

    async def steps(pilot: Any) -> None:
        await after_the_leak(pilot, app)
        await pilot.press("v", "shift+left")

    picture(snap_compare, app, steps, (80, 24))


def test_picture_of_a_timeline_in_ascii(snap_compare: Any, tmp_path: Path) -> None:
    app = world.application(home(tmp_path), ascii_only=True)

    async def steps(pilot: Any) -> None:
        await after_the_leak(pilot, app)

    picture(snap_compare, app, steps, (80, 24))


def test_picture_of_a_timeline_without_a_log(snap_compare: Any, tmp_path: Path) -> None:
    paths = world.where(tmp_path)
    fill(paths, [busy(), world.aws()])
    app = world.application(paths)

    async def steps(pilot: Any) -> None:
        await open_timeline(pilot, app, "AKIA1")

    picture(snap_compare, app, steps, (80, 24))


def test_picture_of_one_event(snap_compare: Any, tmp_path: Path) -> None:
    app = world.application(home(tmp_path))

    async def steps(pilot: Any) -> None:
        await open_timeline(pilot, app)
        await pilot.press("left_square_bracket", "enter")
        await until(pilot, lambda: "ACTION, TARGET" in screen(app) and "DENY" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: "OUTCOME" in screen(app))

    picture(snap_compare, app, steps, (80, 24))
