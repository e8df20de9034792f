"""Use after death: which alarms of runs nobody has looked at yet, on this machine.

A run's alarm is an entry of the journal. It counts as heard once its run was opened;
which ones were is kept in a small file, and losing that only means hearing them again.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from console.journal.format.entry import Kind
from console.journal.read.view import Entry, JournalView
from console.response.state.report import short
from console.tui.actions.registry import key
from console.tui.draw import readings
from console.tui.draw.lines import Line, clip

PAGE = 200


class Alarms:
    """Looks only at what is new in the journal."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._upto = 0
        self._heard: dict[str, int] = {}
        """By plan, the number of the newest entry of it that somebody has seen."""
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
            saved = json.loads(file.read_text(encoding="utf-8"))
            self._heard = {str(plan): int(seq) for plan, seq in saved.items()}
        self._raised: list[Entry] = []

    def look(self, journal: JournalView) -> bool:
        """Read what is new; whether there is another alarm. Raises ``JournalError``."""
        newest, before, found = self._upto, None, []
        while entries := journal.entries(PAGE, before=before, kind=Kind.RUN):
            newest = max(newest, entries[0].seq)
            new = [entry for entry in entries if entry.seq > self._upto]
            found += [entry for entry in new if entry.run is not None and entry.run.what == "alarm"]
            if len(new) < PAGE:
                break
            before = entries[-1].seq
        self._upto = newest
        self._raised = [entry for entry in [*found, *self._raised] if self._unheard(entry)]
        return bool(found)

    def _unheard(self, entry: Entry) -> bool:
        return entry.seq > self._heard.get(entry.plan, 0)

    def heard(self, plan: str, seq: int) -> bool:
        """The run was looked at, up to this entry; whether that ended an alarm."""
        before = len(self._raised)
        if not any(entry.plan == plan for entry in self._raised):
            return False
        self._heard[plan] = max(self._heard.get(plan, 0), seq)
        self._raised = [entry for entry in self._raised if self._unheard(entry)]
        if len(self._raised) == before:
            return False
        beside = self._file.with_suffix(f".{os.getpid()}.new")
        with contextlib.suppress(OSError):
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(self._heard, file)
            beside.replace(self._file)
        return True

    @property
    def plan(self) -> str:
        """The run of the newest alarm that nobody has heard; empty where there is none."""
        return self._raised[0].plan if self._raised else ""

    def line(self, width: int) -> Line:
        """The red line for every view; empty while there is nothing to hear."""
        if not self._raised:
            return ()
        entry = self._raised[0]
        who = entry.target_name or entry.target_id or "a token"
        where = f" on {entry.backend}" if entry.backend else ""
        what = (entry.run.detail if entry.run is not None else "") or "used after its end"
        more = f" +{len(self._raised) - 1:,} more" if len(self._raised) > 1 else ""
        tail = f"{more}  run {short(entry.plan)}: {key('runs')}, enter "
        at = readings.moment(entry.at)[11:16]
        said = clip([(f" ALARM {at} {who}{where}: {what}", "bad")], max(width - len(tail), 20))
        return clip([*said, (tail, "bad")], width)
