"""Reads what a picture shows of the graph, off the event loop, for the newest wish only."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from console.graph import graph as graphs
from console.graph import model
from console.graph.graph import Graph
from console.graph.part import Part, part, sizes
from console.graph.reach import Reach, by_side
from console.graph.stored import StoredGraph
from console.graph.view import GraphRows
from console.graph.whole import WholeGraph
from console.store import reading
from console.store.queries import links, marks
from console.tui.session.background import Background
from console.tui.views.graph import scene
from console.tui.views.graph.scene import Leak, Picture, SceneWanted, Shape


class Viewed(NamedTuple):
    """What is kept of a view, as reading and measuring it take longer than drawing it."""

    start: int | None
    graph: Graph
    view: GraphRows
    shape: Shape
    seen: Mapping[int, int]
    """How often each consumer was seen."""


Wish = tuple[object, object, int]


class GraphReader(Background[SceneWanted]):
    """``on_picture`` and ``on_error`` are called from this thread.

    Of the graph around a node only that part is read, and kept as long as the store tells the
    same of it. The graph of everything is read whole, and only while it is shown.
    """

    def __init__(
        self,
        path: Path,
        on_picture: Callable[[Picture], None],
        on_error: Callable[[str], None],
    ) -> None:
        super().__init__("reading of the graph", on_error)
        self._path = path
        self._on_picture = on_picture
        self._views: dict[Wish, Viewed] = {}
        self._leak: tuple[int, Reach, Leak] | None = None
        self._totals: dict[str, int] = {}
        self._generation = 0
        self._made: int | None = None
        """What was told of links being written when they were last read."""
        self._shown: Picture | None = None

    def merged(self, waiting: SceneWanted, question: SceneWanted) -> SceneWanted:
        """The newest question, and the store read anew where any of both wanted that."""
        return question._replace(
            reload=waiting.reload or question.reload,
            follows=waiting.follows and question.follows,
        )

    def work(self, question: SceneWanted) -> None:
        """Make the picture that is asked for, and tell it where it is another one."""
        with contextlib.closing(reading.connect(self._path)) as connection:
            stored = StoredGraph(connection)
            wanted = question._replace(reload=False, follows=False)
            if question.reload or not self._generation:
                renewed = self._renew(connection, stored, question)
                if question.follows and not renewed and self._stands(connection, wanted):
                    return
            picture = self._picture(connection, stored, wanted)
        same = question.follows and picture == self._shown
        if not same and not self.outdated():
            self._shown = picture
            self._on_picture(picture)

    def _renew(
        self, connection: sqlite3.Connection, stored: StoredGraph, wanted: SceneWanted
    ) -> bool:
        """Keep of the views the one that is shown, if the store still tells the same of it.

        Returns whether it was asked, which it is not where nobody has written of such things.
        """
        generation = reading.generation(connection)
        if generation == self._generation:
            return False
        self._generation = generation
        made = marks.value(connection, marks.LINKS)
        if wanted.start is None and made is not None and made == self._made:
            return False
        self._made = made
        self._totals = stored.totals()
        self._leak = None
        key = _wish(wanted)
        old = self._views.pop(key, None)
        self._views.clear()
        if old is not None:
            new = self._read(connection, stored, wanted)
            self._views[key] = old if _same(old, new) else new
        return True

    def _stands(self, connection: sqlite3.Connection, wanted: SceneWanted) -> bool:
        """Whether the picture that is shown is the wanted one, and what is not known is too."""
        shown = self._shown
        return (
            shown is not None
            and shown.wanted == wanted
            and list(shown.unknown) == self._unknown(connection, shown.graph, wanted)
        )

    @staticmethod
    def _unknown(connection: sqlite3.Connection, graph: Graph, wanted: SceneWanted) -> list[str]:
        handle = wanted.start[1] if wanted.start and wanted.start[0] == "token" else ""
        told = graphs.unknowns(connection, handle)
        return [*graph.unknowns(), *told] if isinstance(graph, Part) else told

    def _viewed(
        self, connection: sqlite3.Connection, stored: StoredGraph, wanted: SceneWanted
    ) -> Viewed:
        key = _wish(wanted)
        # The whole graph is large: it takes the place of all others, and goes with the first.
        alone = wanted.start is None or len(self._views) > 4
        if key not in self._views:
            kept = {} if alone else self._views
            self._views = {one: view for one, view in kept.items() if one[0] is not None}
            self._views[key] = self._read(connection, stored, wanted)
        return self._views[key]

    def _read(
        self, connection: sqlite3.Connection, stored: StoredGraph, wanted: SceneWanted
    ) -> Viewed:
        start = None if wanted.start is None else graphs.node_of(connection, *wanted.start)
        graph: Graph
        if wanted.start is None:
            # It reads names for as long as it is shown.
            graph = WholeGraph(reading.connect(self._path))
            seen = links.observed(connection, model.USED_BY)
        else:
            most = max(wanted.widened, 1) * scene.MOST
            shown = wanted.widened and wanted.widened * model.SHOWN
            graph = part(stored, () if start is None else [start], shown=shown, most=most)
            tokens = [num for num, side in graph.side_of.items() if side == "token"]
            seen = links.observed(connection, model.USED_BY, tokens)
        view = GraphRows(graph, opened=wanted.opened)
        return Viewed(start, graph, view, scene.shape(view, seen), seen)

    def _picture(
        self, connection: sqlite3.Connection, stored: StoredGraph, wanted: SceneWanted
    ) -> Picture:
        start, graph, view, shape, _ = self._viewed(connection, stored, wanted)
        cursor = scene.locate(view, wanted.at, start)
        reach, leak, proof = self._proof(stored, view, cursor, wanted.leak)
        columns: dict[str, list[scene.SceneRow]] = {side: [] for side in model.SIDES}
        found: list[scene.Link] = []
        if cursor is not None and wanted.all_edges:
            columns, found = scene.everything(graph, view, cursor, reach, proof)
        elif cursor is not None:
            columns, found = scene.focus(graph, view, cursor, wanted.order, reach, proof)
        unknown = self._unknown(connection, graph, wanted)
        picture = Picture(
            wanted, graph, view, shape, start, cursor, columns, found, self._totals, reach, proof,
            unknown=unknown, leak=leak,
        )  # fmt: skip
        if reach is not None and proof:
            picture = picture._replace(steps=stored.proof(reach, proof[-1]))
        return picture._replace(
            evidence=self._evidence(connection, picture), near=self._near(stored, picture)
        )

    @staticmethod
    def _near(stored: StoredGraph, picture: Picture) -> tuple[str, str]:
        """What leads to the cursor's row, and what it leads to, in all that is known."""
        if (item := picture.item) is None:
            return "", ""
        members = item.row.members
        if picture.wanted.start is None:
            return scene.around(picture.graph, members)
        if members[0] in picture.graph.rest:
            return "", ""
        return (
            scene.counted(sizes(stored, members, back=True)),
            scene.counted(sizes(stored, members, back=False)),
        )

    def _proof(
        self,
        stored: StoredGraph,
        view: GraphRows,
        cursor: scene.ScenePlace | None,
        start: int | None,
    ) -> tuple[Reach | None, Leak | None, list[int]]:
        if start is None:
            return None, None, []
        if self._leak is None or self._leak[0] != start:
            reach = stored.reach(start)
            sides = by_side(reach, stored.side_of)
            counts = {side: (len(nums), self._totals[side]) for side, nums in sides.items()}
            self._leak = (start, reach, Leak(stored.nodes[start], counts))
        _, reach, leak = self._leak
        if cursor is None:
            return reach, leak, []
        members = view.rows[cursor.side][cursor.number].members
        shown = next((num for num in members if num in reach), None)
        return reach, leak, [] if shown is None else reach.path(shown)

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


def _wish(wanted: SceneWanted) -> Wish:
    return wanted.start, wanted.opened, wanted.widened


def _same(old: Viewed, new: Viewed) -> bool:
    """Whether two readings of a part tell the same, so that its picture can stay."""
    if old.start is None or (old.start, old.seen) != (new.start, new.seen):
        return False
    one, other = old.graph, new.graph
    return one.nodes == other.nodes and one.kinds == other.kinds and one.rest == other.rest
