"""Every plan that was made, newest first, and how far its run is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from console.response.run.run_list import WhichPlans, hidden_words
from console.tui.draw.cells import OneLine
from console.tui.views.base import View, bindings
from console.tui.views.run import page
from console.tui.views.run.reader import RunRow, RunsReader
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import Session


class RunsView(View, inherit_bindings=False):
    view = "runs"
    shows_run = False
    BINDINGS: ClassVar[list[BindingType]] = bindings("runs")

    def __init__(self, world: Session) -> None:
        super().__init__(world)
        self._heads = OneLine()
        self._list = Page(select=True)
        self._told: list[RunRow] | None = None
        self._hidden = 0
        self._reader = RunsReader(
            world.paths, world.open_journal, world.now, self._told_soon, self._trouble_soon
        )

    def body(self) -> ComposeResult:
        yield self._heads
        yield self._list

    def focus_body(self) -> None:
        self.set_focus(self._list)

    def on_mount(self) -> None:
        super().on_mount()
        self._draw()
        self._reader.start()
        self._reader.ask(True)

    def on_unmount(self) -> None:
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
            self._list.cursor = places[0] if places else 0
        self._draw()

    def _draw(self) -> None:
        width = self.app.size.width
        self._heads.say(page.runs_heads(width))
        rows = [page.runs_row(told, width) for told in self._told or ()]
        none = " No run is to be shown." if self._hidden else " No plan has been made yet."
        nothing = " Reading …" if self._told is None else none
        rows = rows or [[(nothing, "dim")]]
        if words := hidden_words(self._hidden, "H"):
            rows.append([(f" {words}", "dim")])
        self._list.show(rows)
        self._tell()

    def _tell(self) -> None:
        """The whole reason of the run under the cursor; the list has no room for it."""
        if (told := self._selected()) is not None:
            self.note(told.why, bad=told.standing == "unreadable")

    def _selected(self) -> RunRow | None:
        at = self._list.cursor
        return self._told[at] if self._told and at < len(self._told) else None

    def on_page_selected(self, event: Page.Selected) -> None:
        event.stop()
        self._tell()

    def on_page_resized(self, event: Page.Resized) -> None:
        event.stop()
        self._draw()

    def more(self) -> int:
        return self._list.more

    def move(self, what: str) -> None:
        self._list.move(what)

    def journal_changed(self) -> None:
        self._reader.ask(True)

    def tick(self) -> None:
        super().tick()
        # Whether a runner still lives is no entry of the journal.
        self._reader.ask(True)

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

    async def do_open(self) -> None:
        """The run's board."""
        if (told := self._selected()) is not None:
            await self.host.open_run(told.plan)
