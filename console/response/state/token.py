"""One token of a run: what the journal tells of it, and the one state that it is in.

The states are explained in ``run``, which adds them up; ``old_value`` puts in words what is
known of the token's old value.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from backends.contract import Verb
from backends.model import EvidenceLevel
from backends.words import count
from console.journal import proof
from console.journal.format.entry import Kind
from console.journal.format.parts import KnownBy, OutState, RunEvent
from console.journal.format.sentence import Entry
from console.response.plan.model import Mode, Plan, PlanItem
from console.response.plan.step_id import Mark, StepId, mark_of
from console.response.state.step_log import Stage, StepLog


class Standing(StrEnum):
    """The one state that a token of a run is in, in the order in which they are shown."""

    DEAD = "dead"
    """The system was seen to decline the old value."""
    RECORDED = "recorded"
    """The issuer's record, or silence in its log, says so; no refusal was seen."""
    REPLACED = "replaced"
    DONE = "done"
    """Of verbs that end nothing: contain, restore, disconnect."""
    EXCEPTED = "excepted"
    """Let be, on somebody's word."""
    FAILED = "failed"
    LEFT = "left"
    """Not done yet, or without a trustworthy answer."""


STATES: tuple[str, ...] = tuple(Standing)
"""The words of every state, in that order."""
ENDING = frozenset({Verb.REVOKE, Verb.CONTAIN, Verb.ROTATE})
"""Verbs after which an old value is to work no more."""
CLAIMED = frozenset({Standing.DEAD, Standing.RECORDED, Standing.REPLACED, Standing.DONE})
"""States that say that a token is dealt with, and was not merely let be."""


def alive(living: Collection[str]) -> str:
    """What is said where tokens live that should have ended along with one; empty for none."""
    many = count(len(living), "token that should have ended with it lives on",
                 "tokens that should have ended with it live on")  # fmt: skip
    return many if living else ""


class RunToken:
    """One token of a run, and what the journal tells of it.

    ``level`` is the highest evidence reached, ``refused`` whether the system was seen to
    decline the old value since anything last contradicted that. Times are in unix seconds.
    """

    __slots__ = (
        "acted", "alarm", "began", "by_probe", "ended", "expires", "item", "level", "living",
        "moved", "old", "owner", "plan", "recorded_at", "refused", "refused_at", "state", "steps",
        "taken", "tried", "tried_at", "trouble", "waits", "waived", "words", "works",
    )  # fmt: skip

    def __init__(self, plan: Plan, item: PlanItem) -> None:
        self.plan, self.item = plan, item
        self.state: Standing
        self.state, self.words = Standing.LEFT, "waiting"
        self.level = 0
        self.refused = False
        self.works = False
        """The old value was seen to be accepted after the act."""
        self.alarm = ""
        self.steps: dict[str, StepLog] = {}
        """Every step of which the journal tells, planned or not, by its id."""
        self.living: set[str] = set()
        """Handles of tokens that should have ended along with this one, and live."""
        self.moved: list[str] = []
        self.trouble = ""
        self.taken = ""
        """What another plan is doing, or did, to the token."""
        self.waived = False
        self.waits = ""
        """Whom the end of the old value waits for."""
        self.old = ""
        """Why the old one lives on although every call of a rotation was made."""
        self.tried = ""
        """What the last try of the old value after the act showed: accepted, refused, unclear."""
        self.tried_at = self.refused_at = self.recorded_at = 0.0
        self.by_probe = False
        """What is recorded was shown by the new value, not by the old one's record."""
        self.acted = 0.0
        """When the last call was known to be made: the declared propagation begins there."""
        self.owner = ""
        self.expires = 0
        self.began = self.ended = 0.0
        self._judge(0.0)

    @property
    def key(self) -> tuple[str, int]:
        """The plan's id and the item's number, which tell it from every other of the run."""
        return self.plan.id, self.item.number

    @property
    def finished(self) -> bool:
        """Whether nothing is left to be done about it: it is dealt with, excepted, or failed."""
        return self.state is not Standing.LEFT

    @property
    def calls(self) -> int:
        """How many calls were begun for it."""
        return sum(len(log.calls) for log in self.steps.values())

    @property
    def open(self) -> bool:
        """Whether there is a call of which nobody knows what became."""
        return any(log.open for log in self.steps.values())

    @property
    def by_word(self) -> bool:
        """Whether it is a person's word alone that has settled one of its calls."""
        return any(log.by_word for log in self.steps.values())

    @property
    def begun(self) -> bool:
        """Whether a call may have been made for it, or anything is known of its end."""
        made = any(log.stage is not Stage.NEW for log in self.steps.values())
        return made or self.level > 0

    @property
    def called(self) -> bool:
        """Whether no call is left to be made: only proof is waited for, or a person."""
        return not self.open and all(self._made(step) for step in self._wanted())

    @property
    def held(self) -> bool:
        """Whether it is left, and waits for a person, its consumers or another plan: for how
        long, nobody knows."""
        if self.finished:
            return False
        by_hand = not self.item.proposal.steps
        waits = bool(self.waits) and not self.waived
        return by_hand or waits or bool(self.taken) or self.unknown

    @property
    def to_call(self) -> bool:
        """Whether a call for it is its lane's to make, as soon as it is its turn."""
        return not (self.finished or self.held or self.called)

    @property
    def unknown(self) -> bool:
        """Whether no answer to be trusted came to a call, and nothing has told since."""
        return self.open and any(log.unanswered for log in self.steps.values())

    @property
    def window(self) -> float:
        """Seconds for which the system declares that the value may work on after a call."""
        spread = self.item.propagation
        return max(spread.total_seconds(), 0.0) if spread is not None else 0.0

    @property
    def over(self) -> float:
        """When the declared propagation is over, in unix seconds; 0 where nothing was done."""
        return self.acted + self.window if self.acted else 0.0

    @property
    def accepted(self) -> bool:
        """Whether the old value was accepted when it was tried last, after the act."""
        return self.works or self.tried == "accepted"

    def pending(self, now: float) -> bool:
        """Whether it counts as dealt with while its value may, as declared, work on.

        A refusal that was seen is no guess about time any more.
        """
        if self.item.verb not in ENDING or self.state not in CLAIMED or self.refused:
            return False
        return bool(self.window) and now < self.over

    def feed(self, entry: Entry) -> None:
        """Take in one entry about this token."""
        at = entry.t_us / 1e6
        match entry.kind:
            case Kind.INTENT:
                self.began = self.began or at
                self.trouble = ""
                self._log(entry)
            case Kind.OUTCOME | Kind.RECOVERY:
                self._log(entry)
                self._answered(entry)
            case Kind.EVIDENCE:
                self._evidence(entry)
            case Kind.RUN if entry.run is not None:
                self._decision(entry)
            case Kind.OBSERVE if entry.how == KnownBy.PROBE and entry.state:
                self._observed(entry)
            case Kind.NOTE if self._is(entry, Mark.MOVING):
                self.waits = entry.why
            case Kind.NOTE if self._is(entry, Mark.OLD):
                self.old = entry.why
            case _:
                return
        self._judge(at)

    def _is(self, entry: Entry, mark: Mark) -> bool:
        return entry.step == mark_of(self.item.number, mark)

    def _log(self, entry: Entry) -> None:
        self.steps.setdefault(entry.step, StepLog()).add(entry)

    def _answered(self, entry: Entry) -> None:
        if entry.done:
            self.acted = entry.t_us / 1e6
            # A look has shown it; how dead that makes the token is evidence like any other.
            if entry.kind == Kind.RECOVERY and (entry.evidence or 0) >= EvidenceLevel.RECORDED:
                self.recorded_at = self.recorded_at or entry.t_us / 1e6
        elif entry.state not in (OutState.UNKNOWN, OutState.NOT_APPLIED):
            self.trouble = entry.sentence

    def _evidence(self, entry: Entry) -> None:
        seen = entry.state == OutState.SEEN
        if entry.handle != self.item.token.ref.handle:
            (self.living.discard if seen else self.living.add)(entry.handle)
            return
        at = entry.t_us / 1e6
        if seen:
            level = entry.evidence or 0
            if level >= EvidenceLevel.RECORDED and self.level < EvidenceLevel.RECORDED:
                self.recorded_at, self.by_probe = at, entry.how == KnownBy.PROBE
                self.old = ""
            self.level = max(self.level, level)
            if level == EvidenceLevel.REFUSED:
                self.refused, self.works = True, False
                self.refused_at, self.tried = at, "refused"
        else:
            # What says that it is not so weighs more than anything that said it was.
            self.refused, self.refused_at = False, 0.0
            self.works = entry.how == KnownBy.PROBE
            self.level = min(self.level, entry.evidence or 0) or (entry.evidence or 0)
            if self.level < EvidenceLevel.RECORDED:
                self.recorded_at = 0.0

    def _observed(self, entry: Entry) -> None:
        """The old value was tried. A try of the new one is told by its step."""
        if self._is(entry, Mark.NEW_VALUE) or entry.handle != self.item.token.ref.handle:
            return
        told = {OutState.SEEN.value: "refused", OutState.NOT_SEEN.value: "accepted"}
        self.tried = told.get(entry.state, "unclear")
        self.tried_at = entry.t_us / 1e6

    def _decision(self, entry: Entry) -> None:
        mark = entry.run
        if mark is None:
            return
        match mark.what:
            case RunEvent.EXCEPT:
                self.owner, self.expires = mark.owner, mark.expires
                self.words = mark.detail
            case RunEvent.WAIVE:
                self.waived = True
            case RunEvent.MOVED:
                self.moved.append(mark.detail)
            case RunEvent.TAKEN:
                self.taken = mark.detail
            case RunEvent.ALARM:
                self.alarm = mark.detail or "used after its end"
                self.refused = False

    def expire(self, now: float) -> bool:
        """End an exception whose time is over. True when that changed something."""
        if self.expires and self.expires / 1e6 <= now and self.state is Standing.EXCEPTED:
            self.owner, self.expires = "", 0
            self._judge(now)
            return True
        return False

    def _judge(self, at: float) -> None:
        before = self.finished
        self.state, self.words = self._verdict()
        if self.finished and not before:
            self.ended = at

    def _verdict(self) -> tuple[Standing, str]:
        item = self.item
        if self.owner:
            return Standing.EXCEPTED, f"by {self.owner}"
        if self.alarm:
            return Standing.FAILED, self.alarm
        if item.fatal:
            return Standing.FAILED, item.fatal[0].text
        if self.open:
            return Standing.LEFT, "no trustworthy answer" if self.unknown else "being called"
        if any(log.stage is Stage.FAILED for log in self.steps.values()):
            return Standing.FAILED, self.trouble
        if self.living:
            return Standing.FAILED, alive(self.living)
        wanted = self._wanted()
        done = sum(self._made(step) for step in wanted)
        if done < len(wanted):
            if item.verb is Verb.ROTATE and done:
                counted = f"{done} of {count(len(wanted), 'step')} done"
                return Standing.LEFT, self.waits or counted
            return Standing.LEFT, self.taken or "waiting"
        return self._ended(by_hand=not wanted)

    def _wanted(self) -> list[str]:
        """The steps that are to be done, the deliveries of a rotation among them."""
        wanted = [step.id for step in self.item.proposal.steps]
        if self.item.verb is Verb.ROTATE and wanted:
            wanted += [str(StepId.of_delivery(self.item.number, sink)) for sink in self.plan.sinks]
        return wanted

    def _made(self, step: str) -> bool:
        """Whether a step is done, or a later attempt of it."""
        log = self.steps.get(step)
        if log is not None and log.stage is Stage.DONE:
            return True
        return any(
            log.stage is Stage.DONE and str(StepId.parse(each).planned) == step
            for each, log in self.steps.items()
        )

    def _ended(self, *, by_hand: bool) -> tuple[Standing, str]:
        """The verdict once every planned call is known to have been made."""
        verb, level = self.item.verb, self.level
        if verb is Verb.ROTATE and not by_hand:
            if self.accepted and self.plan.mode is Mode.LEAK:
                return Standing.LEFT, "replaced, but the old value still works"
            return Standing.REPLACED, self._proof()
        if level < EvidenceLevel.RECORDED:
            if by_hand:
                return Standing.LEFT, "to be done by hand"
            if verb is Verb.DISCONNECT and level >= EvidenceLevel.ACCEPTED:
                return Standing.LEFT, "accepted, sessions still seen"
            return Standing.LEFT, "accepted, not confirmed"
        if verb in (Verb.REVOKE, Verb.ROTATE):
            if self.accepted:
                # Nothing is over while somebody who has the value can go on using it.
                return Standing.LEFT, "the record says ended, and the old value still works"
            return (Standing.DEAD if self.refused else Standing.RECORDED), self._proof()
        if verb is Verb.CONTAIN and self.accepted:
            return Standing.RECORDED, self._proof()
        return Standing.DONE, self._proof()

    @property
    def proof(self) -> str:
        """All that is known of its end, in words."""
        if not self.begun:
            return "none, nothing was asked yet"
        return proof.whole(self.level, refused=self.refused)

    def _proof(self) -> str:
        if self.accepted and not self.refused:
            return "recorded, not refused: the old value still works"
        # Every planned call is known to have been made, whatever was written of it since.
        return proof.whole(max(self.level, EvidenceLevel.ACCEPTED), refused=self.refused)
