"""``revoke``: the same plan, confirmation and runner that the screen uses."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import msgspec

from backends.contract import Verb
from backends.model import EvidenceLevel
from console import settings
from console.cli import output
from console.cli.inventory import one, opened
from console.errors import Exit, UsageError
from console.fleet import Fleet
from console.inventory import export
from console.journal import opening
from console.journal.read import Entry
from console.response import plan as plans
from console.response import runner
from console.response.locks import alive
from console.response.recover import recover
from console.response.signing import Desk
from console.settings import Paths, paths

WAIT = 600.0
"""Seconds to watch a run; it goes on by itself when we stop watching."""


def run(chosen: argparse.Namespace) -> int:
    """Plan, show, confirm, start the runner, and report what it wrote into the journal."""
    where = paths(chosen.home)
    loaded = settings.load(where.config)
    with opened(where) as inventory:
        row = one(inventory, chosen.token)
        detail = inventory.detail(row.handle)
    if detail is None:
        raise UsageError("the token left the inventory just now", "Look again: token-console list")

    async def make() -> plans.Plan:
        async with Fleet(loaded, where, act=True) as fleet:
            backend = await fleet.backend(detail.token.ref.backend)
            if not chosen.dry_run:
                with opening.journal(where) as journal:
                    for settled in await recover([backend], journal, where):
                        output.note(settled.sentence)
            fresh = await backend.read(detail.token.ref)
            return await plans.make(backend, Verb.REVOKE, fresh, chosen.reason, chosen.incident)

    plan = asyncio.run(make())
    if chosen.json and chosen.dry_run:
        print(export.dumps(msgspec.to_builtins(plan, builtin_types=(), str_keys=True)))
    elif not chosen.json:
        _print(plan)
    if chosen.dry_run:
        return Exit.OK
    plans.refuse_fatal(plan)
    typed = chosen.confirm if chosen.confirm is not None else _ask(plan)
    plans.save(plan, where)
    desk = Desk(loaded.journal)
    with opening.journal(where) as journal:
        plans.approve(plan, journal, where, typed, desk=desk)
    if desk.standing and loaded.journal.signatures != "off":
        output.note(desk.standing)
    runner.start(plan.id, where, desk.current)
    return _watch(plan, where, as_json=chosen.json)


def _print(plan: plans.Plan) -> None:
    token = plan.token
    production = " (production)" if plan.production else ""
    final = "" if all(step.reversible for step in plan.proposal.steps) else "  irreversible"
    output.line(f"REVOKE {token.name} on {plan.backend}{production}{final}")
    output.line(f"  owner         {token.owner.or_else('none known')}")
    for step in plan.proposal.steps:
        output.line(f"  will call     {step.call.line}")
    for text in plan.proposal.collateral:
        output.line(f"  goes with it  {text}")
    output.line(f"  takes effect  {plan.proposal.takes_effect or 'not known'}")
    output.line(f"  undo          {plan.proposal.undo or 'none'}")
    if plan.proposal.manual:
        output.line(f"  by hand       {plan.proposal.manual}")
    for hazard in plan.proposal.hazards:
        output.line(f"  ! STOP        {hazard.text}")
    output.line(f"  reason        {plan.reason}")


def _ask(plan: plans.Plan) -> str:
    if not sys.stdin.isatty():
        raise UsageError(
            "nobody is there to confirm", f"Say what you mean: --confirm {plan.typed_word}"
        )
    output.note(f"type {plan.typed_word} to go on, anything else to stop")
    return input("> ")


def _watch(plan: plans.Plan, where: Paths, *, as_json: bool) -> int:
    """Follow the run in the journal until its runner ends; it goes on if we stop watching."""
    told: dict[str, Entry] = {}
    with opening.view(where) as view:
        deadline = time.monotonic() + WAIT
        running = True
        while running and time.monotonic() < deadline:
            # Asked before the last look, so that what a runner wrote at its end is seen.
            running = alive(plan.id, where)
            for entry in reversed(view.entries(plan=plan.id)):
                if entry.id not in told:
                    told[entry.id] = entry
                    if not as_json:
                        output.line(f"  {entry.sentence}")
            time.sleep(0.1)
    states = [entry.state for entry in told.values() if entry.kind == "outcome"]
    levels = [entry.evidence for entry in told.values() if entry.kind == "evidence"]
    proven = min((level for level in levels if level is not None), default=0)
    every = len(states) == len(plan.proposal.steps)
    if as_json:
        log = [
            {"kind": entry.kind, "id": entry.id, "says": entry.sentence} for entry in told.values()
        ]
        print(export.dumps({"plan": plan.id, "states": states, "evidence": proven, "log": log}))
    if every and set(states) <= {"applied", "already"} and proven >= EvidenceLevel.RECORDED:
        return Exit.OK
    output.error("not finished with proof", "See what is open: token-console journal list --open")
    return Exit.PARTIAL if set(states) & {"applied", "already", "unknown"} else Exit.FAILED
