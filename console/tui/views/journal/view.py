"""The journal: every action with its intent, outcome and evidence; nothing can be changed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from console.journal.format.entry import Kind
from console.journal.read.view import Entry
from console.tui.actions.context import Context
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Part, count, short
from console.tui.session import journal_state
from console.tui.session.worker_link import sentences
from console.tui.views.base import View
from console.tui.views.handlers import does
from console.tui.views.journal import page
from console.tui.views.journal.entry_filter import EntryFilter, FilterError, parse, unapplied
from console.tui.views.journal.reader import PAGE, EntryQuestion, EntryReader, FoundEntries
from console.tui.widgets.line_input import LineInput
from console.tui.widgets.page import Page
from console.tui.widgets.picker import PickerRow

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession

FRAME = 6
"""Lines of the screen that are neither list nor entry."""

SHARE = 45
"""Per cent of the rest that the list may take."""

KINDS = tuple(kind.value for kind in Kind)


class JournalScreen(View):
    """The list of entries with its filter, over the entry under the cursor; read on a thread."""

    view = "journal"
    shows_run = False

    def __init__(self, world: ConsoleSession) -> None:
        super().__init__(world)
        self._input = LineInput(
            [(" / ", "key")],
            placeholder="all entries",
            on_change=self._filter_changed,
            on_enter=self._filter_entered,
        )
        self._list = Page(select=True)
        self._whole = OneLine()
        self._detail = Page()
        self._kind = ""
        self._filter = EntryFilter()
        self._trouble = ""
        self._found: FoundEntries | None = None
        self._entries: list[Entry] = []
        self._rest: list[Entry] = []
        """The entries found without the open intents on top, newest first."""
        self._open: set[str] = set()
        self._raw = False
        self._verification = False
        """Whether the last check is shown in place of an entry."""
        self._reader = EntryReader(self.world.open_journal, self._found_soon, self._trouble_soon)

    def body(self) -> ComposeResult:
        """The filter, the list, how the journal stands, and the entry."""
        yield self._input
        yield self._list
        yield self._whole
        yield self._detail

    def focus_body(self) -> None:
        """Give the keys to the view's main widget."""
        self.set_focus(self._list)

    def on_mount(self) -> None:
        """Have the newest entries read."""
        self._detail.can_focus = False
        self._draw()
        self._reader.start()
        self._ask()

    def on_unmount(self) -> None:
        """End the thread that reads for the view."""
        self._reader.end()

    def context(self) -> Context:
        """A filter or a check that is shown is what escape takes away first."""
        return (
            super()
            .context()
            ._replace(
                filtered=bool(self._input.value) or self._input.has_focus or self._verification
            )
        )

    # Reading

    def _ask(self) -> None:
        """Read from the newest on, at least as many as are shown."""
        self._reader.ask(EntryQuestion(self._filter, self._kind, max(len(self._rest), PAGE)))

    def _ask_more(self) -> None:
        """Go on below what was read."""
        found = self._found
        if found is not None and found.done and found.more:
            self._found = found._replace(more=False)
            self._reader.ask(EntryQuestion(self._filter, self._kind, PAGE, found.upto))

    def _found_soon(self, found: FoundEntries) -> None:
        self.host.from_thread(self._take, found)

    def _trouble_soon(self, message: str) -> None:
        self.host.from_thread(self.note, message, True)

    def _take(self, found: FoundEntries) -> None:
        question = found.question
        if not self.is_mounted or (question.filter, question.kind) != (self._filter, self._kind):
            return
        selected = self._selected()
        if question.before is None:
            kept: list[Entry] = []
        else:
            kept = [entry for entry in self._rest if entry.seq >= question.before]
        self._found = found
        self._open = {entry.id for entry in found.open}
        top = [
            entry for entry in found.open
            if self._kind in ("", Kind.INTENT) and self._filter.holds(entry, open_intent=True)
        ]  # fmt: skip
        self._rest = kept + list(found.entries)
        self._entries = top + [entry for entry in self._rest if entry.id not in self._open]
        if selected is not None:
            places = [number for number, e in enumerate(self._entries) if e.seq == selected.seq]
            self._list.cursor = places[0] if places else 0
        self._draw()

    def _filter_changed(self) -> None:
        self._input.set_marks(unapplied(self._input.searched))
        try:
            self._filter = parse(self._input.searched)
        except FilterError as error:
            # What was understood last stays, and the words say what is wrong.
            self._trouble = sentences(str(error), error.hint)
            self.note(self._trouble, bad=True)
            self._say_count()
            return
        if self._trouble:
            self._trouble = ""
            self.note("")
        self._from_the_top()

    def _from_the_top(self) -> None:
        self._found, self._rest = None, []
        self._list.cursor = 0
        self._say_count()
        self._ask()

    async def _filter_entered(self) -> None:
        self.focus_body()

    # Drawing

    def _say_count(self) -> None:
        parts: list[Part] = []
        if self._kind:
            parts.append((f"kind: {self._kind}  ", "bold"))
        found = self._found
        if self._trouble:
            parts.append(("not understood ", "bad"))
            self._input.set_suffix(parts)
            return
        for first, last in self._input.marks[:1]:
            parts.append((f"not applied: {short(self._input.value[first:last], 16)}  ", "bad"))
        if found is None:
            parts.append(("reading … ", "dim"))
        else:
            number = count(len(self._entries), "entry", "entries")
            total = f" of {self.world.standing.entries:,}" if found.more or not found.done else ""
            parts.append((f"{number}{total}, newest first · ", "dim"))
            opened = f"{len(self._open):,} open " if self._open else "none open "
            parts.append((opened, "bad" if self._open else "dim"))
        self._input.set_suffix(parts)

    def _nothing(self) -> str:
        if self._found is None:
            return ""
        if self._kind or self._filter.terms:
            return " No entry matches. Esc clears the filter."
        return " Nothing has been done yet, so nothing is recorded."

    def _draw(self, *, keep: bool = True) -> None:
        width = self.app.size.width
        self._say_count()
        self._say_standing()
        share = max((self.app.size.height - FRAME) * SHARE // 100, 3)
        self._list.styles.height = max(min(len(self._entries), share), 1)
        rows = [page.row(e, width, open_intent=e.id in self._open) for e in self._entries]
        self._list.show(rows or [[(self._nothing(), "dim")]])
        self.frame()
        self._draw_detail(keep=keep)

    def _draw_detail(self, *, keep: bool) -> None:
        width = self.app.size.width
        entry = self._selected()
        world = self.world
        if self._verification:
            lines = page.verification(world.standing, world.now(), width)
            self._detail.show(lines, keep=keep)
        elif entry is not None:
            size = world.standing.entries
            self._detail.show(page.detail(entry, width, raw=self._raw, size=size), keep=keep)
        else:
            self._detail.show([], keep=keep)

    def _say_standing(self) -> None:
        self._whole.say(journal_state.sentence(self.world.standing, self.world.now()))

    def _selected(self) -> Entry | None:
        at = self._list.cursor
        return self._entries[at] if at < len(self._entries) else None

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        return self._selected() is None

    def on_page_selected(self, event: Page.Selected) -> None:
        """Show the entry that the cursor is on now; at the end of the list, read on."""
        event.stop()
        self._verification = False
        self._draw_detail(keep=False)
        if event.index >= len(self._entries) - 1:
            self._ask_more()

    def on_page_resized(self, event: Page.Resized) -> None:
        """Lines are made for a width, so another width needs other lines."""
        event.stop()
        self._draw()

    def more(self) -> int:
        """How many lines of the entry are below what is seen."""
        return self._detail.more

    # News

    def journal_changed(self) -> None:
        """Have read what is new."""
        self._ask()

    def standing_changed(self) -> None:
        """Say how far a check of the journal is, and what it found."""
        super().standing_changed()
        self._say_standing()
        if self._verification:
            self._draw_detail(keep=True)

    def tick(self) -> None:
        """Ages read differently as time goes by."""
        super().tick()
        self.standing_changed()

    # Actions

    def move(self, what: str) -> None:
        """The list moves; half pages scroll the entry below it."""
        (self._detail if what.startswith("half") else self._list).move(what)

    @does("filter")
    def do_filter(self) -> None:
        """Give the keys to the filter."""
        self.set_focus(self._input)

    @does("back")
    def do_back(self) -> None:
        """A check that is shown goes first, then the filter, then the kind, then the view."""
        if self._verification:
            # What came last goes first.
            self._verification = False
            self._draw_detail(keep=False)
        elif self._input.value or self._input.has_focus:
            self._input.set_value("")
            self.focus_body()
        elif self._kind:
            self._kind = ""
            self._from_the_top()
        else:
            super().do_back()

    @does("open")
    async def do_open(self) -> None:
        """The token that the entry is about."""
        entry = self._selected()
        if entry is None or not entry.handle:
            self.note("this entry is about no token")
        elif self.world.inventory.detail(entry.handle) is None:
            self.note("the store does not have this token any more")
        else:
            await self.host.open_token(entry.handle)

    @does("raw")
    def do_raw(self) -> None:
        """Show the entry's exact stored bytes, or its fields again."""
        self._raw = not self._raw
        self._verification = False
        self._draw_detail(keep=False)

    @does("verify")
    def do_verify(self) -> None:
        """Check everything again, and show what was found."""
        self._verification = True
        self.host.verify_journal()
        self._draw_detail(keep=False)

    @does("kinds")
    async def do_kinds(self) -> None:
        """Choose the one kind of entry that is listed, or all."""

        def items(text: str) -> list[PickerRow]:
            wanted = text.strip().lower()
            return [PickerRow(kind, kind) for kind in ("all", *KINDS) if wanted in kind]

        async def chosen(kind: str) -> None:
            self._kind = "" if kind == "all" else kind
            self._from_the_top()

        await self.pick("kind", items, chosen)
