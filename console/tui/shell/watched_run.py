"""The one run that is watched: its lines stand on every view until it is left."""

from __future__ import annotations

from console.journal.read.view import Entry
from console.response.plan import file
from console.response.state import load, old_value
from console.response.state.run import Board
from console.tui.session.session import ConsoleSession
from console.tui.views.base import View

RUN_ENTRIES = 50
"""Entries of the run that are read for its lines, the newest."""


class WatchedRun:
    """Reads in the journal what a run does, and shows it on whatever view is in front."""

    def __init__(self, world: ConsoleSession) -> None:
        self._world = world
        self._title = ""
        self._entries: list[Entry] = []
        self._board: Board | None = None
        self.id = ""
        """The run's id; empty where none is watched."""

    def begin(self, run: str, title: str) -> None:
        """Watch this run from now on.

        Raises ``ConsoleError`` where its plan cannot be read; its entries are shown all the
        same, without what they say of the token's old value.
        """
        self.id, self._title, self._board = run, title, None
        self._board = Board(file.load(run, self._world.paths))

    def follow(self) -> None:
        """Read what the journal has of it now. Raises ``ConsoleError``."""
        if not self.id:
            return
        self._entries = self._world.journal.entries(RUN_ENTRIES, plan=self.id)
        if self._board is not None:
            load.refresh(self._board, self._world.journal)

    def end(self) -> bool:
        """Watch it no more; it goes on. False where none was watched."""
        if not self.id:
            return False
        self.id, self._title, self._entries, self._board = "", "", [], None
        return True

    def show(self, view: View) -> None:
        """Show on a view what is known of it, or that there is none."""
        known, handle = None, ""
        if self._board is not None and self._board.began:
            row = next(iter(self._board.rows.values()))
            known, handle = old_value.of(row, self._world.now()), row.item.token.ref.handle
        view.show_run(self._title, known, self._entries, handle)
