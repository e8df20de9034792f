"""The journal: every action with its intent, outcome and evidence; nothing can be changed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from console.errors import JournalError
from console.journal.read import Entry
from console.tui.draw import OneLine
from console.tui.lines import count, spread
from console.tui.pages import journal as page
from console.tui.screens.base import View, bindings
from console.tui.widgets.page import Page
from console.tui.widgets.picker import Item
from console.tui.worker_link import sentences

if TYPE_CHECKING:
    from console.tui.world import World

MOST = 500
"""Entries that the screen lists; `token-console journal list` has them all."""

FRAME = 6
"""Lines of the screen that are neither list nor entry."""

SHARE = 45
"""Per cent of the rest that the list may take."""

KINDS = ("plan", "intent", "outcome", "evidence", "recovery", "note")


class JournalScreen(View, inherit_bindings=False):
    view = "journal"
    shows_run = False
    BINDINGS: ClassVar[list[BindingType]] = bindings("journal")

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._head = OneLine()
        self._list = Page(select=True)
        self._detail = Page()
        self._kind = ""
        self._entries: list[Entry] = []
        self._open: set[str] = set()
        self._raw = False

    def body(self) -> ComposeResult:
        yield self._head
        yield self._list
        yield OneLine()
        yield self._detail

    def focus_body(self) -> None:
        self.set_focus(self._list)

    def on_mount(self) -> None:
        self._detail.can_focus = False
        self._read()
        super().on_mount()

    def _read(self) -> None:
        """Open intents first, then everything, newest first."""
        selected = self._selected()
        try:
            unresolved = self.world.journal.open_intents()
            entries = self.world.journal.entries(MOST, kind=self._kind or None)
        except JournalError as error:
            self.note(sentences(str(error), error.hint), bad=True)
            return
        self._open = {entry.id for entry in unresolved}
        rest = [entry for entry in entries if entry.id not in self._open]
        self._entries = (unresolved if self._kind in ("", "intent") else []) + rest
        if selected is not None:
            places = [number for number, e in enumerate(self._entries) if e.seq == selected.seq]
            self._list.cursor = places[0] if places else 0
        self._draw()

    def _draw(self, *, keep: bool = True) -> None:
        width = self.app.size.width
        what = f" kind: {self._kind}" if self._kind else " all kinds"
        opened = f"{len(self._open)} open " if self._open else "none open "
        self._head.say(
            spread(
                [(what, "bold")],
                [(f"{count(len(self._entries), 'entry', 'entries')}, newest first · ", "dim"),
                 (opened, "bad" if self._open else "dim")],
                width,
            )
        )  # fmt: skip
        share = max((self.app.size.height - FRAME) * SHARE // 100, 3)
        self._list.styles.height = max(min(len(self._entries), share), 1)
        rows = [page.row(e, width, open_intent=e.id in self._open) for e in self._entries]
        self._list.show(rows or [[(" Nothing has been done yet, so nothing is recorded.", "dim")]])
        entry = self._selected()
        if entry is not None:
            self._detail.show(page.detail(entry, width, raw=self._raw), keep=keep)

    def _selected(self) -> Entry | None:
        at = self._list.cursor
        return self._entries[at] if at < len(self._entries) else None

    def on_page_selected(self, event: Page.Selected) -> None:
        event.stop()
        self._draw(keep=False)

    def on_page_resized(self, event: Page.Resized) -> None:
        event.stop()
        self._draw()

    def more(self) -> int:
        return self._detail.more

    def move(self, what: str) -> None:
        """The list moves; half pages scroll the entry below it."""
        (self._detail if what.startswith("half") else self._list).move(what)

    def journal_changed(self) -> None:
        self._read()

    async def do_open(self) -> None:
        """The token that the entry is about."""
        entry = self._selected()
        if entry is None or not entry.handle:
            self.note("this entry is about no token")
        elif self.world.inventory.detail(entry.handle) is None:
            self.note("the store does not have this token any more")
        else:
            await self.console_app.open_token(entry.handle)

    def do_raw(self) -> None:
        self._raw = not self._raw
        self._draw(keep=False)

    async def do_kinds(self) -> None:
        def items(text: str) -> list[Item]:
            wanted = text.strip().lower()
            return [Item(kind, kind) for kind in ("all", *KINDS) if wanted in kind]

        async def chosen(kind: str) -> None:
            self._kind = "" if kind == "all" else kind
            self._list.cursor = 0
            self._read()

        await self.pick("kind", items, chosen)
