"""A run's board: where every token stands, and the decisions that a responder can take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from textual.app import ComposeResult
from textual.widget import Widget

from backends.contract import Verb
from console.tui.actions.context import Context, RunContext
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line as Drawn
from console.tui.views.handlers import does
from console.tui.views.paged import Paged
from console.tui.views.report import ReportView
from console.tui.views.run import page
from console.tui.views.run.decisions import Deciding
from console.tui.views.run.reader import RunLine, RunReader, ShownRun
from console.tui.views.run.text_view import ItemView
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession

FRAME = 6
"""Lines of the screen that are neither board nor list."""
SEEN = 6
"""Lines that the list keeps, however much the board has to say."""


class Rows(Sequence[Drawn]):
    """The run's tokens as lines that are made when they come into sight."""

    def __init__(self, lines: Sequence[RunLine], width: int, *, plain: bool) -> None:
        self._lines = lines
        self._width = width
        self._plain = plain

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, at: int) -> Drawn: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Drawn]: ...
    def __getitem__(self, at: int | slice) -> Drawn | Sequence[Drawn]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        return page.item_row(self._lines[at], self._width, plain=self._plain)


class RunView(Paged, Deciding):
    """A board with the run's sums, lanes and troubles over the list of its tokens."""

    view = "run"
    selects = True
    shows_run = False
    kept = 9

    def __init__(self, world: ConsoleSession, plan: str) -> None:
        super().__init__(world)
        self.plan_id = plan
        self._board = Page()
        self._heads = OneLine()
        self.shown: ShownRun | None = None
        self._reader = RunReader(
            plan, world.paths, world.open_journal, world.now, self._shown_soon, self._trouble_soon
        )

    def head(self) -> ComposeResult:
        """The board, and the titles of the list under it."""
        yield self._board
        yield OneLine()
        yield self._heads

    def on_mount(self) -> None:
        """Have the run read."""
        self._board.can_focus = False
        self._reader.start()
        self._reader.ask(True)

    def on_unmount(self) -> None:
        """End the thread that reads for the view."""
        self._reader.end()

    def context(self) -> Context:
        """Where the run stands, what it waits for, and what is under the cursor."""
        shown, line = self.shown, self.line()
        if shown is None:
            return super().context()
        run = RunContext(
            standing=shown.standing,
            second=bool(shown.second),
            working=shown.working,
            halted=len(shown.halted),
            late=len(shown.late),
            item="" if line is None else "item" if line.number else "late",
            rotates=shown.plan.verb is Verb.ROTATE,
            closing=shown.closing,
        )
        return super().context()._replace(run=run)

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        return self.line() is None

    # Reading

    def _shown_soon(self, shown: ShownRun) -> None:
        self.host.from_thread(self._take, shown)

    def _trouble_soon(self, message: str) -> None:
        self.host.from_thread(self.note, message, True)

    def _take(self, shown: ShownRun) -> None:
        if not self.is_mounted:
            return
        under = self.line()
        self.shown = shown
        if under is not None and self.page.cursor:
            # The token stays under the cursor wherever it stands now.
            keys = [line.key for line in shown.lines]
            self.page.cursor = keys.index(under.key) if under.key in keys else 0
        self.draw()
        self.host.run_shown(shown.plan.id, shown.seq, shown)

    def line(self) -> RunLine | None:
        """The token of the run under the cursor."""
        at = self.page.cursor
        return self.shown.lines[at] if self.shown and at < len(self.shown.lines) else None

    # Drawing

    def draw(self) -> None:
        """The board in the room that the list leaves, and one line for each token."""
        width, shown = self.app.size.width, self.shown
        if shown is None:
            self._board.show([[(" Reading the run …", "dim")]])
            return
        plain = self.world.ascii
        room = max(self.app.size.height - FRAME - min(SEEN, len(shown.lines)), 4)
        lines = page.board(shown, self.world.now(), width, room, plain=plain)
        # An open bar leaves no room for more than the run's name and its sum.
        self._board.styles.height = min(len(lines), 2) if self.open_bar else len(lines)
        self._board.show(lines)
        self._heads.say(page.item_heads(width))
        self.page.show(Rows(shown.lines, width, plain=plain))

    async def show_bar(self, bar: Widget, focus: Widget) -> None:
        """Open a bar, and give it the room of the board."""
        await super().show_bar(bar, focus)
        self.draw()

    def close_bar(self) -> None:
        """Close it, and show the whole board again."""
        super().close_bar()
        self.draw()

    def on_page_selected(self, event: Page.Selected) -> None:
        """Keys may mean something else for the token that the cursor is on now."""
        event.stop()
        self.frame()

    # News

    def journal_changed(self) -> None:
        """Have read what is new."""
        self._reader.ask(True)

    def tick(self) -> None:
        """Ages read differently as time goes by."""
        super().tick()
        # Rates and the time that is left go down by themselves, and a runner may be gone.
        if self.shown is None or self.shown.standing not in ("closed", "aborted"):
            self._reader.ask(True)

    # Actions

    @does("open")
    async def do_open(self) -> None:
        """The token's own part of the run."""
        line = self.line()
        if line is not None and self.shown is not None:
            shown = self.shown
            await self.host.open_view(lambda: ItemView(self.world, line, shown), again=False)

    @does("report")
    async def do_report(self) -> None:
        """The situation report as plain text."""
        if self.shown is not None:
            shown = self.shown
            command = f"run report {shown.plan.id[-8:]}"
            await self.host.open_view(
                lambda: ReportView(self.world, shown.report, command), again=False
            )
