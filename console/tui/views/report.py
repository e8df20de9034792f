"""A situation report, to copy: of a run, or of an incident."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.tui.draw.lines import Line, wrap
from console.tui.views.paged import Paged

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession


class ReportView(Paged):
    """Plain lines without a frame beside them, so that a terminal's own selection copies them.

    ``command`` gives the same words outside of the screen.
    """

    view = "report"
    shows_run = False

    def __init__(self, world: ConsoleSession, told: Sequence[str], command: str) -> None:
        super().__init__(world)
        self._told = tuple(told)
        self._command = command

    def on_mount(self) -> None:
        """Say how to have the same words outside of the screen."""
        self.note(f"As text: token-console {self._command}")

    def draw(self) -> None:
        """Fold the report's lines to the width."""
        width = self.app.size.width
        lines: list[Line] = [[(piece, "")] for text in self._told for piece in wrap(text, width)]
        self.page.show(lines)
