"""The ladder: what each level takes, what takes it away, and what never counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lying_scene import Clock, Part, approve
from msgspec.structs import replace
from planned import planned

from backends.contract import Verb
from backends.estate import SYSTEMS, database, set_trouble
from backends.estate.issuing import event
from backends.model import EvidenceLevel, TokenRef
from console.journal.format.entry import Kind
from console.journal.write import writer
from console.journal.write.group import GroupCommit
from console.response.evidence.audit_log import AuditLog
from console.response.evidence.context import EvidenceContext
from console.response.evidence.ladder import Climb, climb
from console.response.plan.model import PlanItem
from console.response.run.item import run_item
from console.response.state.history import History
from console.response.step.pace import Pace

WHY = "somebody else has the value"


class Case:
    """One token that was acted on, and what the ladder makes of it."""

    def __init__(
        self, part: Part, tools: EvidenceContext, item: PlanItem, system: str, id_: str, secret: Any
    ):
        self.part, self.tools, self.item = part, tools, item
        self.system, self.id, self.secret = system, id_, secret
        self.row = tools.board.items[1]
        _, self.other = part.world.mint(system, "neighbour", principal="svc-neighbour")

    async def climb(self) -> Climb:
        return await climb(self.tools, self.item)

    async def to_the_top(self) -> Climb:
        for _ in range(60):
            found = await self.climb()
            if found.again is None:
                return found
            self.part.travel(max(found.again, 1.0))
            # Somebody is always at work, and only a log that goes on can show silence.
            self.part.world.attempt(self.other, "read", source="10.20.1.1", agent="cron")
        raise AssertionError("it climbs for ever")

    def use(self, source: str = "198.51.100.7") -> bool:
        return self.part.world.attempt(self.secret, "read", source=source, agent="curl")

    def told(self, kind: Kind) -> list[str]:
        entries = self.tools.journal.entries(100, kind=kind, plan=self.tools.plan.id)
        return [entry.state or (entry.run.what if entry.run else "") for entry in reversed(entries)]


def case(
    tmp_path: Path,
    work: Callable[[Case], Awaitable[None]],
    *,
    system: str = "cloud",
    verb: Verb = Verb.REVOKE,
    in_hand: bool = True,
    probe: bool = True,
    ceiling: EvidenceLevel = EvidenceLevel.SILENT,
    used: bool = False,
    **trouble: object,
) -> None:
    """Act on a token under these troubles, then let ``work`` look."""
    clock = Clock()

    @contextlib.asynccontextmanager
    async def acted() -> AsyncIterator[Case]:
        part = Part(tmp_path, 5, clock)
        async with part.open(), GroupCommit(part.journal) as group:
            id_, secret = part.world.mint(system, "ladder_token", principal="svc-ladder")
            backend = part.backends[system]
            ref = TokenRef(backend.name, SYSTEMS[system].kind, id_)
            if used:
                part.world.attempt(secret, "read", source="198.51.100.7", agent="curl")
            part.travel(5)
            plan = await planned(backend, verb, await backend.read(ref), WHY, probe=probe)
            item = replace(plan.only, ceiling=ceiling)
            made_at = datetime.fromtimestamp(clock.now(), UTC)
            plan = replace(plan, made_at=made_at, items=(item,))
            approve(plan, part.journal, part.paths)
            part.travel(3)

            async def sleep(seconds: float) -> None:
                part.travel(seconds)

            tools = EvidenceContext(
                plan=plan, backend=backend, paths=part.paths, group=group, journal=part.journal,
                board=History(plan), lane=Pace(backend.name),
                secrets={ref.handle: secret} if in_hand else {}, sleep=sleep, now=clock.now,
                patience=0.0,
            )  # fmt: skip
            set_trouble(part.file, system, **trouble)
            await run_item(tools, item)
            yield Case(part, tools, item, system, id_, secret)

    async def inside() -> None:
        async with acted() as found:
            await work(found)

    with pytest.MonkeyPatch.context() as altered:
        altered.setattr(writer, "time", clock.shim())
        asyncio.run(inside())


def test_a_refused_value_is_dead_and_then_silent(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        end = await found.to_the_top()
        assert (end.level, end.refused, end.alarm) == (4, True, False)
        assert found.row.state == "dead"
        assert found.told(Kind.EVIDENCE)[-1] == "seen"

    case(tmp_path, work)


def test_without_the_value_it_is_recorded_and_never_dead(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        end = await found.to_the_top()
        assert not end.refused
        assert (found.row.state, found.row.level) == ("recorded", 4)
        assert found.told(Kind.OBSERVE) == []

    case(tmp_path, work, in_hand=False)


def test_no_value_is_tried_without_leave(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        await found.to_the_top()
        assert found.told(Kind.OBSERVE) == []
        assert not found.row.refused

    case(tmp_path, work, probe=False)


def test_no_level_is_higher_than_the_system_allows(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        end = await found.to_the_top()
        assert (end.level, end.refused) == (2, False)
        assert found.row.state == "recorded"

    case(tmp_path, work, ceiling=EvidenceLevel.RECORDED)


def test_a_record_that_lies_is_found_out_by_the_value(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        for _ in range(8):
            await found.climb()
            found.part.travel(10)
        assert found.part.world.accepts(found.secret)
        assert found.row.state != "dead"
        assert "still works" in found.row.words

    case(tmp_path, work, undead=True)


def test_a_value_that_lives_on_for_an_hour_is_dead_when_it_is(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        for _ in range(5):
            await found.climb()
            assert not found.row.refused
            found.part.travel(60)
        found.part.travel(3600)
        await found.climb()
        assert found.row.refused
        assert not found.part.world.accepts(found.secret)

    case(tmp_path, work, effect_lag=3600)


def test_somebody_elses_refused_attempt_proves_it_where_it_was_let_before(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        found.part.travel(20)
        assert not found.use()
        await found.to_the_top()
        assert (found.row.state, found.row.refused) == ("dead", True)
        told = found.tools.journal.entries(50, kind=Kind.EVIDENCE, plan=found.tools.plan.id)
        assert "log" in {entry.how for entry in told}

    case(tmp_path, work, in_hand=False, used=True)


def test_a_strangers_refused_attempt_proves_nothing(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        found.part.travel(20)
        assert not found.use("203.0.113.99")
        await found.to_the_top()
        assert not found.row.refused

    case(tmp_path, work, in_hand=False, used=True)


def test_use_after_the_end_is_an_alarm_and_no_token_is_dead_with_one(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        found.part.travel(30)
        assert found.use()
        for _ in range(3):
            end = await found.climb()
            found.part.travel(6)
        assert end.alarm
        assert "used after its end" in found.row.alarm
        assert found.row.state == "failed"
        assert found.told(Kind.RUN) == ["alarm"]

    case(tmp_path, work, in_hand=False, used=True, undead=True)


def test_a_session_that_lives_on_is_an_alarm_that_says_so(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        found.part.travel(30)
        row = found.part.world.row(found.system, found.id)
        assert row is not None
        with database.writing(found.part.world.db):
            event(
                found.part.world.db, found.system, found.part.world.now(), row["n"], "SELECT",
                "ok", actor="svc-ladder", source="10.20.3.4", agent="pgjdbc",
                detail="in a session opened before",
            )  # fmt: skip
        found.part.travel(6)
        await found.climb()
        assert found.row.alarm.endswith("in a session opened before")
        assert found.row.state == "failed"

    case(tmp_path, work, system="database", in_hand=False)


def test_our_own_tries_never_count_as_use(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        for _ in range(8):
            end = await found.climb()
            found.part.travel(10)
        # The value was accepted, by a probe of ours each time, and that is in the log.
        assert found.told(Kind.OBSERVE).count("not_seen") > 1
        assert not end.alarm

    case(tmp_path, work, undead=True)


def test_a_log_with_a_hole_shows_no_silence(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        now = found.part.world.now()
        found.part.world.db.execute("INSERT INTO silence VALUES (?, ?)", (now + 1, now + 3))
        found.part.travel(4)
        await found.to_the_top()
        assert found.row.level == EvidenceLevel.RECORDED

    case(tmp_path, work, in_hand=False)


def test_a_log_that_stands_still_shows_no_silence(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        found.part.world.db.execute("DELETE FROM consumer")
        for _ in range(30):
            if (again := (await found.climb()).again) is None:
                break
            found.part.travel(max(again, 1.0))
        assert found.row.level == EvidenceLevel.RECORDED

    case(tmp_path, work, in_hand=False)


def test_a_token_that_comes_back_is_an_alarm(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        await found.climb()
        assert found.row.level >= EvidenceLevel.RECORDED
        found.part.world.change(Verb.RESTORE, "cloud", found.id)
        found.part.travel(20)
        end = await found.climb()
        assert end.alarm
        assert not end.refused

    case(tmp_path, work, verb=Verb.CONTAIN, in_hand=False)


def test_five_thousand_items_read_the_log_once(tmp_path: Path) -> None:
    async def work(found: Case) -> None:
        reads = 0
        events = found.tools.backend.events

        def counted(*given: Any) -> Any:
            nonlocal reads
            reads += 1
            return events(*given)

        found.tools.backend.events = counted  # type: ignore[method-assign,assignment]
        log = AuditLog(found.tools.backend, [found.item.token.ref], found.tools.now())
        await asyncio.gather(*(log.read(found.tools.now()) for _ in range(5_000)))
        assert reads == 1
        found.part.travel(6)
        await log.read(found.tools.now())
        assert reads == 2

    case(tmp_path, work)
