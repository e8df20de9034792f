"""Views that are one page of lines: what all of them do alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult

from console.tui.views.base import View
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession


class Paged(View):
    """Has a page that the keys move over, and makes its lines anew for each width.

    Made to stand beside another base too: ``class TokenView(Paged, ActView)``.
    """

    selects: ClassVar[bool] = False
    """Whether a cursor goes from line to line; without it, the page scrolls."""

    def __init__(self, world: ConsoleSession) -> None:
        super().__init__(world)
        self.page = Page(select=self.selects)

    def head(self) -> ComposeResult:
        """The lines over the page that stay where they are."""
        return ()

    def draw(self) -> None:
        """Make the lines for the width that there is now, and show them."""
        raise NotImplementedError

    def paged(self) -> Page:
        """The page that has the keys, and whose end is told of: a view may have a second."""
        return self.page

    def body(self) -> ComposeResult:
        """The lines that stay, and the page under them."""
        yield from self.head()
        yield self.page

    def focus_body(self) -> None:
        """Give the keys to the page."""
        self.set_focus(self.paged())

    def more(self) -> int:
        """How many lines are below what is seen of the page."""
        return self.paged().more

    def move(self, what: str) -> None:
        """Scroll the page, or move its cursor."""
        self.paged().move(what)

    def on_mount(self) -> None:
        """Show what is known already."""
        self.draw()

    def on_page_resized(self, event: Page.Resized) -> None:
        """Lines are made for a width, so another width needs other lines."""
        event.stop()
        self.draw()
