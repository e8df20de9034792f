"""An incident's situation report, to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.incident import words
from console.incident.assess import Assessment
from console.text import safe
from console.tui.draw.lines import Line, wrap
from console.tui.views.paged import Paged

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession


class IncidentReportView(Paged):
    """Plain lines without a frame beside them, so that a terminal's own selection copies them."""

    view = "report"
    shows_run = False

    def __init__(self, world: ConsoleSession, found: Assessment) -> None:
        super().__init__(world)
        self._found = found

    def on_mount(self) -> None:
        """Say how to have the same words outside of the screen."""
        self.note(f"As text: token-console incident report {self._found.incident.id}")

    def draw(self) -> None:
        """Fold the report's lines to the width."""
        width = self.app.size.width
        told = [f"{label}: {text}" for label, text in words.lines(self._found)]
        lines: list[Line] = [[(piece, "")] for text in told for piece in wrap(safe(text), width)]
        self.page.show(lines)
