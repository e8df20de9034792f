"""Pages of text over a run's board: one token's part of it, and the situation report."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from backends.contract import Verb
from console.errors import ConsoleError
from console.journal.read.view import Entry
from console.tui.actions.context import Context
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line as Drawn
from console.tui.draw.lines import wrap
from console.tui.session.worker_link import sentences
from console.tui.views.base import View, bindings
from console.tui.views.run.decisions import Deciding
from console.tui.views.run.item_page import item_lines
from console.tui.views.run.reader import RunLine, ShownRun
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import Session


class ReportView(View, inherit_bindings=False):
    """Plain lines without a frame beside them, so that a terminal's own selection copies them."""

    view = "report"
    shows_run = False
    BINDINGS: ClassVar[list[BindingType]] = bindings("report")

    def __init__(self, world: Session, shown: ShownRun) -> None:
        super().__init__(world)
        self._shown = shown
        self._page = Page()

    def body(self) -> ComposeResult:
        yield self._page

    def focus_body(self) -> None:
        self.set_focus(self._page)

    def on_mount(self) -> None:
        self._draw()
        super().on_mount()
        self.note(f"As text: token-console run report {self._shown.plan.id[-8:]}")

    def _draw(self) -> None:
        width = self.app.size.width
        lines: list[Drawn] = [
            [(piece, "")] for text in self._shown.report for piece in wrap(text, width)
        ]
        self._page.show(lines)

    def on_page_resized(self, event: Page.Resized) -> None:
        event.stop()
        self._draw()

    def more(self) -> int:
        return self._page.more

    def move(self, what: str) -> None:
        self._page.move(what)


class ItemView(Deciding, inherit_bindings=False):
    """One token of a run: where it stands, its calls or its card, and every entry about it."""

    view = "item"
    shows_run = False
    leans = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("item")

    def __init__(self, world: Session, line: RunLine, shown: ShownRun) -> None:
        super().__init__(world)
        self._line = line
        self.shown = shown
        self._head = OneLine()
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

    def line(self) -> RunLine | None:
        return self._line

    def context(self) -> Context:
        shown = self.shown
        context = self.world.context(self.view, None, **self.around())
        if shown is None:
            return context
        return context._replace(
            standing=shown.standing,
            item="item" if self._line.number else "late",
            rotates=shown.plan.verb is Verb.ROTATE,
        )

    def _entries(self) -> list[Entry]:
        plan = self._line.plan or (self.shown.plan.id if self.shown is not None else "")
        try:
            found = self.world.journal.entries(200, plan=plan, handle=self._line.handle)
        except ConsoleError as error:
            self.note(sentences(str(error), error.hint), bad=True)
            return []
        return found

    def _draw(self) -> None:
        if self.shown is None:
            return
        line, width = self._line, self.app.size.width
        self._head.say([(f" {line.name}", "bold"), (f" on {line.backend} · ", ""),
                        (line.state, "")])  # fmt: skip
        extended = line.plan and line.plan != self.shown.plan.id
        item = None if extended else self.shown.plan.item(line.number)
        self._page.show(item_lines(line, item, self._entries(), self.world.now(), width))

    def on_page_resized(self, event: Page.Resized) -> None:
        event.stop()
        self._draw()

    def more(self) -> int:
        return self._page.more

    def move(self, what: str) -> None:
        self._page.move(what)

    def journal_changed(self) -> None:
        self._draw()
        # The board below has the thread that reads the run.
        for screen in self.app.screen_stack:
            if isinstance(screen, View) and screen.view == "run":
                screen.journal_changed()

    def run_changed(self, shown: object) -> None:
        if not isinstance(shown, ShownRun):
            return
        if self.shown is not None and shown.plan.id == self.shown.plan.id:
            self.shown = shown
            same = [line for line in shown.lines if line.key == self._line.key]
            self._line = same[0] if same else self._line
            self._draw()
