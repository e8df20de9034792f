"""What a token did and when: density, lanes and markers, and whether it was used since a leak."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult

from console.errors import UsageError
from console.inventory.search.inventory import Row
from console.timeline.axis import Window, next_burst
from console.timeline.events import ShownEvent
from console.timeline.view import BY
from console.timeline.when import moment_of
from console.tui.actions.context import Context, TimelineContext
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Line
from console.tui.session.worker_link import sentences
from console.tui.views.base import View
from console.tui.views.handlers import does, does_each
from console.tui.views.timeline.chart import FIXED, MOST_BELOW, Scene, TimelineChart, shared
from console.tui.views.timeline.page import ShownTimeline, answered, event_row, heading
from console.tui.views.timeline.reader import (
    EventsWanted,
    FoundEvents,
    Load,
    Loaded,
    TimelineReader,
    WholeEvent,
)
from console.tui.views.timeline.viewport import Eye
from console.tui.widgets.asked_line import AskedLine
from console.tui.widgets.page import Page

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession
    from console.tui.views.timeline.events_view import EventsView

FRAME = 5
"""Lines of the screen that are neither words, picture nor events."""
STEPS = {"bin_left": -1, "bin_right": 1, "bins_left": -10, "bins_right": 10}
"""How many bins each of the moving keys goes."""


class TimelineView(View):
    """The words on top, the picture under them, and the events of the cursor's bin at the end."""

    view = "timeline"
    shows_run = False
    kept: ClassVar[int] = 8

    def __init__(self, world: ConsoleSession, tokens: tuple[str, ...] = ()) -> None:
        super().__init__(world)
        self.tokens = tokens
        self._row: Row | None = None
        self._eye = Eye()
        self._head = OneLine()
        self._words = Page()
        self._chart = TimelineChart(self._eye, ascii_only=world.ascii)
        self._below = Page()
        self._loaded: Loaded | None = None
        self._by = "address" if len(tokens) == 1 else "token"
        self._log = False
        self._first, self._chosen = 0, -1
        self._around = (0, False)
        """How many alarms there are, and whether something is asked for."""
        self._stale = False
        """Whether the store has news that are not read yet."""
        self._list: EventsView | None = None
        self._reader = TimelineReader(
            world.paths.inventory,
            world.open_journal,
            world.now,
            lambda said: self.host.from_thread(self.note, said, True),
            on_loaded=lambda loaded: self.host.from_thread(self._take, loaded),
            on_listed=lambda listed: self.host.from_thread(self._take_events, listed),
            on_told=lambda told: self.host.from_thread(self._take_event, told),
        )

    def body(self) -> ComposeResult:
        """Words, picture and events, from top to bottom."""
        yield self._head
        yield self._words
        yield self._chart
        yield self._below

    def focus_body(self) -> None:
        """Give the keys to the view's main widget."""
        self.set_focus(self._chart)

    def on_mount(self) -> None:
        """Have the timeline read, and look for news of it from then on."""
        self._words.can_focus = self._below.can_focus = False
        if len(self.tokens) == 1:
            detail = self.world.inventory.detail(self.tokens[0])
            self._row = detail.row if detail is not None else None
        self._lay_out()
        self._head.say(heading(None, None, self._eye, self._log, self.app.size.width))
        self._reader.start()
        self._load()
        self.set_interval(1.0, self._catch_up)

    def on_unmount(self) -> None:
        """End the thread that reads for the view."""
        self._reader.end()

    def row(self) -> Row | None:
        """The one token that it is about; none where there are several."""
        return self._row

    def context(self) -> Context:
        """Which of the two moments that one can jump to are known."""
        revoked = self._loaded is not None and self._loaded.timeline.revoked is not None
        known = TimelineContext(self.leak is not None, revoked)
        return super().context()._replace(timeline=known)

    # Reading

    @property
    def leak(self) -> int | None:
        """Since when the token may be in wrong hands, as told here."""
        return self.world.leaks.get(self.tokens)

    def _load(self) -> None:
        self._stale = False
        self._reader.load(Load(self.tokens, self._by, self.leak))

    def _catch_up(self) -> None:
        """Read again what changed, but not without end where that takes long."""
        if self._stale and time.monotonic() >= self._reader.rests_until:
            self._load()

    def store_changed(self) -> None:
        """Read again as soon as the last reading lets it."""
        self._stale = True
        self._catch_up()

    def journal_changed(self) -> None:
        """The journal says when a token was revoked, so it is read again too."""
        self.store_changed()

    def tick(self) -> None:
        """Follow the newest, where that is wanted."""
        super().tick()
        if self._eye.follow:
            self._stale = True

    def _take(self, loaded: Loaded) -> None:
        if not self.is_mounted or loaded.load != Load(self.tokens, self._by, self.leak):
            return
        if not loaded.whole and self._loaded is not None:
            return
        self._loaded = loaded
        self._eye.look(loaded.timeline)
        self._lay_out()
        self._draw()

    # Drawing

    def _lay_out(self) -> None:
        """Share the lines: words first, then bars, lanes, and events of the bin under them."""
        width, height = self.app.size
        loaded = self._loaded
        words = 2
        if loaded is not None:
            said = answered(self._shown(loaded), width, 5 if height < 40 else 7)
            self._words.show(said, keep=False)
            words = max(len(said), 2)
        self._words.styles.height = words
        lanes = len(loaded.timeline.lanes) if loaded is not None else 3
        alarms = self.around.alarms
        share = shared(height - FRAME - words - alarms, lanes)
        chart, asked = self._chart, self.open_bar is not None
        chart.bars, chart.rows = share.bars, share.rows
        # What is asked for takes its lines from the picture's end.
        chart.styles.height = "1fr" if asked else share.bars + share.rows + FIXED
        self._below.display = share.below > 0 and not asked
        self._around = (alarms, asked)

    def frame(self) -> None:
        """Bring the lines around up to date, and make room where they became more."""
        super().frame()
        alarms = self.around.alarms
        if self.is_mounted and self._around != (alarms, self.open_bar is not None):
            self._lay_out()
            self.call_after_refresh(self._draw)

    def _shown(self, loaded: Loaded) -> ShownTimeline:
        return ShownTimeline(loaded.timeline, loaded.answer, loaded.whole, self.world.backends)

    def _draw(self) -> None:
        """Make a frame and draw it; for whatever changes more than the cursor."""
        loaded = self._loaded
        if loaded is None or not self._chart.size.width:
            return
        timeline, chart, eye = loaded.timeline, self._chart, self._eye
        eye.fit(chart.bins)
        total = len(timeline.lanes)
        self._chosen = min(self._chosen, total - self._first - 1)
        frame = timeline.frame(eye.window, eye.bins, self._first + max(chart.rows - 1, 0))
        scene = Scene(
            frame, loaded.names, timeline.by, timeline.now, timeline.leak, self._log,
            self._first, total, self._chosen, loaded.whole,
        )  # fmt: skip
        chart.show(scene)
        shown = self._shown(loaded)
        self._head.say(heading(shown, frame, eye, self._log, self.app.size.width))
        self._preview()

    def _moved(self) -> None:
        """The cursor is elsewhere, and the window as before."""
        self._chart.moved()
        self._preview()

    def _looked(self, before: Window) -> None:
        if self._eye.window == before:
            self._moved()
        else:
            self._draw()

    def on_timeline_chart_resized(self, event: TimelineChart.Resized) -> None:
        """Draw for the bins that there are now."""
        event.stop()
        self._draw()

    def on_resize(self) -> None:
        """Share the lines anew, and draw once everything has its size."""
        self._lay_out()
        self.call_after_refresh(self._draw)

    # The events under the cursor

    def _preview(self) -> None:
        if not self._below.display or self._loaded is None or not self._loaded.whole:
            return
        if not self._chart.lane.total:
            self._below.show([], keep=False)
            return
        rows = min(max(self._below.size.height, 1), MOST_BELOW)
        key = self._chart.lane.key if self._chosen >= 0 else None
        listing = EventsWanted("preview", self._eye.bin, key, rows)
        self._reader.preview(listing)

    def _take_events(self, listed: FoundEvents) -> None:
        if listed.listing.slot != "preview":
            if self._list is not None:
                self._list.take(listed)
            return
        if not self.is_mounted or listed.listing.window != self._eye.bin:
            return
        width = self.app.size.width
        rows: list[Line] = [event_row(event, width) for event in listed.events]
        self._below.show(rows, keep=False)

    def _take_event(self, told: WholeEvent) -> None:
        if self._list is not None:
            self._list.tell(told)

    def ask(self, listing: EventsWanted) -> None:
        """Have events read, for the list over this view."""
        self._reader.page(listing)

    def ask_whole(self, event: ShownEvent) -> None:
        """Have one event read whole."""
        self._reader.whole(event)

    def forget_list(self) -> None:
        """The list over this view is closed."""
        self._list = None

    # Actions

    def move(self, what: str) -> None:
        """Up and down choose a lane; home and end go to the first and the last bin."""
        if what in ("top", "bottom"):
            self._eye.put(0 if what == "top" else self._eye.bins)
            self._moved()
            return
        total = len(self._loaded.timeline.lanes) if self._loaded is not None else 0
        page = max(self._chart.rows - 1, 1)
        far = {"page": page, "half": max(page // 2, 1)}.get(what.partition("_")[0], 1)
        step = far if what.endswith("down") else -far
        place = self._first + self._chosen if self._chosen >= 0 else -1
        place = min(max(place + step, -1), total - 1)
        if place < self._first or place >= self._first + page:
            self._first = max(min(place, total - page), 0) if place >= 0 else 0
        self._chosen = place - self._first if place >= 0 else -1
        self._draw()

    @does_each(*STEPS)
    def do_step(self, name: str) -> None:
        """Move the cursor, and the window with it where the cursor would leave it."""
        window, bins = self._eye.window, STEPS[name]
        self._eye.follow = self._eye.follow and bins > 0
        self._eye.move(bins)
        self._looked(window)

    @does("brush")
    def do_brush(self) -> None:
        """Begin a brush at the cursor, or take it away."""
        self._eye.start_brush()
        self._moved()

    @does("zoom")
    async def do_zoom(self) -> None:
        """What is under the brush fills the window; without one, list the bin's events."""
        if self._eye.zoom():
            self._eye.follow = False
            self._draw()
            return
        from console.tui.views.timeline.events_view import EventsView

        if self._loaded is None or not self._loaded.whole:
            self.note("single events are still being read")
            return
        key = self._chart.lane.key if self._chosen >= 0 else None
        name = self._chart.name_of(self._chart.lane) if key is not None else ""
        counted = self._chart.lane.counts[self._eye.cursor]
        view = EventsView(self.world, self, self._eye.bin, key, name, counted)
        self._list = view
        await self.host.open_view(lambda: view, again=False)

    @does("out")
    def do_out(self) -> None:
        """Back to the wider window."""
        if self._eye.out():
            self._draw()
        else:
            self.note("this is all that is known")

    @does("reset")
    def do_reset(self) -> None:
        """The window that this began with."""
        self._eye.reset()
        self._draw()

    @does("log_scale")
    def do_log_scale(self) -> None:
        """Bars on a logarithmic scale, or a linear one."""
        self._log = not self._log
        self._draw()

    @does("follow")
    def do_follow(self) -> None:
        """Stay at the newest as it comes in, or no longer."""
        self._eye.toggle_follow()
        self._draw()

    @does_each("next_burst", "previous_burst")
    def do_burst(self, name: str) -> None:
        """To where the lane's use begins or jumps next, or did last."""
        back = name == "previous_burst"
        found = next_burst(self._chart.lane.counts, self._eye.cursor, back=back)
        if found is None:
            self.note(f"no {'earlier' if back else 'later'} burst in this window")
            return
        self._eye.put(found)
        self._moved()

    def _jump(self, at: int | None) -> None:
        window = self._eye.window
        if at is not None:
            self._eye.jump(at)
            self._looked(window)

    @does("to_leak")
    def do_to_leak(self) -> None:
        """To the time of the leak."""
        self._jump(self.leak)

    @does("to_revoke")
    def do_to_revoke(self) -> None:
        """To when the token was revoked."""
        self._jump(self._loaded.timeline.revoked if self._loaded is not None else None)

    @does("lanes")
    def do_lanes(self) -> None:
        """Lanes by the next of token, actor, address and action."""
        known = list(BY)
        self._by = known[(known.index(self._by) + 1) % len(known)]
        self._first, self._chosen = 0, -1
        self.note(f"lanes by {self._by} …")
        self._load()

    @does("set_leak")
    async def do_set_leak(self) -> None:
        """Ask when it leaked; an empty answer takes the time away."""

        async def entered() -> None:
            text = line.value.strip()
            try:
                at = moment_of(text, self.world.now()) if text else None
            except UsageError as error:
                self.note(sentences(str(error), error.hint), bad=True)
                return
            if at is not None and at > self.world.now():
                self.note("that is in the future", bad=True)
                return
            self.note("")
            self.close_bar()
            if at is None:
                self.world.leaks.pop(self.tokens, None)
            else:
                self.world.leaks[self.tokens] = at
            self._load()

        line = AskedLine(
            [(" leaked at: ", "key")],
            placeholder="2h, 3d, or 2026-11-24T03:12Z in UTC; empty: not known",
            on_enter=entered,
        )
        line.on_leave = self.close_bar
        await self.show_bar(line, line)

    @does("back")
    def do_back(self) -> None:
        """A brush goes first, then the view."""
        if self._eye.anchor is not None:
            self._eye.start_brush()
            self._moved()
        else:
            super().do_back()
