"""One token on one page: the answers, how each is known, and its history."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from console.errors import ConsoleError
from console.inventory.search.inventory import Row
from console.response.state.token_life import About
from console.tui.draw.cells import OneLine
from console.tui.session.worker_link import WorkerError
from console.tui.views import rights
from console.tui.views.act.page import Consumers
from console.tui.views.handlers import does
from console.tui.views.incident.opening import ScopesTokens
from console.tui.views.paged import Paged
from console.tui.views.rights import Rights
from console.tui.views.token.page import Life, heading, token_lines
from console.tui.views.token.reader import ResponseReader

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession

HISTORY = 200
"""Entries of each kind that the page shows; more are for the command line."""


class TokenView(Paged, ScopesTokens):
    """The page of one token, with what its system says now and what runs did about it."""

    view = "token"

    def __init__(self, world: ConsoleSession, handle: str) -> None:
        super().__init__(world)
        self.handle = handle
        self._head = OneLine()
        self._life: Life | None = None
        self._consumers = Consumers()
        self._rights = Rights()
        self._about: About | None = None
        self._responses = ResponseReader(
            world.paths, world.open_journal, world.now, self._told_soon, self._trouble_soon
        )

    def head(self) -> ComposeResult:
        """Which token it is, and how it stands."""
        yield self._head
        yield OneLine()

    def on_mount(self) -> None:
        """Show what the store has, then ask its system what depends on it, and what it may do."""
        self._responses.start()
        self._read()
        if self._life is not None:
            self.run_worker(self._ask())
            self.run_worker(self._ask_rights())

    def on_unmount(self) -> None:
        """End the thread that reads for the view."""
        self._responses.end()

    def tells(self, handle: str) -> bool:
        """Once it is gone, who ended it stands on the page, and nothing goes on any more."""
        row = self.row()
        gone = row is not None and row.presence == "gone"
        return gone and handle == self.handle and self._about is not None

    def row(self) -> Row | None:
        """The token of the page, as the store has it now."""
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
        self._life = Life(
            detail,
            changes,
            events,
            self._consumers,
            title,
            about=self._about,
            rights=self._rights,
        )
        self.draw()
        self._ask_journal()

    def _ask_journal(self) -> None:
        if self._life is not None:
            detail = self._life.detail
            self._responses.ask((detail.token, detail.row.presence == "gone"))

    def _told_soon(self, about: About) -> None:
        self.host.from_thread(self._take, about)

    def _trouble_soon(self, message: str) -> None:
        self.host.from_thread(self.note, message, True)

    def _take(self, about: About) -> None:
        if not self.is_mounted or self._life is None:
            return
        if about == self._about:
            return
        self._about = about
        self._life = self._life._replace(about=about)
        self.draw()
        self.host.show_run(self)

    def draw(self) -> None:
        """The answers about the token, how each is known, and its history."""
        if self._life is None:
            return
        now, (width, height) = self.world.now(), self.app.size
        self._head.say(heading(self._life, now, width))
        self.page.show(token_lines(self._life, now, width, height))

    async def _ask(self) -> None:
        row = self.row()
        if row is None:
            return
        self._consumers = await self.ask_consumers(row)
        if self._life is not None:
            self._life = self._life._replace(consumers=self._consumers)
            self.draw()

    async def _ask_rights(self) -> None:
        row = self.row()
        if row is None or row.presence == "gone":
            # Its system has no such token, so there is nobody whose rights could be read.
            return
        self._rights = await rights.ask(self.host, self.handle)
        if self._life is not None:
            self._life = self._life._replace(rights=self._rights)
            self.draw()

    def store_changed(self) -> None:
        """Read the token anew."""
        self._read()

    def journal_changed(self) -> None:
        """A run may have done something about the token."""
        self._ask_journal()

    def tick(self) -> None:
        """Ages read differently as time goes by."""
        super().tick()
        # Whether the declared propagation is over is told by the clock alone.
        self._ask_journal()
        if self.ages_are_due():
            self.draw()

    @does("reread")
    def do_reread(self) -> None:
        """Ask the system for this token again, then show what it said."""
        self.run_worker(self._reread())

    async def _reread(self) -> None:
        row = self.row()
        if row is None:
            return
        self.note(f"Asking {row.backend} …")
        try:
            await self.host.ask("token", handle=self.handle)
        except WorkerError as error:
            self.note(error.said, bad=True)
            return
        self._read()
        self.note("Read again just now.")
        await self._ask()
        await self._ask_rights()
