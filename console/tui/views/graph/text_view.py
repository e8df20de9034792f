"""The graph in lines: the tree below or above a node, and what goes with somebody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from console.graph.graph import Graph
from console.graph.model import Node
from console.graph.owners import Loss
from console.graph.xray import Branch, tree
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line, clip, count, short
from console.tui.views.base import View, bindings
from console.tui.views.graph import page
from console.tui.views.graph.scene import Picture
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import Session

MOST = 2_000
"""Rows of a tree; more are for the command line."""


class _Text(View):
    """Lines of which each may stand for a node; enter opens the graph around it."""

    def __init__(self, world: Session, graph: Graph) -> None:
        super().__init__(world)
        self._graph = graph
        self._head = OneLine()
        self._page = Page(select=True)
        self._nums: list[int] = []

    def body(self) -> ComposeResult:
        yield self._head
        yield self._page

    def focus_body(self) -> None:
        self.set_focus(self._page)

    def more(self) -> int:
        return self._page.more

    def move(self, what: str) -> None:
        self._page.move(what)

    def on_page_selected(self, event: Page.Selected) -> None:
        event.stop()

    async def do_open(self) -> None:
        at = self._page.cursor
        num = self._nums[at] if at < len(self._nums) else 0
        if num in self._graph.nodes:
            node = self._graph.nodes[num]
            await self.host.open_graph((node.side, node.key))


class XrayView(_Text, inherit_bindings=False):
    """Everything below a node, or above it, as a tree; each node's branches once."""

    view = "xray"
    BINDINGS: ClassVar[list[BindingType]] = bindings("xray")

    def __init__(self, world: Session, picture: Picture, num: int, reverse: bool) -> None:
        super().__init__(world, picture.graph)
        self._unknown = picture.unknown
        self._num, self._reverse = num, reverse
        self._branches: list[Branch] = []

    def on_mount(self) -> None:
        super().on_mount()
        self._turn(self._reverse)

    def _turn(self, reverse: bool) -> None:
        self._reverse = reverse
        self.run_worker(self._read(keep=False), exclusive=True)

    async def _read(self, *, keep: bool) -> None:
        graph, num, reverse, width = self._graph, self._num, self._reverse, self.app.size.width

        def made() -> tuple[list[Branch], list[Line]]:
            branches = list(tree(graph, num, reverse=reverse, rows=MOST))
            lines = page.tree_lines(
                graph, branches, width, reverse=reverse, ascii_only=self.world.ascii
            )
            return branches, [*lines, (), *page.unknown_lines(self._unknown, width)]

        self._branches, lines = await asyncio.to_thread(made)
        self._nums = [branch.num for branch in self._branches]
        word = "what leads to it, back to its owners" if reverse else "what it leads to"
        some = f", the first {MOST:,} rows" if len(self._branches) == MOST else ""
        self._head.say(
            clip(
                [(f" XRAY of {page.name(graph.nodes[num])}", "bold"), (f" · {word}{some}", "dim")],
                width,
            )
        )
        self._page.show(lines, keep=keep)

    def on_page_resized(self, event: Page.Resized) -> None:
        event.stop()
        if self._branches:
            self.run_worker(self._read(keep=True), exclusive=True)

    def do_xray(self) -> None:
        self._turn(False)

    def do_breaks(self) -> None:
        self._turn(True)


class LossView(_Text, inherit_bindings=False):
    """If this one goes, what dies?"""

    view = "loss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("loss")

    def __init__(
        self, world: Session, graph: Graph, node: Node, loss: Loss, unknown: list[str]
    ) -> None:
        super().__init__(world, graph)
        self._node, self._loss, self._unknown = node, loss, unknown

    def on_mount(self) -> None:
        super().on_mount()
        self._draw()

    def _draw(self) -> None:
        width = self.app.size.width
        loss = self._loss
        told = ", ".join(
            (
                f"{count(len(loss.dies), 'token')} die",
                f"{count(len(loss.breaks), 'consumer')} break",
                f"{len(loss.orphaned):,} orphaned",
            )
        )
        self._head.say(clip([(f" IF {self._called()} GOES", "bold"), (f" · {told}", "")], width))
        lines, self._nums = page.loss_lines(self._graph, loss, width, self.world.ascii)
        self._page.show([*lines, (), *page.unknown_lines(self._unknown, width)])

    def _called(self) -> str:
        """A token is named with its backend, which has others of the same name."""
        name = self._node.name or self._node.key
        return short(f"{self._node.place}/{name}" if self._node.side == "token" else name, 40)

    def on_page_resized(self, event: Page.Resized) -> None:
        event.stop()
        self._draw()
