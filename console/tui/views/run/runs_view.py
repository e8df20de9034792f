"""Every plan that was made, newest first, and how far its run is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from console.response.run.run_list import WhichPlans, hidden_words
from console.tui.draw.cells import OneLine
from console.tui.views.handlers import does
from console.tui.views.paged import Paged
from console.tui.views.run import page
from console.tui.views.run.reader import RunRow, RunsReader
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession


class RunsView(Paged):
    """The list of plans and runs; its reader knows of each how far it is."""

    view = "runs"
    selects = True
    shows_run = False

    def __init__(self, world: ConsoleSession) -> None:
        super().__init__(world)
        self._heads = OneLine()
        self._told: list[RunRow] | None = None
        self._hidden = 0
        self._reader = RunsReader(
            world.paths, world.open_journal, world.now, self._told_soon, self._trouble_soon
        )

    def head(self) -> ComposeResult:
        """The titles of the list."""
        yield self._heads

    def on_mount(self) -> None:
        """Have the plans read."""
        self._reader.start()
        self._reader.ask(True)

    def on_unmount(self) -> None:
        """End the thread that reads for the view."""
        self._reader.end()

    def _told_soon(self, told: list[RunRow], hidden: int) -> None:
        self.host.from_thread(self._take, told, hidden)

    def _trouble_soon(self, message: str) -> None:
        self.host.from_thread(self.note, message, True)

    def _take(self, told: list[RunRow], hidden: int) -> None:
        if not self.is_mounted:
            return
        chosen = self._selected()
        self._told, self._hidden = told, hidden
        if chosen is not None:
            places = [number for number, each in enumerate(told) if each.plan == chosen.plan]
            self.page.cursor = places[0] if places else 0
        self.draw()
        self.frame()

    def draw(self) -> None:
        """One line for each plan, and the reason of the one under the cursor."""
        width = self.app.size.width
        self._heads.say(page.runs_heads(width))
        rows = [page.runs_row(told, width) for told in self._told or ()]
        none = " No run is to be shown." if self._hidden else " No plan has been made yet."
        nothing = " Reading …" if self._told is None else none
        rows = rows or [[(nothing, "dim")]]
        if words := hidden_words(self._hidden, "H"):
            rows.append([(f" {words}", "dim")])
        self.page.show(rows)
        self._tell()

    def _tell(self) -> None:
        """The whole reason of the run under the cursor; the list has no room for it."""
        if (told := self._selected()) is not None:
            self.note(told.why, bad=told.standing == "unreadable")

    def _selected(self) -> RunRow | None:
        at = self.page.cursor
        return self._told[at] if self._told and at < len(self._told) else None

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        return self._selected() is None

    def on_page_selected(self, event: Page.Selected) -> None:
        """Say the whole reason of the run that the cursor is on now."""
        event.stop()
        self._tell()

    def journal_changed(self) -> None:
        """Have read what is new."""
        self._reader.ask(True)

    def tick(self) -> None:
        """Ages read differently as time goes by."""
        super().tick()
        # Whether a runner still lives is no entry of the journal.
        self._reader.ask(True)

    @does("hidden")
    def do_hidden(self) -> None:
        """What was lately made too, everything, or nothing that was never approved."""
        order = list(WhichPlans)
        wanted = order[(order.index(self._reader.wanted) + 1) % len(order)]
        self._reader.wanted = wanted
        self._reader.ask(True)
        said = {
            WhichPlans.LATELY: "Plans that were never approved or begun are shown for an hour.",
            WhichPlans.ALL: "Every plan is shown, whatever became of it.",
            WhichPlans.RUNS: "Only what was approved is shown.",
        }
        self.note(said[wanted])

    @does("open")
    async def do_open(self) -> None:
        """The run's board."""
        if (told := self._selected()) is not None:
            await self.host.open_run(told.plan)
