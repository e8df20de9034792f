"""One token of a run: what the journal tells of it, and the one state that it is in.

The states are explained in ``board``, which adds them up.
"""

from __future__ import annotations

from backends.contract import Verb
from backends.model import EvidenceLevel
from console.journal.describe import Entry
from console.journal.entry import Kind
from console.response.plan import Item, Mode, Plan

STATES = ("dead", "recorded", "replaced", "done", "excepted", "failed", "left")
"""In the order in which they are shown."""
_DONE = frozenset({"applied", "already"})


class Row:
    """One token of a run, and what the journal tells of it.

    ``level`` is the highest evidence reached, ``refused`` whether the system was seen to
    decline the old value since anything last contradicted that. Times are in unix seconds.
    """

    __slots__ = (
        "alarm", "began", "calls", "ended", "expires", "item", "level", "living", "moved",
        "opened", "owner", "plan", "refused", "state", "steps", "taken", "trouble",
        "waits", "waived", "words", "works",
    )  # fmt: skip

    def __init__(self, plan: Plan, item: Item) -> None:
        self.plan, self.item = plan, item
        self.state, self.words = "left", "waiting"
        self.level = 0
        self.refused = False
        self.works = False
        """The old value was seen to be accepted after the act."""
        self.alarm = ""
        self.steps: dict[str, str] = {}
        self.opened: dict[str, str] = {}
        """The open intents: the id, and the step."""
        self.living: set[str] = set()
        """Handles of tokens that should have ended along with this one, and live."""
        self.moved: list[str] = []
        self.trouble = ""
        self.calls = 0
        self.taken = ""
        """What another plan is doing, or did, to the token."""
        self.waived = False
        self.waits = ""
        """Whom the end of the old value waits for."""
        self.owner = ""
        self.expires = 0
        self.began = self.ended = 0.0
        self._judge(0.0)

    @property
    def key(self) -> tuple[str, int]:
        return self.plan.id, self.item.number

    @property
    def finished(self) -> bool:
        return self.state != "left"

    @property
    def called(self) -> bool:
        """Whether no call is left to be made: only proof is waited for, or a person."""
        return not self.opened and all(self._made(step) for step in self._wanted())

    def feed(self, entry: Entry) -> None:
        """Take in one entry about this token."""
        at = entry.t_us / 1e6
        match entry.kind:
            case Kind.INTENT:
                self.began = self.began or at
                self.calls += 1
                self.steps[entry.step] = "open"
                self.opened[entry.id] = entry.step
                self.trouble = ""
            case Kind.OUTCOME:
                self._outcome(entry)
            case Kind.RECOVERY:
                self._recovery(entry)
            case Kind.EVIDENCE:
                self._evidence(entry)
            case Kind.RUN if entry.run is not None:
                self._decision(entry)
            case Kind.NOTE if entry.step.endswith(".moving"):
                self.waits = entry.why
            case _:
                return
        self._judge(at)

    def _outcome(self, entry: Entry) -> None:
        if entry.state == "unknown":
            self.steps[entry.step] = "unknown"
            return
        self.opened.pop(entry.ref, None)
        if entry.state in _DONE:
            self.steps[entry.step] = "done"
        else:
            self.steps[entry.step] = "failed"
            self.trouble = entry.sentence

    def _recovery(self, entry: Entry) -> None:
        self.opened.pop(entry.ref, None)
        if entry.state == "applied":
            self.steps[entry.step] = "done"
        elif entry.state == "not_applied":
            self.steps.pop(entry.step, None)
        else:
            self.steps[entry.step] = "settled"
            self.trouble = entry.sentence

    def _evidence(self, entry: Entry) -> None:
        seen = entry.state == "seen"
        if entry.handle != self.item.token.ref.handle:
            (self.living.discard if seen else self.living.add)(entry.handle)
            return
        if seen:
            self.level = max(self.level, entry.evidence or 0)
            if (entry.evidence or 0) == EvidenceLevel.REFUSED:
                self.refused, self.works = True, False
        else:
            # What says that it is not so weighs more than anything that said it was.
            self.refused = False
            self.works = entry.how == "probe"
            self.level = min(self.level, entry.evidence or 0) or (entry.evidence or 0)

    def _decision(self, entry: Entry) -> None:
        mark = entry.run
        if mark is None:
            return
        match mark.what:
            case "except":
                self.owner, self.expires = mark.owner, mark.expires
                self.words = mark.detail
            case "waive":
                self.waived = True
            case "moved":
                self.moved.append(mark.detail)
            case "taken":
                self.taken = mark.detail
            case "alarm":
                self.alarm = mark.detail or "used after its end"
                self.refused = False

    def expire(self, now: float) -> bool:
        """End an exception whose time is over. True when that changed something."""
        if self.expires and self.expires / 1e6 <= now and self.state == "excepted":
            self.owner, self.expires = "", 0
            self._judge(now)
            return True
        return False

    def _judge(self, at: float) -> None:
        before = self.finished
        self.state, self.words = self._verdict()
        if self.finished and not before:
            self.ended = at

    def _verdict(self) -> tuple[str, str]:
        item = self.item
        if self.owner:
            return "excepted", f"by {self.owner}"
        if self.alarm:
            return "failed", self.alarm
        if item.fatal:
            return "failed", item.fatal[0].text
        if self.opened:
            unknown = "unknown" in self.steps.values()
            return "left", "no trustworthy answer" if unknown else "being called"
        failed = [step for step, state in self.steps.items() if state == "failed"]
        if failed or "settled" in self.steps.values():
            return "failed", self.trouble
        if self.living:
            return "failed", f"{len(self.living)} that should have ended with it live on"
        wanted = self._wanted()
        done = sum(self._made(step) for step in wanted)
        if done < len(wanted):
            if item.verb is Verb.ROTATE and done:
                return "left", self.waits or f"{done} of {len(wanted)} steps done"
            return "left", self.taken or "waiting"
        return self._ended(by_hand=not wanted)

    def _wanted(self) -> list[str]:
        """The steps that are to be done, the deliveries of a rotation among them."""
        wanted = [step.id for step in self.item.proposal.steps]
        if self.item.verb is Verb.ROTATE and wanted:
            wanted += [f"{self.item.number}.deliver.{sink}" for sink in self.plan.sinks]
        return wanted

    def _made(self, step: str) -> bool:
        """Whether a step is done, or a later attempt of it, which has ``~`` in its id."""
        if self.steps.get(step) == "done":
            return True
        later = f"{step}~"
        return any(state == "done" and each.startswith(later) for each, state in self.steps.items())

    def _ended(self, *, by_hand: bool) -> tuple[str, str]:
        """The verdict once every planned call is known to have been made."""
        verb, level = self.item.verb, self.level
        if verb is Verb.ROTATE and not by_hand:
            if self.works and self.plan.mode is Mode.LEAK:
                return "left", "replaced, but the old value still works"
            return "replaced", self._proof()
        if level < EvidenceLevel.RECORDED:
            if by_hand:
                return "left", "to be done by hand"
            if verb is Verb.DISCONNECT and level >= EvidenceLevel.ACCEPTED:
                return "left", "accepted, sessions still seen"
            return "left", "accepted, not confirmed"
        if verb in (Verb.REVOKE, Verb.ROTATE):
            if self.works:
                # Nothing is over while somebody who has the value can go on using it.
                return "left", "the record says ended, and the old value still works"
            return ("dead" if self.refused else "recorded"), self._proof()
        if verb is Verb.CONTAIN and self.works:
            return "recorded", self._proof()
        return "done", self._proof()

    def _proof(self) -> str:
        if self.refused:
            return "refused" + (", then silent" if self.level >= EvidenceLevel.SILENT else "")
        if self.works:
            return "recorded, not refused: the old value still works"
        if self.level >= EvidenceLevel.SILENT:
            return "recorded, silent, not refused"
        if self.level >= EvidenceLevel.RECORDED:
            return "recorded, not refused"
        return "accepted"
