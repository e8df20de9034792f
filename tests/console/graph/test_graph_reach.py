"""Reach against networkx, and that a count never says more than the raw graph."""

from __future__ import annotations

import random

import networkx as nx
import pytest

from console.graph import model
from console.graph.graph import Edge, Graph
from console.graph.model import Node
from console.graph.view import GraphRows, around
from console.graph.xray import tree


def node(num: int, side: str = "token", name: str = "", kind: str = "key") -> Node:
    return Node(num, side, f"{side}{num}", kind, name or f"{side}-{num}")


@pytest.mark.parametrize("seed", range(200))
def test_reach_is_what_networkx_finds(seed: int) -> None:
    draw = random.Random(seed)
    count = draw.randrange(2, 60)
    pairs = [
        (draw.randrange(count), draw.randrange(count)) for _ in range(draw.randrange(count * 4))
    ]
    graph = Graph(map(node, range(count)), (Edge(a, b, model.PARENT) for a, b in pairs))
    theirs = nx.DiGraph()
    theirs.add_nodes_from(range(count))
    theirs.add_edges_from(pairs)
    for start in range(count):
        reach = graph.reach(start)
        assert set(reach) == nx.descendants(theirs, start)
        for num in reach:
            path = reach.path(num)
            assert nx.is_path(theirs, path)
            assert len(path) - 1 == nx.shortest_path_length(theirs, start, num)


def readable_chain() -> Graph:
    """a reads b with its grant, b reads c with its own, and c reads a."""
    nodes = [node(n) for n in (1, 2, 3)]
    nodes += [node(n, "grant") for n in (11, 12, 13)]
    nodes += [node(n, "use", kind="entry") for n in (21, 22, 23)]
    edges = []
    for number, holds in ((1, 2), (2, 3), (3, 1)):
        edges.append(Edge(number, 10 + number, model.CARRIES))
        edges.append(Edge(10 + number, 20 + number, model.OPENS))
        edges.append(Edge(holds, 20 + number, model.KEPT_IN))
    return Graph(nodes, edges)


def test_secrets_readable_with_the_token_join_over_several_hops_and_in_a_circle() -> None:
    graph = readable_chain()
    reach = graph.reach(1)
    assert {2, 3} <= set(reach)
    assert [step.num for _, step in graph.proof(reach, 3)] == [1, 11, 21, 2, 12, 22, 3]
    assert graph.proof(reach, 2)[-1][0] == "which holds"


def test_two_values_in_one_entry_do_not_reach_each_other() -> None:
    entry = node(9, "use", kind="entry")
    graph = Graph([node(1), node(2), entry], [Edge(1, 9, model.KEPT_IN), Edge(2, 9, model.KEPT_IN)])
    assert set(graph.reach(1)) == {9}


def test_an_owner_is_told_and_never_reached() -> None:
    graph = Graph([node(1, "who"), node(2), node(3)], [Edge(1, 2, model.OWNS), Edge(1, 3, "owns")])
    assert set(graph.reach(2)) == set()
    assert 1 in around(graph, 2)


def test_a_folded_row_says_one_of_900() -> None:
    uses = [node(100 + n, "use", f"web-{n}", "workload") for n in range(900)]
    edges = [Edge(1, 100, model.USED_BY)]
    edges += [Edge(2, use.num, model.USED_BY) for use in uses]
    view = GraphRows(Graph([node(1), node(2), *uses], edges))
    (row,) = view.focus("token", 0).columns["use"]
    assert (str(row.among), str(row.leaked)) == ("1/900", "1/900")
    assert row.text(12) == ("workl…", "1/900")
    assert row.text(3)[1] == "1/900"
    frame = view.focus("token", 0)
    assert frame.edges == [(("token", 0), ("use", 0))]


def test_the_cursors_column_keeps_its_order_and_others_put_relatives_first() -> None:
    nodes = [node(n) for n in (1, 2, 3)] + [node(10 + n, "use", kind="host") for n in (1, 2, 3)]
    graph = Graph(nodes, [Edge(n, 10 + n, model.USED_BY) for n in (1, 2, 3)])
    frame = GraphRows(graph).focus("token", 2)
    assert [one.row.members for one in frame.columns["token"]] == [(1,), (2,), (3,)]
    assert [one.row.members for one in frame.columns["use"]] == [(13,), (11,), (12,)]


def test_all_edges_are_ordered_without_the_crossings_of_the_input() -> None:
    nodes = [node(n) for n in range(1, 6)] + [node(10 + n, "use", f"h{9 - n}") for n in range(1, 6)]
    frame = GraphRows(Graph(nodes, [Edge(n, 10 + n, "used by") for n in range(1, 6)])).all_edges()
    assert len(frame.edges) == 5
    assert all(a[1] == b[1] for a, b in frame.edges)


def test_the_tree_ends_in_a_circle_and_says_that_it_was_there() -> None:
    branches = list(tree(readable_chain(), 1))
    assert [one.num for one in branches if one.again].count(1) == 1
    assert len(branches) < 20
    back = list(tree(readable_chain(), 2, reverse=True))
    assert {one.num for one in back} >= {1, 11}


def test_an_empty_graph_draws_empty_columns() -> None:
    view = GraphRows(Graph([], []))
    assert all(not rows for rows in view.all_edges().columns.values())


def test_a_label_never_costs_the_count_its_room() -> None:
    uses = [node(10 + n, "use", f"w{n}", "workload") for n in range(50)]
    view = GraphRows(Graph(uses, []), opened=[("use", "workload")])
    assert len(view.rows["use"]) == 50
    (shown,) = GraphRows(Graph(uses, [])).all_edges().columns["use"]
    for width in range(8):
        assert shown.text(width)[1] == "50/50"
