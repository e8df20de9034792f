"""How each backend is, what was seen of it, and what can be done there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from console.inventory.search.inventory import BackendState
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line, Part
from console.tui.session.worker_link import WorkerError
from console.tui.views.backends import page
from console.tui.views.base import View
from console.tui.views.handlers import does
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession

MOST_ROWS = 8
"""Backends that are seen at once above the details."""


class BackendsView(View):
    """The list of backends, over what is known of the one under the cursor."""

    view = "backends"

    def __init__(self, world: ConsoleSession) -> None:
        super().__init__(world)
        self._heads = OneLine()
        self._list = Page(select=True)
        self._detail = Page()
        self._escrow: Line = ()
        self._escrow_told = False
        self._escrow_asked = False

    def body(self) -> ComposeResult:
        """The list, and the details under it."""
        yield self._heads
        yield self._list
        yield OneLine()
        yield self._detail

    def focus_body(self) -> None:
        """Give the keys to the view's main widget."""
        self.set_focus(self._list)

    def on_mount(self) -> None:
        """Show the backends, and ask whether a rotation could be planned."""
        self._detail.can_focus = False
        self._draw()
        self._ask_for_escrow()

    def _ask_for_escrow(self) -> None:
        if self.world.act and not self._escrow_told and not self._escrow_asked:
            self._escrow_asked = True
            self.run_worker(self._ask_escrow())

    async def _ask_escrow(self) -> None:
        """Whether a rotation could be planned is said before one is wanted."""
        try:
            reply = await self.host.ask("escrow")
        except WorkerError as error:
            self._escrow = [(f"not known whether a rotation can be planned: {error.said}", "warn")]
        else:
            self._escrow_told = True
            parts: list[Part] = [(str(reply.get("says", "")), "" if reply.get("keys") else "bad")]
            if hint := reply.get("hint"):
                parts.append((f". {hint}", ""))
            self._escrow = parts
        self._escrow_asked = False
        self._draw()

    def _draw(self, *, keep: bool = True) -> None:
        world, width = self.world, self.app.size.width
        now = world.now()
        self._heads.say(page.heads(width))
        self._list.styles.height = max(min(len(world.backends), MOST_ROWS), 1)
        rows = [
            page.row(
                state,
                now,
                width,
                act=world.act,
                production=state.name in world.production,
                mine=world.mine(state.name),
            )
            for state in world.backends
        ]
        self._list.show(rows or [[(" No backend has been read yet.", "dim")]])
        state = self._selected()
        if state is not None:
            production = state.name in world.production
            mine = world.mine(state.name)
            lines = page.detail(
                state,
                now,
                width,
                act=world.act,
                production=production,
                mine=mine,
                escrow=self._escrow,
            )
            self._detail.show(lines, keep=keep)

    def _selected(self) -> BackendState | None:
        at = self._list.cursor
        return self.world.backends[at] if at < len(self.world.backends) else None

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        return self._selected() is None

    def on_page_selected(self, event: Page.Selected) -> None:
        """Tell about the backend that the cursor is on now."""
        event.stop()
        self._draw(keep=False)

    def on_page_resized(self, event: Page.Resized) -> None:
        """Lines are made for a width, so another width needs other lines."""
        event.stop()
        self._draw()

    def more(self) -> int:
        """How many lines of the details are below what is seen."""
        return self._detail.more

    def move(self, what: str) -> None:
        """Up and down choose a backend; whole pages scroll what is said about it."""
        (self._list if what in ("up", "down") else self._detail).move(what)

    def store_changed(self) -> None:
        """Show what is in the store now."""
        self._draw()

    def contacts_changed(self) -> None:
        """Show how each backend answers now."""
        super().contacts_changed()
        # There is a worker now, if there was none when this view was opened.
        self._ask_for_escrow()
        self._draw()

    def tick(self) -> None:
        """Ages read differently as time goes by."""
        super().tick()
        if self.ages_are_due():
            self._draw()

    @does("open")
    async def do_open(self) -> None:
        """The tokens of the selected backend."""
        if (state := self._selected()) is not None:
            await self.host.go("inventory")
            self.host.filter_inventory(f"backend:{state.name}")

    @does("refresh")
    def do_refresh(self) -> None:
        """Have the backend under the cursor read again."""
        state = self._selected()
        self.host.refresh_backends(state.name if state is not None else None)
