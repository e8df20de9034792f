"""Prints what reach and a frame cost in a graph of 20,000 nodes and 100,000 edges.

python tests/bench/bench_graph.py
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

from console.graph import model
from console.graph.graph import Edge, Graph
from console.graph.model import Node
from console.graph.view import GraphRows

SHARES = (("who", 800), ("token", 7_000), ("grant", 1_200), ("use", 11_000))
EDGES = 100_000


def made(seed: int = 5) -> Graph:
    """As estates are: most tokens have few consumers, some grants are on everything."""
    draw = random.Random(seed)
    nodes: list[Node] = []
    by: dict[str, list[int]] = {}
    for side, count in SHARES:
        for _ in range(count):
            num = len(nodes)
            kind = draw.choice(model.USES[:5]) if side == "use" else side
            place = f"backend-{num % 8}"
            nodes.append(Node(num, side, str(num), kind, f"{side}-{num}", place))
            by.setdefault(side, []).append(num)
    edges: list[Edge] = []
    entries = [n.num for n in nodes if n.kind == "entry"]
    for _ in range(EDGES):
        token = draw.choice(by["token"])
        lot = draw.random()
        if lot < 0.1:
            edges.append(Edge(draw.choice(by["who"]), token, model.OWNS))
        elif lot < 0.15:
            edges.append(Edge(token, draw.choice(by["token"]), model.PARENT))
        elif lot < 0.45:
            edges.append(Edge(token, draw.choice(by["grant"]), model.CARRIES))
        elif lot < 0.451:
            edges.append(Edge(draw.choice(by["grant"]), draw.choice(entries), model.OPENS))
        elif lot < 0.47:
            edges.append(Edge(token, draw.choice(entries), model.KEPT_IN))
        else:
            edges.append(Edge(token, draw.choice(by["use"]), model.USED_BY))
    return Graph(nodes, edges)


def spent(do: Callable[[], object], times: int = 15) -> str:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        do()
        took.append((time.perf_counter() - began) * 1000)
    return f"{statistics.median(took):7.1f} ms (worst {max(took):.1f})"


def main() -> None:
    began = time.perf_counter()
    graph = made()
    print(f"made in {time.perf_counter() - began:.2f} s: {len(graph):,} nodes,"
          f" {len(graph.kinds):,} edges")  # fmt: skip
    tokens = [n.num for n in graph.nodes.values() if n.side == "token"]
    widest = max(tokens[:300], key=lambda num: len(graph.reach(num)))
    print(f"reach, widest of 300 ({len(graph.reach(widest)):,} nodes)",
          spent(lambda: graph.reach(widest)))  # fmt: skip
    draw = random.Random(1)
    print("reach, any token                 ", spent(lambda: graph.reach(draw.choice(tokens)), 99))
    print("reach of all tokens together     ", spent(lambda: graph.reach(*tokens)))
    view = GraphRows(graph)
    print("rows of a view                   ", spent(lambda: GraphRows(graph), 5))
    print("focus frame, all folded          ", spent(lambda: view.focus("token", 0)))
    opened = GraphRows(graph, opened=[("token", row.label) for row in view.rows["token"]])
    side, place = opened.find(widest) or ("token", 0)
    print("focus frame, one token of 7,000  ", spent(lambda: opened.focus(side, place)))
    print("all edges, folded                ", spent(view.all_edges, 5))


if __name__ == "__main__":
    main()
