"""One token on one page: the answers, how each is known, and its history."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from console.errors import ConsoleError
from console.inventory.search import Row
from console.tui.draw import OneLine
from console.tui.pages.plan import Consumers
from console.tui.pages.token import Life, heading, token_lines
from console.tui.screens.acting import Acting
from console.tui.screens.base import bindings
from console.tui.widgets.page import Page
from console.tui.worker_link import WorkerError

if TYPE_CHECKING:
    from console.tui.world import World

HISTORY = 200
"""Entries of each kind that the page shows; more are for the command line."""


class TokenView(Acting, inherit_bindings=False):
    view = "token"
    BINDINGS: ClassVar[list[BindingType]] = bindings("token")

    def __init__(self, world: World, handle: str) -> None:
        super().__init__(world)
        self.handle = handle
        self._head = OneLine()
        self._page = Page()
        self._life: Life | None = None
        self._consumers = Consumers()

    def body(self) -> ComposeResult:
        yield self._head
        yield OneLine()
        yield self._page

    def focus_body(self) -> None:
        self.set_focus(self._page)

    def on_mount(self) -> None:
        self._read()
        super().on_mount()
        if self._life is not None:
            self.run_worker(self._ask())

    def row(self) -> Row | None:
        return self._life.detail.row if self._life is not None else None

    def _read(self) -> None:
        inventory = self.world.inventory
        try:
            detail = inventory.detail(self.handle)
            if detail is None:
                self.note("The store does not have this token any more.", bad=True)
                return
            changes = inventory.changes(self.handle, HISTORY)
            events = inventory.events(self.handle, HISTORY)
        except (sqlite3.Error, ConsoleError) as error:
            self.note(f"the store cannot be read: {error}", bad=True)
            return
        state = self.world.backend(detail.row.backend)
        title = ""
        if state is not None and state.capabilities is not None:
            title = state.capabilities.of(detail.row.kind).title
        self._life = Life(detail, changes, events, self._consumers, title)
        self._draw()

    def _draw(self) -> None:
        if self._life is None:
            return
        now, width = self.world.now(), self.app.size.width
        self._head.say(heading(self._life, now, width))
        self._page.show(token_lines(self._life, now, width))

    async def _ask(self) -> None:
        row = self.row()
        if row is None:
            return
        self._consumers = await self.ask_consumers(row)
        if self._life is not None:
            self._life = self._life._replace(consumers=self._consumers)
            self._draw()

    def on_page_resized(self, event: Page.Resized) -> None:
        event.stop()
        self._draw()

    def more(self) -> int:
        return self._page.more

    def move(self, what: str) -> None:
        self._page.move(what)

    def store_changed(self) -> None:
        self._read()

    def tick(self) -> None:
        super().tick()
        self._draw()

    def do_reread(self) -> None:
        self.run_worker(self._reread())

    async def _reread(self) -> None:
        row = self.row()
        if row is None:
            return
        self.note(f"Asking {row.backend} …")
        try:
            await self.console_app.ask("token", handle=self.handle)
        except WorkerError as error:
            self.note(error.said, bad=True)
            return
        self._read()
        self.note("Read again just now.")
        await self._ask()
