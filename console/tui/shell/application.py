"""The application: which view is in front, what is new, and who is asked."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from textual import events
from textual.screen import Screen

from console import crash, ownership
from console.errors import ConsoleError
from console.settings import Paths, Settings
from console.tui.actions import registry
from console.tui.actions.context import Context
from console.tui.draw.cells import Lines
from console.tui.draw.lines import Part
from console.tui.session.journal_state import JournalState
from console.tui.session.journal_watch import JournalWatch
from console.tui.session.session import ConsoleSession
from console.tui.session.worker_link import WorkerError, WorkerLink, sentences, standing_still
from console.tui.shell.alarms import Alarms
from console.tui.shell.navigation import Way
from console.tui.shell.signals import Leaving
from console.tui.shell.textual_hacks import CarefulApp
from console.tui.shell.watched_run import WatchedRun
from console.tui.views import status
from console.tui.views.base import View, ViewHost
from console.tui.views.inventory.view import InventoryView

LOOK_EVERY = 1.0
"""Seconds between two cheap looks at the store and the journal."""

BEGIN_AFTER = 1.0
"""Seconds after which what waits for the first frame begins without it."""

NUDGE_EVERY = 2.0
"""Seconds between two times that keys make the worker ask a silent backend again."""

UNREADABLE_SAID = "Key dropped: it is no UTF-8. Set the terminal to UTF-8."

TICK_EVERY = 10.0
"""Seconds after which ages may be drawn anew."""


class ConsoleApp(CarefulApp, inherit_bindings=False):
    """Holds one inventory view for good; ``way`` knows what was opened from where."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    #bar { height: auto; }
    #alarm, #after { display: none; }
    """
    BINDINGS: ClassVar[list[Any]] = []

    def __init__(
        self,
        paths: Paths,
        settings: Settings | None,
        *,
        act: bool,
        demo: bool = False,
        ascii_only: bool = False,
        now: Callable[[], float],
        worker: Sequence[str] | None = None,
        theme: str = "ansi-dark",
    ) -> None:
        super().__init__()
        self.theme = theme
        self.title = "token-console"
        Lines.plain_ascii = ascii_only
        self.world = ConsoleSession(
            paths, settings, act=act, demo=demo, ascii_only=ascii_only, now=now
        )  # fmt: skip
        self.alarms = Alarms(paths.state / "alarms.json")
        self.inventory_view = InventoryView(self.world)
        self.watched = WatchedRun(self.world)
        self.way = Way(self, self.inventory_view)
        self._words = worker
        self.world.worker_coming = bool(worker)
        self._begun = False
        self._nudged = 0.0
        self.link = WorkerLink(
            worker or (), paths, on_news=self._news, on_state=self._worker_changed
        )
        self.keeper = JournalWatch(
            self.world.open_journal,
            self.world.own_journal,
            now,
            lambda standing: self.from_thread(self._stands, standing),
        )
        self.leaving = Leaving(self._leave_with)

    def get_default_screen(self) -> Screen[None]:
        """The list of tokens, with what the store has of it already."""
        self.world.look()
        self._listen()
        return self.inventory_view

    def on_mount(self) -> None:
        """Begin to look for news, and start what takes long after the first frame."""
        asyncio.get_running_loop().set_exception_handler(self._loop_failed)
        self.set_interval(LOOK_EVERY, self._look)
        self.set_interval(TICK_EVERY, self._tick)
        self.call_after_refresh(self._begin)
        # Textual calls nothing back for a view that was left before its first frame, as the
        # first one is by a quick key: without this nobody would ask any system anything.
        self.set_timer(BEGIN_AFTER, self._begin)

    async def on_unmount(self) -> None:
        """End the threads and the worker, and give the files back."""
        self.keeper.end()
        await self.link.close()
        self.world.close()

    # Leaving

    def leave(self) -> None:
        """End the screen. Runs that were started have a process of their own and go on."""
        self.exit()

    def _leave_with(self, code: int) -> None:
        self.call_later(self.exit, None, code)

    def crash_line(self, error: BaseException | None) -> str:
        """The one line that is left of a crash: no data in it, and where the report is."""
        if error is not None and (whose := ownership.hint(error, (self.world.paths.state,))):
            return f"token-console had to end: {whose}"
        name = type(error).__name__ if error is not None else "unknown error"
        where = crash.report(error, self.world.paths.state) if error is not None else None
        report = f" A report without any data is in {where}." if where else ""
        return f"token-console met a defect and had to end ({name}).{report}"

    # Keys

    def unreadable(self) -> None:
        """Say that a key could not be read, and what to set."""
        if (front := self.front) is not None:
            front.note(UNREADABLE_SAID, bad=True)

    def unbound(self, key: str) -> None:
        """Say that a key does nothing here, and where it would."""
        front = self.front
        if front is None or front.open_bar is not None:
            return
        # What is left of a character in another encoding must not hide that it was one.
        if front.around.noted[0] != UNREADABLE_SAID:
            front.note(registry.elsewhere(key, front.view))

    def paste_dropped(self) -> None:
        """Say that what was pasted went nowhere."""
        if (front := self.front) is not None and front.open_bar is None:
            front.note("Paste dropped: nothing takes text here.")

    def keeps_keys(self) -> bool:
        """An open bar keeps the keys: a click elsewhere must not turn typing into commands."""
        front = self.front
        return front is not None and front.open_bar is not None

    # What the views may ask for

    @property
    def host(self) -> ViewHost:
        """This application, as far as the views know it."""
        return self

    @property
    def behind(self) -> bool:
        """Whether there is a view to go back to."""
        return self.way.behind

    @property
    def before(self) -> str:
        """The name of the view before this one; empty where no other was opened yet."""
        return self.way.before

    async def open_view(self, make: Callable[[], View], *, again: bool = True) -> View:
        """Open a view over the one in front. ``again`` says that it can be made anew later."""
        return await self.way.open(make, again=again)

    def filter_inventory(self, words: str) -> None:
        """Have the inventory show what these words find."""
        self.inventory_view.filter_by(words)

    def alarm_line(self, width: int) -> Sequence[Part]:
        """The alarms of runs that nobody has looked at yet."""
        return self.alarms.line(width)

    # What is in front

    @property
    def front(self) -> View | None:
        """The view in front."""
        # While it ends, a timer may come after the last view has gone.
        stack = self.screen_stack
        return stack[-1] if stack and isinstance(stack[-1], View) else None

    async def go(self, name: str) -> None:
        """Bring one of the lists to the front; escape goes back to where one is now."""
        from console.tui.views.backends.view import BackendsView
        from console.tui.views.incident.list_view import IncidentsView
        from console.tui.views.journal.view import JournalScreen
        from console.tui.views.run.runs_view import RunsView

        lists: dict[str, type[View]] = {
            "backends": BackendsView, "journal": JournalScreen, "runs": RunsView,
            "incidents": IncidentsView,
        }  # fmt: skip
        if name == "inventory":
            await self.way.down()
        else:
            await self.way.go(name, lambda: lists[name](self.world))

    async def go_last(self) -> None:
        """The view before this one."""
        await self.way.last()

    def back(self) -> None:
        """Where one came from; where the way begins there is no further back."""
        if not self.way.back():
            self.inventory_view.note("q leaves")

    async def open_token(self, handle: str) -> None:
        """A token's page over the view in front."""
        from console.tui.views.token.view import TokenView

        await self.way.open(lambda: TokenView(self.world, handle))

    async def open_timeline(self, tokens: tuple[str, ...]) -> None:
        """What these tokens did and when, over the view in front."""
        from console.tui.views.timeline.view import TimelineView

        await self.way.open(lambda: TimelineView(self.world, tokens))

    async def open_graph(self, start: tuple[str, str] | None) -> None:
        """The graph around a node, by its side and key, over the view in front."""
        from console.tui.views.graph.view import GraphView

        await self.way.open(lambda: GraphView(self.world, start))

    async def open_run(self, plan: str) -> None:
        """A run's board, over the view in front."""
        from console.tui.views.run.view import RunView

        await self.way.open(lambda: RunView(self.world, plan))

    async def open_intake(self, value: str, leak: str) -> None:
        """What is known of a secret in hand, over the view in front."""
        from console.tui.views.intake.view import IntakeView

        # Not made again: the value is not kept for that.
        await self.way.open(lambda: IntakeView(self.world, value, leak), again=False)

    async def open_incident_page(self, incident: str) -> None:
        """One incident, over the view in front."""
        from console.tui.views.incident.view import IncidentView

        await self.way.open(lambda: IncidentView(self.world, incident))

    def run_shown(self, plan: str, seq: int, shown: object) -> None:
        """A board has news: it was looked at, and a page over it may have to follow."""
        self.alarms.heard(plan, seq)
        if (front := self.front) is not None:
            front.run_changed(shown)
            front.frame()

    async def help_for(self, context: Context) -> None:
        """Help for a view."""
        from console.tui.views.help.view import HelpView

        await self.way.open(lambda: HelpView(self.world, context), again=False)

    # What is new

    def _look(self) -> None:
        if self.leaving.terminal_is_gone():
            self.leaving.go(129)
            return
        self.keeper.look()
        self._look_at_worker()
        store, journal = self.world.look()
        if journal:
            self._listen()
        for screen in self.screen_stack:
            if isinstance(screen, View) and screen is not self.screen:
                screen.outdated = screen.outdated or store or journal
        front = self.front
        if front is not None and self.world.waits:
            front.contacts_changed()
        if front is None or not (store or journal):
            return
        if store:
            front.store_changed()
        if journal:
            front.journal_changed()
            self._follow_run()
        front.frame()

    def _listen(self) -> None:
        """Whether a token of a run was used after its end. The journal's own trouble is told
        elsewhere."""
        with contextlib.suppress(ConsoleError, sqlite3.Error):
            self.alarms.look(self.world.journal)

    def _begin(self) -> None:
        """After the first frame: no row may wait for a check of the journal, or for the
        worker's imports, which take a core for a second."""
        if self._begun:
            return
        self._begun = True
        self.keeper.look()
        self.keeper.start()
        if self._words:
            self.link.start()

    def _stands(self, standing: JournalState) -> None:
        """The keeper's news about the journal."""
        self.world.standing = standing
        if (front := self.front) is not None:
            front.standing_changed()

    def verify_journal(self) -> None:
        """Have all of the journal checked again."""
        self.keeper.ask(True)

    def _tick(self) -> None:
        if (front := self.front) is not None:
            front.tick()
            if self.run_id:
                # What is known of a value changes by the time alone, too.
                self.show_run(front)

    # The worker

    async def ask(self, what: str, /, **fields: Any) -> Mapping[str, Any]:
        """Ask the worker. Raises ``WorkerError``."""
        return await self.link.ask(what, **fields)

    async def on_event(self, event: events.Event) -> None:
        """A key is also a sign that somebody is there."""
        if isinstance(event, events.Key):
            self._nudge()
        await super().on_event(event)

    def _nudge(self) -> None:
        """Somebody is there: have what is silent or broken asked again, now and not later."""
        now = self.world.now()
        ill = any(not self.world.mine(name).well for name in self.world.contacts)
        if ill and self.link.up and now - self._nudged >= NUDGE_EVERY:
            self._nudged = now
            self.run_worker(self._ask_again())

    async def _ask_again(self) -> None:
        with contextlib.suppress(WorkerError):
            await self.ask("nudge")

    def refresh_backends(self, name: str | None) -> None:
        """Have one backend read again, or all of them."""
        self.run_worker(self._refresh(name))

    async def _refresh(self, name: str | None) -> None:
        try:
            await self.ask("refresh", backend=name)
            said, bad = f"Asking {name or 'all backends'} …", False
        except WorkerError as error:
            said, bad = error.said, True
        if (front := self.front) is not None:
            front.note(said, bad)

    def _news(self, message: Mapping[str, Any]) -> None:
        front = self.front
        if self.world.heard(message):
            self.world.worker_coming = False
            if not self.world.total:
                # The first rows of a new store are shown when they are there, and not a
                # second later.
                self._look()
            if front is not None and self.is_running:
                front.contacts_changed()
        elif message.get("event") in ("recovered", "trouble") and front is not None:
            bad = message.get("event") == "trouble"
            front.note(str(message.get("sentence", "")), bad)

    def _look_at_worker(self) -> None:
        """Say so while the worker is there and stands still; what it told is not known then."""
        still = self.link.stands_still
        if self.link.up and (still > 0) == self.world.worker_up:
            self._worker_changed()
        elif still and (front := self.front) is not None:
            self.world.worker_trouble = standing_still(still)
            front.contacts_changed()

    def _worker_changed(self) -> None:
        still = self.link.stands_still
        self.world.worker_up = self.link.up and not still
        self.world.worker_trouble = "" if self.link.up else self.link.trouble
        if self.link.trouble:
            self.world.worker_coming = False
        if still:
            self.world.worker_trouble = standing_still(still)
        if (front := self.front) is not None:
            front.contacts_changed()
            if trouble := status.note_of_worker(self.world, self.link.trouble):
                front.note(trouble, bad=True)

    # The run that is watched

    @property
    def run_id(self) -> str:
        """The run that is watched; empty for none."""
        return self.watched.id

    def watch_run(self, run: str, title: str) -> None:
        """Show what the journal says about a run, as it happens."""
        try:
            self.watched.begin(run, title)
        except ConsoleError as error:
            self._note_error(error)
        self._follow_run()

    def _follow_run(self) -> None:
        try:
            self.watched.follow()
        except ConsoleError as error:
            self._note_error(error)
            return
        if (front := self.front) is not None:
            self.show_run(front)

    def _note_error(self, error: ConsoleError) -> None:
        if (front := self.front) is not None:
            front.note(sentences(str(error), error.hint), bad=True)

    def show_run(self, view: View) -> None:
        """Show on a view what is known of the run, or that there is none."""
        self.watched.show(view)

    def forget_run(self) -> bool:
        """Watch the run no more; it goes on. False where none was watched."""
        if not self.watched.end():
            return False
        self._follow_run()
        return True

    # Threads

    def from_thread(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have something done on the loop, from another thread; too late is no error."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(self._guarded, call, *arguments)
            except RuntimeError:
                return

    def _guarded(self, call: Callable[..., None], *arguments: Any) -> None:
        if self.is_running:
            try:
                with self._context():
                    call(*arguments)
            except Exception as error:  # noqa: BLE001
                # The loop would print it with what it was called with.
                self._handle_exception(error)

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What a task of nobody's raised; the loop itself would print it over the screen."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self._handle_exception(error)


def run(app: ConsoleApp, *, mouse: bool) -> int:
    """Run until it is left; the exit code."""
    app.leaving.install()
    app.run(mouse=mouse)
    return app.return_code or 0
