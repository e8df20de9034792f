"""A run as it happens: what is known of the old value now, and the newest entries."""

from __future__ import annotations

from collections.abc import Sequence

from console.journal.read.view import Entry
from console.response.state.old_value import Verdict
from console.tui.draw.cells import Lines
from console.tui.draw.lines import Line, Part, clip, flow
from console.tui.draw.readings import moment
from console.tui.draw.roles import STATES, VERDICTS

ROWS = 4
MARGIN = "   "


class RunStrip(Lines):
    """The last lines of one run. Hidden while no run is watched."""

    DEFAULT_CSS = "RunStrip { height: 4; display: none; }"

    def __init__(self) -> None:
        super().__init__()
        self._title = ""
        self._verdict: Verdict | None = None
        self._entries: Sequence[Entry] = ()

    def watch_run(self, title: str, verdict: Verdict | None, entries: Sequence[Entry]) -> None:
        """Show a run: its headline, and its entries, newest first; an empty title hides it."""
        self._title, self._verdict, self._entries = title, verdict, entries
        self.display = bool(title)
        self.redraw()

    def line(self, y: int) -> Line:
        """One line of where the run is."""
        lines = self._lines()
        return lines[y] if y < len(lines) else ()

    def _lines(self) -> list[Line]:
        """The title and the headline, whole; the newest entries where there is room left."""
        width = self.size.width
        made: list[Line] = [clip([(f" RUN  {self._title}", "bold")], width)]
        if self._verdict is None:
            began = any(entry.kind == "intent" for entry in self._entries)
            word = "its plan's file is not here" if began else "waiting for the runner"
            made.append([(f"{MARGIN}{word}", "warn" if began else "dim")])
        else:
            said: Part = (self._verdict.line, VERDICTS[self._verdict.what])
            room = max(width - len(MARGIN) - 1, 10)
            made += [[(MARGIN, ""), *line] for line in flow([said], room, 1000)]
        left = max(ROWS - len(made), 0)
        shown = reversed(self._entries[:left])
        return [*made[:ROWS], *(clip(entry_parts(entry), width) for entry in shown)]


def _short(entry: Entry) -> str:
    """The sentence without what the strip's title says already."""
    return entry.sentence.partition(f" in {entry.backend}: ")[2] or entry.sentence


def entry_parts(entry: Entry) -> list[Part]:
    """One entry of a run on one line."""
    at = moment(entry.at)[11:16]
    return [
        (f"   {at}  ", "dim"),
        (f"{entry.kind:9} ", STATES.get(entry.state or "", "")),
        (_short(entry), ""),
    ]
