"""One token's part of a run, over the run's board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from backends.contract import Verb
from console.errors import ConsoleError
from console.journal.read.view import Entry
from console.tui.actions.context import Context, RunContext
from console.tui.draw.cells import OneLine
from console.tui.session.worker_link import sentences
from console.tui.views.base import View
from console.tui.views.paged import Paged
from console.tui.views.run.decisions import Deciding
from console.tui.views.run.item_page import item_lines
from console.tui.views.run.reader import RunLine, ShownRun

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession


class ItemView(Paged, Deciding):
    """One token of a run: where it stands, its calls or its card, and every entry about it."""

    view = "item"
    shows_run = False
    leans = True

    def __init__(self, world: ConsoleSession, line: RunLine, shown: ShownRun) -> None:
        super().__init__(world)
        self._line = line
        self.shown = shown
        self._head = OneLine()

    def head(self) -> ComposeResult:
        """Which token it is."""
        yield self._head
        yield OneLine()

    def line(self) -> RunLine | None:
        """The token that the page is about."""
        return self._line

    def context(self) -> Context:
        """Where the run stands, with this token of it as the one to decide about."""
        shown = self.shown
        if shown is None:
            return super().context()
        run = RunContext(
            standing=shown.standing,
            item="item" if self._line.number else "late",
            rotates=shown.plan.verb is Verb.ROTATE,
        )
        return super().context()._replace(run=run)

    def _entries(self) -> list[Entry]:
        plan = self._line.plan or (self.shown.plan.id if self.shown is not None else "")
        try:
            found = self.world.journal.entries(200, plan=plan, handle=self._line.handle)
        except ConsoleError as error:
            self.note(sentences(str(error), error.hint), bad=True)
            return []
        return found

    def draw(self) -> None:
        """What the run did for the token, and every entry about it."""
        if self.shown is None:
            return
        line, width = self._line, self.app.size.width
        self._head.say([(f" {line.name}", "bold"), (f" on {line.backend} · ", ""),
                        (line.state, "")])  # fmt: skip
        extended = line.plan and line.plan != self.shown.plan.id
        item = None if extended else self.shown.plan.item(line.number)
        self.page.show(item_lines(line, item, self._entries(), self.world.now(), width))

    def journal_changed(self) -> None:
        """Show its new entries, and have the board below read the run."""
        self.draw()
        # The board below has the thread that reads the run.
        for screen in self.app.screen_stack:
            if isinstance(screen, View) and screen.view == "run":
                screen.journal_changed()

    def run_changed(self, shown: object) -> None:
        """Follow the token to where it stands now."""
        if not isinstance(shown, ShownRun):
            return
        if self.shown is not None and shown.plan.id == self.shown.plan.id:
            self.shown = shown
            same = [line for line in shown.lines if line.key == self._line.key]
            self._line = same[0] if same else self._line
            self.draw()
