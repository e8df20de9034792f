"""The list of incidents, the open ones first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from console.incident.record import Incident
from console.tui.draw.cells import OneLine
from console.tui.session.worker_link import WorkerError
from console.tui.views.handlers import does
from console.tui.views.incident import page
from console.tui.views.incident.opening import OpensIncidents
from console.tui.views.incident.reader import IncidentsReader
from console.tui.views.paged import Paged

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession


class IncidentsView(Paged, OpensIncidents):
    """Every incident, the open ones first."""

    view = "incidents"
    selects = True
    shows_run = False

    def __init__(self, world: ConsoleSession) -> None:
        super().__init__(world)
        self._heads = OneLine()
        self._told: list[Incident] | None = None
        self._reader = IncidentsReader(world.open_journal, self._told_soon, self._trouble_soon)

    def head(self) -> ComposeResult:
        """The titles of the list."""
        yield self._heads

    def on_mount(self) -> None:
        """Have the journal read."""
        self._reader.start()
        self._reader.ask(True)

    def on_unmount(self) -> None:
        """End the thread that reads for the view."""
        self._reader.end()

    def _told_soon(self, told: list[Incident]) -> None:
        self.host.from_thread(self._take, told)

    def _trouble_soon(self, message: str) -> None:
        self.host.from_thread(self.note, message, True)

    def _take(self, told: list[Incident]) -> None:
        if not self.is_mounted:
            return
        self._told = sorted(told, key=lambda each: (each.closed is not None, -each.opened_at))
        self.draw()
        self.frame()

    def draw(self) -> None:
        """One line for each."""
        width, now = self.app.size.width, self.world.now()
        self._heads.say(page.heads(width))
        rows = [
            page.row(each, now, width, mine=each.id == self.world.incident)
            for each in self._told or ()
        ]
        nothing = (
            " Reading …" if self._told is None else " No incident was opened yet: + opens one."
        )
        self.page.show(rows or [[(nothing, "dim")]])

    def _selected(self) -> Incident | None:
        at = self.page.cursor
        return self._told[at] if self._told and at < len(self._told) else None

    def at_nothing(self) -> bool:
        """Whether there is nothing under the cursor that could be opened."""
        return self._selected() is None

    def journal_changed(self) -> None:
        """Have read what is new."""
        self._reader.ask(True)

    @does("open")
    async def do_open(self) -> None:
        """The incident under the cursor."""
        if (chosen := self._selected()) is not None:
            await self.host.open_incident_page(chosen.id)

    @does("new_incident")
    async def do_new_incident(self) -> None:
        """Ask what happened, and open one."""
        await self.open_incident()

    @does("use")
    async def do_use(self) -> None:
        """Be at work on the one under the cursor, or on none where that is so already."""
        if (chosen := self._selected()) is not None:
            await use(self, chosen)


async def use(view: OpensIncidents, incident: Incident) -> None:
    """Be at work on an incident, or on none where one is at work on it already."""
    if incident.closed is not None:
        view.note(f"{incident.id} is closed", bad=True)
        return
    id_ = "" if view.world.incident == incident.id else incident.id
    try:
        reply = await view.host.ask("incident", what="use", incident=id_)
    except WorkerError as error:
        view.note(error.said, bad=True)
        return
    view.world.look_at_incident()
    view.note(str(reply.get("says", "")))
    view.journal_changed()
    view.frame()
