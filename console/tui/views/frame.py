"""The lines around a view's body: what the whole console has to say, above it and below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widget import Widget

from console.journal.read.view import Entry
from console.tui.actions.context import Context
from console.tui.draw.cells import OneLine
from console.tui.draw.lines import Part, count, spread, width_of
from console.tui.session import journal_state
from console.tui.views import status
from console.tui.widgets.run_strip import RunStrip

if TYPE_CHECKING:
    from console.response.state.old_value import Verdict
    from console.tui.session.session import ConsoleSession


class Frame:
    """Where one is, alarms, the run that is watched, a note, the backends' ages, the keys."""

    def __init__(self) -> None:
        self._top = OneLine()
        self._alarm = OneLine(id="alarm")
        self._after = OneLine(id="after")
        self._run = RunStrip()
        self._note = OneLine(id="note")
        self._data = OneLine()
        self._keys = OneLine()
        self.noted: Part = ("", "")
        """What the note says, and its role."""

    def around(self, body: ComposeResult, bar: Widget) -> ComposeResult:
        """A view's widgets from top to bottom: its body, with the place for a bar under it."""
        yield self._top
        yield self._alarm
        yield self._after
        yield from body
        yield bar
        yield self._run
        yield self._note
        yield self._data
        yield self._keys

    @property
    def alarms(self) -> int:
        """Lines that alarms take from the body."""
        return int(bool(self._alarm.display)) + int(bool(self._after.display))

    def say(self, world: ConsoleSession, alarms: Sequence[Part], width: int) -> None:
        """Bring all but the keys and the note up to date. ``alarms`` are those of runs."""
        self._top.say(status.top(world, width))
        alarm = journal_state.alarm(world.standing, width)
        self._alarm.display = bool(alarm)
        self._alarm.say(alarm)
        self._after.display = bool(alarms)
        self._after.say(alarms)
        self._data.say(status.data(world, width))

    def say_keys(self, context: Context | None, width: int) -> None:
        """The keys that work now; None says that an open bar has them all."""
        if context is None:
            self._keys.say([(" esc", "key"), (" leaves this", "dim")])
        else:
            self._keys.say(status.keys(context, width))

    def say_note(self, more: int, width: int) -> None:
        """What was noted, beside the number of lines that are below what is seen."""
        text, role = self.noted
        below: list[Part] = [(f"{count(more, 'more line')}: pgdn ", "dim")] if more else []
        if role == "bad" and width_of([(text, role), *below]) + 2 > width:
            # What went wrong is not cut short for the sake of how far one can scroll.
            below = []
        self._note.say(spread([(f" {text}", role)], below, width))

    def watch_run(self, title: str, verdict: Verdict | None, entries: Sequence[Entry]) -> None:
        """Show where a run is; an empty title shows none."""
        self._run.watch_run(title, verdict, entries)

    def hide_run(self) -> None:
        """Give the run's lines to what is asked; the next news of the run take them again."""
        self._run.display = False
