"""Where a run stands: the plan's file and the journal's entries of it, folded together.

The runner, the commands and the screen all look at this fold, so that they cannot differ,
and a killed one has lost nothing. Every token of the scope is in exactly one state:

    total = dead + recorded + replaced + done + excepted + failed + left

``dead`` needs a refusal: the system was seen to decline the old value. ``recorded`` is what
the issuer's own record says, or silence in its log, without a refusal. ``done`` is for
verbs that end nothing (contain, restore, disconnect). ``left`` is everything else: not yet
done, no trustworthy answer, late arrivals that no plan takes in yet.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from backends.model import EvidenceLevel
from backends.words import count
from console.journal import proof
from console.journal.format.entry import Kind
from console.journal.format.parts import RunEvent
from console.journal.format.sentence import Entry
from console.journal.proof import Sums
from console.response.plan import pace
from console.response.plan.model import Plan
from console.response.plan.step_id import Mark, StepId, mark_of
from console.response.state import old_value
from console.response.state.token import STATES as STATES
from console.response.state.token import RunToken, Standing

PACE = mark_of(0, Mark.PACE)
"""The step of the notes about a lane's pace."""
WINDOW = 60.0
"""Seconds over which a lane's rate is measured."""
_TELLING = frozenset(
    {
        Kind.INTENT,
        Kind.OUTCOME,
        Kind.RECOVERY_CLAIM,
        Kind.RECOVERY,
        Kind.EVIDENCE,
        Kind.OBSERVE,
        Kind.NOTE,
    }
)


class LateArrival(NamedTuple):
    """A token that appeared after the scope was frozen, and that no plan takes in yet."""

    handle: str
    backend: str
    name: str
    words: str


class LaneState(NamedTuple):
    """One backend's part of a run. ``rate`` and ``limit`` are tokens and calls a second, 0 for
    no limit; ``eta`` are the seconds that the calls still take, None where there are none to
    make. ``pace`` is why the lane is as fast as it is; raw."""

    backend: str
    counts: dict[str, int]
    rate: float
    limit: float
    eta: float | None
    state: str
    halted: str
    pace: str

    @property
    def scope(self) -> int:
        """How many tokens of the run are this backend's."""
        return sum(self.counts.values())


class Board:
    """The fold. Feed it the journal's entries of the run, oldest first, each one once.

    A runner, which meets its own entries twice, has a ``History``.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rows: dict[tuple[str, int], RunToken] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._recent: dict[str, deque[float]] = {}
        self._plans: dict[str, Plan] = {}
        self._handles: dict[str, RunToken] = {}
        self.late: dict[str, LateArrival] = {}
        self.halted: dict[str, str] = {}
        self.lifted: dict[str, int] = {}
        """The number of the entry that let each lane go on last, by its backend."""
        self.alarms: list[str] = []
        self.paces: dict[str, str] = {}
        """What each lane's runner said last of its pace, by its backend."""
        self.wave = 0
        self.seq = 0
        self.began = self.last = 0.0
        self.approved = self.second = self.broken_glass = ""
        self.approved_at = 0.0
        self.paused = self.aborted = self.closed = False
        self.extend(plan)

    def extend(self, plan: Plan) -> None:
        """Take in a plan that was made for late arrivals."""
        if plan.id in self._plans:
            return
        self._plans[plan.id] = plan
        for item in plan.items:
            row = RunToken(plan, item)
            self.rows[row.key] = row
            self._counts.setdefault(item.backend, Counter())[row.state] += 1
            self._handles.setdefault(item.token.ref.handle, row)
            self.late.pop(item.token.ref.handle, None)

    @property
    def plans(self) -> tuple[str, ...]:
        """The ids of the plans whose entries belong here."""
        return tuple(self._plans)

    @property
    def items(self) -> dict[int, RunToken]:
        """The rows of the plan itself, by their items' numbers."""
        return {number: row for (plan, number), row in self.rows.items() if plan == self.plan.id}

    def row(self, plan: str, number: int) -> RunToken | None:
        """One row."""
        return self.rows.get((plan, number))

    def of(self, handle: str) -> RunToken | None:
        """The row of a token, by its handle; the first one where a later plan has it too."""
        return self._handles.get(handle)

    def feed(self, entries: Iterable[Entry]) -> int:
        """Take in entries; how many told something."""
        told = 0
        for entry in entries:
            self.seq = max(self.seq, entry.seq)
            told += self._take(entry)
        return told

    def _take(self, entry: Entry) -> bool:
        if entry.kind == Kind.PLAN and entry.id == self.plan.id:
            self.approved, self.approved_at = entry.who, entry.t_us / 1e6
            return True
        if entry.plan not in self._plans:
            return False
        at = entry.t_us / 1e6
        self.last = max(self.last, at)
        if entry.kind == Kind.APPROVAL:
            self.second = entry.who
        elif entry.kind == Kind.BREAKGLASS:
            self.broken_glass = entry.sentence
        elif entry.kind == Kind.RUN:
            return self._decision(entry)
        elif entry.kind == Kind.NOTE and entry.step == PACE:
            self.paces[entry.backend] = pace.heard(entry.backend, entry.why)
            return True
        elif entry.kind in _TELLING:
            row = self.rows.get((entry.plan, StepId.parse(entry.step).item))
            if row is None:
                return False
            self.began = self.began or at
            self._feed(row, entry)
        return True

    def _feed(self, row: RunToken, entry: Entry) -> None:
        before = row.state
        row.feed(entry)
        self._moved(row, before)

    def _moved(self, row: RunToken, before: Standing) -> None:
        if row.state == before:
            return
        counts = self._counts[row.item.backend]
        counts[before] -= 1
        counts[row.state] += 1
        if before is Standing.LEFT:
            self._recent.setdefault(row.item.backend, deque(maxlen=4096)).append(row.ended)

    def _decision(self, entry: Entry) -> bool:
        mark = entry.run
        if mark is None:
            return False
        match mark.what:
            case RunEvent.START:
                self.began = self.began or entry.t_us / 1e6
                self.paused = False
            case RunEvent.PAUSE:
                self.paused = True
            case RunEvent.RESUME:
                self.paused = False
            case RunEvent.ABORT:
                self.aborted = True
            case RunEvent.CLOSE:
                self.closed = True
            case RunEvent.HALT:
                self.halted[mark.backend] = mark.detail
            case RunEvent.UNHALT:
                self.halted.pop(mark.backend, None)
                self.lifted[mark.backend] = max(self.lifted.get(mark.backend, 0), entry.seq)
            case RunEvent.WAVE:
                self.wave = max(self.wave, mark.item)
            case RunEvent.LATE:
                self._arrived(entry)
            case RunEvent.EXCEPT if not mark.item:
                self.late.pop(mark.detail, None)
            case RunEvent.ALARM:
                self.alarms.append(entry.sentence)
        row = self.rows.get((entry.plan, mark.item)) if mark.what != RunEvent.WAVE else None
        if row is not None:
            self._feed(row, entry)
        return True

    def _arrived(self, entry: Entry) -> None:
        if entry.handle and entry.handle not in self._handles:
            words = entry.run.detail if entry.run else ""
            name = entry.target_name or entry.target_id
            self.late[entry.handle] = LateArrival(entry.handle, entry.backend, name, words)

    def tick(self, now: float) -> None:
        """Let the exceptions end whose time is over. ``now`` is in unix seconds."""
        for row in self.rows.values():
            if row.expires:
                before = row.state
                if row.expire(now):
                    self._moved(row, before)

    def sums(self) -> dict[str, int]:
        """How many tokens are in each state; they add up to ``total``."""
        all_ = sum(self._counts.values(), Counter())
        found = {state: all_[state] for state in STATES}
        found[Standing.LEFT] += len(self.late)
        return found

    @property
    def total(self) -> int:
        """Every token that is known to be in scope, late arrivals with them."""
        return len(self.rows) + len(self.late)

    def evidence(self) -> list[int]:
        """How many tokens that a call was made for stand at each evidence level, 0 to 4.

        For scripts; people are told ``proof``, where silence ranks over nothing.
        """
        found = [0] * 5
        for row in self._begun():
            found[row.level] += 1
        return found

    def proof(self) -> Sums:
        """How many tokens are known how well, among those that were begun."""
        rows = list(self._begun())
        found = Counter(proof.known(row.level, refused=row.refused) for row in rows)
        silent = sum(row.level >= EvidenceLevel.SILENT for row in rows)
        return Sums(found["asked"], found["accepted"], found["recorded"], found["refused"], silent)

    def _begun(self) -> Iterator[RunToken]:
        return (row for row in self.rows.values() if row.begun)

    def lanes(self, now: float | None = None, *, working: bool = True) -> Iterator[LaneState]:
        """Each backend's part, in the plan's order. ``working``: a runner is at it."""
        now = time.time() if now is None else now
        to_call = Counter(row.item.backend for row in self.rows.values() if row.to_call)
        for backend, counted in self._counts.items():
            counts = {state: counted[state] for state in STATES}
            counts["left"] += sum(late.backend == backend for late in self.late.values())
            recent = self._recent.get(backend, ())
            fresh = [at for at in recent if at > now - WINDOW]
            span = max(now - min(fresh), 1.0) if fresh else 1.0
            limit = self.plan.rates.get(backend, 0.0)
            rate = len(fresh) / span
            calls = to_call[backend]
            expected = rate or pace.expected(self.plan, backend)
            eta = calls / expected if calls and expected else None
            halted = self.halted.get(backend, "")
            state = self._lane_state(counts, halted)
            if state == "running" and not working:
                state, eta = "stopped", None
            told = pace.told(self.plan, backend, self.paces.get(backend, ""))
            yield LaneState(backend, counts, rate, limit, eta, state, halted, told)

    def _lane_state(self, counts: dict[str, int], halted: str) -> str:
        if not counts["left"]:
            return "done"
        if halted:
            return "halted"
        if self.aborted:
            return "aborted"
        if self.paused:
            return "paused"
        return "running" if self.began else "waiting"

    def eta(self, now: float | None = None) -> float | None:
        """Seconds until the slowest lane has no token left; None where nobody can tell.

        Nobody can where a token waits for something else than calls.
        """
        if self.late or any(row.held for row in self.rows.values()):
            return None
        going = [lane.eta for lane in self.lanes(now) if lane.state in ("running", "waiting")]
        known = [eta for eta in going if eta is not None]
        return max(known) if known and len(known) == len(going) else None

    def may_close(self, now: float | None = None) -> str:
        """Why the run cannot be closed; empty when it can.

        What counts as dealt with may, as declared, still work for a while: until then a
        run is not over, whatever was recorded.
        """
        now = time.time() if now is None else now
        sums = self.sums()
        if self.closed:
            return "it is closed already"
        if self.late:
            late = count(len(self.late), "late arrival is", "late arrivals are")
            return f"{late} in no plan: extend the run, or except what came late"
        if sums["left"]:
            return f"{count(sums['left'], 'token is', 'tokens are')} not known to be dealt with"
        if sums["failed"]:
            return f"{count(sums['failed'], 'token')} failed: act on them again, or except them"
        return old_value.waiting(self.rows.values(), now)
