"""Reads the graph and lays out its pictures off the event loop, for the newest wish only."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from console.graph import graph as graphs
from console.graph import model
from console.graph.graph import Graph
from console.graph.reach import Reach
from console.graph.view import GraphRows, around
from console.store import reading
from console.store.queries import links
from console.tui.session.background import Background
from console.tui.views.graph import scene
from console.tui.views.graph.scene import Picture, SceneWanted, Shape


class Viewed(NamedTuple):
    """A view that is kept, as making it takes longer than drawing it."""

    start: int | None
    view: GraphRows
    shape: Shape


class GraphReader(Background[SceneWanted]):
    """``on_picture`` and ``on_error`` are called from this thread."""

    def __init__(
        self,
        path: Path,
        on_picture: Callable[[Picture], None],
        on_error: Callable[[str], None],
    ) -> None:
        super().__init__("reading of the graph", on_error)
        self._path = path
        self._on_picture = on_picture
        self._graph: Graph | None = None
        self._totals: dict[str, int] = {}
        self._seen: dict[tuple[int, int], int] = {}
        self._views: dict[tuple[object, object], Viewed] = {}
        self._leak: tuple[int, Reach] | None = None

    def merged(self, waiting: SceneWanted, question: SceneWanted) -> SceneWanted:
        """The newest question, and the store read anew where any of both wanted that."""
        return question._replace(reload=waiting.reload or question.reload)

    def work(self, question: SceneWanted) -> None:
        """Read the graph where it is not read yet, and make the picture that is asked for."""
        with contextlib.closing(reading.connect(self._path)) as connection:
            graph = self._graph
            if graph is None or question.reload:
                graph = self._load(connection)
            picture = self._picture(connection, graph, question._replace(reload=False))
        if not self.outdated():
            self._on_picture(picture)

    def _load(self, connection: sqlite3.Connection) -> Graph:
        self._graph = graph = graphs.load(connection)
        self._totals = scene.totals(graph)
        self._seen = links.observed(connection, model.USED_BY)
        self._views.clear()
        self._leak = None
        return graph

    def _viewed(self, connection: sqlite3.Connection, graph: Graph, wanted: SceneWanted) -> Viewed:
        key = (wanted.start, wanted.opened)
        if (known := self._views.get(key)) is None:
            start = None if wanted.start is None else graphs.node_of(connection, *wanted.start)
            if start not in graph.nodes:
                start = None
            if start is not None:
                view = GraphRows(graph, around(graph, start), opened=wanted.opened)
            else:
                view = GraphRows(graph, () if wanted.start else None, opened=wanted.opened)
            if len(self._views) > 4:
                self._views.clear()
            known = self._views[key] = Viewed(start, view, scene.shape(view, self._seen))
        return known

    def _picture(
        self, connection: sqlite3.Connection, graph: Graph, wanted: SceneWanted
    ) -> Picture:
        start, view, shape = self._viewed(connection, graph, wanted)
        cursor = scene.locate(view, wanted.at, start)
        reach, proof = self._proof(graph, view, cursor, wanted.leak)
        columns: dict[str, list[scene.SceneRow]] = {side: [] for side in model.SIDES}
        links: list[scene.Link] = []
        if cursor is not None and wanted.all_edges:
            columns, links = scene.everything(graph, view, cursor, reach, proof)
        elif cursor is not None:
            columns, links = scene.focus(graph, view, cursor, wanted.order, reach, proof)
        handle = wanted.start[1] if wanted.start and wanted.start[0] == "token" else ""
        picture = Picture(
            wanted, graph, view, shape, start, cursor, columns, links, self._totals, reach, proof,
            unknown=graphs.unknowns(connection, handle),
        )  # fmt: skip
        return picture._replace(evidence=self._evidence(connection, picture))

    def _proof(
        self, graph: Graph, view: GraphRows, cursor: scene.ScenePlace | None, leak: int | None
    ) -> tuple[Reach | None, list[int]]:
        if leak is None or leak not in graph.nodes:
            return None, []
        if self._leak is None or self._leak[0] != leak:
            self._leak = (leak, graph.reach(leak))
        reach = self._leak[1]
        if cursor is None:
            return reach, []
        members = view.rows[cursor.side][cursor.number].members
        shown = next((num for num in members if num in reach), None)
        return reach, [] if shown is None else reach.path(shown)

    @staticmethod
    def _evidence(connection: sqlite3.Connection, picture: Picture) -> list[model.Evidence]:
        """For the last step of a proof, else for the link to the middle."""
        num = picture.num
        pair = (picture.start, num)
        if len(picture.proof) > 1:
            pair = (picture.proof[-2], picture.proof[-1])
        if pair[0] is None or pair[1] is None or pair[0] == pair[1]:
            return []
        return graphs.evidence(connection, pair[0], pair[1]) or graphs.evidence(
            connection, pair[1], pair[0]
        )
