"""A run as it happens, read from the journal: each call's intent, outcome and evidence."""

from __future__ import annotations

from collections.abc import Sequence

from console.journal.read import Entry
from console.tui.draw import Lines
from console.tui.lines import Line, Part, clip
from console.tui.pages.journal import STATES, evidence_words, state_words
from console.tui.readings import moment

ROWS = 4


class RunStrip(Lines):
    """The last lines of one run. Hidden while no run is watched."""

    DEFAULT_CSS = "RunStrip { height: 4; display: none; }"

    def __init__(self) -> None:
        super().__init__()
        self._title = ""
        self._entries: Sequence[Entry] = ()

    def watch_run(self, title: str, entries: Sequence[Entry]) -> None:
        """Show these entries of a run, newest first; an empty title hides the strip."""
        self._title, self._entries = title, entries
        self.display = bool(title)
        self.redraw()

    def line(self, y: int) -> Line:
        width = self.size.width
        if y == 0:
            return clip([(f" RUN  {self._title}", "bold"), (f"   {self.word()}", "")], width)
        shown = list(reversed(self._entries[: ROWS - 1]))
        if y - 1 >= len(shown):
            return ()
        return clip(entry_parts(shown[y - 1]), width)

    def word(self) -> str:
        """Where the run is, in a few words."""
        if not self._entries:
            return "waiting for the runner"
        for entry in self._entries:
            if entry.kind == "evidence" and entry.evidence is not None:
                return f"evidence {evidence_words(entry.evidence)}"
        for entry in self._entries:
            if entry.kind in ("outcome", "recovery"):
                return state_words(entry.state or "")
        return "asked" if any(e.kind == "intent" for e in self._entries) else "approved"


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
