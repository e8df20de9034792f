"""Who has the tokens of an incident, what they may, and what uses them, as one picture."""

from __future__ import annotations

import contextlib
import sqlite3
from html import escape
from typing import NamedTuple

from backends.words import count
from console.graph import graph as graphs
from console.graph.graph import Graph
from console.graph.model import SIDES, TITLES
from console.graph.part import part
from console.graph.stored import StoredGraph
from console.graph.view import GraphRow, GraphRows
from console.incident.assess import Assessment
from console.incident.papers.names import Names
from console.response.state.old_value import What
from console.settings import Paths
from console.store import reading
from console.text import middle

FOLD_OVER = 14
"""Nodes of a column beyond which those that are alike are one box."""
MOST = 26
"""Boxes of a column that are drawn; of more it is said how many."""
BOX, HIGH, STEP, TOP = 225, 24, 32, 34
_SPACE = 278
_CLASSES = {
    What.WORKS: "bad", What.UNDONE: "bad", What.UNKNOWN: "doubt", What.RECORDED: "good",
    What.REFUSED: "good",
}  # fmt: skip


class GraphPicture(NamedTuple):
    """The picture as an SVG element, empty where there is none, and what to know about it."""

    svg: str
    notes: tuple[str, ...]


def drawn(found: Assessment, paths: Paths, names: Names) -> GraphPicture:
    """The picture, as links were last collected.

    Raises:
        StoreError: the store cannot be read.
    """
    if not found.inventory or not found.incident.scope:
        return GraphPicture("", ("Nothing is known of who depends on its tokens.",))
    with contextlib.closing(reading.connect(paths.inventory)) as connection:
        try:
            nums = (graphs.node_of(connection, "token", one) for one in found.incident.scope)
            mine = [num for num in nums if num is not None]
            graph = part(StoredGraph(connection), mine)
            unknown = [*graph.unknowns(), *graphs.unknowns(connection)]
        except sqlite3.Error as error:
            raise reading.unusable(paths.inventory, error) from None
    if not mine:
        return GraphPicture("", ("No links of its tokens were collected: token-console graph.",))
    if names.redacted:
        notes = [f"{count(len(unknown), 'thing')} the graph cannot know."] if unknown else []
    else:
        notes = [names.said(text) for text in unknown]
    svg, more = _svg(found, graph, set(mine), names)
    return GraphPicture(svg, (*more, *notes))


def _svg(found: Assessment, graph: Graph, mine: set[int], names: Names) -> tuple[str, list[str]]:
    rows = GraphRows(graph, fold_over=FOLD_OVER)
    frame = rows.all_edges()
    verdicts = {each.scoped.member.handle: each for each in found.tokens}
    parts, notes = [], []
    tallest = 0
    for place, side in enumerate(SIDES):
        x = place * _SPACE
        parts.append(f'<text class="lane" x="{x}" y="16">{TITLES[side]}</text>')
        shown = [one.row for one in frame.columns[side]]
        tallest = max(tallest, min(len(shown), MOST))
        for spot, row in enumerate(shown[:MOST]):
            y = TOP + spot * STEP
            label = _label(graph, row, names)
            class_ = "node"
            if not row.folded and row.members[0] in mine:
                each = verdicts.get(graph.nodes[row.members[0]].key)
                class_ = f"node {_CLASSES[each.verdict.what]}" if each is not None else "node"
            elif row.folded and mine.intersection(row.members):
                class_ = "node many"
            parts.append(
                f'<rect class="{class_}" x="{x}" y="{y}" width="{BOX}" height="{HIGH}" rx="4"/>'
                f'<text class="name" x="{x + 8}" y="{y + 16}">{escape(middle(label, 32))}'
                f"<title>{escape(label)}</title></text>"
            )
        if len(shown) > MOST:
            notes.append(f"{TITLES[side]}: {len(shown) - MOST:,} more are not drawn.")
    lines = []
    for (side, spot), (other, at) in frame.edges:
        if spot < MOST and at < MOST:
            lines.append(_edge(SIDES.index(side), spot, SIDES.index(other), at))
    height = TOP + tallest * STEP + 6
    width = _SPACE * (len(SIDES) - 1) + BOX + 2
    return (
        f'<svg class="graph" role="img" viewBox="-1 0 {width} {height}" width="{width}"'
        f' height="{height}"><title>Who has the tokens, what they may, what uses them</title>'
        f"{''.join(lines)}{''.join(parts)}</svg>"
    ), notes


def _label(graph: Graph, row: GraphRow, names: Names) -> str:
    node = graph.nodes[row.members[0]]
    if node.num in graph.rest:
        return node.name
    if not row.folded:
        return names.node(node.side, node.key, node.name, node.place)
    kind = names.kind(node.kind) if row.side == "token" or not names.redacted else row.side
    where = f" of {names.backend(node.place)}" if node.place else ""
    return f"{len(row.members):,} x {kind}{where}"


def _edge(one: int, spot: int, other: int, at: int) -> str:
    if one > other:
        one, spot, other, at = other, at, one, spot
    x, y = one * _SPACE + BOX, TOP + spot * STEP + HIGH / 2
    far, low = other * _SPACE, TOP + at * STEP + HIGH / 2
    bend = max((far - x) / 2, 20)
    return f'<path class="edge" d="M{x} {y}C{x + bend} {y} {far - bend} {low} {far} {low}"/>'
