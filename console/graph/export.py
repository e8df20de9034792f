"""A part of a graph as DOT, Mermaid and JSON. Names are escaped for each of them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection
from typing import Any

from console.graph import graph as graphs
from console.graph.graph import Graph
from console.graph.model import Node
from console.text import safe

SHAPES = {"who": "ellipse", "token": "box", "grant": "hexagon", "use": "note"}
PLAIN = re.compile(r"[^A-Za-z0-9 ._/@-]")
LABEL = 120


def label(node: Node) -> str:
    """A node in one line, safe for a terminal."""
    name = safe(node.name or node.key, LABEL)
    place = f" ({safe(node.place, 40)})" if node.place else ""
    state = f" [{safe(node.state, 20)}]" if node.state and node.state != "active" else ""
    return f"{safe(node.kind, 30)} {name}{place}{state}"


def dot(graph: Graph, nums: Collection[int]) -> str:
    """Graphviz's language; only quotes and backslashes mean anything inside its quotes."""
    graph.fetch(nums)
    lines = ["digraph token {", "  rankdir=LR;"]
    for num in sorted(nums):
        node = graph.nodes[num]
        lines.append(f"  {_id(num)} [shape={SHAPES[node.side]}, label={_quoted(label(node))}];")
    lines += [
        f"  {_id(a)} -> {_id(b)} [label={_quoted(', '.join(kinds))}];"
        for a, b, kinds in _edges(graph, nums)
    ]
    return "\n".join([*lines, "}", ""])


def mermaid(graph: Graph, nums: Collection[int]) -> str:
    """A Mermaid flowchart; whatever could end a label or mean HTML becomes an entity code."""
    graph.fetch(nums)
    lines = ["flowchart LR"]
    lines += [f'  {_id(num)}["{_entities(label(graph.nodes[num]))}"]' for num in sorted(nums)]
    lines += [
        f'  {_id(a)} -->|"{_entities(", ".join(kinds))}"| {_id(b)}'
        for a, b, kinds in _edges(graph, nums)
    ]
    return "\n".join([*lines, ""])


def document(connection: sqlite3.Connection, graph: Graph, nums: Collection[int]) -> dict[str, Any]:
    """Everything, evidence included, for programs. Names are exactly as they came."""
    graph.fetch(nums)
    links = []
    for a, b, kinds in _edges(graph, nums):
        found = [one._asdict() for one in graphs.evidence(connection, a, b)]
        one: dict[str, Any] = {"from": a, "to": b, "kinds": kinds, "evidence": found}
        if (a, b) in graph.through:
            one["through"] = graph.through[a, b]
        links.append(one)
    return {"nodes": [graph.nodes[num]._asdict() for num in sorted(nums)], "links": links}


def dumps(value: Any) -> str:
    """JSON with all but ASCII escaped, so that printing it acts on no terminal."""
    return json.dumps(value, ensure_ascii=True, indent=2)


def _id(num: int) -> str:
    """A node's id; one that stands for others has a number below zero."""
    return f"n{num}" if num >= 0 else f"more{-num}"


def _edges(graph: Graph, nums: Collection[int]) -> list[tuple[int, int, list[str]]]:
    return sorted(
        (a, b, graph.kinds[a, b]) for a in nums for b in graph.after.get(a, ()) if b in nums
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _entities(text: str) -> str:
    return PLAIN.sub(lambda found: f"#{ord(found[0])};", text)
