"""What the journal tells of one token: what is known of its value, who ended it, what follows it.

For the token's page and for ``show``. Says only what an entry says: what was ended past this
console has no entry, and that is said too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from backends.contract import Verb
from backends.model import Token
from console.errors import PlanRefused
from console.journal.format.entry import Kind
from console.journal.format.parts import OutState
from console.journal.format.sentence import Entry
from console.response.plan import file
from console.response.state import load
from console.response.state import old_value as verdict
from console.response.state.old_value import Verdict
from console.response.state.report import short
from console.response.state.run import Board
from console.settings import Paths
from console.text import safe

LOOKED_AT = 200
"""The newest entries about a token that are looked at."""
GENERATIONS = 16
"""How far up the line of parents an end is looked for."""
_ENDS = (Verb.REVOKE.value, Verb.ROTATE.value)
_MADE = (Kind.EVIDENCE, Kind.OUTCOME)


class OpenJournal(Protocol):
    """A journal, open to be read."""

    def get(self, id_: str) -> Entry | None:
        """The entry with an id."""

    def of_plan(self, plan: str, after: int = 0) -> list[Entry]:
        """A plan's entries above a number, oldest first."""

    def entries(
        self, limit: int = 200, *, plan: str | None = None, handle: str | None = None
    ) -> list[Entry]:
        """Entries, newest first."""


class Ended(NamedTuple):
    """Who ended a token. ``words`` is one safe sentence; the rest is for a script.

    ``run`` is the plan's id, ``parent`` the handle of the one that it ended along with, and
    ``successor`` that of the token that took its place; each may be empty.
    """

    words: str
    at: float = 0.0
    who: str = ""
    run: str = ""
    why: str = ""
    parent: str = ""
    successor: str = ""


class About(NamedTuple):
    """What is known of a token from the journal. ``run`` is the newest plan that acted on it."""

    verdict: Verdict | None = None
    run: str = ""
    ended: Ended | None = None

    def told(self) -> dict[str, object]:
        """The same for a script."""
        return {
            "run": self.run or None,
            "old_value": self.verdict.told() if self.verdict is not None else None,
            "ended": self.ended._asdict() if self.ended is not None else None,
        }


def about(
    token: Token,
    paths: Paths,
    journal: OpenJournal,
    now: float,
    *,
    gone: bool,
    parent_of: Callable[[str], Token | None] = lambda _: None,
    boards: dict[str, Board] | None = None,
) -> About:
    """Everything that the journal tells of a token. ``gone``: its system has it no more.

    ``parent_of`` gives a token by its handle, as the inventory has it; ``boards`` keeps what
    was folded from one call to the next.

    Raises:
        JournalError: the journal cannot be read.
    """
    entries = journal.entries(LOOKED_AT, handle=token.ref.handle)
    found, run = _verdict(token, entries, paths, journal, now, {} if boards is None else boards)
    if not gone:
        return About(found, run)
    return About(found, run, _ended(token, entries, journal, parent_of))


def _verdict(
    token: Token,
    entries: Iterable[Entry],
    paths: Paths,
    journal: OpenJournal,
    now: float,
    boards: dict[str, Board],
) -> tuple[Verdict | None, str]:
    acts = (Kind.INTENT, Kind.OUTCOME, Kind.RECOVERY, Kind.EVIDENCE)
    run = next((entry.plan for entry in entries if entry.kind in acts and entry.plan), "")
    if not run:
        return None, ""
    board = boards.get(run)
    if board is None:
        try:
            board = boards[run] = Board(file.load(run, paths))
        except PlanRefused:
            # Another machine's plan over the same journal: its file is not here.
            return None, run
    load.refresh(board, journal)
    row = board.of(token.ref.handle)
    return (verdict.of(row, now) if row is not None else None), run


def _ended(
    token: Token,
    entries: Iterable[Entry],
    journal: OpenJournal,
    parent_of: Callable[[str], Token | None],
) -> Ended:
    if (found := _by_a_run(entries, journal)) is not None:
        return found
    parent = token.parent.value
    for _ in range(GENERATIONS):
        if parent is None:
            break
        above = _by_a_run(journal.entries(LOOKED_AT, handle=parent.handle), journal)
        if above is not None and above.run:
            name = safe(parent.id, 60)
            return above._replace(
                words=f"with its parent {name}: {above.words}", parent=parent.handle, successor=""
            )
        known = parent_of(parent.handle)
        parent = known.parent.value if known is not None else None
    return Ended("not by a run in this journal: who ended it is not known here")


def _by_a_run(entries: Iterable[Entry], journal: OpenJournal) -> Ended | None:
    """The newest call that ended the token, as the journal has it."""
    entries = list(entries)
    for entry in entries:
        if not entry.done or entry.verb not in _ENDS or not entry.plan:
            continue
        plan = journal.get(entry.plan)
        who = plan.who if plan is not None else entry.who
        why = plan.why if plan is not None else ""
        at = entry.t_us / 1e6
        name, handle = _successor(entries, entry.plan)
        run = short(entry.plan)
        did = "rotated" if entry.verb == Verb.ROTATE else "revoked"
        words = f"{did} by {who}, run {run}, {entry.at:%Y-%m-%d %H:%M}"
        if entry.state == OutState.ALREADY:
            words = (
                f"it was gone already when run {run} of {who} looked, {entry.at:%Y-%m-%d %H:%M};"
                " who ended it is not known here"
            )
        words += f": {safe(why, 300)}" if why else ""
        words += f"; replaced by {name}" if name else ""
        return Ended(words, at, who, entry.plan, why, successor=handle)
    return None


def _successor(entries: Iterable[Entry], plan: str) -> tuple[str, str]:
    """What a rotation made in a token's place: its id, and its handle."""
    for entry in entries:
        if entry.plan != plan or entry.verb != Verb.ROTATE or entry.kind not in _MADE:
            continue
        made = entry.made
        if made is not None and made.handle != entry.handle:
            return safe(made.id, 80), made.handle
    return "", ""
