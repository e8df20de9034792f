"""Views from which tokens can be acted on: the way from the key to the runner."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from backends.contract import Verb
from backends.model import Dependents
from console.inventory.search.inventory import Row
from console.response.state.report import short
from console.tui.actions.registry import BY_ID
from console.tui.draw.lines import count
from console.tui.session.worker_link import WorkerError
from console.tui.views.act.bar import ActBar, ActTarget
from console.tui.views.act.page import Consumers
from console.tui.views.base import View
from console.tui.views.handlers import does, does_each
from console.tui.widgets.picker import PickerRow

ORDER = (Verb.CONTAIN, Verb.ROTATE, Verb.REVOKE, Verb.RESTORE, Verb.DISCONNECT)
"""As a responder would reach for them."""


class ActView(View):
    """Asks the worker for a plan, shows it, and hands an approved one over."""

    def marked(self) -> tuple[str, ...]:
        """The handles of all marked tokens, where there are several."""
        return ()

    def many(self, number: int) -> str:
        """What is acted on, where it is several tokens."""
        return count(number, "marked token")

    # From the key to the bar

    @does_each(*(verb.value for verb in ORDER))
    async def do_verb(self, verb: str) -> None:
        """Open the bar that asks why, for all that are marked, else for the one token."""
        marked = self.marked()
        row = self.target()
        if len(marked) > 1:
            await self.act_on(ActTarget(verb, marked, None, self.many(len(marked))))
        elif row is not None:
            what = f"{row.name or row.id} on {row.backend}"
            await self.act_on(ActTarget(verb, (row.handle,), row, what))

    @does("timeline")
    async def do_timeline(self) -> None:
        """Of all that are marked, else of the one under the cursor."""
        row = self.target()
        chosen = self.marked() or ((row.handle,) if row is not None else ())
        await self.host.open_timeline(chosen)

    @does("graph")
    async def do_graph(self) -> None:
        """Who owns the token, what it may do, and what uses it."""
        if (row := self.row()) is not None:
            await self.host.open_graph(("token", row.handle))

    @does("act")
    async def do_act(self) -> None:
        """Choose among all verbs; what cannot be done says why."""
        context = self.context()

        def items(text: str) -> list[PickerRow]:
            rows = [BY_ID[verb.value] for verb in ORDER]
            return [
                PickerRow(
                    row.id,
                    row.label,
                    f"{row.keys[0]}  {row.tooltip.partition('. ')[0]}",
                    why_not=row.disabled_reason(context),
                )
                for row in rows
                if text.strip().lower() in row.label
            ]

        await self.pick("act", items, self.action_act)

    async def act_on(self, target: ActTarget) -> None:
        """Open the bar for a target."""
        bar = ActBar(self, target, self.world.now(), lambda: self.room, self.world.sinks)
        await self.show_bar(bar, bar.input)

    # What the bar asks for

    def reasoned(self, bar: ActBar) -> None:
        """Ask for the plan and for the consumers. A late answer to a bar that was closed
        finds nobody."""
        self.run_worker(self._plan(bar))
        if bar.target.row is not None:
            self.run_worker(self._tell_consumers(bar, bar.target.row))

    async def _plan(self, bar: ActBar) -> None:
        target = bar.target
        try:
            reply = await self.host.ask(
                "plan",
                verb=target.verb,
                handles=list(target.handles),
                reason=bar.reason,
                incident=bar.incident,
                mode=bar.mode,
                sinks=bar.sinks,
                extends=target.extends,
            )
        except WorkerError as error:
            if bar is self.open_bar:
                bar.refused(str(error), error.hint)
            return
        if bar is self.open_bar:
            bar.offer(reply)

    async def _tell_consumers(self, bar: ActBar, row: Row) -> None:
        consumers = await self.ask_consumers(row)
        if bar is self.open_bar:
            bar.know(consumers)

    async def ask_consumers(self, row: Row) -> Consumers:
        """What depends on the token, or why that is not known."""
        try:
            reply = await self.host.ask("dependents", handle=row.handle)
            return Consumers(msgspec.convert(reply["dependents"], Dependents))
        except WorkerError as error:
            return Consumers(None, error.said)
        except (msgspec.ValidationError, KeyError):
            return Consumers(None, "the answer cannot be read")

    def approved(self, bar: ActBar, plan: str, typed: str, answers: Mapping[str, str]) -> None:
        """Hand the plan to the worker, which journals it and starts its runner."""
        self.run_worker(self._approve(bar, plan, typed, answers))

    async def _approve(
        self, bar: ActBar, plan: str, typed: str, answers: Mapping[str, str]
    ) -> None:
        try:
            reply = await self.host.ask("approve", plan=plan, typed=typed, answers=dict(answers))
        except WorkerError as error:
            if bar is self.open_bar:
                # Once it was sent, the run may have begun.
                bar.refused(str(error), error.hint, lost=error.lost)
            return
        target = bar.target
        run = str(reply["run"])
        one = target.row is not None
        what = (target.row.name or target.row.id) if target.row is not None else target.name
        if one:
            self.host.watch_run(run, f"{target.verb} {what}")
        if bar is not self.open_bar:
            return
        if waits := str(reply.get("waits", "")):
            bar.waits(waits, f"token-console approve {short(run)}")
            return
        self.close_bar()
        self.acted()
        if not one:
            self.note(f"{target.verb} of {count(len(target.handles), 'token')} has begun.")
            await self.host.open_run(target.extends or run)

    def acted(self) -> None:
        """A plan was handed over: what it was about need not stay marked."""

    def opened(self, bar: ActBar, plan: str) -> None:
        """Show the run that waits for a second person."""
        self.close_bar()
        self.acted()
        self.run_worker(self.host.open_run(plan))

    def left(self, bar: ActBar) -> None:
        """Close the bar."""
        approved = bar.phase == "second"
        self.close_bar()
        self.note("Approved; not started." if approved else "Nothing was sent.")
