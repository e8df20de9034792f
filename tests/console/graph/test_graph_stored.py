"""A graph that is read as it is looked at tells what the whole graph tells, in its order."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path

import pytest

from backends.contract import BackendConfig
from backends.estate import SYSTEMS, Estate, create
from console.audit import intake
from console.graph import graph as graphs
from console.graph import model
from console.graph.collect.collect import collect
from console.graph.graph import Graph
from console.graph.model import SIDES
from console.graph.part import part, sizes
from console.graph.reach import by_side, closure
from console.graph.stored import StoredGraph
from console.graph.view import GraphRows, around
from console.graph.whole import WholeGraph
from console.graph.xray import tree
from console.inventory.sync.sync import Syncer
from console.settings.graph import GraphSettings
from console.store import reading
from console.store.database import open_for_writing

STORED = [kind for kind in model.ENDS if kind != model.READS]


def estate(path: Path, draw: random.Random, tokens: int, links: int) -> sqlite3.Connection:
    """A store with random links of every kind that there is, some told twice."""
    engine = open_for_writing(path)
    by = {side: [] for side in SIDES}
    nodes = []
    for num in range(1, tokens * 3):
        side = "token" if num <= tokens else draw.choice(SIDES)
        kind = draw.choice(("entry", "host", "workload")) if side == "use" else side
        by[side].append(num)
        nodes.append((num, side, f"k{num}", kind, draw.choice("aBcDe") + str(num), f"p{num % 3}"))
    rows = set()
    for _ in range(links):
        kind = draw.choice(STORED)
        start, end = model.ENDS[kind]
        a, b = draw.choice(by[start] or [1]), draw.choice(by[end] or [1])
        if by[start] and by[end]:
            rows.add((a, b, kind, draw.choice(("one", "two"))))
    with engine.begin() as connection:
        connection.executemany(
            "INSERT INTO node (num, side, key, kind, kind_rank, name, place)"
            " VALUES (?, ?, ?, ?, 0, ?, ?)",
            nodes,
        )
        connection.executemany(
            "INSERT INTO link (a, b, kind, source, origin, seen, times, confidence, detail)"
            " VALUES (?, ?, ?, 'observed', ?, 1, 1, 50, '')",
            sorted(rows),
        )
    engine.dispose()
    return reading.connect(path)


def same(one: Graph, other: Graph, num: int) -> None:
    """Everything that is asked about one node, asked of both."""
    assert one.nodes[num] == other.nodes[num]
    assert one.side_of[num] == other.side_of[num]
    for name in ("after", "before", "spread"):
        near = getattr(one, name).get(num, [])
        assert near == getattr(other, name).get(num, []), name
    for other_num in one.after.get(num, ()):
        assert one.kinds[num, other_num] == other.kinds[num, other_num]
        assert one.through.get((num, other_num)) == other.through.get((num, other_num))
    assert one.siblings(num) == other.siblings(num)
    mine, theirs = one.reach(num), other.reach(num)
    assert list(mine) == list(theirs)
    assert by_side(mine, one.side_of) == by_side(theirs, other.side_of)
    for end in mine:
        assert mine.path(end) == theirs.path(end)
        assert one.proof(mine, end) == other.proof(theirs, end)
    for back in (False, True):
        assert list(tree(one, num, reverse=back)) == list(tree(other, num, reverse=back))
        assert one.degree(num, back=back) == other.degree(num, back=back)
        assert one.counts(num, back=back, most=3) == other.counts(num, back=back, most=3)
        assert sizes(one, [num], back=back) == sizes(other, [num], back=back)
        for leak in (False, True):
            if not (back and leak):
                mine_fan = one.fan(num, back=back, leak=leak)
                assert mine_fan == other.fan(num, back=back, leak=leak)


def same_part(one: Graph, other: Graph) -> None:
    """Two graphs with the same nodes and links, in the same order."""
    assert one.nodes == other.nodes
    assert one.side_of == other.side_of
    assert one.rest == other.rest
    for name in ("after", "before", "spread", "kinds", "through"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("seed", range(25))
def test_neighbours_reach_paths_and_trees_are_those_of_the_whole_graph(
    tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    connection = estate(tmp_path / "s.db", draw, draw.randrange(2, 14), draw.randrange(120))
    whole = graphs.load(connection)
    for num in whole.nodes:
        same(whole, StoredGraph(connection), num)
    # And where all is asked of one graph, whatever it had read before.
    kept = StoredGraph(connection)
    for num in draw.sample(list(whole.nodes), len(whole.nodes)):
        same(whole, kept, num)
    assert whole.totals() == kept.totals()
    assert len(whole) == len(kept)


@pytest.mark.parametrize("seed", range(25))
def test_the_whole_graph_in_numbers_tells_and_draws_the_same(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    connection = estate(tmp_path / "s.db", draw, draw.randrange(2, 20), draw.randrange(200))
    whole, lean = graphs.load(connection), WholeGraph(connection)
    for num in whole.nodes:
        same(whole, lean, num)
    assert (len(whole), whole.totals()) == (len(lean), lean.totals())
    assert list(whole.side_of) == list(lean.side_of)
    assert (len(whole.kinds), set(whole.kinds)) == (len(lean.kinds), set(lean.kinds))
    assert whole.ways() == lean.ways()
    for fold_over in (3, 40):
        one, other = GraphRows(whole, fold_over=fold_over), GraphRows(lean, fold_over=fold_over)
        assert one.rows == other.rows
        assert one.all_edges() == other.all_edges()
        for side, rows in one.rows.items():
            for place in range(len(rows)):
                assert one.focus(side, place) == other.focus(side, place)


@pytest.mark.parametrize("seed", range(15))
def test_a_part_has_what_is_around_its_middle_and_every_link_between(
    tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    connection = estate(tmp_path / "s.db", draw, draw.randrange(2, 14), draw.randrange(120))
    whole = graphs.load(connection)
    for num in whole.nodes:
        stored = part(StoredGraph(connection), [num])
        assert stored.nodes.keys() == around(whole, num)
        same_part(stored, part(whole, [num]))
        same_part(stored, part(StoredGraph(connection), [num], folded=False))
        assert stored.unknowns() == []
        for one in stored.nodes:
            inside = [other for other in whole.after.get(one, ()) if other in stored.nodes]
            assert stored.after.get(one, []) == inside
    some = draw.sample(list(whole.nodes), min(3, len(whole.nodes)))
    same_part(part(StoredGraph(connection), some), part(whole, some))


def test_an_estate_is_told_as_the_whole_graph_tells_it(tmp_path: Path) -> None:
    path = tmp_path / "estate.db"
    create(path, seed=5, tokens=400)
    engine = open_for_writing(tmp_path / "s.db")

    async def look() -> None:
        syncer = Syncer(engine)
        for name in SYSTEMS:
            options = {"path": str(path), "system": name}
            config = BackendConfig(name=name, type="estate", options=options)
            async with Estate(config) as backend:
                await syncer.sync(backend)
                await intake.take_in(syncer, backend)

    asyncio.run(look())
    collect(engine, GraphSettings())
    engine.dispose()
    connection = reading.connect(tmp_path / "s.db")
    whole, lean = graphs.load(connection), WholeGraph(connection)
    tokens = [num for num, side in whole.side_of.items() if side == "token"]
    assert len(tokens) >= 400
    assert {one for kinds in whole.kinds.values() for one in kinds} > {"carries", "used by", "owns"}
    for num in random.Random(1).sample(list(whole.nodes), 150):
        same(whole, StoredGraph(connection), num)
        same(whole, lean, num)
        same_part(part(StoredGraph(connection), [num]), part(whole, [num]))


@pytest.fixture
def small_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than three neighbours of a side make a hub, of which two are shown."""
    for module in ("graph", "stored"):
        monkeypatch.setattr(f"console.graph.{module}.HUB", 3)
        monkeypatch.setattr(f"console.graph.{module}.SHOWN", 2)


@pytest.mark.parametrize("seed", range(25))
def test_hubs_are_folded_alike_and_nobody_is_left_out_of_the_count(
    tmp_path: Path, seed: int, small_hubs: None
) -> None:
    draw = random.Random(seed)
    connection = estate(tmp_path / "s.db", draw, draw.randrange(2, 14), draw.randrange(200))
    whole = graphs.load(connection)
    for num in whole.nodes:
        same(whole, StoredGraph(connection), num)
        stored = part(StoredGraph(connection), [num])
        same_part(stored, part(whole, [num]))
        assert stored.nodes.keys() - stored.rest.keys() <= around(whole, num)
        for one, count in stored.rest.items():
            (hub,) = stored.before.get(one, []) or stored.after.get(one, [])
            near, all_near = (
                (stored.after, whole.after) if stored.before.get(one) else
                (stored.before, whole.before)
            )  # fmt: skip
            side = stored.side_of[one]
            shown = [n for n in near[hub] if stored.side_of[n] == side and n != one]
            known = [n for n in all_near[hub] if whole.side_of[n] == side]
            assert set(shown) <= set(known)
            assert len(shown) + count == len(known)
            assert f"{count:,} more" in stored.nodes[one].name
        for back in (False, True):
            found = sizes(StoredGraph(connection), [num], back=back)
            near = closure([num], whole.before if back else whole.after)
            for side, nums in by_side(near, whole.side_of).items():
                assert found.by_side[side] <= len(nums)
                assert found.more or found.by_side[side] == len(nums)
        # Below a node that is no hub, nothing is missing unless that is said.
        if not stored.rest:
            assert stored.nodes.keys() == around(whole, num)
        else:
            assert str(sum(stored.rest.values())) in stored.unknowns()[0]


def test_a_tree_says_how_many_of_a_hubs_branches_it_leaves_out(
    tmp_path: Path, small_hubs: None
) -> None:
    connection = estate(tmp_path / "s.db", random.Random(1), 12, 400)
    whole = graphs.load(connection)
    hub = max(whole.nodes, key=lambda num: len(whole.after.get(num, ())))
    (root, *branches) = tree(StoredGraph(connection), hub)
    near = [one for one in branches if one.depth == 1]
    assert sum(one.more or 1 for one in near) == root.below == len(whole.after[hub])
    assert any(one.more and one.num == 0 for one in near)


def test_what_is_counted_so_far_only_says_more_than(
    tmp_path: Path, small_hubs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("model", "graph", "stored", "part"):
        monkeypatch.setattr(f"console.graph.{module}.COUNTED", 6)
    connection = estate(tmp_path / "s.db", random.Random(1), 60, 4_000)
    whole = graphs.load(connection)
    hub = max(whole.nodes, key=lambda num: len(whole.after.get(num, ())))
    stored = part(StoredGraph(connection), [hub])
    same_part(stored, part(whole, [hub]))
    texts = [stored.nodes[one].name for one in stored.rest]
    assert "and more than 6 more" in texts
    assert max(stored.rest.values()) == 7


def test_a_part_that_would_grow_too_large_says_where_it_ends(tmp_path: Path) -> None:
    connection = estate(tmp_path / "s.db", random.Random(2), 40, 300)
    whole = graphs.load(connection)
    num = max(whole.nodes, key=lambda num: len(around(whole, num)))
    stored = part(StoredGraph(connection), [num], most=6)
    assert stored.cut > 0
    assert len(stored) < len(around(whole, num))
    assert f"next to {stored.cut:,} more" in stored.unknowns()[0]
