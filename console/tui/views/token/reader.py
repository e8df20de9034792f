"""Reads what the journal tells of one token off the event loop: a plan for many is large."""

from __future__ import annotations

from collections.abc import Callable

from backends.model import Token
from console.inventory.search.inventory import Inventory
from console.journal.read.view import JournalView
from console.response.state.run import Board
from console.response.state.token_life import About, about
from console.settings import Paths
from console.tui.session.background import Background


class ResponseReader(Background[tuple[Token, bool]]):
    """Asked with a token and whether it is gone. ``on_told`` is called from this thread."""

    def __init__(
        self,
        where: Paths,
        open_journal: Callable[[], JournalView],
        now: Callable[[], float],
        on_told: Callable[[About], None],
        on_error: Callable[[str], None],
    ) -> None:
        super().__init__("token's runs", on_error)
        self._where, self._open, self._now = where, open_journal, now
        self._on_told = on_told
        self._view: JournalView | None = None
        self._inventory: Inventory | None = None
        self._boards: dict[str, Board] = {}

    def work(self, question: tuple[Token, bool]) -> None:
        """Read what runs did about a token; it is told with whether it is gone."""
        token, gone = question
        if self._view is None:
            self._view = self._open()
        self._on_told(
            about(
                token,
                self._where,
                self._view,
                self._now(),
                gone=gone,
                parent_of=self._token,
                boards=self._boards,
            )
        )

    def _token(self, handle: str) -> Token | None:
        if self._inventory is None:
            self._inventory = Inventory(self._where.inventory)
        found = self._inventory.detail(handle)
        return found.token if found is not None else None
