"""What the screen may ask for that ends in an act: plans, approvals, and decisions about runs.

Nothing here makes a call that changes anything: an approved plan is handed to a runner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from backends.contract import Verb
from console.errors import UsageError
from console.fleet import Fleet
from console.graph import owning
from console.inventory.search import Inventory
from console.journal import opening
from console.journal.describe import Entry
from console.journal.log import Journal
from console.response import (
    approval,
    control,
    escrow,
    gathering,
    not_done,
    planfile,
    report,
    runner,
    second,
    service,
)
from console.response.plan import Mode, Plan
from console.response.rules import Rules
from console.response.signing import Desk

Answer = dict[str, Any]
SHOWN = 40
"""Items of a plan for many whose calls the screen is given to show."""


class Acts:
    """Answers the screen's requests that lead to an act. One responder signs here."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._desk = Desk(fleet.settings.journal)
        self.requests: dict[str, Callable[[Mapping[str, Any]], Awaitable[Answer]]] = {
            "plan": self.plan,
            "approve": self.approve,
            "second": self.second,
            "glass": self.glass,
            "start": self.start,
            "decide": self.decide,
            "owner": self.owner,
            "escrow": self.escrow,
        }

    async def plan(self, request: Mapping[str, Any]) -> Answer:
        """A plan for the handles, or for a query. It is kept, and waits for its approval."""
        inventory = Inventory(self.fleet.paths.inventory)
        try:
            plan = await gathering.gather(
                self.fleet.backend,
                inventory,
                Verb(str(request["verb"])),
                query=str(request.get("query", "")),
                handles=tuple(map(str, request.get("handles", ()))),
                reason=str(request.get("reason", "")),
                incident=str(request.get("incident", "")),
                mode=Mode(str(request.get("mode", "routine"))),
                sinks=tuple(map(str, request.get("sinks", ()))),
                settings=self.fleet.settings,
                extends=str(request.get("extends", "")),
            )
        finally:
            inventory.close()
        card = not_done.not_done(plan)
        forbidden = all(item.fatal for item in plan.items)
        needed = await asyncio.to_thread(self._kept, plan, keep=card is None and not forbidden)
        told = {
            "plan": plan.id,
            "verb": plan.verb.value,
            "tokens": len(plan.items),
            "typed_word": plan.typed_word,
            "hazards": [
                {
                    "code": raised.hazard.code,
                    "text": raised.hazard.text,
                    "fatal": raised.hazard.fatal,
                    "tokens": len(raised.items),
                }
                for raised in plan.hazards
            ],
            "forbidden": forbidden,
            # There is no call at all, and so nothing to approve.
            "not_done": None
            if card is None
            else {"title": card.title, "why": card.why, "instead": list(card.instead)},
            "second_person": needed,
            "escrow": len(plan.escrow),
            "lines": report.plan_lines(plan, SHOWN, needed),
            # Without calls, and without the line that says so.
            "head": len(report.plan_lines(plan, 0, needed)) - 1,
        }
        if len(plan.items) == 1:
            told["item"] = msgspec.to_builtins(plan.only)
            told["takes_effect"] = report.takes_effect(plan.only, plan.mode)
        return told

    async def approve(self, request: Mapping[str, Any]) -> Answer:
        """The responder's approval. The run starts at once where no second person is needed."""
        plan, paths = self._plan(request), self.fleet.paths
        given = {str(code): str(why) for code, why in dict(request.get("answers", {})).items()}
        broken = str(request.get("break_glass", ""))

        def approve() -> str:
            with opening.journal(paths) as journal:
                if broken:
                    second.break_glass(plan, journal, paths, broken, self._desk)
                typed = str(request.get("typed") or "")
                approval.approve(plan, journal, paths, typed, given, self._desk)
            if not broken and (needed := Rules.now(paths).second_person(plan)):
                return needed
            runner.start(plan.id, paths, self._desk.current)
            return ""

        # The agent may wait for a touch, and the runner's lock for a recovery.
        waits = await asyncio.to_thread(approve)
        return {"run": plan.id, "signed": self._desk.standing, "waits": waits}

    def _kept(self, plan: Plan, *, keep: bool) -> str:
        """Keep a plan for its approval; why that takes a second person too, if it does.

        One that nobody can approve is not kept.
        """
        if keep:
            with opening.journal(self.fleet.paths) as journal:
                approval.keep(plan, journal, self.fleet.paths)
        return Rules.now(self.fleet.paths).second_person(plan)

    async def second(self, request: Mapping[str, Any]) -> Answer:
        """A second person's approval of a plan that somebody else approved."""
        plan, paths = self._plan(request), self.fleet.paths
        typed, reason = str(request.get("typed", "")), str(request.get("reason", ""))

        def approve() -> Entry:
            with opening.journal(paths) as journal:
                return second.approve(plan, journal, paths, typed, reason, self._desk)

        return {"says": (await asyncio.to_thread(approve)).sentence}

    async def glass(self, request: Mapping[str, Any]) -> Answer:
        """Do without the second person of an approved plan, and start its run."""
        plan, paths = self._plan(request), self.fleet.paths

        def go_on() -> Entry:
            with opening.journal(paths) as journal:
                typed, why = str(request.get("typed", "")), str(request.get("reason", ""))
                broken = second.go_without(plan, journal, paths, typed, why, self._desk)
                self._desk.session(journal, Rules.now(paths), plan.reason, plan.incident)
            runner.start(plan.id, paths, self._desk.current)
            return broken

        return {"says": (await asyncio.to_thread(go_on)).sentence}

    async def start(self, request: Mapping[str, Any]) -> Answer:
        """Start a run, or go on with one whose runner is gone."""
        plan, paths = self._plan(request), self.fleet.paths

        def start() -> None:
            with opening.journal(paths) as journal:
                rules = Rules.now(paths)
                approval.approved(plan.id, journal, paths)
                second.check(plan, journal, rules)
                self._desk.session(journal, rules, plan.reason, plan.incident)
            runner.start(plan.id, paths, self._desk.current)

        await asyncio.to_thread(start)
        return {"run": plan.id}

    async def decide(self, request: Mapping[str, Any]) -> Answer:
        """Pause, resume, abort, let a lane go on, waive, except or close, with a reason."""
        plan = self._plan(request)

        def decide() -> tuple[Entry, tuple[str, ...]]:
            with opening.journal(self.fleet.paths) as journal:
                if request.get("what") == "close":
                    why = str(request.get("reason", ""))
                    return service.close(plan, self.fleet.paths, journal, why)
                return self._decided(plan, journal, request), ()

        entry, also = await asyncio.to_thread(decide)
        return {"says": entry.sentence, "also": list(also)}

    def _decided(self, plan: Plan, journal: Journal, request: Mapping[str, Any]) -> Entry:
        why, item = str(request.get("reason", "")), str(request.get("item", ""))
        match request.get("what"):
            case "pause":
                return control.pause(plan, journal, why)
            case "resume":
                return control.resume(plan, journal, why)
            case "abort":
                return control.abort(plan, journal, why)
            case "unhalt":
                return control.unhalt(plan, journal, why, str(request.get("backend", "")))
            case "waive":
                return control.waive(
                    plan, journal, why, int(item), str(request.get("consumer", ""))
                )
            case "except":
                until = datetime.fromisoformat(str(request.get("until", "")))
                until = until if until.tzinfo else until.replace(tzinfo=UTC)
                owner = str(request.get("owner", ""))
                number, late = control.which(plan, item)
                return control.except_(plan, journal, why, number, owner, until, late=late)
            case what:
                raise UsageError(f"nothing that can be decided about a run: {what!r}")

    async def owner(self, request: Mapping[str, Any]) -> Answer:
        """Make somebody answer for a token, with a reason and on the record."""
        if not self.fleet.act:
            raise UsageError("this console is read-only", "Start it with --act.")
        handle, name = str(request["handle"]), str(request.get("owner", "")).strip()
        why = str(request.get("reason", ""))

        def assign() -> str:
            with opening.journal(self.fleet.paths) as journal:
                return owning.assign(self.fleet.engine, journal, handle, name, why)

        entry = await asyncio.to_thread(assign)
        return {
            "says": f"{name} answers for it now (journal {report.short(entry)}).",
            "entry": entry,
        }

    async def escrow(self, request: Mapping[str, Any]) -> Answer:
        """Whether a rotation could seal its new values, told before one is wanted."""
        configured = self.fleet.settings.response.escrow
        ready = await asyncio.to_thread(escrow.readiness, configured)
        return {"keys": ready.keys, "says": ready.words, "hint": ready.hint}

    def _plan(self, request: Mapping[str, Any]) -> Plan:
        if not self.fleet.act:
            raise UsageError("this console is read-only", "Start it with --act.")
        return planfile.load(str(request["plan"]), self.fleet.paths)
