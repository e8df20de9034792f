"""Reads runs off the event loop: each plan's file and the journal's entries of it, folded.

What is handed to the screen is made once and never changes; the boards that it comes from
stay in the thread, and take in only what is new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from console.errors import ConsoleError
from console.journal import proof
from console.journal.proof import Sums
from console.journal.read.view import JournalView
from console.response.approve.requirements import Requirements
from console.response.plan import file
from console.response.plan.model import Plan
from console.response.plan.not_done import UNDONE
from console.response.run import run_list
from console.response.run.run_list import WhichPlans
from console.response.state import load, report
from console.response.state import old_value as verdict
from console.response.state.old_value import Verdict, What
from console.response.state.run import Board, LaneState, LateArrival
from console.response.state.runner_lock import alive
from console.settings import Paths
from console.tui.session.background import Background

URGENT = {"failed": 0, "late": 1, "unknown": 2, "left": 3, "excepted": 4}
"""The order of a run's tokens: what somebody has to do something about comes first."""


class RunLine(NamedTuple):
    """One token of a run. ``number`` 0 is a late arrival, and then ``plan`` is empty."""

    plan: str
    number: int
    handle: str
    name: str
    backend: str
    state: str
    words: str
    proof: str
    """The best that is known of its end, in a word: - where nothing was asked yet, and
    empty for a late arrival."""
    known: str
    """All that is known of its end."""
    by_hand: bool
    verdict: Verdict
    """What is known of its old value now."""

    @property
    def key(self) -> tuple[str, int, str]:
        """What it is, wherever it stands."""
        return self.plan, self.number, self.handle


class ShownRun(NamedTuple):
    """A run at one moment; see ``Board`` for the words."""

    plan: Plan
    standing: str
    working: bool
    second: str
    """Why a second person is waited for; empty where none is."""
    sums: dict[str, int]
    total: int
    lanes: list[LaneState]
    proof: Sums
    eta: float | None
    began: float
    last: float
    wave: int
    waves: int
    approved: str
    seconded: str
    glass: str
    alarms: list[str]
    late: list[LateArrival]
    halted: dict[str, str]
    closing: str
    lines: list[RunLine]
    excepted: list[tuple[str, str, int]]
    """Name, owner, and until when in µs (0: for good)."""
    seq: int
    report: list[str]
    not_over: str
    """Why values may still work, as declared; empty where the time for that is over."""


class RunRow(NamedTuple):
    """One row in the list of runs."""

    plan: str
    made: float
    verb: str
    tokens: int
    left: int
    failed: int
    standing: str
    why: str
    alarm: bool
    old: str = ""
    """The worst that is known of the old values."""


def snapshot(board: Board, working: bool, now: float, rules: Requirements) -> ShownRun:
    """What there is to show of a board now, under the rules of now."""
    board.tick(now)
    needed = rules.second_person(board.plan)
    lines = [
        RunLine("", 0, late.handle, late.name or late.handle, late.backend, "late", late.words, "",
             "nothing was sent for it", by_hand=False,
             verdict=Verdict(What.UNDONE, UNDONE[board.plan.verb], late.words))
        for late in board.late.values()
    ]  # fmt: skip
    for row in board.rows.values():
        item = row.item
        name = item.token.name or item.token.ref.id
        state = (
            "unknown" if row.state == "left" and row.words == "no trustworthy answer" else row.state
        )
        lines.append(RunLine(row.plan.id, item.number, item.token.ref.handle, name, item.backend,
                          state, row.words,
                          proof.known(row.level, refused=row.refused) if row.begun else "-",
                          row.proof,
                          item.by_hand, verdict.of(row, now)))  # fmt: skip
    lines.sort(key=lambda line: URGENT.get(line.state, 9))
    excepted = [
        (report.name(row.item), row.owner, row.expires)
        for row in board.rows.values()
        if row.state == "excepted"
    ]
    waves = max((row.item.wave for row in board.rows.values()), default=0) + 1
    return ShownRun(
        board.plan, report.standing(board, now, working=working, needed=needed),
        working,
        report.waits(board, needed),
        board.sums(), board.total, list(board.lanes(now, working=working)), board.proof(),
        board.eta(now), board.began, board.last,
        board.wave, waves, board.approved, board.second, board.broken_glass,
        list(board.alarms), list(board.late.values()), dict(board.halted),
        board.may_close(now), lines, excepted, board.seq,
        report.situation(board, now, working=working, needed=needed),
        verdict.waiting(board.rows.values(), now),
    )  # fmt: skip


class RunReader(Background[bool]):
    """Folds one run whenever it is asked to. ``on_shown`` is called from this thread."""

    def __init__(
        self,
        plan: str,
        where: Paths,
        open_journal: Callable[[], JournalView],
        now: Callable[[], float],
        on_shown: Callable[[ShownRun], None],
        on_error: Callable[[str], None],
    ) -> None:
        super().__init__("run", on_error)
        self._id = plan
        self._where = where
        self._open = open_journal
        self._now = now
        self._on_shown = on_shown
        self._view: JournalView | None = None
        self._board: Board | None = None
        self._files: set[str] = set()
        self._strangers: set[str] = set()
        """Plans that are known to extend another run, or none."""

    def work(self, question: bool) -> None:
        """Read what is new about the run, and tell the view where it stands now."""
        if self._view is None:
            self._view = self._open()
        files = {path.stem for path in self._where.plans.glob("*.json")}
        if self._board is None or files != self._files or self._extended():
            plan = self._board.plan if self._board else file.load(self._id, self._where)
            self._board = load.fold(plan, self._where, self._view)
            self._files = files
        else:
            load.refresh(self._board, self._view)
        working = any(alive(plan, self._where) for plan in self._board.plans)
        rules = Requirements.now(self._where)
        self._on_shown(snapshot(self._board, working, self._now(), rules))

    def _extended(self) -> bool:
        """Whether a plan that extends this run was approved since it was folded."""
        board, view = self._board, self._view
        if board is None or view is None:
            return False
        waiting = self._candidates(board)
        return any(view.get(plan) is not None for plan in waiting)

    def _candidates(self, board: Board) -> list[str]:
        found = []
        for name in sorted(self._files):
            if name > board.plan.id and name not in board.plans and name not in self._strangers:
                if file.load(name, self._where).extends == board.plan.id:
                    found.append(name)
                else:
                    self._strangers.add(name)
        return found


class RunsReader(Background[bool]):
    """Reads the list of runs, newest first. ``on_told`` is called from this thread, with how
    many plans are left out because nobody approved, or began, them."""

    def __init__(
        self,
        where: Paths,
        open_journal: Callable[[], JournalView],
        now: Callable[[], float],
        on_told: Callable[[list[RunRow], int], None],
        on_error: Callable[[str], None],
    ) -> None:
        super().__init__("list of runs", on_error)
        self._now = now
        self.wanted = WhichPlans.LATELY
        self._where = where
        self._open = open_journal
        self._on_told = on_told
        self._view: JournalView | None = None
        self._boards: dict[str, Board] = {}

    def work(self, question: bool) -> None:
        """Read which plans there are, and how far the run of each is."""
        if self._view is None:
            self._view = self._open()
        names = sorted((path.stem for path in self._where.plans.glob("*.json")), reverse=True)
        rules = Requirements.now(self._where)
        rows = [self._row(name, rules) for name in names]
        shown = [row for row in rows if row is not None]
        self._on_told(shown, len(rows) - len(shown))

    def _row(self, name: str, rules: Requirements) -> RunRow | None:
        board = self._boards.get(name)
        if board is None:
            try:
                board = self._boards[name] = Board(file.load(name, self._where))
            except ConsoleError as error:
                return RunRow(name, 0, "", 0, 0, 0, "unreadable", str(error), alarm=False)
        if self._view is not None and not board.closed:
            load.refresh(board, self._view)
        if not run_list.shown(board, self.wanted, self._now()):
            return None
        sums, plan = board.sums(), board.plan
        about = f"{plan.incident}: " if plan.incident else ""
        return RunRow(
            plan.id, plan.made_at.timestamp(), plan.verb.value, board.total, sums["left"],
            sums["failed"],
            report.standing(
                board,
                self._now(),
                working=alive(plan.id, self._where),
                needed=rules.second_person(plan),
            ),
            about + plan.reason, bool(board.alarms),
            verdict.worst(board.rows.values(), self._now()) if board.approved else "",
        )  # fmt: skip
