"""One line that is asked for, and that escape leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from console.tui.widgets.line_input import LineInput


def _nothing() -> None:
    """For a line that nobody minds leaving."""


class AskedLine(LineInput):
    """``on_leave`` is called in place of an answer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+c", "leave", show=False)]

    on_leave: Callable[[], None] = staticmethod(_nothing)

    def action_leave(self) -> None:
        """Ask no more."""
        self.on_leave()
