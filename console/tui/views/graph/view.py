"""Owners, tokens, grants and what uses them, in columns around whatever is in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult

from console.errors import ConsoleError, UsageError
from console.graph import graph as graphs
from console.graph import owners
from console.graph.graph import Graph
from console.graph.model import Node
from console.graph.stored import StoredGraph
from console.inventory.search.inventory import Row
from console.store import reading
from console.tui.actions.context import Context, GraphContext
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line
from console.tui.session.worker_link import WorkerError
from console.tui.views.act.view import ActView
from console.tui.views.graph import export, page
from console.tui.views.graph.map import GraphMap
from console.tui.views.graph.reader import GraphReader
from console.tui.views.graph.scene import Picture, ScenePlace, SceneWanted
from console.tui.views.handlers import does, does_each
from console.tui.widgets.decide_bar import REASON, DecideBar, Question
from console.tui.widgets.picker import PickerRow

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession

WIDE = (140, 40)
"""The least columns and lines of a terminal on which all edges can be followed."""
FOUND = 50
WIDER = 10
"""How many times as many neighbours of a hub are shown after each enter on the others."""


def _holds(node: Node, wanted: str) -> bool:
    """Whether a node's name has a text, which is folded; with a slash, its place and name."""
    whole = node.name or node.key
    return wanted in (f"{node.place}/{whole}" if "/" in wanted else whole).casefold()


def _owner(typed: str) -> None:
    if not typed.strip():
        raise UsageError("somebody has to answer for it", "A person or a team.")


class GraphView(ActView):
    """``start`` is the side and key of the node in the middle; None shows everything."""

    view = "graph"

    def __init__(self, world: ConsoleSession, start: tuple[str, str] | None) -> None:
        super().__init__(world)
        self.wanted = SceneWanted(start)
        self._behind: list[SceneWanted] = []
        """What was shown before: something else in the middle, or a leak."""
        self._head = OneLine()
        self._map = GraphMap(ascii_only=world.ascii)
        self._what = OneLine()
        self._why = OneLine()
        self._row: Row | None = None
        self._row_of = ""
        self._reader = GraphReader(
            world.paths.inventory,
            lambda picture: self.host.from_thread(self._show, picture),
            lambda trouble: self.host.from_thread(self.note, trouble, True),
        )

    def body(self) -> ComposeResult:
        """The picture, and two lines about what is under its cursor."""
        yield self._head
        yield self._map
        yield self._what
        yield self._why

    def focus_body(self) -> None:
        """Give the keys to the view's main widget."""
        self.set_focus(self._map)

    def on_mount(self) -> None:
        """Have the graph read, and the token's system asked what depends on it."""
        self._head.say(page.banner(None, self.app.size.width))
        self._reader.start()
        self._reader.ask(self.wanted)
        if self.wanted.start is not None and self.wanted.start[0] == "token":
            self.run_worker(self._ask_dependents(self.wanted.start[1]))

    def on_unmount(self) -> None:
        """End the thread that reads for the view."""
        self._reader.end()

    async def _ask_dependents(self, handle: str) -> None:
        """Its system's answer becomes links, and the picture follows the store."""
        try:
            await self.host.ask("dependents", handle=handle)
        except WorkerError as error:
            self.note(f"its system was not asked what depends on it: {error.said}")

    # What is shown

    @property
    def picture(self) -> Picture | None:
        """The picture on the screen."""
        return self._map.picture

    def _show(self, picture: Picture) -> None:
        if picture.wanted.start != self.wanted.start:
            return
        width, now = self.app.size.width, self.world.now()
        # A key that was pressed meanwhile has already asked for the next one.
        self._head.say(page.banner(picture, width))
        self._map.show(picture, page.below(picture, width))
        what, why = page.details(picture, now, width)
        self._what.say(what)
        self._why.say(why)
        self.frame()

    def _ask(self, **more: Any) -> None:
        self.wanted = self.wanted._replace(**more)
        self._reader.ask(self.wanted)

    def node(self) -> Node | None:
        """The single node under the cursor; none for what stands for several."""
        picture = self.picture
        if picture is None or picture.num is None or picture.num in picture.graph.rest:
            return None
        return picture.graph.nodes[picture.num]

    def row(self) -> Row | None:
        """The token under the cursor; none for other nodes, or where the store cannot be read."""
        node = self.node()
        handle = node.key if node is not None and node.side == "token" else ""
        if handle != self._row_of:
            self._row_of, self._row = handle, None
            if handle:
                try:
                    detail = self.world.inventory.detail(handle)
                except (sqlite3.Error, ConsoleError):
                    detail = None
                self._row = detail.row if detail is not None else None
        return self._row

    def context(self) -> Context:
        """What is under the cursor, and what can be drawn of it."""
        picture, node = self.picture, self.node()
        side = node.side if node is not None else ""
        if picture is not None and not side and picture.item is not None:
            side = "group"
        leaks = self._leakable() is not None or self.wanted.leak is not None
        return super().context()._replace(graph=GraphContext(side, leaks, self._crowded()))

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        return self.picture is None or self.picture.item is None

    def _crowded(self) -> str:
        """Why not all edges can be shown at once."""
        picture, size = self.picture, self.app.size
        if size.width < WIDE[0] or size.height < WIDE[1]:
            return "it needs a terminal of 140x40"
        longest = max(map(len, picture.view.rows.values())) if picture is not None else 0
        if longest > self._map.rows - 4:
            return f"{longest:,} rows are more than can be seen at once"
        return ""

    def _leakable(self) -> int | None:
        """The token under the cursor, else the one in the middle."""
        picture = self.picture
        if picture is not None:
            for num in (picture.num, picture.start):
                if num is not None and picture.graph.side_of[num] == "token":
                    return num
        return None

    def store_changed(self) -> None:
        """Read the graph anew, with the cursor on the same node."""
        self._row_of = ""
        at = self.picture.num if self.picture is not None else None
        if at is not None:
            self.wanted = self.wanted._replace(at=at)
        self._reader.ask(self.wanted._replace(reload=True, follows=True))

    def tick(self) -> None:
        """Say anew how old the proof of an edge is."""
        super().tick()
        if (picture := self.picture) is not None:
            self._why.say(page.details(picture, self.world.now(), self.app.size.width)[1])

    def on_graph_map_resized(self, event: GraphMap.Resized) -> None:
        """Draw for the new size; all edges at once may not fit it any more."""
        event.stop()
        if self.wanted.all_edges and self._crowded():
            self._ask(all_edges=False)
        elif (picture := self.picture) is not None:
            self._show(picture)

    # Moving

    def move(self, what: str) -> None:
        """To the next node of the column, or over to another column."""
        picture = self.picture
        if picture is None or picture.cursor is None:
            return
        if what in ("left", "right"):
            place = picture.hop(1 if what == "right" else -1, self.wanted.at)
        else:
            place = self._map.step(what, self.wanted.at)
        if place is not None:
            self._ask(at=place, order=picture.order(place.side))

    # Actions

    @does("back")
    def do_back(self) -> None:
        """What was in the middle before, or a leak's end; then the view before this one."""
        if self._behind:
            self.wanted = self._behind.pop()
            self._ask()
        else:
            super().do_back()

    @does("open")
    async def do_open(self) -> None:
        """Unfold a row, put a node into the middle, or open the token that is there."""
        picture, node = self.picture, self.node()
        if picture is None or picture.item is None:
            return
        row = picture.item.row
        if row.members[0] in picture.graph.rest:
            # Ten times as many as now; of those that are still left it is said how many.
            self._ask(widened=max(self.wanted.widened, 1) * WIDER, at=picture.start, order=())
        elif node is None:
            self._ask(opened=self.wanted.opened | {(row.side, row.label)}, at=row.members[0],
                      order=())  # fmt: skip
        elif picture.num == picture.start and node.side == "token":
            await self.host.open_token(node.key)
        elif picture.num == picture.start:
            self.note("It is in the middle already; only a token has a page of its own.")
        else:
            self._centre(node)

    def _centre(self, node: Node) -> None:
        """Put a node into the middle; esc goes back."""
        self._behind.append(self.wanted)
        self._ask(start=(node.side, node.key), at=None, order=(), opened=frozenset(), widened=0)

    @does("whole")
    def do_whole(self) -> None:
        """The graph of everything, with the cursor where it is."""
        if self.wanted.start is None:
            self.note("Everything is shown already.")
            return
        self._behind.append(self.wanted)
        at = self.picture.num if self.picture is not None else None
        self._ask(start=None, at=at, order=(), opened=frozenset(), widened=0)

    @does("all_edges")
    def do_all_edges(self) -> None:
        """Draw all edges at once, or the cursor's only."""
        self._ask(all_edges=not self.wanted.all_edges, order=())

    @does("leak")
    def do_leak(self) -> None:
        """Show what a leak of the token gets to, or no longer; esc ends it too."""
        shown = self.wanted
        if shown.leak is None:
            self._behind.append(shown)
        elif self._behind and self._behind[-1].start == shown.start:
            self._behind.pop()
        self._ask(leak=self._leakable() if shown.leak is None else None)

    @does("find")
    async def do_find(self) -> None:
        """Find a node by its name, and go to it."""
        picture = self.picture
        if picture is None:
            return
        found: dict[int, Node] = {}

        def items(text: str) -> list[PickerRow]:
            found.clear()
            found.update((node.num, node) for node in self._found(picture, text.strip()))
            return [
                PickerRow(
                    str(node.num),
                    page.name(node, 20),
                    f"{node.kind} {node.place}" + (f" {node.key}" if node.side == "token" else ""),
                )
                for node in found.values()
            ]

        async def chosen(id_: str) -> None:
            num = int(id_)
            shown = self.picture
            if shown is not None and shown.view.find(num) is not None:
                place = ScenePlace(*(shown.view.find(num) or ("", 0)))
                self._ask(at=place, order=shown.order(place.side))
            elif num in found:
                self._centre(found[num])

        await self.pick("/", items, chosen)

    def _found(self, picture: Picture, text: str) -> list[Node]:
        """What a text means: tokens that it names, then what is shown, then all that there is."""
        wanted = text.casefold()
        shown = [
            node
            for num, node in picture.graph.nodes.items()
            if num not in picture.graph.rest and _holds(node, wanted)
        ]
        found: dict[int, Node] = {}
        try:
            named = [row.handle for row in self.world.inventory.find(text)] if text else []
            with contextlib.closing(reading.connect(self.world.paths.inventory)) as connection:
                found |= {node.num: node for node in graphs.tokens(connection, named)}
                found |= {node.num: node for node in shown[:FOUND]}
                if text and len(found) < FOUND:
                    more = graphs.holding(connection, text, FOUND)
                    found |= {node.num: node for node in more if _holds(node, wanted)}
        except (sqlite3.Error, ConsoleError):
            found |= {node.num: node for node in shown}
        return list(found.values())[:FOUND]

    @does_each("xray", "breaks")
    async def do_tree(self, name: str) -> None:
        """The tree of what the node leads to, or of what leads to it."""
        from console.tui.views.graph.text_view import XrayView

        picture = self.picture
        node = self.node()
        if picture is not None and node is not None:
            view = XrayView(self.world, node, picture.unknown, name == "breaks")
            await self.host.open_view(lambda: view, again=False)

    @does("dies")
    async def do_dies(self) -> None:
        """What dies, breaks or is orphaned if the node under the cursor goes."""
        from console.tui.views.graph.text_view import LossView

        node = self.node()
        if node is None:
            return
        try:
            graph, loss, unknown = await asyncio.to_thread(self._loss, node)
        except (sqlite3.Error, ConsoleError) as error:
            self.note(f"The store cannot be read: {error}", True)
            return
        view = LossView(self.world, graph, node, loss, unknown)
        await self.host.open_view(lambda: view, again=False)

    def _loss(self, node: Node) -> tuple[Graph, owners.Loss, list[str]]:
        """What goes with a node, the nodes that it names, and what nobody can say of it."""
        handle = node.key if node.side == "token" else ""
        with contextlib.closing(reading.connect(self.world.paths.inventory)) as connection:
            stored = StoredGraph(connection)
            loss = owners.loss(stored, [node.num])
            nums = [num for some in loss for num in some]
            stored.fetch(nums)
            graph = Graph((stored.nodes[num] for num in nums), ())
            return graph, loss, graphs.unknowns(connection, handle)

    @does("export")
    async def do_export(self) -> None:
        """Choose a form; it is written into the state directory."""
        picture = self.picture
        if picture is None:
            return
        await self.pick("export", export.forms, self._export)

    async def _export(self, form: str) -> None:
        picture = self.picture
        if picture is None:
            return
        try:
            path = await export.write(self.world.paths, picture, form, self.world.now())
        except (OSError, sqlite3.Error, ConsoleError) as error:
            self.note(f"it could not be written: {error}", bad=True)
            return
        self.note(f"Written, for you alone: {path}")

    @does("assign")
    async def do_assign(self) -> None:
        """Make somebody answer for the token under the cursor, on the record."""
        row = self.row()
        if row is None:
            return
        what = f"{row.name or row.id} on {row.backend}"

        def lines(width: int) -> list[Line]:
            return page.assigning(what, row.owner or "", width)

        def done(answers: Mapping[str, str]) -> None:
            self.run_worker(self._assign(bar, row, answers))

        asked = Question("owner", "owner", "Who answers for it? A person or a team.", _owner)
        bar = DecideBar(lines, (asked, REASON), done, self._unasked, lambda: self.room)
        await self.show_bar(bar, bar.input)

    async def _assign(self, bar: DecideBar, row: Row, answers: Mapping[str, str]) -> None:
        try:
            reply = await self.host.ask("owner", handle=row.handle, **answers)
        except WorkerError as error:
            if bar is self.open_bar:
                word = "NOT KNOWN" if error.lost else "NOT ASSIGNED"
                bar.refuse(word, row.name or row.id, str(error), error.hint, lost=error.lost)
            return
        if bar is self.open_bar:
            self.close_bar()
            self.note(str(reply.get("says", "")))

    def _unasked(self) -> None:
        self.close_bar()
        self.note("Nobody was assigned.")
