"""The inventory: every token that is known, filtered as one types."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from console.errors import ConsoleError
from console.inventory.search.inventory import Inventory, Row, Sort
from console.inventory.search.query import Query, TermFault, read
from console.journal.case_scope import scopes
from console.tui.actions.context import Context
from console.tui.actions.registry import ACTIONS, key
from console.tui.draw.lines import Part, short
from console.tui.session.worker_link import sentences
from console.tui.views import health
from console.tui.views.handlers import does
from console.tui.views.incident.opening import ScopesTokens
from console.tui.views.inventory.arranged import ArrangedList
from console.tui.views.inventory.findings import change_words, findings
from console.tui.views.inventory.searcher import MARGIN, FoundRows, RowQuestion, Searcher
from console.tui.widgets.line_input import LineInput

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession

ON_ROWS = frozenset(
    {"open", "mark", "mark_range"}
    | {action.id for action in ACTIONS if action.group in ("Move", "Act")}
)
"""Actions that depend on which rows are shown."""
PATIENCE = 2.0
"""Seconds that such an action waits for a search."""
MARK_LIMIT = 10_000
"""Marks that one range may set; more is a filter's job."""


class InventoryView(ArrangedList, ScopesTokens):
    """The list of tokens with its filter; a thread searches, and the first frame waits for none."""

    view = "inventory"

    def __init__(self, world: ConsoleSession) -> None:
        super().__init__(world)
        self._filter = LineInput(
            [(" / ", "key")],
            placeholder="all tokens",
            on_change=self._filter_changed,
            on_enter=self._filter_entered,
        )
        self._query = Query()
        self._faults: tuple[TermFault, ...] = ()
        self._current = asyncio.Event()
        self._current.set()
        self._secret = False
        """Whether the filter has the mask of a secret, which the note is about."""
        self._row_note = ""
        self._told_about = ""
        self._shown: RowQuestion | None = None
        self._counted: int | None = None
        self._more_than: int | None = None
        self._exact = False
        """Somebody went to the end of what was counted, so that all of it is."""
        self._searcher = Searcher(self._open, self._found_soon, self._trouble_soon)

    def body(self) -> ComposeResult:
        """The filter, and the list under it."""
        yield self._filter
        yield self.table

    def focus_body(self) -> None:
        """Give the keys to the view's main widget."""
        self.set_focus(self.table)

    def on_mount(self) -> None:
        """Show the first rows before anything else, then have the list searched and counted."""
        self._first_rows()
        self._searcher.start()
        self._search()

    def on_unmount(self) -> None:
        """End the search, and remember how the list looked."""
        self._searcher.end()
        self.remember()

    # Searching

    def _open(self) -> Inventory:
        return Inventory(
            self.world.paths.inventory, clock=self.world.now, scopes=scopes(self.world.paths)
        )

    def _first_rows(self) -> None:
        """The first frame comes from the store, before anything else is started."""
        question = self._question(follow=False)
        self._shown = question
        try:
            rows, uses = self.fetch(0, question.size)
        except (sqlite3.Error, ConsoleError) as error:
            self.note(str(error), bad=True)
            return
        self.table.show(FoundRows(question, 0, rows, uses, None, None), fresh=True)

    def _question(self, *, follow: bool) -> RowQuestion:
        table = self.table
        page = max(table.page, self.app.size.height)
        row = table.row if follow else None
        start = max(table.top - MARGIN, 0) if follow else 0
        return RowQuestion(
            self._query,
            Sort(table.sort, table.descending),
            start,
            page + 2 * MARGIN,
            int(self.world.now()),
            row.handle if row is not None else None,
            self._exact,
        )

    def arranged(self) -> None:
        """Search again, from the first row on."""
        self._search(follow=False)

    def _search(self, *, follow: bool = True) -> None:
        if not follow:
            self._current.clear()
        self._searcher.ask(self._question(follow=follow))

    def fetch(self, start: int, size: int) -> tuple[Sequence[Row], Mapping[int, Sequence[int]]]:
        """Rows that scrolled into sight. The loop waits: a page of a sorted list is quick."""
        inventory = self.world.inventory
        sort = Sort(self.table.sort, self.table.descending)
        rows = inventory.window(self._query, sort, start, size)
        return rows, inventory.uses([row.rowid for row in rows], int(self.world.now()))

    def _found_soon(self, found: FoundRows) -> None:
        self.host.from_thread(self._found, found)

    def _trouble_soon(self, message: str) -> None:
        self.host.from_thread(self.note, message, True)

    def _found(self, found: FoundRows) -> None:
        sort = Sort(self.table.sort, self.table.descending)
        if (found.question.query, found.question.sort) != (self._query, sort):
            return
        shown = self._shown
        fresh = shown is None or (
            (shown.query, shown.sort) != (found.question.query, found.question.sort)
            and found.question.follow is None
        )
        self._shown = found.question
        if fresh or found.total is not None or found.more_than is not None:
            self._counted, self._more_than = found.total, found.more_than
        self.table.say_empty(self._nothing())
        self.table.show(found, fresh=fresh)
        self._say_count()
        self._current.set()

    def _nothing(self) -> str:
        """What to say instead of rows: that there are none only where somebody looked."""
        world = self.world
        unread = [state.name for state in world.backends if state.synced_at is None]
        never = f" Never read to the end: {', '.join(unread)}." if unread else ""
        if self._lost:
            return "   The filter is not understood, so no token is shown. Esc clears it."
        if self._filter.searched.strip():
            return f"   No token matches. Esc clears the filter.{never}"
        if world.total:
            return ""
        if any(health.is_read(state, world.mine(state.name)) for state in world.backends):
            return "   No token is known yet: the backends are being read."
        if world.worker_coming:
            return "   No token is known yet: the backends are asked in a moment."
        return f"   No token is known yet; {key('backends')} tells why.{never}"

    def _say_count(self) -> None:
        if self._lost:
            self._filter.set_suffix([("not understood ", "bad")])
            return
        total = f"{self.world.total:,}"
        if not self._filter.searched.strip():
            text = f"{total} "
        elif self._more_than is not None:
            text = f"more than {self._more_than:,} of {total} "
        elif self._counted is None:
            text = f"counting of {total} "
        else:
            text = f"{self._counted:,} of {total} "
        marks = len(self.table.marks)
        parts: list[Part] = [(f"{marks:,} marked  ", "accent")] if marks else []
        if self._faults:
            parts.insert(0, (f"not applied: {short(self._faults[0].text, 16)}  ", "bad"))
        self._filter.set_suffix([*parts, (text, "dim")])

    @property
    def _lost(self) -> bool:
        """Whether something was typed that no further letter makes into a term."""
        return any(not fault.unfinished for fault in self._faults)

    def _filter_changed(self) -> None:
        """Show what the terms find that are whole; each that is not is marked and named."""
        understood = read(self._filter.searched)
        before, self._faults = self._faults, understood.faults
        self._filter.set_marks([(fault.start, fault.end) for fault in self._faults])
        if self._faults:
            worst = min(self._faults, key=lambda fault: fault.unfinished)
            hint = "" if worst.unfinished else worst.hint
            self.note(sentences(f"Not applied: {worst}", hint), bad=True)
        elif before or (self._secret and not self._filter.masked):
            self.note("")
        self._secret = self._filter.masked
        if self._lost:
            # The last list that was understood stays, and the words say what is wrong.
            self._say_count()
            self.table.say_empty(self._nothing())
            return
        if understood.query != self._query:
            self._query = understood.query
            self._counted = self._more_than = None
            self._exact = False
            self._search(follow=False)
        self._say_count()

    async def _filter_entered(self) -> None:
        self.focus_body()

    def on_token_table_wanted(self) -> None:
        """Search again, since rows came into sight that are not at hand."""
        if self._shown is not None:
            self._search()

    # What is under the cursor

    def row(self) -> Row | None:
        """The token under the cursor."""
        return self.table.row

    def target(self) -> Row | None:
        """The one marked token, wherever it is in the list, else the one under the cursor."""
        marks = self.table.marks
        if len(marks) == 1:
            detail = self.world.inventory.detail(next(iter(marks)))
            return detail.row if detail is not None else None
        return self.table.row

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        return self.table.row is None

    def marked(self) -> tuple[str, ...]:
        """The handles of all marked tokens."""
        return tuple(sorted(self.table.marks))

    def acted(self) -> None:
        """Take the marks away: what they were for was handed over."""
        if self.table.marks:
            self.do_unmark()

    def context(self) -> Context:
        """Marks and a filter are what escape takes away first."""
        return (
            super()
            .context()
            ._replace(
                marks=len(self.table.marks),
                filtered=bool(self._filter.value) or self._filter.has_focus,
            )
        )

    def on_token_table_moved(self) -> None:
        """Say what stands out about the token under the cursor; at the end, count on."""
        self.frame()
        if self._more_than is not None and self.table.cursor >= self._more_than:
            self._exact, self._more_than = True, None
            self._say_count()
            self._search()
        if self._faults or self._secret:
            return
        row = self.table.row
        handle = row.handle if row is not None else ""
        if handle == self._told_about and self.around.noted[0] != self._row_note:
            # Something was said to the responder; it stays until the cursor goes on.
            return
        self._told_about = handle
        if row is None:
            self._row_note = ""
            self.note("")
            return
        now = self.world.now()
        said = [f"{found.glyph} {found.text}" for found in findings(row, now)]
        if self.table.fresh(row, now) or row.presence == "gone":
            said.insert(0, change_words(row, now))
        self._row_note = ", ".join(said)
        self.note(self._row_note)

    def move(self, what: str) -> None:
        """Move the cursor over the list."""
        self.table.move(what)

    # News

    def store_changed(self) -> None:
        """Show what is in the store now."""
        self._search()
        self._say_count()

    def contacts_changed(self) -> None:
        """Whether the backends are being read is told where there is no row."""
        super().contacts_changed()
        self.table.say_empty(self._nothing())

    def tick(self) -> None:
        """Ages read differently as time goes by."""
        super().tick()
        if self.ages_are_due():
            self.table.redraw()

    # Actions

    @does("filter")
    def do_filter(self) -> None:
        """Give the keys to the filter."""
        self.set_focus(self._filter)

    @does("back")
    def do_back(self) -> None:
        """The filter goes first, then the marks, then the view."""
        if self._filter.value or self._filter.has_focus:
            self._filter.set_value("")
            self.set_focus(self.table)
        elif self.table.marks:
            self.do_unmark()
        else:
            super().do_back()

    @does("open")
    async def do_open(self) -> None:
        """The page of the token under the cursor."""
        if (row := self.table.row) is not None:
            await self.host.open_token(row.handle)

    @does("mark")
    def do_mark(self) -> None:
        """Mark the token under the cursor, or take its mark away."""
        self.table.mark()
        self._say_count()
        self.frame()

    @does("mark_range")
    def do_mark_range(self) -> None:
        """Mark from the last mark to the cursor, up to a limit that is said."""
        table = self.table
        first, last = sorted((table.range_from, table.cursor))
        size = min(last - first + 1, MARK_LIMIT)
        sort = Sort(table.sort, table.descending)
        table.mark_all(self.world.inventory.handles(self._query, sort, first, size))
        table.range_from = table.cursor
        if size < last - first + 1:
            self.note(f"marked the first {MARK_LIMIT:,} only")
        self._say_count()
        self.frame()

    @does("unmark")
    def do_unmark(self) -> None:
        """Take all marks away."""
        self.table.unmark()
        self._say_count()
        self.frame()

    @does("refresh")
    def do_refresh(self) -> None:
        """Have all backends read again."""
        self.host.refresh_backends(None)

    async def action_act(self, name: str) -> None:
        """Do an action; one that is about rows waits for those that were asked for last."""
        if name in ON_ROWS and not await self._caught_up():
            self.note("the list is still being searched: press it again")
        else:
            await super().action_act(name)

    async def _caught_up(self) -> bool:
        """Whether the list shows what was asked for last; waits a moment until it does.

        Keys are faster than a search: what is pressed right after a filter must never act
        on a row of the list before it.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._current.wait()
        except TimeoutError:
            return False
        return True

    def filter_by(self, text: str) -> None:
        """Show what a query finds, as if it had been typed."""
        self._filter.set_value(text)
        self.set_focus(self.table)
