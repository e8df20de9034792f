"""How dead a token is, as far as that can be shown: the evidence ladder, one look at a time.

0 asked, 1 the system said yes, 2 its record says so when it is read again, 3 it refused the
old value, 4 its log was silent for the whole time that the value may live on. An answer is
never proof, and nothing here makes a token die: this only reads, and tries the old value
where that is in hand, declared harmless enough, and agreed to. What contradicts a level
takes it away.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from backends.contract import Phase, ProbeResult, Readable, Rotation, Step, Support, Verb
from backends.model import EvidenceLevel, TokenRef
from console.journal.format.entry import Act, Kind, Out, RunMark
from console.journal.format.parts import KnownBy, OutState, RunEvent
from console.journal.format.words import system_words
from console.response.evidence import probe
from console.response.evidence.audit_log import NEAR
from console.response.evidence.audit_log import moment as _moment
from console.response.evidence.context import EvidenceContext, LookMemory
from console.response.evidence.logged_use import LoggedUse
from console.response.plan import entry_parts
from console.response.plan.model import PlanItem
from console.response.plan.step_id import Mark, mark_of
from console.response.state.step_log import Stage
from console.response.state.token import RunToken
from console.response.step.read_back import GONE, HELD
from console.response.step.result import subject
from console.text import safe, stamp

LEAST_SILENCE = 5.0
"""Seconds. Where a system acts at once, silence for no time at all would be no silence."""
LEAST_PAUSE = 0.1
"""Seconds behind the clocks' difference at which the log is read for the first time."""
LATE = 15.0
"""Seconds after its window for which a log is waited for that has not come past it."""
PAUSES = (1.0, 60.0)
"""Seconds between two looks at what does not change, growing from one to the other."""
GIVE_UP = 3600.0
"""Seconds after the window when one stops to look: another runner may go on."""
UNSETTLED = 5
"""Tries without an answer after which the value is not tried again."""
_ENDING = frozenset({Verb.REVOKE, Verb.CONTAIN, Verb.ROTATE})


class Climb(NamedTuple):
    """Where an item stands after a look. ``again`` is None when no further one is worth it."""

    level: int
    refused: bool
    alarm: bool
    again: float | None


async def climb(tools: EvidenceContext, item: PlanItem) -> Climb:
    """Look once how dead the item's token is, and write down what is new.

    Raises:
        JournalError: that could not be written down.
    """
    row = tools.board.row(tools.plan.id, item.number)
    if row is None or row.expires or tools.stopping():
        return Climb(0, False, False, None)
    return await _Look(tools, item, row).run()


class _Look:
    def __init__(self, tools: EvidenceContext, item: PlanItem, row: RunToken) -> None:
        self.tools, self.item, self.row, self.log = tools, item, row, tools.log
        self.memory = tools.looks.setdefault(item.number, LookMemory())
        self.now = tools.now()
        self.ref = item.token.ref
        self.handle = item.token.ref.handle
        self.declared = tools.backend.capabilities().of(item.token.ref.kind)
        self.expected = _expected(item, self.declared.rotation)
        self.acted = self._acted()
        spread = item.propagation.total_seconds() if item.propagation else 0.0
        self.spread = max(spread, 0.0)
        self.over = self.acted + self.spread
        """From here on the system has promised that the value works no more."""

    async def run(self) -> Climb:
        """One look: the record, a try of the old value, the log; as far as each is possible."""
        if not self.acted and self.item.proposal.steps:
            return self._result(None)
        self.memory.looks += 1
        holds = await self._record()
        if not self.acted:
            # By hand, and not seen to be done yet.
            return self._result(self._pause() if holds is not True else 0.0)
        wishes: list[float | None] = []
        if holds is not True:
            wishes.append(self._pause() if self.now < self.over + GIVE_UP else None)
        elif self.now < self.over:
            # What the record says before the declared time is over, it may take back.
            wishes.append(self.over - self.now)
        if self.item.verb in _ENDING:
            wishes.append(await self._probe())
            wishes.append(await self._read_log(recorded=holds is True))
        due = [wish for wish in wishes if wish is not None]
        return self._result(min(due) if due else None)

    def _result(self, again: float | None) -> Climb:
        return Climb(self.row.level, self.row.refused, bool(self.row.alarm), again)

    def _pause(self) -> float:
        least, most = PAUSES
        return float(min(least * 2.0 ** min(self.memory.looks, 10), most))

    def _acted(self) -> float:
        """When the last of the item's calls was known to be made; 0 while one is owed."""
        steps = self.item.proposal.steps
        entries = self.tools.board.entries(self.item.number)
        if self.item.verb is Verb.ROTATE and steps:
            # Its own steps may have been tried anew under other ids.
            end = mark_of(self.item.number, Mark.ROTATED)
            ended = [entry.t_us for entry in entries if entry.step == end]
            return max(ended, default=0) / 1e6
        if any(self.tools.board.step(step.id).stage is not Stage.DONE for step in steps):
            return 0.0
        if not steps:
            seen = [entry.t_us for entry in entries if entry.kind == Kind.EVIDENCE]
            return min(seen) / 1e6 if seen and self.row.level else 0.0
        return max((entry.t_us for entry in entries if entry.done), default=0) / 1e6

    # -- level 2: the issuer's own record

    async def _record(self) -> bool | None:
        """Whether the record says what it should. None when nobody could be asked."""
        if not self.expected:
            return True
        fresh = max(self.memory.read_at, self._last_read())
        if self.row.level >= EvidenceLevel.RECORDED and (
            fresh >= self.over or self.now < self.over
        ):
            return True
        for ref, expect in self.expected.items():
            token = subject(self.item, ref)
            seen = await self.tools.bulk.look(token, expect, self.tools.lane.gate)
            if seen.holds is None:
                return None
            if not seen.holds:
                if self.row.level >= EvidenceLevel.RECORDED and self.now >= self.over:
                    await self._alarm(f"it is back: {seen.words}")
                    await self._tell(
                        OutState.NOT_SEEN, EvidenceLevel.ACCEPTED, KnownBy.READ, seen.words
                    )
                return False
            words = seen.words
        self.memory.read_at = self.now
        if self.row.level < EvidenceLevel.RECORDED:
            await self._tell(OutState.SEEN, EvidenceLevel.RECORDED, KnownBy.READ, words)
        return True

    def _last_read(self) -> float:
        read = [
            entry.t_us
            for entry in self.tools.board.entries(self.item.number)
            if entry.kind in (Kind.EVIDENCE, Kind.RECOVERY)
            and entry.how == KnownBy.READ
            and entry.handle == self.handle
        ]
        return max(read, default=0) / 1e6

    # -- level 3: the old value, tried

    async def _probe(self) -> float | None:
        """Try the value, if that is of use now. Returns when it is worth it again."""
        secret = self.tools.secrets.get(self.handle)
        memory = self.memory
        useful = self.item.ceiling >= EvidenceLevel.REFUSED
        if secret is None or not useful or memory.no_probe or not self._may_probe():
            return None
        tried = self._probes()
        last = max(tried, default=0.0)
        if self.row.refused and (last >= self.over or not tried):
            return None
        if self.row.refused and self.now < self.over:
            # One replica may refuse what another still takes: asked once more at the end.
            return self.over - self.now
        if not self.row.refused and tried and self.now - last < self._pause() / 2:
            return self._pause() / 2
        act = self._act()
        done = await probe.try_value(
            self.tools.backend,
            self.item.token.ref,
            secret,
            act,
            self.tools.record,
            self.tools.lane.gate,
        )
        memory.no_probe = not done.can
        memory.probes.append(self.tools.now())
        return await self._tried(done.result)

    def _may_probe(self) -> bool:
        """Whether trying the value is declared, agreed to, and harmless to a successor."""
        if not self.tools.plan.probe or self.item.probe_effects is None:
            return False
        # There the second use of a replaced value ends the one that replaced it.
        return not (self.item.verb is Verb.ROTATE and self.declared.reuse_detection)

    def _probes(self) -> list[float]:
        """When the value was tried since the act, by this runner and those before."""
        told = [
            entry.t_us / 1e6
            for entry in self.tools.board.entries(self.item.number)
            if entry.kind == Kind.OBSERVE
            and entry.how == KnownBy.PROBE
            and entry.step != mark_of(self.item.number, Mark.NEW_VALUE)
        ]
        return [at for at in (*told, *self.memory.probes) if at >= self.acted]

    async def _tried(self, result: ProbeResult) -> float | None:
        if result.accepted is None:
            self.memory.unsettled += 1
            gave_up = self.memory.no_probe or self.memory.unsettled >= UNSETTLED
            return None if gave_up else self._pause()
        if not result.accepted:
            if not self.row.refused:
                words = result.detail or "the old value was refused"
                await self._tell(OutState.SEEN, EvidenceLevel.REFUSED, KnownBy.PROBE, words)
            return self.over - self.now if self.now < self.over else None
        if self.row.refused:
            await self._alarm("the old value was refused, and is accepted again")
        if self.row.refused or (self.now >= self.over and not self.row.works):
            level = min(self.row.level, EvidenceLevel.RECORDED)
            words = f"the old value is still accepted: {result.detail}"
            await self._tell(OutState.NOT_SEEN, EvidenceLevel(level), KnownBy.PROBE, words)
        return self._pause() if self.now < self.over + GIVE_UP else None

    # -- levels 3 and 4: the system's log

    async def _read_log(self, *, recorded: bool) -> float | None:
        """Read the log: a use is an alarm, a refusal or silence is evidence."""
        if not self._log_speaks():
            return None
        if self.now <= self.acted + NEAR:
            # Nothing that it has by now would count, neither for the token nor against it.
            return self.acted + NEAR + LEAST_PAUSE - self.now
        await self.log.read(self.now)
        uses = self.log.uses(self.ref, self._probes())
        after = [use for use in uses if use.ok and use.at > self.acted + NEAR]
        if await self._used(after):
            return self._pause() if self.now < self.over + GIVE_UP else None
        if not recorded:
            return None
        await self._refused(uses, after)
        return await self._silent(after)

    def _log_speaks(self) -> bool:
        """Whether the log tells of the old value: after a rotation in place nobody can tell."""
        readable = self.declared.can_read(Readable.EVENTS) in (Support.FULL, Support.PARTIAL)
        return readable and self.item.token.ref in self.expected

    async def _used(self, after: list[LoggedUse]) -> bool:
        """Whether it was used after its end. The first such use is an alarm."""
        refused_at = self._refused_at()
        late = [
            use
            for use in after
            if use.at > self.over + NEAR or (refused_at and use.at > refused_at + NEAR)
        ]
        if late and not self.row.alarm:
            use = late[0]
            # The log may add that a session lives on, which is to be disconnected.
            how = f", {safe(use.detail, 60)}" if use.detail else ""
            await self._alarm(
                f"used after its end: {safe(use.action, 60)} from {safe(use.source, 60) or '?'}"
                f" ({safe(use.agent, 40) or '?'}) at {stamp(_moment(use.at))}{how}"
            )
        return bool(late)

    def _refused_at(self) -> float:
        if not self.row.refused:
            return 0.0
        found = [
            entry.t_us
            for entry in self.tools.board.entries(self.item.number)
            if entry.kind == Kind.EVIDENCE and entry.evidence == EvidenceLevel.REFUSED
        ]
        return max(found, default=0) / 1e6

    async def _refused(self, uses: list[LoggedUse], after: list[LoggedUse]) -> None:
        """Somebody else's refused attempt, where it can only be the token's end.

        A denial may be about a right that was never there, or about a mistyped password.
        So it counts for a consumer only that did the very same before the act and was let,
        and when nobody was let since.
        """
        if self.row.refused or self.item.ceiling < EvidenceLevel.REFUSED:
            return
        known = self.log.let_before(self.ref, self.acted)
        since = max((use.at for use in after), default=0.0)
        for use in uses:
            if use.ok or use.at <= max(self.acted + NEAR, since) or use.caller not in known:
                continue
            words = (
                f"the log has it refused: {safe(use.action, 60)} from {safe(use.source, 60) or '?'}"
                f" at {stamp(_moment(use.at))}, let before"
            )
            await self._tell(OutState.SEEN, EvidenceLevel.REFUSED, KnownBy.LOG, words)
            return

    async def _silent(self, after: list[LoggedUse]) -> float | None:
        """No use for the whole time that the value may live on, counted from the last one."""
        known = self.item.propagation is not None and self.item.ceiling >= EvidenceLevel.SILENT
        if not known or self.row.level >= EvidenceLevel.SILENT:
            return None
        start = max([self.acted, *(use.at for use in after)])
        end = start + max(self.spread, LEAST_SILENCE)
        if self.now < end:
            return end - self.now + NEAR
        if self.log.covers(self.ref, self.acted, end):
            words = f"no use in the log for {end - start:.0f} s"
            await self._tell(OutState.SEEN, EvidenceLevel.SILENT, KnownBy.LOG, words)
            return None
        return self._pause() if self.now < end + LATE and not self.log.broken else None

    # -- what is written

    def _step(self) -> Step | None:
        steps = [step for step in self.item.proposal.steps if step.token == self.item.token.ref]
        return steps[-1] if steps else None

    def _act(self) -> Act:
        step = self._step()
        act = entry_parts.act(self.item.verb.value, self.item.token, step, self.tools.plan.id)
        return act if step is not None else replace(act, step=mark_of(self.item.number, Mark.LOOK))

    async def _tell(self, state: OutState, level: EvidenceLevel, how: KnownBy, words: str) -> None:
        step = self._step()
        intent = self.tools.board.step(step.id).intent if step is not None else None
        out = Out(
            ref=intent.id if intent is not None else self.tools.plan.id,
            state=state,
            how=how,
            detail=system_words(words),
            evidence=int(min(level, self.item.ceiling)),
        )
        await self.tools.record(Kind.EVIDENCE, act=self._act(), out=out)

    async def _alarm(self, words: str) -> None:
        if self.row.alarm:
            return
        mark = RunMark(
            plan=self.tools.plan.id,
            what=RunEvent.ALARM,
            item=self.item.number,
            backend=self.item.backend,
            detail=system_words(words, 256),
        )
        await self.tools.record(Kind.RUN, run=mark, act=self._act())


def _expected(item: PlanItem, rotation: Rotation) -> dict[TokenRef, str]:
    """What the record has to say of the token in the end. Children: see ``collateral``."""
    found = {
        step.token: step.expect
        for step in item.proposal.steps
        if step.phase is not Phase.MINT and step.expect
    }
    if item.verb is Verb.ROTATE and not found and rotation is Rotation.REPLACE:
        found[item.token.ref] = GONE
    if item.by_hand:
        found[item.token.ref] = HELD if item.verb is Verb.CONTAIN else GONE
    return found
