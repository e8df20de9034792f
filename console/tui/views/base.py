"""What every view has in common: the frame of lines, the keys, and the inline bars."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widget import Widget

from console.inventory.search.inventory import Row
from console.journal.read.view import Entry
from console.tui.actions.context import Context
from console.tui.actions.registry import ACTIONS, BY_ID, Action, key_names, matching
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Part, count, spread, width_of
from console.tui.session import journal_state
from console.tui.views import status
from console.tui.widgets.bar import Bar
from console.tui.widgets.page import Page
from console.tui.widgets.picker import Choice, Picker
from console.tui.widgets.run_strip import RunStrip

if TYPE_CHECKING:
    from console.response.state.old_value import Verdict
    from console.tui.session.session import Session


def bindings(view: str) -> list[BindingType]:
    """Textual's bindings for a view, from the registry."""
    return [
        Binding(",".join(action.keys), f"act('{action.id}')", action.label, show=False)
        for action in ACTIONS
        if view in action.where
    ]


class Host(Protocol):
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
    """A view has a body, at most one open bar, a note, and the lines of ``status``."""

    view: ClassVar[str]
    shows_run: ClassVar[bool] = True
    leans: ClassVar[bool] = False
    """Whether it reads through the view below it, and is nothing without that."""
    kept: ClassVar[int] = 6
    """Lines that stay in sight beside an open bar."""
    AUTO_FOCUS = ""

    def __init__(self, world: Session) -> None:
        super().__init__()
        self.world = world
        self._top = OneLine()
        self._alarm = OneLine(id="alarm")
        self._after = OneLine(id="after")
        self._bar = Vertical(id="bar")
        self._run = RunStrip()
        self._note = OneLine(id="note")
        self._data = OneLine()
        self._keys = OneLine()
        self._noted: Part = ("", "")
        self.open_bar: Widget | None = None
        self.outdated = False
        """Whether the store changed while another view was in front."""

    @property
    def host(self) -> Host:
        """The application, as far as a view has to know it."""
        host: Host | None = getattr(self.app, "host", None)
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
        yield self._top
        yield self._alarm
        yield self._after
        yield from self.body()
        yield self._bar
        yield self._run
        yield self._note
        yield self._data
        yield self._keys

    def on_mount(self) -> None:
        self.frame()
        self.focus_body()
        self.host.show_run(self)

    def on_screen_resume(self) -> None:
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
        if isinstance(self.open_bar, Bar):
            self.open_bar.refit()
        self.call_after_refresh(self.frame)

    # What is shown around the body

    def row(self) -> Row | None:
        """The token that an action would act on."""
        return None

    def context(self) -> Context:
        """What is true here now."""
        return self.world.context(self.view, self.row(), **self.around())

    def around(self) -> dict[str, Any]:
        """What every view's context says of the application around it."""
        app = self.host
        return {
            "run": self.shows_run and app.run_id != "",
            "behind": app.behind,
            "before": app.before,
        }

    def frame(self) -> None:
        """Bring the lines around the body up to date; cheap when nothing changed."""
        if not self.is_mounted:
            return
        width = self.app.size.width
        self._top.say(status.top(self.world, width))
        alarm = journal_state.alarm(self.world.standing, width)
        self._alarm.display = bool(alarm)
        self._alarm.say(alarm)
        after = self.host.alarm_line(width)
        self._after.display = bool(after)
        self._after.say(after)
        self._data.say(status.data(self.world, width))
        if self.open_bar is not None:
            self._keys.say([(" esc", "key"), (" leaves this", "dim")])
        else:
            self._keys.say(status.keys(self.context(), width))
        self._say_note()

    def note(self, text: str, bad: bool = False) -> None:
        """Say something on the line above the backends."""
        self._noted = (text, "bad" if bad else "")
        self._say_note()

    def _say_note(self) -> None:
        more = self.more()
        text, role = self._noted
        below: list[Part] = [(f"{count(more, 'more line')}: pgdn ", "dim")] if more else []
        if role == "bad" and width_of([(text, role), *below]) + 2 > self.app.size.width:
            # What went wrong is not cut short for the sake of how far one can scroll.
            below = []
        self._note.say(spread([(f" {text}", role)], below, self.app.size.width))

    def more(self) -> int:
        """How many lines are below what is seen of the view's page."""
        return 0

    def knows(self, word: str) -> bool:
        """Whether a word is an id or a name that the store has."""
        return self.world.knows(word)

    def secret_typed(self, what: str) -> None:
        """A secret was typed somewhere: say what it is, and where it may be given."""
        self.note(f"{what}: masked, not searched for. Pipe it into: token-console identify", True)

    def on_page_scrolled(self, event: Page.Scrolled) -> None:
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
            self._run.watch_run("" if self.tells(handle) else title, verdict, entries)

    def tells(self, handle: str) -> bool:
        """Whether the view itself says all that the run's lines would say of a token."""
        return False

    def tick(self) -> None:
        """Time went by: ages may read differently."""
        self.frame()

    # Bars

    async def show_bar(self, bar: Widget, focus: Widget) -> None:
        """Open a bar under the body; there is one at a time. It has the keys at once."""
        self.close_bar()
        self.open_bar = bar
        # What is asked needs the room; the run is shown again afterwards.
        self._run.display = False
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
        alarms = int(bool(self._alarm.display)) + int(bool(self._after.display))
        return max(self.app.size.height - self.kept - alarms, 6)

    async def pick(
        self,
        title: str,
        items: Callable[[str], Sequence[Choice]],
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
        if self.open_bar is not None:
            # What is open has the keys; nothing behind it may act by accident.
            return
        if action.group != "Move":
            self.note("")
        reason = action.disabled_reason(self.context())
        if reason:
            self.note(f"{action.label}: not now, {reason}", bad=action.danger)
        elif action.group == "Move":
            self.move(name)
        else:
            done = getattr(self, f"do_{name}")()
            if done is not None:
                await done

    def move(self, what: str) -> None:
        """One of the moving actions."""
        raise NotImplementedError

    def do_back(self) -> None:
        """One thing back: the strip of a run first where it is in sight, then the view."""
        if not (self.shows_run and self.host.forget_run()):
            self.host.back()

    def do_quit(self) -> None:
        self.host.leave()

    async def do_backends(self) -> None:
        await self.host.go("backends")

    async def do_journal(self) -> None:
        await self.host.go("journal")

    async def do_runs(self) -> None:
        await self.host.go("runs")

    async def do_inventory(self) -> None:
        await self.host.go("inventory")

    async def do_last(self) -> None:
        await self.host.go_last()

    async def do_help(self) -> None:
        await self.host.help_for(self.context())

    async def do_palette(self) -> None:
        context = self.context()

        def items(text: str) -> list[Choice]:
            return [_item(action, context) for action in matching(text, context)]

        await self.pick(":", items, self.action_act)


def _item(action: Action, context: Context) -> Choice:
    keys = " ".join(key_names(action))
    return Choice(
        action.id,
        action.label,
        f"{keys:10} {action.tooltip}",
        why_not=action.disabled_reason(context),
    )
