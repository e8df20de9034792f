"""The single events of a stretch of a timeline, and one of them whole, without its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from textual.app import ComposeResult

from console.timeline.axis import Window
from console.timeline.coverage import moment
from console.timeline.events import ShownEvent
from console.tui.actions.context import Context
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line, Part, count, fit
from console.tui.views.handlers import does
from console.tui.views.paged import Paged
from console.tui.views.timeline.page import event_lines, event_row
from console.tui.views.timeline.reader import EventsWanted, FoundEvents, WholeEvent
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession

PAGE = 500
NONE_KEPT = (
    "Single events of that time are not kept any more, or cannot be listed by this lane: only "
    "their five-minute counts are known."
)


class EventsHost(Protocol):
    """The timeline below the list, whose thread reads for it."""

    def ask(self, wanted: EventsWanted) -> None:
        """Have events read; they come by ``take``."""

    def ask_whole(self, event: ShownEvent) -> None:
        """Have one event read whole; it comes by ``tell``."""

    def forget_list(self) -> None:
        """The list is closed: nothing is to come any more."""


class EventsView(Paged):
    """Over a timeline, whose thread reads for it."""

    view = "events"
    selects = True
    shows_run = False
    leans = True

    def __init__(
        self,
        world: ConsoleSession,
        timeline: EventsHost,
        window: Window,
        lane: str | None,
        name: str,
        counted: int,
    ) -> None:
        super().__init__(world)
        self._timeline = timeline
        self._window = window
        self._lane = lane
        self._name = name
        self._counted = counted
        self._head = OneLine()
        self._titles = OneLine()
        self._whole = Page()
        self._events: list[ShownEvent] = []
        self._read = False
        self._more_wanted = True
        self._told: WholeEvent | None = None

    def head(self) -> ComposeResult:
        """Which stretch of whose time it is, and the titles of the list."""
        yield self._head
        yield self._titles

    def body(self) -> ComposeResult:
        """The list, and in its place the one event that is read whole."""
        yield from super().body()
        yield self._whole

    def paged(self) -> Page:
        """The event that is read whole, else the list."""
        return self.page if self._told is None else self._whole

    def on_mount(self) -> None:
        """Have the first events read."""
        self._whole.display = False
        self._ask()

    def on_unmount(self) -> None:
        """Nothing is to come for this list any more."""
        self._timeline.forget_list()

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        return self._told is not None or self.page.cursor >= len(self._events)

    def context(self) -> Context:
        """An event that is read whole is what escape takes away first."""
        return super().context()._replace(filtered=self._told is not None)

    def _ask(self) -> None:
        if self._more_wanted:
            self._more_wanted = False
            skip = len(self._events)
            self._timeline.ask(EventsWanted("page", self._window, self._lane, PAGE, skip))

    def take(self, listed: FoundEvents) -> None:
        """More events, from this view's timeline."""
        if not self.is_mounted or listed.listing.skip != len(self._events):
            return
        self._read = True
        self._events += listed.events
        self._more_wanted = len(listed.events) == PAGE
        self.draw()
        self.frame()

    def tell(self, told: WholeEvent) -> None:
        """One event whole."""
        if self.is_mounted:
            self._told = told
            self.page.display = self._titles.display = False
            self._whole.display = True
            self.draw()
            self.focus_body()
            self.frame()

    def draw(self) -> None:
        """The list, and the event that is read whole where there is one."""
        width = self.app.size.width
        span = f"{moment(self._window.start)} to {moment(self._window.end)}"
        told: list[Part] = [(" EVENTS ", "title"), (span, "bold")]
        if self._name:
            told += [(" of ", "dim"), (fit(self._name, 40).rstrip(), "accent")]
        more = "+" if self._more_wanted and self._read else ""
        number = count(len(self._events), "event") if self._read else "reading …"
        self._head.say([*told, (f"  {number}{more}", "")])
        actor = max(width - 23, 20)
        self._titles.say(
            [(" TIME (UTC)      ", "head"), ("LET? ", "head"),
             (" " + fit("ACTOR", actor * 20 // 100), "head"),
             (" " + fit("FROM", actor * 22 // 100), "head"), (" ACTION, TARGET", "head")]
        )  # fmt: skip
        rows: list[Line] = [event_row(event, width) for event in self._events]
        if not rows and self._read:
            nothing = NONE_KEPT if self._counted else "No event in that time."
            rows = [[(f" {nothing}", "warn" if self._counted else "dim")]]
        self.page.show(rows)
        if self._told is not None:
            self._whole.show(event_lines(self._told.event, self._told.facts, width))

    def on_page_selected(self, event: Page.Selected) -> None:
        """Read on where the cursor has come to the end of what was read."""
        event.stop()
        if event.index >= len(self._events) - 1:
            self._ask()

    @does("open")
    def do_open(self) -> None:
        """The event under the cursor, whole."""
        if self._told is None and self.page.cursor < len(self._events):
            self._timeline.ask_whole(self._events[self.page.cursor])

    @does("back")
    def do_back(self) -> None:
        """From the whole event to the list, then to the timeline."""
        if self._told is None:
            super().do_back()
            return
        self._told = None
        self._whole.display = False
        self.page.display = self._titles.display = True
        self.focus_body()
        self.frame()
