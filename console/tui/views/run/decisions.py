"""Decisions about a run: each is asked for in a bar, sent to the worker, and one entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.response.state.report import plan_lines, short
from console.tui.actions.registry import key
from console.tui.draw.lines import Line as Drawn
from console.tui.draw.lines import count
from console.tui.views.act.bar import ActTarget
from console.tui.views.act.page import many_lines
from console.tui.views.act.view import ActView
from console.tui.views.asking import Asking, owner_given, said_under
from console.tui.views.handlers import does
from console.tui.views.run.reader import RunLine, ShownRun
from console.tui.widgets.decide_bar import REASON, Question, word
from console.tui.widgets.picker import PickerRow

CALLS = 40
"""Tokens whose calls are shown to the second person; the file has all of them."""


class Deciding(ActView, Asking):
    """A view that has a run, and at most one token of it under the cursor."""

    shown: ShownRun | None = None

    def line(self) -> RunLine | None:
        """The token of the run that a decision would be about."""
        raise NotImplementedError

    async def _ask(
        self,
        title: str,
        says: Sequence[str],
        questions: Sequence[Question],
        do: str = "decide",
        **fields: Any,
    ) -> None:
        """Open the bar, and send the answers when all are there."""

        await self._ask_under(title, said_under(title, says), questions, do, fields)

    async def _ask_under(
        self, title: str, lines: Any, questions: Sequence[Question], do: str, fields: dict[str, Any]
    ) -> None:
        if self.shown is not None:
            fields = {**fields, "plan": self.shown.plan.id}
            await self.ask_for(title, lines, questions, do, fields)

    # The whole run

    def _which(self) -> str:
        return f"run {short(self.shown.plan.id)}" if self.shown is not None else "the run"

    @does("pause")
    async def do_pause(self) -> None:
        """Ask why, then have no further call begun; or let a paused run go on."""
        if self.shown is None:
            return
        if self.shown.standing == "paused":
            says = [
                "The runner goes on where it stopped. "
                f"Is it gone, then {key('start')} starts another."
            ]
            await self._ask(f"RESUME {self._which()}", says, [REASON], what="resume")
        else:
            says = [
                f"No further call is begun; what is under way ends. {key('pause')} lets it go on."
            ]
            await self._ask(f"PAUSE {self._which()}", says, [REASON], what="pause")

    @does("abort")
    async def do_abort(self) -> None:
        """Ask why, then end the run for good."""
        if self.shown is None:
            return
        left = count(self.shown.sums["left"], "token stays as it is", "tokens stay as they are")
        says = [f"No further call, for good: {left}.",
                "What was sent stays sent, and is in the journal."]  # fmt: skip
        questions = [REASON, word("abort", "To end it for good")]
        await self._ask(f"ABORT {self._which()}", says, questions, what="abort")

    @does("close")
    async def do_close(self) -> None:
        """Ask why, then declare the run done."""
        if self.shown is not None:
            total = self.shown.total
            dealt = "It is" if total == 1 else f"All {total:,} are"
            says = [f"{dealt} dealt with: nothing is left, none failed."]
            await self._ask(f"CLOSE {self._which()}", says, [REASON], what="close")

    @does("start")
    async def do_start(self) -> None:
        """Have a runner started for what is left."""
        if self.shown is None:
            return
        left = count(self.shown.sums["left"], "token that is", "tokens that are")
        says = [f"A runner begins, or goes on, with the {left} left.",
                "No call that was made is made again."]  # fmt: skip
        await self._ask(
            f"START {self._which()}", says, [word("start", "To let it act")], do="start"
        )  # fmt: skip

    @does("unhalt")
    async def do_unhalt(self) -> None:
        """The lane of the token under the cursor, the only one, or one of several."""
        if self.shown is None:
            return
        halted, line = self.shown.halted, self.line()
        if len(halted) == 1:
            await self._unhalt(next(iter(halted)))
        elif line is not None and line.backend in halted:
            await self._unhalt(line.backend)
        else:

            def items(text: str) -> list[PickerRow]:
                return [PickerRow(name, name, why) for name, why in halted.items() if text in name]

            await self.pick("un-halt", items, self._unhalt)

    async def _unhalt(self, backend: str) -> None:
        why = self.shown.halted.get(backend, "") if self.shown is not None else ""
        says = [f"It halted: {why}", "What failed in it is tried again; calls are made."]
        await self._ask(
            f"LET THE LANE {backend} GO ON", says, [REASON], what="unhalt", backend=backend
        )

    # One token

    @does("except_")
    async def do_except_(self) -> None:
        """Ask who answers for the token and until when, then let it be."""
        line = self.line()
        if line is None:
            return
        questions = [
            Question("owner", "owner", "Who answers for it? A person or a team.", owner_given),
            Question("until", "until", "Until when? A date: 2026-12-31. Then it is left again.",
                     self.date_given),
            REASON,
        ]  # fmt: skip
        says = ["It is let be: nothing more is sent for it, and it counts as excepted."]
        item = str(line.number) if line.number else line.handle
        title = f"LET BE (EXCEPT) {line.name} on {line.backend}"
        await self._ask(title, says, questions, what="except", item=item)

    @does("waive")
    async def do_waive(self) -> None:
        """Ask why, then go on without the proof that its consumers have moved."""
        line = self.line()
        if line is not None:
            says = ["Its old value is retired without the proof that every consumer has moved.",
                    "Who still uses it, fails."]  # fmt: skip
            title = f"SKIP THE PROOF (WAIVE) for {line.name} on {line.backend}"
            questions = [REASON, word("waive", "To go on without it")]
            await self._ask(title, says, questions, what="waive", item=str(line.number))

    # Late arrivals, and the second person

    @does("take_in")
    async def do_take_in(self) -> None:
        """Plan for what came after the scope was frozen."""
        if self.shown is not None:
            handles = tuple(late.handle for late in self.shown.late)
            plan = self.shown.plan
            name = f"{count(len(handles), 'late arrival')} of {self._which()}"
            await self.act_on(ActTarget(plan.verb.value, handles, None, name, plan.id))

    @does("second")
    async def do_second(self) -> None:
        """Show the plan that somebody else approved, and have it approved."""
        if self.shown is None:
            return
        plan, by, second = self.shown.plan, self.shown.approved, self.shown.second

        def lines(width: int) -> Sequence[Drawn]:
            said = plan_lines(plan, CALLS, second)
            return [[(f" APPROVE AS SECOND PERSON what {by} approved", "bad")],
                    *many_lines(said, width)]  # fmt: skip

        questions = [REASON, word(plan.typed_word, "To approve it")]
        await self._ask_under(f"APPROVE {self._which()}", lines, questions, "second", {})

    @does("glass")
    async def do_glass(self) -> None:
        """Ask why, then do without the second person."""
        if self.shown is None:
            return
        says = [f"A second person is asked for: {self.shown.second}.",
                "Without one: that goes into the journal first, and stands here in red.",
                "Then the run starts at once."]  # fmt: skip
        questions = [REASON, word(self.shown.plan.typed_word, "To do without")]
        await self._ask(f"BREAK GLASS for {self._which()}", says, questions, do="glass")
