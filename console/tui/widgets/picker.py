"""A short list to choose from, inline: the palette, the sort menu, the column chooser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line, clip, fit
from console.tui.widgets.line_input import LineInput
from console.tui.widgets.page import Page


class PickerRow(NamedTuple):
    """``checked`` None means that the item is not a switch; ``why_not`` disables it."""

    id: str
    label: str
    note: str = ""
    checked: bool | None = None
    why_not: str = ""


class Picker(Vertical):
    """Typing narrows the list, enter chooses, space turns a switch, esc leaves.

    ``items`` gives the list for what is typed, so that it can be in any order it likes;
    ``done`` gets the id of what was chosen, empty for nothing; ``switch`` turns a switch.
    """

    DEFAULT_CSS = """
    Picker { height: auto; }
    Picker Page { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move('up')", show=False),
        Binding("down", "move('down')", show=False),
        Binding("pageup", "move('page_up')", show=False),
        Binding("pagedown", "move('page_down')", show=False),
        Binding("escape,ctrl+c", "leave", show=False),
    ]

    def __init__(
        self,
        title: str,
        items: Callable[[str], Sequence[PickerRow]],
        done: Callable[[str], Awaitable[None]],
        *,
        switch: Callable[[str], None] | None = None,
        rows: int = 10,
    ) -> None:
        super().__init__()
        self._title = title
        self._items = items
        self._done = done
        self._switch = switch
        self._rows = rows
        self._shown: Sequence[PickerRow] = ()
        self.input = LineInput(
            [(f" {title} ", "title")],
            placeholder="type to narrow",
            on_change=self._typed,
            on_enter=self._entered,
        )
        self._page = Page(select=True)

    def compose(self) -> ComposeResult:
        """The line to type in, and the list under it."""
        yield self.input
        yield self._page
        hint = "space on/off  esc done" if self._switch else "enter choose  esc leave"
        yield OneLine([(f" {hint}", "dim")])

    def on_mount(self) -> None:
        """Show the whole list."""
        self._page.can_focus = False
        self.refill()

    def refill(self) -> None:
        """Make the list anew for what is typed."""
        self._shown = self._items(self.input.searched)
        width = max(self.app.size.width, 20)
        self._page.styles.height = max(min(len(self._shown), self._rows), 1)
        lines = [self._line(item, width) for item in self._shown]
        self._page.show(lines or [[("   nothing is called that", "dim")]])

    def _line(self, item: PickerRow, width: int) -> Line:
        box = {None: "", True: "[x] ", False: "[ ] "}[item.checked]
        role = "dim" if item.why_not else ""
        note = f"not now: {item.why_not}" if item.why_not else item.note
        return clip([(f"   {box}{fit(item.label, 20)} ", role), (note, "dim")], width)  # type: ignore[list-item]

    def _typed(self) -> None:
        if self._switch is not None and self.input.value.endswith(" "):
            # Space is the switch; it cannot be part of a column's name.
            self.input.set_value(self.input.value.rstrip(" "))
            if item := self._under():
                self._switch(item.id)
                self.refill()
            return
        self._page.cursor = 0
        self.refill()

    async def _entered(self) -> None:
        item = self._under()
        if item is not None and not item.why_not:
            await self._done("" if self._switch is not None else item.id)

    def on_page_selected(self, event: Page.Selected) -> None:
        """The list's cursor is nothing to the view behind it."""
        event.stop()

    def on_page_scrolled(self, event: Page.Scrolled) -> None:
        """How far the list goes is nothing to the view behind it."""
        event.stop()

    def on_page_resized(self, event: Page.Resized) -> None:
        """Make the lines for the width that there is now."""
        event.stop()

    def _under(self) -> PickerRow | None:
        at = self._page.cursor
        return self._shown[at] if at < len(self._shown) else None

    def action_move(self, what: str) -> None:
        """Move the cursor in the list."""
        self._page.move(what)

    async def action_leave(self) -> None:
        """Choose nothing."""
        await self._done("")
