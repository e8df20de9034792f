"""Pictures of the graph view at the sizes and with the terminals that it is made for."""

import pytest
import tui_graph_scene as scene
import tui_world as world
from tui_graph_scene import open_graph, press
from tui_world import settled

from console.tui.draw.cells import Lines


@pytest.fixture
def paths(tmp_path):
    return scene.build(world.where(tmp_path))


def picture(snap_compare, app, keys: tuple[str, ...], size: tuple[int, int] = (80, 24)) -> None:
    async def run_before(pilot) -> None:
        await settled(pilot)
        await open_graph(pilot, app)
        await press(pilot, app, *keys)
        # What is said of the worker that this world has none of is not the picture's.
        app.screen.note("")
        await settled(pilot)

    assert snap_compare(app, terminal_size=size, run_before=run_before)


def test_picture_of_a_graph(snap_compare, paths) -> None:
    picture(snap_compare, world.application(paths), ())


def test_picture_of_a_leak(snap_compare, paths) -> None:
    picture(snap_compare, world.application(paths), ("L", "right", "right", "down"))


def test_picture_of_all_edges(snap_compare, paths) -> None:
    picture(snap_compare, world.application(paths), ("m",), (140, 45))


def test_picture_of_a_graph_in_ascii(snap_compare, paths) -> None:
    try:
        picture(snap_compare, world.application(paths, ascii_only=True), ())
    finally:
        Lines.plain_ascii = False
