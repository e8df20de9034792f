"""Views from which a token can be revoked: the way from the key to the runner."""

from __future__ import annotations

import msgspec

from backends.model import Dependents
from console.inventory.search import Row
from console.tui.pages.plan import Consumers
from console.tui.screens.base import View
from console.tui.widgets.revoke_bar import RevokeBar
from console.tui.worker_link import WorkerError


class Revoking(View):
    """Asks the worker for a plan, shows it, and hands an approved one over."""

    def target(self) -> Row | None:
        """The token to revoke: the one mark there is, or what is under the cursor."""
        return self.row()

    async def do_revoke(self) -> None:
        row = self.target()
        if row is not None:
            room = max(self.app.size.height - 6, 10)
            bar = RevokeBar(self, row, self.world.now(), room)
            await self.show_bar(bar, bar.input)

    def reasoned(self, bar: RevokeBar, reason: str) -> None:
        """Ask for the plan and for the consumers. A late answer to a bar that was closed
        finds nobody."""
        self.run_worker(self._plan(bar, reason))
        self.run_worker(self._tell_consumers(bar))

    async def _plan(self, bar: RevokeBar, reason: str) -> None:
        try:
            reply = await self.console_app.ask(
                "plan", verb="revoke", handle=bar.target.handle, reason=reason, incident=""
            )
        except WorkerError as error:
            if bar is self.open_bar:
                bar.refuse(str(error), error.hint)
            return
        if bar is self.open_bar:
            bar.offer(reply["plan"], str(reply["typed_word"]))

    async def _tell_consumers(self, bar: RevokeBar) -> None:
        consumers = await self.ask_consumers(bar.target)
        if bar is self.open_bar:
            bar.know(consumers)

    async def ask_consumers(self, row: Row) -> Consumers:
        """What depends on the token, or why that is not known."""
        try:
            reply = await self.console_app.ask("dependents", handle=row.handle)
            return Consumers(msgspec.convert(reply["dependents"], Dependents))
        except WorkerError as error:
            return Consumers(None, error.said)
        except (msgspec.ValidationError, KeyError):
            return Consumers(None, "the answer cannot be read")

    def approved(self, bar: RevokeBar, plan: str, typed: str) -> None:
        """Hand the plan to the worker, which journals it and starts its runner."""
        self.run_worker(self._approve(bar, plan, typed))

    async def _approve(self, bar: RevokeBar, plan: str, typed: str) -> None:
        try:
            reply = await self.console_app.ask("approve", plan=plan, typed=typed)
        except WorkerError as error:
            if bar is self.open_bar:
                bar.refuse(str(error), error.hint)
            return
        row = bar.target
        self.console_app.watch_run(str(reply["run"]), f"revoke {row.name or row.id}")
        if bar is self.open_bar:
            self.close_bar()

    def left(self, bar: RevokeBar) -> None:
        """Close the bar."""
        self.close_bar()
        self.note("Nothing was sent.")
