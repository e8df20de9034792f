"""Help for the view that it was asked in, made from the action registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from console.tui.actions.context import Context
from console.tui.draw.cells import OneLine
from console.tui.views.help.page import help_lines
from console.tui.views.paged import Paged

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession


class HelpView(Paged):
    """What the keys do in one view, which is the one that it was asked in."""

    view = "help"
    shows_run = False

    def __init__(self, world: ConsoleSession, asked: Context) -> None:
        super().__init__(world)
        self._asked = asked
        self._head = OneLine([(f" HELP for the {asked.view} view", "bold")])

    def head(self) -> ComposeResult:
        """The view that the help is for."""
        yield self._head
        yield OneLine()

    def draw(self) -> None:
        """Every action of that view, and what its signs mean."""
        self.page.show(help_lines(self._asked, self.app.size.width))
