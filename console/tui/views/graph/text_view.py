"""The graph in lines: the tree below or above a node, and what goes with somebody."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from console.errors import ConsoleError
from console.graph.graph import Graph
from console.graph.model import Node
from console.graph.owners import Loss
from console.graph.stored import StoredGraph
from console.graph.xray import Branch, tree
from console.store import reading
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line, clip, count, short
from console.tui.views import rights
from console.tui.views.graph import page
from console.tui.views.handlers import does, does_each
from console.tui.views.paged import Paged
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession

RIGHTS = 6
"""Lines of what a token may do that are shown however low the screen is."""
MOST = 2_000
"""Rows of a tree; more are for the command line."""


class NodeLines(Paged):
    """Lines of which each may stand for a node; enter opens the graph around it."""

    selects = True

    def __init__(self, world: ConsoleSession) -> None:
        super().__init__(world)
        self._node_of: Mapping[int, Node] = {}
        self._head = OneLine()
        self._nums: list[int] = []

    def head(self) -> ComposeResult:
        """What the lines are about."""
        yield self._head

    def on_page_selected(self, event: Page.Selected) -> None:
        """Only of a node something can be opened; the keys that are offered say so."""
        event.stop()
        self.frame()

    def _under(self) -> Node | None:
        """The node that the line under the cursor stands for."""
        at = self.page.cursor
        return self._node_of.get(self._nums[at]) if at < len(self._nums) else None

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        return self._under() is None

    @does("open")
    async def do_open(self) -> None:
        """The graph around the node that the line stands for."""
        if (node := self._under()) is not None:
            await self.host.open_graph((node.side, node.key))


class XrayView(NodeLines):
    """Everything below a node, or above it, as a tree; each node's branches once."""

    view = "xray"

    def __init__(
        self, world: ConsoleSession, node: Node, unknown: Sequence[str], reverse: bool
    ) -> None:
        super().__init__(world)
        self._unknown = unknown
        self._node, self._reverse = node, reverse
        self._made_for = 0
        self._tree: list[Line] = []
        self._rights: rights.Rights | None = None
        """What the token may do, where the tree begins at one; None where it does not."""

    def on_mount(self) -> None:
        """Make the tree; of a token, ask its system what it may do."""
        super().on_mount()
        if self._node.side == "token":
            self._rights = rights.Rights()
            self.run_worker(self._ask_rights())

    async def _ask_rights(self) -> None:
        self._rights = await rights.ask(self.host, self._node.key)
        self._show(keep=True)

    def _show(self, *, keep: bool) -> None:
        """The tree, and below it what the token at its beginning may do."""
        node, width = self._node, self.app.size.width
        lines = list(self._tree)
        detail = None
        if self._rights is not None and not self._reverse:
            with contextlib.suppress(sqlite3.Error, ConsoleError):
                detail = self.world.inventory.detail(node.key)
        if self._rights is not None and detail is not None:
            room, now = max(self.app.size.height // 2, RIGHTS), self.world.now()
            lines += [(), *rights.may_do(self._rights, detail.row, now, width, room)]
        self.page.show(lines, keep=keep)

    def draw(self) -> None:
        """Make the tree for a width that it was not made for yet; the cursor stays."""
        if self._made_for != self.app.size.width:
            self._read_soon(keep=True)

    def _read_soon(self, *, keep: bool) -> None:
        self._made_for = self.app.size.width
        self.run_worker(self._read(keep=keep), exclusive=True)

    async def _read(self, *, keep: bool) -> None:
        num, reverse, width = self._node.num, self._reverse, self.app.size.width

        def made() -> tuple[list[Branch], dict[int, Node], list[Line]]:
            with contextlib.closing(reading.connect(self.world.paths.inventory)) as connection:
                graph = StoredGraph(connection)
                branches = list(tree(graph, num, reverse=reverse, rows=MOST))
                graph.fetch({branch.num for branch in branches if branch.num})
                lines = page.tree_lines(
                    graph, branches, width, reverse=reverse, ascii_only=self.world.ascii
                )
                nodes = {one.num: graph.nodes[one.num] for one in branches if one.num}
            return branches, nodes, [*lines, (), *page.unknown_lines(self._unknown, width)]

        try:
            branches, self._node_of, lines = await asyncio.to_thread(made)
        except (sqlite3.Error, ConsoleError) as error:
            self.note(f"The store cannot be read: {error}", True)
            return
        self._nums = [branch.num for branch in branches]
        word = "what leads to it, back to its owners" if reverse else "what it leads to"
        some = f", the first {MOST:,} rows" if len(branches) == MOST else ""
        self._head.say(
            clip(
                [(f" XRAY of {page.name(self._node)}", "bold"), (f" · {word}{some}", "dim")],
                width,
            )
        )
        self._tree = lines
        self._show(keep=keep)
        self.frame()

    @does_each("xray", "breaks")
    def do_turn(self, name: str) -> None:
        """Turn the tree round: what the node leads to, or what leads to it."""
        self._reverse = name == "breaks"
        self._read_soon(keep=False)


class LossView(NodeLines):
    """If this one goes, what dies?"""

    view = "loss"

    def __init__(
        self, world: ConsoleSession, graph: Graph, node: Node, loss: Loss, unknown: list[str]
    ) -> None:
        super().__init__(world)
        self._graph, self._node_of = graph, graph.nodes
        self._node, self._loss, self._unknown = node, loss, unknown

    def draw(self) -> None:
        """What dies, breaks or is orphaned, one line for each."""
        width = self.app.size.width
        loss = self._loss
        told = ", ".join(
            (
                count(len(loss.dies), "token dies", "tokens die"),
                count(len(loss.breaks), "consumer breaks", "consumers break"),
                f"{len(loss.orphaned):,} orphaned",
            )
        )
        self._head.say(clip([(f" IF {self._called()} GOES", "bold"), (f" · {told}", "")], width))
        lines, self._nums = page.loss_lines(self._graph, loss, width, self.world.ascii)
        self.page.show([*lines, (), *page.unknown_lines(self._unknown, width)])
        self.frame()

    def _called(self) -> str:
        """A token is named with its backend, which has others of the same name."""
        name = self._node.name or self._node.key
        return short(f"{self._node.place}/{name}" if self._node.side == "token" else name, 40)
