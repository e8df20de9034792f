"""Help for the view that it was asked in, made from the action registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from console.tui.actions.context import Context
from console.tui.draw.cells import OneLine
from console.tui.views.base import View, bindings
from console.tui.views.help.page import help_lines
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import Session


class HelpView(View, inherit_bindings=False):
    view = "help"
    BINDINGS: ClassVar[list[BindingType]] = bindings("help")

    def __init__(self, world: Session, asked: Context) -> None:
        super().__init__(world)
        self._asked = asked
        self._head = OneLine([(f" HELP for the {asked.view} view", "bold")])
        self._page = Page()

    def body(self) -> ComposeResult:
        yield self._head
        yield OneLine()
        yield self._page

    def focus_body(self) -> None:
        self.set_focus(self._page)

    def on_mount(self) -> None:
        self._draw()
        super().on_mount()

    def _draw(self) -> None:
        self._page.show(help_lines(self._asked, self.app.size.width))

    def on_page_resized(self, event: Page.Resized) -> None:
        event.stop()
        self._draw()

    def more(self) -> int:
        return self._page.more

    def move(self, what: str) -> None:
        self._page.move(what)
