"""The way to a revoke: why, what exactly, and the token's name typed by hand.

An inline bar and not a dialogue on top: what it acts on stays visible, and opening it
costs a fraction of the bytes. Enter alone and pasted text never go on; escape always
leads out. It holds what the plan said when it was made, whatever moves meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from console.inventory.search import Row
from console.tui.draw import OneLine
from console.tui.lines import Line, clip
from console.tui.pages.plan import Consumers, plan_lines
from console.tui.widgets.line_input import LineInput
from console.tui.widgets.page import Page


class Host(Protocol):
    """What a bar needs of the view that it is in."""

    def reasoned(self, bar: RevokeBar, reason: str) -> None:
        """A reason was given: a plan is wanted."""

    def approved(self, bar: RevokeBar, plan: str, typed: str) -> None:
        """The word was typed: the plan with this id is to be carried out."""

    def left(self, bar: RevokeBar) -> None:
        """It was cancelled; nothing was sent."""


class RevokeBar(Vertical):
    """Three phases: ask for the reason, wait for the plan, have the name typed.

    It only asks; the view that holds it talks to the worker.
    """

    DEFAULT_CSS = """
    RevokeBar { height: auto; }
    RevokeBar Page { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "leave", show=False),
        Binding("up", "move('up')", show=False),
        Binding("down", "move('down')", show=False),
        Binding("pageup", "move('page_up')", show=False),
        Binding("pagedown", "move('page_down')", show=False),
    ]

    def __init__(self, host: Host, row: Row, now: float, room: int) -> None:
        super().__init__()
        self._host = host
        self.target = row
        self._now = now
        self._room = room
        self.plan: Mapping[str, Any] | None = None
        self.word = ""
        self.phase = "reason"
        self._consumers = Consumers()
        self._page = Page()
        self._hint = OneLine()
        self.input = LineInput([("   reason  > ", "title")], on_enter=self._entered)

    def compose(self) -> ComposeResult:
        yield self._page
        yield self._hint
        yield self.input

    def on_mount(self) -> None:
        self._page.can_focus = False
        row = self.target
        self._fill(
            [
                [("", "")],
                [(" REVOKE ", "bad"), (f"{row.name or row.id} on {row.backend}", "bold")],
                [("   Nothing is sent yet: the exact calls are shown first.", "dim")],
            ]
        )
        self._say("Why? An incident number and a few words, for the journal. Esc leaves.")

    def _fill(self, lines: list[Line]) -> None:
        self._page.styles.height = max(min(len(lines), self._room - 3), 1)
        self._page.show(lines, keep=False)

    def _say(self, text: str, bad: bool = False) -> None:
        self._hint.say([("   " + text, "bad" if bad else "dim")])

    def wait(self) -> None:
        """The plan has been asked for."""
        self.phase = "waiting"
        self.input.display = False
        self._say(f"Asking {self.target.backend} what it takes … Esc leaves; nothing is sent.")
        self.focus_here()

    def focus_here(self) -> None:
        """Keep the keys here while there is nothing to type."""
        self._page.can_focus = True
        self.screen.set_focus(self._page)

    def refuse(self, message: str, hint: str) -> None:
        """There is no plan, or it was refused. Nothing was sent."""
        self.phase = "refused"
        self.input.display = False
        width = self.app.size.width
        name = self.target.name or self.target.id
        self._fill(
            [
                [("", "")],
                clip([(" NOT REVOKED ", "bad"), (name, "bold")], width),
                clip([(f"   {message}", "")], width),
                clip([(f"   {hint}", "dim")], width),
            ]
        )
        self._say("Nothing was sent. Esc goes back.")
        self.focus_here()

    def offer(self, plan: Mapping[str, Any], word: str) -> None:
        """Show the plan; ask for the name unless something forbids it."""
        self.plan, self.word = plan, word
        fatal = any(hazard.get("fatal") for hazard in plan["proposal"].get("hazards", ()))
        nothing = not plan["proposal"]["steps"]
        self.phase = "forbidden" if fatal or nothing else "confirm"
        self._draw_plan(keep=False)
        if self.phase == "forbidden":
            self.input.display = False
            self._say("This plan cannot go on. Nothing was sent. Esc goes back.", bad=True)
            self.focus_here()
            return
        self.input.refuse_paste = self._pasted
        self.input.prefix = [("   > ", "title")]
        self.input.display = True
        self.input.set_value("")
        self._page.can_focus = False
        self.screen.set_focus(self.input)
        self.call_after_refresh(self._ask)

    def know(self, consumers: Consumers) -> None:
        """The consumers are known now, or known not to be knowable."""
        self._consumers = consumers
        if self.plan is not None:
            self._draw_plan(keep=True)

    def _draw_plan(self, *, keep: bool) -> None:
        if self.plan is not None:
            lines = plan_lines(
                self.plan, self.target, self._consumers, self._now, self.app.size.width
            )
            self._page.styles.height = max(min(len(lines), self._room - 3), 1)
            self._page.show(lines, keep=keep)

    def _ask(self) -> None:
        if self._page.more:
            self._say(f"{self._page.more} more lines: down or pgdn. Read to the end first.")
        else:
            self._hint.say(
                [("   Type  ", ""), (self.word, "bold"), ("  and enter to revoke it, or esc.", "")]
            )

    async def _entered(self) -> None:
        typed = self.input.value
        if self.phase == "reason":
            if typed.strip():
                self.wait()
                self._host.reasoned(self, typed.strip())
            else:
                self._say("A reason is needed: it goes into the journal. Esc leaves.", bad=True)
        elif self.phase == "confirm" and self.plan is not None:
            if not self._page.seen_end:
                self._say("Read to the end of the plan first: down or pgdn.", bad=True)
            elif typed != self.word:
                self._say(f"Nothing was sent. To revoke it type  {self.word}  or esc.", bad=True)
            else:
                self.phase = "approved"
                self.input.display = False
                self._say("Handing it to a runner of its own …")
                self.focus_here()
                self._host.approved(self, str(self.plan["id"]), typed)

    def _pasted(self) -> None:
        self._say(f"Pasting does nothing here: type  {self.word}  by hand, or esc.", bad=True)

    def on_page_scrolled(self, event: Page.Scrolled) -> None:
        event.stop()

    def on_page_resized(self, event: Page.Resized) -> None:
        event.stop()
        self._draw_plan(keep=True)

    def action_move(self, what: str) -> None:
        """Scroll the plan."""
        self._page.move(what)
        if self.phase == "confirm":
            self._ask()

    def action_leave(self) -> None:
        """Cancel."""
        if self.phase != "approved":
            self._host.left(self)
