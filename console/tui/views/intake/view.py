"""What is known of a secret in hand, and what can be done with its tokens."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from console.errors import ConsoleError
from console.inventory.search.inventory import Row
from console.tui.actions import registry
from console.tui.actions.context import Context
from console.tui.draw.lines import Line, count
from console.tui.session.worker_link import WorkerError
from console.tui.views.act.view import ORDER
from console.tui.views.handlers import does
from console.tui.views.incident.opening import ScopesTokens
from console.tui.views.intake import page
from console.tui.views.paged import Paged
from console.tui.widgets.decide_bar import REASON, DecideBar, Question

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession

KEYS = {name: registry.key(name) for name in (*(verb.value for verb in ORDER), "try")}
"""What the cards say of the keys, by the name of what they do."""
WORD = "try"
"""What has to be typed before a value is tried."""


class IntakeView(Paged, ScopesTokens):
    """The answer cards. The value goes to the worker once, which has it while they are seen."""

    view = "intake"
    selects = True

    def __init__(self, world: ConsoleSession, value: str, leak: str) -> None:
        super().__init__(world)
        self._value = value
        self._leak = leak
        self._reply: Mapping[str, Any] | None = None
        self._handles: list[str] = []
        self._rows: dict[str, Row | None] = {}
        self._acted = False

    def on_mount(self) -> None:
        """Ask whose it is."""
        self.run_worker(self._ask())

    def on_unmount(self) -> None:
        """Have the worker forget the values."""
        self.app.run_worker(self._forget())

    async def _forget(self) -> None:
        number = self._reply.get("number") if self._reply is not None else None
        with contextlib.suppress(WorkerError):
            await self.host.ask("forget", number=number)

    @does("reread")
    async def do_reread(self) -> None:
        """The cards once more, as everything is now."""
        if self._reply is None:
            return
        self.note(page.WAITING)
        try:
            number = self._reply.get("number")
            self._reply = await self.host.ask("intake", number=number, keys=KEYS)
        except WorkerError as error:
            self.note(error.said, bad=True)
            return
        self._acted = False
        self.note("")
        self.draw()
        self.frame()

    def acted(self) -> None:
        """What a card says was read before it."""
        self._acted = True
        self.draw()

    async def _ask(self) -> None:
        value, self._value = self._value, ""
        try:
            self._reply = await self.host.ask("intake", value=value, leak=self._leak, keys=KEYS)
        except WorkerError as error:
            self.note(error.said, bad=True)
            self._reply = {"came": "nothing is known of it: it could not be looked up"}
        finally:
            del value
        self.draw()
        self.frame()

    def draw(self) -> None:
        """The cards for the width that there is now."""
        made: list[tuple[Line, str]] = [([(f" {page.WAITING}", "dim")], "")]
        if self._reply is not None:
            made = page.lines(self._reply, self.app.size.width)
        if self._acted:
            made.insert(0, ([(f" {page.OUTDATED.format(key=registry.key('reread'))}", "warn")], ""))
        self._handles = [handle for _, handle in made]
        self.page.show([line for line, _ in made], keep=True)

    def store_changed(self) -> None:
        """A token may be another one now."""
        self._rows.clear()

    # The card under the cursor

    def _handle(self) -> str:
        """The token of the card under the cursor, or the only one."""
        at = self.page.cursor
        here = self._handles[at] if at < len(self._handles) else ""
        all_ = list(dict.fromkeys(handle for handle in self._handles if handle))
        return here or (all_[0] if len(all_) == 1 else "")

    def _card(self) -> Mapping[str, Any] | None:
        handle = self._handle()
        items = self._reply.get("items") or () if self._reply is not None else ()
        cards = (card for item in items for card in item.get("cards") or ())
        return next((card for card in cards if handle and card.get("handle") == handle), None)

    def row(self) -> Row | None:
        """The card's token, as the store has it."""
        handle = self._handle()
        if handle and handle not in self._rows:
            detail = None
            with contextlib.suppress(sqlite3.Error, ConsoleError):
                detail = self.world.inventory.detail(handle)
            self._rows[handle] = detail.row if detail is not None else None
        return self._rows.get(handle)

    def context(self) -> Context:
        """Whether the value of the card can be tried is the card's own to say."""
        card, about = self._card(), super().context()._replace(marks=len(self.marked()))
        if card is None:
            return about._replace(untried="the cursor is on no card")
        untried = "" if card.get("effects") is not None else str(card.get("no_try") or "not asked")
        return about._replace(untried=untried)

    def many(self, number: int) -> str:
        """What is acted on, where the cursor is on none of several cards."""
        return f"{count(number, 'token')} of all cards"

    def on_page_selected(self) -> None:
        """Another card has other keys."""
        self.frame()

    def leaked(self) -> str:
        """When it leaked, as the responder told before."""
        return self._leak

    def marked(self) -> tuple[str, ...]:
        """The tokens of all cards, where there are several and the cursor is on none."""
        all_ = tuple(dict.fromkeys(handle for handle in self._handles if handle))
        return () if self._handle() else all_

    @does("open")
    async def do_open(self) -> None:
        """The token of the card under the cursor, or the only one."""
        if handle := self._handle():
            await self.host.open_token(handle)
        else:
            self.note("Put the cursor on a card to open its token.")

    # A try of the value

    @does("try")
    async def do_try(self) -> None:
        """Say what a try does besides, ask why, and have it made on the responder's word."""
        card = self._card()
        if card is None:
            return
        name, effects = str(card.get("name", "")), [str(each) for each in card["effects"]]

        def lines(width: int) -> list[Line]:
            return page.trying(name, effects, width)

        def done(answers: Mapping[str, str]) -> None:
            self.run_worker(self._try(bar, card, effects, answers["reason"]))

        word = Question("typed", "", f"To use the value once type  {WORD}  and enter, or esc.",
                        word=WORD)  # fmt: skip
        bar = DecideBar(lines, (REASON, word), done, self._untried, lambda: self.room)
        await self.show_bar(bar, bar.input)

    async def _try(
        self, bar: DecideBar, card: Mapping[str, Any], effects: list[str], reason: str
    ) -> None:
        handle = card["handle"]
        try:
            reply = await self.host.ask(
                "try",
                number=self._reply.get("number") if self._reply is not None else None,
                handle=handle,
                agreed=effects,
                reason=reason,
                keys=KEYS,
            )
        except WorkerError as error:
            if bar is self.open_bar:
                word, name = "NOT KNOWN" if error.lost else "NOT TRIED", str(card.get("name", ""))
                bar.refuse(word, name, str(error), error.hint, lost=error.lost)
            return
        self._reply = reply
        if bar is self.open_bar:
            self.close_bar()
        self.draw()
        if (made := self._card()) is not None:
            self.note(page.headline(made), bad=True)

    def _untried(self) -> None:
        self.close_bar()
        self.note("It was not tried.")
