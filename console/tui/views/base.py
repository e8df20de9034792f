"""What every view has in common: the frame of lines, the keys, and the inline bars."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widget import Widget

from console.errors import UsageError
from console.inventory.search.inventory import Row
from console.journal.read.view import Entry
from console.timeline.when import moment_of
from console.tui.actions.context import Context
from console.tui.actions.registry import ACTIONS, BY_ID, Action, key, key_names, matching
from console.tui.draw.lines import Part
from console.tui.session.worker_link import sentences
from console.tui.views.frame import Frame
from console.tui.views.handlers import Handler, does, does_each, handlers
from console.tui.widgets.asked_line import AskedLine
from console.tui.widgets.bar import Bar
from console.tui.widgets.hidden_line import HiddenLine
from console.tui.widgets.page import Page
from console.tui.widgets.picker import Picker, PickerRow

if TYPE_CHECKING:
    from console.response.state.old_value import Verdict
    from console.tui.session.session import ConsoleSession


MOVES = tuple(action.id for action in ACTIONS if action.group == "Move")
AGES_EVERY = 3
"""Ticks from one time that a page is made anew for its ages to the next."""
REDRAW = "redraw"
"""The one action that works under an open bar too: it changes nothing."""


def bindings(view: str) -> list[BindingType]:
    """Textual's bindings for a view, from the registry."""
    return [
        Binding(",".join(action.keys), f"act('{action.id}')", action.label, show=False)
        for action in ACTIONS
        if view in action.where
    ]


class ViewHost(Protocol):
    """What a view may ask of the application around it."""

    @property
    def run_id(self) -> str:
        """The run that is watched; empty for none."""

    @property
    def behind(self) -> bool:
        """Whether there is a view to go back to."""

    @property
    def before(self) -> str:
        """The name of the view before this one; empty where no other was opened yet."""

    def from_thread(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have something done on the loop, from another thread; too late is no error."""

    async def ask(self, what: str, /, **fields: Any) -> Mapping[str, Any]:
        """Ask the worker. Raises ``WorkerError``."""

    async def go(self, name: str) -> None:
        """Bring one of the lists to the front."""

    async def go_last(self) -> None:
        """The view before this one."""

    def back(self) -> None:
        """Where one came from."""

    def leave(self) -> None:
        """End the screen."""

    def paint_anew(self) -> None:
        """Send all of the screen, whatever the terminal is thought to show."""

    async def open_view(self, make: Callable[[], View], *, again: bool = True) -> View:
        """Open a view over the one in front. ``again`` says that it can be made anew later."""

    async def open_token(self, handle: str) -> None:
        """A token's page over the view in front."""

    async def open_timeline(self, tokens: tuple[str, ...]) -> None:
        """What these tokens did and when."""

    async def open_graph(self, start: tuple[str, str] | None) -> None:
        """The graph around a node, by its side and key."""

    async def open_run(self, plan: str) -> None:
        """A run's board."""

    async def open_intake(self, value: str, leak: str) -> None:
        """What is known of a secret in hand. The value is kept nowhere else."""

    async def open_incident_page(self, incident: str) -> None:
        """One incident."""

    async def help_for(self, context: Context) -> None:
        """Help for a view."""

    def filter_inventory(self, words: str) -> None:
        """Have the inventory show what these words find."""

    def refresh_backends(self, name: str | None) -> None:
        """Have one backend read again, or all of them."""

    def verify_journal(self) -> None:
        """Have all of the journal checked again."""

    def alarm_line(self, width: int) -> Sequence[Part]:
        """The alarms of runs that nobody has looked at yet."""

    def watch_run(self, run: str, title: str) -> None:
        """Show what the journal says about a run, as it happens."""

    def forget_run(self) -> bool:
        """Watch the run no more. False where none was watched."""

    def show_run(self, view: View) -> None:
        """Show on a view what is known of the run that is watched."""

    def run_shown(self, plan: str, seq: int, shown: object) -> None:
        """A board has news of a plan, up to an entry of the journal."""


class View(Screen[None], inherit_bindings=False):
    """A view has a body, at most one open bar, and a frame of lines around them.

    A class that gives itself a name in ``view`` gets its keys and its table of handlers from
    the registry, and is refused with ``TypeError`` where a row and a handler do not meet.

    Textual calls a handler of events (``on_mount``, ``on_resize``, ...) of every class in
    turn, the most special first; one that a view has of its own never calls this one's.
    """

    view: ClassVar[str]
    shows_run: ClassVar[bool] = True
    leans: ClassVar[bool] = False
    """Whether it reads through the view below it, and is nothing without that."""
    kept: ClassVar[int] = 6
    """Lines that stay in sight beside an open bar."""
    HANDLERS: ClassVar[Mapping[str, Handler]] = {}
    """What does each action that the registry has for this view, by the action's id."""
    AUTO_FOCUS = ""

    def __init_subclass__(cls, **options: Any) -> None:
        """Bind the keys and the handlers of a view that has a name."""
        if name := vars(cls).get("view", ""):
            cls.BINDINGS = bindings(name)
            cls.HANDLERS = handlers(cls, name)
        # Keys that Textual gives every screen would be in nobody's help.
        super().__init_subclass__(**{"inherit_bindings": False, **options})

    def __init__(self, world: ConsoleSession) -> None:
        super().__init__()
        self.world = world
        self.around = Frame()
        self._bar = Vertical(id="bar")
        self.open_bar: Widget | None = None
        self._ticks = 0
        self.outdated = False
        """Whether the store changed while another view was in front."""

    @property
    def host(self) -> ViewHost:
        """The application, as far as a view has to know it."""
        host: ViewHost | None = getattr(self.app, "host", None)
        if host is None:
            raise TypeError("a view belongs to the console's application")
        return host

    def body(self) -> ComposeResult:
        """The view's own widgets."""
        raise NotImplementedError

    def focus_body(self) -> None:
        """Give the keys to the view's main widget."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """The body with the frame of lines around it."""
        return self.around.around(self.body(), self._bar)

    def on_mount(self) -> None:
        """Show at once what is known already, and give the body the keys."""
        self.frame()
        self.focus_body()
        self.host.show_run(self)

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another view was in front."""
        if self.outdated:
            self.outdated = False
            self.store_changed()
            self.journal_changed()
        self.host.show_run(self)
        self.frame()

    def contacts_changed(self) -> None:
        """A backend answered, or is being waited for: once a second, while it is."""
        self.frame()

    def on_resize(self) -> None:
        """Make the lines around the body for the size that there is now."""
        if isinstance(self.open_bar, Bar):
            self.open_bar.refit()
        self.call_after_refresh(self.frame)

    # What is shown around the body

    def row(self) -> Row | None:
        """The token under the cursor, or the one that the view is about."""
        return None

    def target(self) -> Row | None:
        """The one token to act on: the one mark there is, or what is under the cursor."""
        return self.row()

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        return False

    def context(self) -> Context:
        """What is true here now. A view adds the part that is its own."""
        host = self.host
        return self.world.context(self.view, self.target())._replace(
            watched=self.shows_run and host.run_id != "",
            behind=host.behind,
            before=host.before,
            empty=self.at_nothing(),
        )

    def frame(self) -> None:
        """Bring the lines around the body up to date; cheap when nothing changed."""
        if not self.is_mounted:
            return
        width = self.app.size.width
        self.around.say(self.world, self.host.alarm_line(width), width)
        self.around.say_keys(self.context() if self.open_bar is None else None, width)
        self._say_note()

    def note(self, text: str, bad: bool = False) -> None:
        """Say something on the line above the backends."""
        self.around.noted = (text, "bad" if bad else "")
        self._say_note()

    def _say_note(self) -> None:
        self.around.say_note(self.more(), self.app.size.width)

    def more(self) -> int:
        """How many lines are below what is seen of the view's page."""
        return 0

    def knows(self, word: str) -> bool:
        """Whether a word is an id or a name that the store has."""
        return self.world.knows(word)

    def secret_typed(self, what: str) -> None:
        """A secret was typed somewhere: say what it is, and where it may be given."""
        # While it still starts there is no trouble yet, and nobody is that fast.
        down = self.world.worker_trouble
        way = "token-console intake" if down else f"esc, {key('intake')}, paste"
        self.note(f"{what}: masked, not searched for. Whose it is: {way}", True)

    def on_page_scrolled(self, event: Page.Scrolled) -> None:
        """Say anew how many lines are below what is seen."""
        event.stop()
        self._say_note()

    def store_changed(self) -> None:
        """The store has news."""

    def journal_changed(self) -> None:
        """The journal has news."""

    def run_changed(self, shown: object) -> None:
        """A run that is on a view behind this one has news."""

    def standing_changed(self) -> None:
        """A check of the journal has news."""
        self.frame()

    def show_run(
        self, title: str, verdict: Verdict | None, entries: Sequence[Entry], handle: str
    ) -> None:
        """Show where a run is, and what is known of its token's old value."""
        if self.shows_run and self.open_bar is None:
            self.around.watch_run("" if self.tells(handle) else title, verdict, entries)

    def tells(self, handle: str) -> bool:
        """Whether the view itself says all that the run's lines would say of a token."""
        return False

    def tick(self) -> None:
        """Time went by: ages may read differently."""
        self.frame()

    def ages_are_due(self) -> bool:
        """Asked at each tick: whether a whole page is to be made anew for its ages.

        They are told to the minute, and to lay out a page takes longer than the lines around it.
        """
        self._ticks += 1
        return self._ticks % AGES_EVERY == 1

    # Bars

    async def show_bar(self, bar: Widget, focus: Widget) -> None:
        """Open a bar under the body; there is one at a time. It has the keys at once."""
        self.close_bar()
        self.open_bar = bar
        # What is asked needs the room; the run is shown again afterwards.
        self.around.hide_run()
        await self._bar.mount(bar)
        self.set_focus(focus)
        self.frame()

    def close_bar(self) -> None:
        """Close the open bar and give the keys back."""
        if self.open_bar is not None:
            bar, self.open_bar = self.open_bar, None
            self.focus_body()
            bar.remove()
            self.host.show_run(self)
            self.frame()

    @property
    def room(self) -> int:
        """Lines that a bar may take, so that what it is about and the keys stay in sight."""
        return max(self.app.size.height - self.kept - self.around.alarms, 6)

    async def pick(
        self,
        title: str,
        items: Callable[[str], Sequence[PickerRow]],
        chosen: Callable[[str], Awaitable[None]],
        *,
        switch: Callable[[str], None] | None = None,
        rows: int = 10,
    ) -> None:
        """Open a list to choose from."""

        async def done(id_: str) -> None:
            self.close_bar()
            if id_:
                await chosen(id_)

        picker = Picker(title, items, done, switch=switch, rows=rows)
        await self.show_bar(picker, picker.input)

    # Actions

    async def action_act(self, name: str) -> None:
        """Do an action of the registry, or say why it cannot be done."""
        action = BY_ID[name]
        if self.open_bar is not None and name != REDRAW:
            # What is open has the keys; nothing behind it may act by accident.
            return
        if action.group != "Move" and name != REDRAW:
            self.note("")
        reason = action.disabled_reason(self.context())
        if reason:
            self.note(f"{action.label}: not now, {reason}", bad=action.danger)
        elif (done := self.HANDLERS[name](self)) is not None:
            await done

    @does_each(*MOVES)
    def move(self, what: str) -> None:
        """One of the moving actions, by its id."""
        raise NotImplementedError

    # Its handlers are called ``do_...``, since Textual has a ``refresh`` of its own, and more.

    @does("back")
    def do_back(self) -> None:
        """One thing back: the strip of a run first where it is in sight, then the view."""
        if not (self.shows_run and self.host.forget_run()):
            self.host.back()

    @does("quit")
    def do_quit(self) -> None:
        """End the screen; runs that were started go on."""
        self.host.leave()

    @does(REDRAW)
    def do_redraw(self) -> None:
        """Send the whole screen again: something else may have written over it."""
        self.host.paint_anew()

    @does_each("inventory", "backends", "journal", "runs", "incidents")
    async def do_go(self, name: str) -> None:
        """Bring one of the lists to the front."""
        await self.host.go(name)

    @does("last")
    async def do_last(self) -> None:
        """To the view before this one, and from there to this one again."""
        await self.host.go_last()

    @does("help")
    async def do_help(self) -> None:
        """What the keys do here, and why some do not."""
        await self.host.help_for(self.context())

    @does("intake")
    async def do_intake(self) -> None:
        """Take a secret without showing it, ask when it leaked, and show whose it is."""

        async def taken(value: str) -> None:
            if not value.strip():
                self.note("Nothing came: paste the secret or the report, then enter.")
                return
            line = AskedLine([(" leaked when? 6h, 3d, a time in UTC, or enter > ", "title")])

            async def told() -> None:
                leak = line.value.strip()
                try:
                    if leak:
                        moment_of(leak, self.world.now())
                except UsageError as error:
                    self.note(sentences(str(error), error.hint), bad=True)
                    return
                self.close_bar()
                await self.host.open_intake(value, leak)

            line.on_enter, line.on_leave = told, self.close_bar
            await self.show_bar(line, line)

        def full() -> None:
            self.note("More than can be pasted here: token-console intake FILE", bad=True)

        asked = HiddenLine(" secret or report (not shown) > ", taken, self.close_bar, full)
        await self.show_bar(asked, asked)

    @does("palette")
    async def do_palette(self) -> None:
        """Choose an action by its name; what cannot be done says why."""
        context = self.context()

        def items(text: str) -> list[PickerRow]:
            return [_item(action, context) for action in matching(text, context)]

        await self.pick(":", items, self.action_act)


def _item(action: Action, context: Context) -> PickerRow:
    keys = " ".join(key_names(action))
    return PickerRow(
        action.id,
        action.label,
        f"{keys:10} {action.tooltip}",
        why_not=action.disabled_reason(context),
    )
