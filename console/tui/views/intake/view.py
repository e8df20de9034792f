"""What is known of a secret in hand; enter on a card opens its token, to act on it there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from console.tui.draw.lines import Line
from console.tui.session.worker_link import WorkerError
from console.tui.views.handlers import does
from console.tui.views.intake import page
from console.tui.views.paged import Paged

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession


class IntakeView(Paged):
    """The answer cards. The value itself goes to the worker once, and is not kept here."""

    view = "intake"
    selects = True
    shows_run = False

    def __init__(self, world: ConsoleSession, value: str, leak: str) -> None:
        super().__init__(world)
        self._value = value
        self._leak = leak
        self._reply: Mapping[str, Any] | None = None
        self._handles: list[str] = []

    def on_mount(self) -> None:
        """Ask whose it is."""
        self.run_worker(self._ask())

    async def _ask(self) -> None:
        value, self._value = self._value, ""
        try:
            self._reply = await self.host.ask("intake", value=value, leak=self._leak)
        except WorkerError as error:
            self.note(error.said, bad=True)
            self._reply = {"came": "nothing is known of it: it could not be looked up"}
        finally:
            del value
        self.draw()

    def draw(self) -> None:
        """The cards for the width that there is now."""
        made: list[tuple[Line, str]] = [([(f" {page.WAITING}", "dim")], "")]
        if self._reply is not None:
            made = page.lines(self._reply, self.app.size.width)
        self._handles = [handle for _, handle in made]
        self.page.show([line for line, _ in made])

    @does("open")
    async def do_open(self) -> None:
        """The token of the card under the cursor, or the only one."""
        at = self.page.cursor
        here = self._handles[at] if at < len(self._handles) else ""
        all_ = list(dict.fromkeys(handle for handle in self._handles if handle))
        handle = here or (all_[0] if len(all_) == 1 else "")
        if handle:
            await self.host.open_token(handle)
        else:
            self.note("Put the cursor on a card to open its token.")
