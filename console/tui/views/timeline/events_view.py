"""The single events of a stretch of a timeline, and one of them whole, without its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from textual.app import ComposeResult
from textual.binding import BindingType

from console.timeline.axis import Window
from console.timeline.coverage import moment
from console.timeline.events import ShownEvent
from console.tui.actions.context import Context
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line, Part, count, fit
from console.tui.views.base import View, bindings
from console.tui.views.timeline.page import event_lines, event_row
from console.tui.views.timeline.reader import EventsWanted, FoundEvents, WholeEvent
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import Session

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


class EventsView(View, inherit_bindings=False):
    """Over a timeline, whose thread reads for it."""

    view = "events"
    shows_run = False
    leans = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("events")

    def __init__(
        self,
        world: Session,
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
        self._page = Page(select=True)
        self._whole = Page()
        self._events: list[ShownEvent] = []
        self._read = False
        self._more_wanted = True
        self._told: WholeEvent | None = None

    def body(self) -> ComposeResult:
        yield self._head
        yield self._titles
        yield self._page
        yield self._whole

    def focus_body(self) -> None:
        self.set_focus(self._page if self._told is None else self._whole)

    def on_mount(self) -> None:
        self._whole.display = False
        super().on_mount()
        self._draw()
        self._ask()

    def on_unmount(self) -> None:
        self._timeline.forget_list()

    def context(self) -> Context:
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
        self._draw()

    def tell(self, told: WholeEvent) -> None:
        """One event whole."""
        if self.is_mounted:
            self._told = told
            self._page.display = self._titles.display = False
            self._whole.display = True
            self._draw()
            self.focus_body()
            self.frame()

    def _draw(self) -> None:
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
        self._page.show(rows)
        if self._told is not None:
            self._whole.show(event_lines(self._told.event, self._told.facts, width))

    def on_page_selected(self, event: Page.Selected) -> None:
        event.stop()
        if event.index >= len(self._events) - 1:
            self._ask()

    def on_page_resized(self, event: Page.Resized) -> None:
        event.stop()
        self._draw()

    def more(self) -> int:
        return self._page.more if self._told is None else self._whole.more

    def move(self, what: str) -> None:
        (self._page if self._told is None else self._whole).move(what)

    def do_open(self) -> None:
        """The event under the cursor, whole."""
        if self._told is None and self._page.cursor < len(self._events):
            self._timeline.ask_whole(self._events[self._page.cursor])

    def do_back(self) -> None:
        if self._told is None:
            super().do_back()
            return
        self._told = None
        self._whole.display = False
        self._page.display = self._titles.display = True
        self.focus_body()
        self.frame()
