"""What every bar that asks before something happens has: a page, a hint, one line to type into.

An inline bar and not a dialogue on top: what it acts on stays visible, and opening it
costs a fraction of the bytes. Escape always leads out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line, Part, block, clip
from console.tui.widgets.line_input import LineInput
from console.tui.widgets.page import Page

MASKED = "What is masked looks like a secret, and a journal cannot forget: delete it first."
FRAME = 3
"""Lines of the room that the hint, the line to type into and a blank take."""


class Bar(Vertical):
    """The parts and their places; what is asked, and when, is its subclasses' affair.

    ``room`` tells how many lines of the screen it may take; that changes with the screen.
    """

    DEFAULT_CSS = """
    Bar { height: auto; }
    Bar Page { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "leave", show=False),
        Binding("up", "move('up')", show=False),
        Binding("down", "move('down')", show=False),
        Binding("pageup", "move('page_up')", show=False),
        Binding("pagedown", "move('page_down')", show=False),
        Binding("home", "move('top')", show=False),
    ]

    def __init__(self, room: Callable[[], int]) -> None:
        super().__init__()
        self._room = room
        self._telling = False
        """Whether the hint says what to do next, and not what went wrong."""
        self._title = OneLine()
        self._title.display = False
        self._page = Page()
        self._hint = OneLine()
        self.input = LineInput([("   > ", "title")], on_enter=self._entered, on_home=self._home)

    def compose(self) -> ComposeResult:
        """What is asked about, the line to type in, and a hint under it."""
        yield self._title
        yield self._page
        yield self._hint
        yield self.input

    async def _entered(self) -> None:
        """Enter was pressed in the line."""

    def entitle(self, line: Line) -> None:
        """A line above the page that stays where it is; none where it is empty."""
        self._title.say(clip(line, self.app.size.width))
        self._title.display = bool(line)

    def fill(self, lines: Sequence[Line], *, keep: bool = False) -> None:
        """Show these lines above the hint."""
        self._page.styles.height = max(min(len(lines), self._room() - FRAME), 1)
        self._page.show(lines, keep=keep)

    def refit(self) -> None:
        """The screen has another size: what is shown gets the room that there is now."""
        self._page.styles.height = max(min(len(self._page.lines), self._room() - FRAME), 1)

    def _home(self) -> None:
        """Home in an empty line: to the first line of what is shown."""
        self.action_move("top")

    def say(self, *parts: Part) -> None:
        """The hint: what to do now."""
        self._telling = False
        self._hint.say(clip([("   ", ""), *parts], self.app.size.width))

    def hint(self, text: str, bad: bool = False) -> None:
        """The hint in one role."""
        self.say((text, "bad" if bad else "dim"))

    def take_keys(self) -> None:
        """Keep the keys here while there is nothing to type."""
        self.input.display = False
        self._page.can_focus = True
        self.screen.set_focus(self._page)

    def ask(self, prompt: str, *, word: bool = False) -> None:
        """Have something typed, from an empty line on; ``word`` where it is a given one."""
        self.input.guarded = not word
        self.input.prefix = [(f"   {prompt}> ", "title")]
        self.input.display = True
        self.input.set_value("")
        self._page.can_focus = False
        self.screen.set_focus(self.input)

    def refuse(self, word: str, what: str, message: str, hint: str, *, lost: bool = False) -> None:
        """Nothing came of it: say why, and what to do next; ``lost``: nobody knows whether."""
        self.take_keys()
        width = self.app.size.width
        self.fill(
            [
                (),
                clip([(f" {word} ", "bad"), (what, "bold")], width),
                *block("", [(message, "")], width, 2),
                *block("", [(hint, "dim")], width, 2),
            ]
        )
        self.hint("Esc goes back." if lost else "Nothing was sent. Esc goes back.")

    def tell(self) -> None:
        """Say what to do next; made anew when more or less of the page is in sight."""

    def _tell_again(self) -> None:
        if self._telling:
            self.tell()

    def on_page_scrolled(self, event: Page.Scrolled) -> None:
        """What is below is told by the bar itself, and not by the view behind it."""
        event.stop()
        self.call_after_refresh(self._tell_again)

    def on_page_selected(self, event: Page.Selected) -> None:
        """A line under the bar's cursor is nothing to the view behind it."""
        event.stop()

    def action_move(self, what: str) -> None:
        """Scroll what is shown."""
        self._page.move(what)

    def action_leave(self) -> None:
        """Cancel."""
        raise NotImplementedError
