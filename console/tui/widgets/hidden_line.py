"""A line that takes a secret, whole and unseen: only how much came is drawn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from backends.words import count
from console.tui.draw.cells import Lines
from console.tui.draw.lines import Line, clip
from console.tui.widgets.typed_secret import MASK

MOST = 512 * 1024
"""Characters; what is longer is a file's affair."""


class HiddenLine(Lines, can_focus=True):
    """``on_enter`` gets what was typed or pasted, which is forgotten here then.

    A paste is taken with its line breaks. ``on_leave`` is called in place of an answer, and
    ``on_full`` where more came than is taken.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "enter", show=False),
        Binding("backspace,ctrl+h", "back", show=False),
        Binding("ctrl+u", "clear", show=False),
        Binding("escape,ctrl+c", "leave", show=False),
    ]

    def __init__(
        self,
        prompt: str,
        on_enter: Callable[[str], Awaitable[None]],
        on_leave: Callable[[], None],
        on_full: Callable[[], None],
    ) -> None:
        super().__init__()
        self._prompt = prompt
        self._entered = on_enter
        self._left = on_leave
        self._too_much = on_full
        self._value = ""

    def line(self, y: int) -> Line:
        """The prompt, and how much there is; never what."""
        size = len(self._value)
        what = f"{MASK} {count(size, 'character')}" if size else ""
        cursor = " " if self.has_focus else ""
        return clip([(self._prompt, "title"), (what, ""), (cursor, "cursor")], self.size.width)

    def take(self, text: str) -> None:
        """One typed character."""
        self._add(text)

    def take_paste(self, text: str) -> None:
        """Pasted text, all of it."""
        self._add(text)

    def _add(self, text: str) -> None:
        if len(self._value) + len(text) > MOST:
            self._too_much()
            return
        self._value += text
        self.redraw()

    def on_focus(self) -> None:
        """Show the cursor."""
        self.redraw()

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.redraw()

    async def action_enter(self) -> None:
        """Hand it over, and keep nothing."""
        value, self._value = self._value, ""
        self.redraw()
        await self._entered(value)

    def action_back(self) -> None:
        """Take the last character away."""
        self._value = self._value[:-1]
        self.redraw()

    def action_clear(self) -> None:
        """Forget what came."""
        self._value = ""
        self.redraw()

    def action_leave(self) -> None:
        """Forget what came, and ask no more."""
        self._value = ""
        self._left()
