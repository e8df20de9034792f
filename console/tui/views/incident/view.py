"""One incident: what is left, and the decisions about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult

from console.errors import ConsoleError, UsageError
from console.incident import words
from console.incident.assess import Assessment
from console.incident.papers.document import text
from console.incident.papers.handover import handover
from console.incident.papers.names import Names
from console.incident.papers.report import situation
from console.incident.papers.story import Story, rows, story
from console.inventory.search.inventory import Row
from console.text import safe
from console.tui.actions.context import Context, IncidentContext, RunContext
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import count
from console.tui.session.worker_link import WorkerError, sentences
from console.tui.views.act.view import ActView
from console.tui.views.asking import owner_given, said_under
from console.tui.views.handlers import does
from console.tui.views.incident import page
from console.tui.views.incident.list_view import use
from console.tui.views.incident.opening import OpensIncidents
from console.tui.views.incident.reader import IncidentReader
from console.tui.views.paged import Paged
from console.tui.views.report import ReportView
from console.tui.widgets.decide_bar import REASON, Question

WIDEST = 4000
"""Signs of one line that comes from outside."""

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession


def _yes_no(typed: str) -> None:
    if typed.strip().lower() not in ("y", "n", ""):
        raise UsageError("y or n", "y: no name, id or address of yours is in it.")


class IncidentView(Paged, ActView, OpensIncidents):
    """One incident. The cursor is on a token of its scope, a run, or a part that was not seen.

    Where it is on neither, what is done is done to all tokens that keep the incident open.
    """

    view = "incident"
    selects = True
    shows_run = False

    def __init__(self, world: ConsoleSession, id_: str) -> None:
        super().__init__(world)
        self.id_ = id_
        self._title = OneLine()
        self.found: Assessment | None = None
        self._lines: list[page.PageLine] = []
        self._reader = IncidentReader(
            id_, world.paths, world.open_journal, world.now, self._told_soon, self._trouble_soon
        )

    def head(self) -> ComposeResult:
        """What it is, and how it stands."""
        yield self._title
        yield OneLine()

    def on_mount(self) -> None:
        """Have it read."""
        self._reader.start()
        self._reader.ask(True)

    def on_unmount(self) -> None:
        """End the thread that reads for the view."""
        self._reader.end()

    def _told_soon(self, found: Assessment) -> None:
        self.host.from_thread(self._take, found)

    def _trouble_soon(self, message: str) -> None:
        self.host.from_thread(self.note, message, True)

    def _take(self, found: Assessment) -> None:
        if not self.is_mounted:
            return
        self.found = found
        self.draw()
        self.frame()

    def draw(self) -> None:
        """The lines for the width that there is now."""
        width = self.app.size.width
        if self.found is None:
            self.page.show([[(f" Reading how {self.id_} stands …", "dim")]])
            return
        self._title.say(page.title(self.found, width))
        self._lines = page.lines(self.found, width)
        self.page.show([each.line for each in self._lines])

    def _here(self) -> page.PageLine | None:
        at = self.page.cursor
        return self._lines[at] if at < len(self._lines) else None

    def row(self) -> Row | None:
        """The token under the cursor, as the inventory has it."""
        here = self._here()
        if here is None or not here.token or self.found is None:
            return None
        return next((row for row in self._rows() if row.handle == here.token), None)

    def _rows(self) -> Iterator[Row]:
        """The tokens of the scope that the inventory has."""
        for each in self.found.tokens if self.found is not None else ():
            if each.detail is not None:
                yield each.detail.row

    def many(self, number: int) -> str:
        """What is acted on, where it is several tokens."""
        return f"{count(number, 'token')} of {self.id_}"

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        here = self._here()
        return self.row() is None and not (here is not None and here.run)

    def marked(self) -> tuple[str, ...]:
        """All tokens that keep it open, where the cursor is on none of its scope."""
        here = self._here()
        if self.found is None or (here is not None and here.token):
            return ()
        now = self.found.now
        return tuple(each.scoped.member.handle for each in self.found.tokens if each.blocks(now))

    def target(self) -> Row | None:
        """The token under the cursor; else the only one that keeps the incident open."""
        left = self.marked()
        if self.found is not None and len(left) == 1:
            return next((row for row in self._rows() if row.handle == left[0]), None)
        return self.row()

    def context(self) -> Context:
        """Whether it can still be decided about, and how many tokens an act would be about."""
        found = self.found
        about = IncidentContext()
        if found is not None:
            about = IncidentContext(closed=found.incident.closed is not None, read=True)
        standing = "" if found is None else found.state
        return (
            super()
            .context()
            ._replace(incident=about, run=RunContext(standing=standing), marks=len(self.marked()))
        )

    def store_changed(self) -> None:
        """Tokens may stand differently."""
        self._reader.ask(True)

    def journal_changed(self) -> None:
        """Have read what is new."""
        self._reader.ask(True)

    @does("open")
    async def do_open(self) -> None:
        """The token, or the run, under the cursor."""
        here = self._here()
        if here is not None and here.token:
            await self.host.open_token(here.token)
        elif here is not None and here.run:
            await self.host.open_run(here.run)

    @does("its_tokens")
    async def do_its_tokens(self) -> None:
        """The inventory with its tokens only."""
        self.host.filter_inventory(f"incident:{self.id_}")
        await self.host.go("inventory")

    @does("use")
    async def do_use(self) -> None:
        """Be at work on it, or on none."""
        if self.found is not None:
            await use(self, self.found.incident)

    @does("again")
    async def do_again(self) -> None:
        """Take in what its queries find by now."""
        try:
            reply = await self.host.ask("incident", what="again", incident=self.id_)
        except WorkerError as error:
            self.note(error.said, bad=True)
            return
        self.note(str(reply.get("says", "")))
        self.journal_changed()

    @does("remark")
    async def do_remark(self) -> None:
        """Ask for a word for the record."""
        note = REASON._replace(prompt="note", hint="A word for the record. No secrets.")
        await self._decide(f"NOTE in {self.id_}", ["It stays in the journal."], [note], "note")

    @does("role")
    async def do_role(self) -> None:
        """Ask who has which role."""
        questions = [
            Question("person", "who", "A person or a team.", owner_given),
            Question("role", "role", "lead, scribe, operator, ...", owner_given),
        ]
        await self._decide(f"ROLE in {self.id_}", ["Who does what."], questions, "assign")

    @does("answer_for")
    async def do_answer_for(self) -> None:
        """Ask who answers for the token, or the part that was not seen, under the cursor."""
        here = self._here()
        owner = Question("owner", "owner", "Who answers for it? A person or a team.", owner_given)
        if here is not None and here.token:
            until = Question(
                "until", "until", "Until when? A date: 2026-12-31. Then it counts again.",
                self.date_given,
            )  # fmt: skip
            row = self.row()
            name = f"{row.name} on {row.backend}" if row is not None else here.token
            says = ["It is let be in this incident until then. Nothing is sent."]
            await self._decide(
                f"LET BE {name}", says, [owner, until, REASON], "except", handle=here.token
            )
        elif here is not None and here.hole:
            says = ["That it was not seen is accepted. Nothing is sent."]
            await self._decide(
                "ANSWER FOR WHAT WAS NOT SEEN", says, [owner, REASON], "accept", holes=[here.hole]
            )
        elif here is not None and here.difference:
            says = ["The difference with the vendor's list is settled, by its name."]
            await self._decide(
                "SETTLE A DIFFERENCE", says, [REASON], "settle", differences=[here.difference]
            )
        else:
            self.note("Put the cursor on a token, on what was not seen, or on a difference.")

    @does("story")
    async def do_story(self) -> None:
        """Its timeline as text, oldest first."""
        if (found := self.found) is None:
            return
        names = Names(found)
        told = await self._from_store(lambda: story(found, self.world.paths))
        if told is None:
            return
        lines = [" · ".join(part for part in row if part) for row in rows(told, names)]
        lines += [*told.folded, *(f"no log tells: {gap.words}" for gap in told.unseen)]
        command = f"incident show {found.incident.id} --timeline"
        shown = [safe(line, WIDEST) for line in lines]
        await self.host.open_view(lambda: ReportView(self.world, shown, command), again=False)

    @does("handover")
    async def do_handover(self) -> None:
        """The hand-over as text."""
        if (found := self.found) is None:
            return
        told = await self._from_store(lambda: story(found, self.world.paths))
        if told is None:
            return
        lines = text(handover(found, Names(found), told))
        command = f"incident handover {found.incident.id}"
        await self.host.open_view(lambda: ReportView(self.world, lines, command), again=False)

    async def _from_store(self, read: Callable[[], Story]) -> Story | None:
        """What is read in a thread; None where it cannot be, which is said."""
        self.note("Reading …")
        try:
            told = await asyncio.to_thread(read)
        except ConsoleError as error:
            self.note(sentences(str(error), error.hint), bad=True)
            return None
        self.note("")
        return told

    @does("further")
    async def do_further(self) -> None:
        """Ask its systems what its tokens can read; what lies there is taken in."""
        self.note("Asking the systems what these tokens can read …")
        try:
            reply = await self.host.ask("incident", what="further", incident=self.id_)
        except WorkerError as error:
            self.note(error.said, bad=True)
            return
        lines = [safe(str(line), WIDEST) for line in reply.get("lines", ())]
        if lines:
            command = f"incident further {self.id_}"
            await self.host.open_view(lambda: ReportView(self.world, lines, command), again=False)
        self.note(str(reply.get("says", "")))
        self.journal_changed()

    @does("pack")
    async def do_pack(self) -> None:
        """Ask where to, then write the evidence pack there."""
        where = Question(
            "directory", "directory",
            "Where to? It must not be there yet. Enter: one named after the incident.",
        )  # fmt: skip
        redacted = Question(
            "redacted", "redacted", "For outsiders, without names? y, or enter for no.", _yes_no
        )
        says = ["Report, timeline, evidence, the journal's entries with their proofs, signed.",
                "VERIFY.md in it says how others check it without this program."]  # fmt: skip
        await self._decide(f"EVIDENCE PACK of {self.id_}", says, [where, redacted], "pack")

    @does("close_incident")
    async def do_close_incident(self) -> None:
        """Close it; or open a closed one again."""
        if self.found is None:
            return
        if self.found.incident.closed is not None:
            says = ["It is open again, and takes tokens and decisions."]
            await self._decide(f"OPEN {self.id_} AGAIN", says, [REASON], "reopen")
            return
        if self.found.blocks:
            told = [f"{self.id_} stays open:", "", *words.blocks(self.found)]
            lines = [safe(line, WIDEST) for line in told]
            command = f"incident show {self.id_}"
            await self.host.open_view(lambda: ReportView(self.world, lines, command), again=False)
            return
        says = ["Nothing keeps it open.", "A use after the end of a token opens it again."]
        await self._decide(f"CLOSE {self.id_}", says, [REASON], "close")

    async def _decide(
        self, title: str, says: Sequence[str], questions: Sequence[Question], what: str,
        **fields: Any,
    ) -> None:  # fmt: skip
        about: Mapping[str, Any] = {"what": what, "incident": self.id_, **fields}
        await self.ask_for(title, said_under(title, says), questions, "incident", about)

    @does("report")
    async def do_report(self) -> None:
        """The situation report as plain text."""
        if (found := self.found) is not None:
            told = text(situation(found, Names(found)))
            command = f"incident report {found.incident.id}"
            await self.host.open_view(lambda: ReportView(self.world, told, command), again=False)
