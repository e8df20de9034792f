"""Decisions that are asked for in a bar under a view, and sent to the worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from console.errors import UsageError
from console.text import safe
from console.tui.draw.lines import Line, block
from console.tui.session.worker_link import WorkerError
from console.tui.views.base import View
from console.tui.views.report import ReportView
from console.tui.widgets.decide_bar import DecideBar, Question

NOTHING = "Nothing was decided."
SENT = "It was sent: what came of it is told here, and in the journal."
LinesFor = Callable[[int], Sequence[Line]]
"""Gives the lines of a bar for a width."""


def owner_given(typed: str) -> None:
    """Refuse an empty answer. Raises ``UsageError``."""
    if not typed.strip():
        raise UsageError("somebody has to answer for it", "A person or a team.")


def said_under(title: str, says: Sequence[str]) -> LinesFor:
    """A title, and what has to be said under it."""

    def lines(width: int) -> Sequence[Line]:
        made: list[Line] = [(), [(f" {title}", "bad")]]
        for said in says:
            made += block("", [(said, "")], width, 2)
        return made

    return lines


class Asking(View):
    """A view that asks one question after the other, and has the worker do what was decided."""

    async def ask_for(
        self,
        title: str,
        lines: LinesFor,
        questions: Sequence[Question],
        do: str,
        fields: Mapping[str, Any],
    ) -> None:
        """Open the bar, and send the answers with ``fields`` when all are there."""

        sent: list[str] = []

        def done(answers: Mapping[str, str]) -> None:
            sent.append(do)
            asked = self._send(bar, title, do, self.answered({**fields, **answers}), sent.clear)
            self.run_worker(asked)

        def left() -> None:
            self.close_bar()
            # What was sent goes on without the bar: it may be done by now.
            self.note(SENT if sent else NOTHING)

        bar = DecideBar(lines, questions, done, left, lambda: self.room)
        await self.show_bar(bar, bar.input)

    def answered(self, fields: dict[str, Any]) -> dict[str, Any]:
        """What is sent, once every question was answered: a view may turn words into values."""
        return fields

    def date_given(self, typed: str) -> None:
        """Refuse what is no date to come. Raises ``UsageError``."""
        try:
            until = datetime.fromisoformat(typed).replace(tzinfo=UTC)
        except ValueError:
            raise UsageError("that is no date", "Write it as 2026-12-31.") from None
        if until.timestamp() <= self.world.now():
            raise UsageError("that date is over", "Give a later one.")

    async def _send(
        self, bar: DecideBar, title: str, do: str, fields: dict[str, Any],
        refused: Callable[[], None],
    ) -> None:  # fmt: skip
        try:
            reply = await self.host.ask(do, **fields)
        except WorkerError as error:
            if not error.lost:
                refused()
            word = "NOT KNOWN" if error.lost else "NOT DONE"
            if bar is self.open_bar:
                bar.refuse(word, title, str(error), error.hint, lost=error.lost)
            else:
                self.note(f"{word}: {title}: {error.said}", bad=True)
            return
        said = str(reply.get("says") or "The runner has been started.")
        if bar is not self.open_bar:
            self.note(said)
            self.journal_changed()
        else:
            if also := [str(words) for words in reply.get("also", ())]:
                bar.told(title, [said, *also], self.close_bar)
            else:
                self.close_bar()
                self.note(said)
            if lines := [safe(str(line), 4000) for line in reply.get("lines", ())]:
                command = str(reply.get("command", ""))
                await self.host.open_view(
                    lambda: ReportView(self.world, lines, command), again=False
                )
            self.journal_changed()
