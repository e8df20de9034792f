"""What the screen may ask for that ends in an act: plans, approvals, and decisions about runs.

Nothing here makes a call that changes anything: an approved plan is handed to a runner.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from backends.contract import Verb
from console.errors import UsageError
from console.fleet import Fleet
from console.graph.collect import assign as owning
from console.incident import active
from console.inventory.search.inventory import Inventory
from console.journal import opening
from console.journal.case_scope import scopes
from console.response import escrow
from console.response.approve.signing import Responder
from console.response.plan import file
from console.response.plan.model import Mode, Plan
from console.response.service import approving, closing, deciding, planning, starting
from console.response.service.deciding import Decision
from console.response.service.planning import MadePlan, PlanRequest
from console.response.service.starting import Launch
from console.response.state import report

Answer = dict[str, Any]
SHOWN = 40
"""Items of a plan for many whose calls the screen is given to show."""


class Acts:
    """Answers the screen's requests that lead to an act. One responder signs here."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._responder = Responder(fleet.settings.journal)
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
        given = str(request.get("incident", ""))
        wanted = PlanRequest(
            verb=Verb(str(request["verb"])),
            reason=str(request.get("reason", "")),
            handles=tuple(map(str, request.get("handles", ()))),
            query=str(request.get("query", "")),
            incident=await asyncio.to_thread(active.for_plan, self.fleet.paths, given),
            mode=Mode(str(request.get("mode", "routine"))),
            sinks=tuple(map(str, request.get("sinks", ()))),
            extends=str(request.get("extends", "")),
        )
        paths, settings = self.fleet.paths, self.fleet.settings
        with contextlib.closing(Inventory(paths.inventory, scopes=scopes(paths))) as inventory:
            made = await planning.make(wanted, self.fleet.backend, inventory, paths, settings)
        return _told(made)

    async def approve(self, request: Mapping[str, Any]) -> Answer:
        """The responder's approval. The run starts at once where no second person is needed."""
        plan = self._plan(request)
        answers = {str(code): str(why) for code, why in dict(request.get("answers", {})).items()}
        approved = await asyncio.to_thread(
            approving.approve,
            plan,
            self.fleet.paths,
            self._responder,
            str(request.get("typed") or ""),
            answers,
            break_glass=str(request.get("break_glass", "")),
            launch=Launch(),
        )
        return {"run": plan.id, "signed": self._responder.standing, "waits": approved.waits}

    async def second(self, request: Mapping[str, Any]) -> Answer:
        """A second person's approval of a plan that somebody else approved."""
        plan = self._plan(request)
        typed, reason = str(request.get("typed", "")), str(request.get("reason", ""))
        entry = await asyncio.to_thread(
            approving.second, plan, self.fleet.paths, self._responder, typed, reason
        )
        return {"says": entry.sentence}

    async def glass(self, request: Mapping[str, Any]) -> Answer:
        """Do without the second person of an approved plan, and start its run."""
        plan = self._plan(request)
        typed, reason = str(request.get("typed", "")), str(request.get("reason", ""))
        entry = await asyncio.to_thread(
            approving.break_glass,
            plan,
            self.fleet.paths,
            self._responder,
            typed,
            reason,
            launch=Launch(),
        )
        return {"says": entry.sentence}

    async def start(self, request: Mapping[str, Any]) -> Answer:
        """Start a run, or go on with one whose runner is gone."""
        plan = self._plan(request)
        await asyncio.to_thread(starting.start, plan, self.fleet.paths, self._responder)
        return {"run": plan.id}

    async def decide(self, request: Mapping[str, Any]) -> Answer:
        """Pause, resume, abort, let a lane go on, waive, except or close, with a reason."""
        plan, paths = self._plan(request), self.fleet.paths
        if request.get("what") == "close":
            reason = str(request.get("reason", ""))
            closed = await asyncio.to_thread(closing.close, plan, paths, reason)
            return {"says": closed.entry.sentence, "also": list(closed.also)}
        given = {name: str(request.get(name, "")) for name in Decision._fields}
        entry = await asyncio.to_thread(deciding.decide, plan, paths, Decision(**given))
        return {"says": entry.sentence, "also": []}

    async def owner(self, request: Mapping[str, Any]) -> Answer:
        """Make somebody answer for a token, with a reason and on the record."""
        if not self.fleet.act:
            raise UsageError("this console is read-only", "Start it with --act.")
        handle, name = str(request["handle"]), str(request.get("owner", "")).strip()
        why = str(request.get("reason", ""))

        def assign() -> str:
            with opening.journal(self.fleet.paths) as journal:
                incident = active.named(self.fleet.paths, journal)
                return owning.assign(
                    self.fleet.engine, journal, handle, name, why, incident=incident
                )

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
        return file.load(str(request["plan"]), self.fleet.paths)


def _told(made: MadePlan) -> Answer:
    """A plan as the screen shows it."""
    plan, card = made.plan, made.card
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
        "forbidden": made.forbidden,
        # There is no call at all, and so nothing to approve.
        "not_done": None
        if card is None
        else {"title": card.title, "why": card.why, "instead": list(card.instead)},
        "second_person": made.second_person,
        "escrow": len(plan.escrow),
        "lines": report.plan_lines(plan, SHOWN, made.second_person),
        # Without calls, and without the line that says so.
        "head": len(report.plan_lines(plan, 0, made.second_person)) - 1,
    }
    if len(plan.items) == 1:
        told["incident"] = plan.incident
        told["item"] = msgspec.to_builtins(plan.only)
        told["takes_effect"] = report.takes_effect(plan.only, plan.mode)
    return told
