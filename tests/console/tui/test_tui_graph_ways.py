"""What can be done from the graph view: trees, what dies with whom, exports, owners by hand."""

import asyncio
import json
import sqlite3
import stat
from contextlib import closing

import pytest
import tui_graph_scene as scene
import tui_world as world
from tui_graph_scene import drawn, open_graph, press
from tui_world import drive, screen, settled, until

from console.tui.views.graph import reader


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return scene.build(world.where(tmp_path_factory.mktemp("graph")))


def test_the_tree_of_a_token_ends_with_what_it_may_do(paths) -> None:
    app = world.application(paths, worker="clean")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await open_graph(pilot, app)
        await press(pilot, app, "x")
        await until(pilot, lambda: "XRAY" in screen(app))
        await pilot.press("end")
        await until(pilot, lambda: "admin by way of" in screen(app))
        assert "MAY DO" in screen(app)
        assert "kept nowhere" in screen(app)
        # Above a token there is nothing that it may do.
        await press(pilot, app, "X")
        await pilot.press("end")
        await settled(pilot)
        assert "MAY DO" not in screen(app)

    drive(app, steps, (100, 40))


def test_xray_is_a_tree_and_turns_round(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await pilot.press("x")
        await until(pilot, lambda: "XRAY" in screen(app) and "└ used by" in screen(app))
        assert "├ parent of ● tok_child_a0" in screen(app)
        assert "shown above" in screen(app)
        await pilot.press("X")
        await until(pilot, lambda: "back to its owners" in screen(app))
        assert "owns & payments" in screen(app)
        await pilot.press("down", "enter")
        await settled(pilot)
        await drawn(pilot, app)
        assert app.screen.view == "graph"
        assert app.screen.wanted.start[0] == "who"
        await pilot.press("escape")
        await settled(pilot)
        assert "back to its owners" in screen(app), "one came from the tree"
        await pilot.press("escape")
        await settled(pilot)
        assert "GRAPH of tok_live" in screen(app)

    drive(app, steps)


def test_a_leak_that_was_shown_last_goes_first(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "asterisk", "L")
        assert "LEAK of tok_live" in screen(app)
        await press(pilot, app, "escape")
        assert "GRAPH of everything" in screen(app)
        await press(pilot, app, "L", "L", "escape")
        assert "GRAPH of tok_live" in screen(app)

    drive(app, steps)


def test_what_dies_with_an_account(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "left")
        while app.screen.node().name != "svc-billing-prod":
            await press(pilot, app, "down")
        await pilot.press("D")
        await settled(pilot)
        text = screen(app)
        assert "IF svc-billing-prod GOES" in text
        assert "DIES 3" in text
        assert "● tok_child_a0" in text
        assert "BREAKS 19" in text

    drive(app, steps, (100, 50))


def test_d_on_a_token_answers_for_that_token_and_not_for_its_backend(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        token = app.screen.node()
        assert token.side == "token"
        await pilot.press("D")
        await until(pilot, lambda: "GOES" in screen(app))
        text = screen(app)
        assert f"IF vault-prod/{token.name} GOES" in text
        assert "3 tokens die" in text, "itself and its two children, not all of the backend"
        assert "● tok_child_a0" in text
        assert "old-job" not in text
        assert "NOT KNOWN" in text

    drive(app, steps, (100, 60))


@pytest.mark.parametrize(("form", "first"), [
    ("dot", "digraph"), ("mermaid", "flowchart LR"), ("json", "{"),
])  # fmt: skip
def test_export_writes_a_private_file_and_says_where(paths, form, first) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await pilot.press("W", *form, "enter")
        await until(pilot, lambda: "Written, for you alone" in screen(app))

    drive(app, steps, (200, 24))
    ending = {"mermaid": "mmd"}.get(form, form)
    (path,) = (paths.state / "exports").glob(f"*.{ending}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert text.startswith(first)
    assert "kms" in text
    if form == "json":
        assert json.loads(text)["not_known"]


def test_an_owner_is_assigned_with_a_reason(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await open_graph(pilot, app)
        await pilot.press("o")
        await settled(pilot)
        assert "It is payments's now." in screen(app)
        await pilot.press("enter")
        assert "somebody has to answer for it" in screen(app)
        await pilot.press(*"ledger", "enter", *"agreed with Ana today", "enter")
        await until(pilot, lambda: "ledger answers for it now" in screen(app))

    drive(app, steps)
    asked = [json.loads(line) for line in (paths.state / "asked").read_text().splitlines()]
    assigned = [one for one in asked if one["do"] == "owner"]
    assert [(one["owner"], one["reason"]) for one in assigned] == [
        ("ledger", "agreed with Ana today")
    ]


def test_read_only_assigns_nobody(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "o")
        assert "owner: not now, started without --act" in screen(app)

    drive(app, steps)


def test_a_hub_is_counted_and_shows_more_of_its_neighbours_when_asked(tmp_path) -> None:
    paths = scene.build(world.where(tmp_path), more=1_500)
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        assert "USED BY 1,521" in screen(app)
        assert "and 1,488 more" in screen(app)
        assert "counted, and what they lead to is not followed: 1,488" in screen(app)
        await press(pilot, app, "right", "right")
        while "more" not in app.screen.picture.item.row.label:
            await press(pilot, app, "down")
        assert "counted only; enter shows more of them" in screen(app)
        await press(pilot, app, "enter")
        assert "USED BY 1,521" in screen(app)
        assert "and 1,308 more" in screen(app)
        view = app.screen
        assert len(view.picture.graph.after[view.picture.start]) < 300
        # What is not shown is found by its name, and can be put into the middle.
        await pilot.press("slash", *"host-01444")
        await until(pilot, lambda: screen(app).count("host-01444") > 1)
        await press(pilot, app, "enter")
        assert "GRAPH of host-01444" in screen(app)

    drive(app, steps, (120, 60))


def test_everything_is_read_again_only_after_links_were_written(tmp_path, monkeypatch) -> None:
    paths = scene.build(world.where(tmp_path))
    app = world.application(paths)
    read = []
    whole = reader.WholeGraph
    monkeypatch.setattr(
        reader, "WholeGraph", lambda connection: read.append(1) or whole(connection)
    )

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "asterisk")
        assert "of everything: " in screen(app)
        view = app.screen
        for mark, again in (("generation", False), ("generation", False), ("links", True)):
            told = len(read)
            with closing(sqlite3.connect(paths.inventory)) as store:
                store.execute("UPDATE mark SET value = value + 1 WHERE name = 'generation'")
                store.execute("UPDATE mark SET value = value + 1 WHERE name = ?", (mark,))
                store.commit()
            view.store_changed()
            await press(pilot, app, "down", "up")
            assert (len(read) > told) == again
        # What was read for it is given back as soon as something else is shown.
        await press(pilot, app, "escape")
        assert all(key[0] is not None for key in view._reader._views)

    drive(app, steps)


def test_a_picture_is_read_anew_only_where_the_store_tells_something_else_of_it(tmp_path) -> None:
    paths = scene.build(world.where(tmp_path))
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        view = app.screen
        pictures = []
        shown = view._show
        view._reader._on_picture = lambda picture: (
            pictures.append(picture), view.host.from_thread(shown, picture)
        )  # fmt: skip
        before = view.picture.graph
        with closing(sqlite3.connect(paths.inventory)) as store:
            store.execute("UPDATE mark SET value = value + 1 WHERE name = 'generation'")
            store.commit()
        view.store_changed()
        await press(pilot, app, "down", "up")
        assert view.picture.graph is before
        view.store_changed()
        await drawn(pilot, app)
        told = len(pictures)
        view.store_changed()
        await asyncio.sleep(0.3)
        assert len(pictures) == told
        with closing(sqlite3.connect(paths.inventory)) as store:
            store.execute("UPDATE token SET status = 'gone' WHERE name LIKE 'tok_child_a0'")
            store.execute("UPDATE mark SET value = value + 1 WHERE name = 'generation'")
            store.commit()
        view.store_changed()
        await until(pilot, lambda: len(pictures) > told)
        assert view.picture.graph is not before

    drive(app, steps)
