"""The graph view: columns around a token, what a leak reaches and why, and what is not known."""

import asyncio
import re

import pytest
import tui_graph_scene as scene
import tui_world as world
from tui_graph_scene import drawn, open_graph, press
from tui_world import drive, fill, screen, settled, until

from console.graph import graph as graphs
from console.graph.view import GraphRows
from console.store import reading
from console.tui.draw.cells import Lines
from console.tui.draw.lines import middle
from console.tui.views.graph.chart import Chart, short_count
from console.tui.views.graph.scene import Picture, ScenePlace, SceneWanted, focus, shape


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return scene.build(world.where(tmp_path_factory.mktemp("graph")))


def row_of(app, text: str) -> str:
    return next(line for line in screen(app).splitlines() if text in line)


def test_the_columns_show_owners_grants_and_consumers_around_a_token(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        text = screen(app)
        for told in ("WHO 2", "TOKENS 4", "GRANTS 12", "USED BY 21", "& payments",
                     "% svc-bil", "↓● tok_child_a0", "┣▶ ◆ ecr:pull", "┣▶ ■ k8s-prod-us",
                     "◇ 10.25.200.7"):  # fmt: skip
            assert told in text, told
        assert "┗▶>● tok_liv" in text
        # Not its own edge: it is used through a child.
        assert "▶ ■ bastion " not in text
        assert "2 actors above; below 3 tokens, 12 grants, 21 consumers" in text

    drive(app, steps)


def test_the_column_of_the_cursor_is_never_reordered(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "right", "right")
        view = app.screen
        order = view.picture.order("use")
        assert view.picture.cursor.side == "use"
        seen = []
        for _ in range(len(order)):
            assert view.picture.order("use") == order
            seen.append(view.picture.cursor.number)
            await press(pilot, app, "down")
        assert seen == list(order)
        await press(pilot, app, "home")
        assert view.picture.cursor.number == order[0]

    drive(app, steps)


def test_keys_that_come_faster_than_pictures_are_not_lost(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "right")
        first = app.screen.picture.shown_at
        await pilot.press(*["j"] * 7, *["k"] * 3)
        await drawn(pilot, app)
        assert app.screen.picture.shown_at == first + 4

    drive(app, steps)


def test_a_leak_is_told_as_k_of_n_with_the_path_that_proves_it(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "L")
        text = screen(app)
        assert (
            "! LEAK of tok_live_9f3a77c05d21: 12 of 13 grants, 21 of 22 consumers, 3 of 6" in text
        )
        assert "GRANTS 12/13" in text
        assert "USED BY 21/22" in text
        assert "!● stripe-live" in text
        assert "·& payments" in text
        await press(pilot, app, "up")
        while app.screen.node().name != scene.STRIPE:
            await press(pilot, app, "up")
        assert (
            "reached: carries secrets:read-stripe > opens secret/stripe > which holds stripe-live"
            in screen(app)
        )
        await press(pilot, app, "L")
        assert "LEAK" not in screen(app)

    drive(app, steps, (140, 30))


def test_only_a_token_leaks(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "right", "enter")
        assert "GRAPH of" in screen(app)
        assert app.screen.picture.start is not None
        await press(pilot, app, "L")
        assert "leak: not now, only a token leaks" in screen(app)

    drive(app, steps)


def test_folded_rows_say_k_of_n_and_unfold(tmp_path) -> None:
    app = world.application(scene.build(world.where(tmp_path), more=300))

    async def steps(pilot):
        await open_graph(pilot, app)
        assert "▸host" in screen(app)
        assert "301/301" in row_of(app, "▸host")
        await press(pilot, app, "up")
        assert "0/301" in row_of(app, "▸host")
        await press(pilot, app, "down", "right", "right")
        while not app.screen.picture.item.row.label.startswith("host"):
            await press(pilot, app, "down")
        await press(pilot, app, "enter")
        text = screen(app)
        assert ">▲ host-00000" in text
        assert "more" in text
        await press(pilot, app, "end")
        assert app.screen.node() is not None

    drive(app, steps)


def test_a_group_of_which_one_is_reached_never_reads_as_all(paths) -> None:
    with reading.connect(paths.inventory) as connection:
        graph = graphs.load(connection)
        child = next(n.num for n in graph.nodes.values() if n.name == "tok_child_b1")
    view = GraphRows(graph, fold_over=2, opened=[("token", "service vault-prod")])
    place = ScenePlace(*(view.find(child) or ("", 0)))
    columns, links = focus(graph, view, place, (), graph.reach(child), [])
    assert links
    picture = Picture(
        SceneWanted(None), graph, view, shape(view, {}), None, place, columns, links, graph.totals()
    )
    shares = {item.share for items in columns.values() for item in items} | {""}
    assert "5/18" in shares
    for width in range(20, 121, 5):
        chart = Chart(picture, width, 20, {}, False)
        text = "\n".join("".join(part for part, _ in chart.line(y))[:width] for y in range(20))
        assert width < 60 or "5/18" in text, text
        # A count that is cut reads as another one.
        assert set(re.findall(r"[0-9]+/[0-9]*", text)) <= shares, text


def test_enter_puts_a_node_into_the_middle_and_esc_goes_back(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "left")
        assert app.screen.node().side == "who"
        await press(pilot, app, "enter")
        assert "GRAPH of" in screen(app)
        assert app.screen.wanted.start[0] == "who"
        await press(pilot, app, "escape")
        assert "GRAPH of tok_live" in screen(app)
        await press(pilot, app, "asterisk")
        assert "GRAPH of everything" in screen(app)
        await press(pilot, app, "escape", "escape")
        await settled(pilot)
        assert app.screen.view == "inventory"

    drive(app, steps)


def test_find_goes_to_a_node_by_its_name(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await pilot.press("slash", *"kms", "enter")
        await drawn(pilot, app)
        assert app.screen.node().name == "kms:decrypt-pii"
        assert ">◆ kms" in screen(app)

    drive(app, steps)


def test_all_edges_only_where_they_can_be_followed(paths) -> None:
    app = world.application(paths)

    async def narrow(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "m")
        assert "all edges: not now, it needs a terminal of 140x40" in screen(app)

    drive(app, narrow)
    wide = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, wide)
        await press(pilot, wide, "m")
        text = screen(wide)
        assert "┼" in text or "╋" in text
        # The cursor's edges are heavy, another's are light.
        assert "▶ ■ bastion" in text
        assert "tok_child_a0 ╶─" in text
        assert "tok_live_9f3a77c05d21 ╺━" in text

    drive(wide, steps, (140, 45))


def test_an_empty_graph_says_what_is_not_known_and_why(tmp_path) -> None:
    paths = world.where(tmp_path)
    fill(paths)
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app, "ci-deploy")
        text = screen(app)
        assert "Nothing is known of it yet" in text
        assert "NOT KNOWN No file of owners is read." in text
        assert "github: its audit log was never read" in text
        await press(pilot, app, "x", "L", "down", "right", "W", "m", "D")
        assert app.screen.view == "graph"

    drive(app, steps)


@pytest.mark.parametrize("size", [(80, 24), (140, 45), (40, 12), (250, 60)])
def test_hostile_names_change_nothing_but_their_own_cells(paths, size) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "asterisk", "L", "right", "down", "left", "left", "m", "end")
        for line in screen(app).splitlines():
            assert all(c.isprintable() for c in line)
            assert len(line) <= size[0]
        await pilot.press("x")
        await settled(pilot)
        assert all(c.isprintable() for c in screen(app).replace("\n", ""))

    drive(app, steps, size)


def test_in_ascii_nothing_else_is_drawn(paths) -> None:
    app = world.application(paths, ascii_only=True)

    async def steps(pilot):
        for keys in ((), ("L",), ("right",), ("asterisk",), ("m",)):
            if not keys:
                await open_graph(pilot, app)
            await press(pilot, app, *keys)
            assert screen(app).isascii()
            assert "L" not in keys or "+>" in screen(app)
        for key in ("x", "escape", "D"):
            await pilot.press(key)
            await settled(pilot)
            assert screen(app).isascii()

    try:
        drive(app, steps, (140, 45))
    finally:
        Lines.plain_ascii = False


def test_every_colour_is_one_of_sixteen_and_no_state_is_colour_alone(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_graph(pilot, app)
        await press(pilot, app, "L")
        kinds: dict[str, set[str]] = {}
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                colour = segment.style.color if segment.style else None
                assert colour is None or colour.type.name in ("STANDARD", "DEFAULT"), segment
                for sign in "●◆■◇&%":
                    if sign in segment.text:
                        kinds.setdefault(sign, set()).add(segment.text[:1])
        assert set(kinds) == set("●◆■◇&%")

    drive(app, steps)


def test_a_picture_follows_the_store(tmp_path) -> None:
    where = scene.build(world.where(tmp_path))
    app = world.application(where)

    async def steps(pilot):
        await open_graph(pilot, app)
        assert "USED BY 21" in screen(app)
        await asyncio.to_thread(scene.build, where, 3)
        await until(pilot, lambda: "USED BY 24" in screen(app))
        assert app.screen.node().name == scene.LEAKED

    drive(app, steps)


def test_names_are_cut_in_the_middle_and_counts_are_short() -> None:
    assert middle("svc-billing-prod", 11) == "svc-b…-prod"
    assert middle("short", 11) == "short"
    assert [short_count(n) for n in (7, 999, 1_000, 7_800, 99_500, 1_200_000)] == [
        "7", "999", "1.0k", "7.8k", "100k", "1.2M",
    ]  # fmt: skip
