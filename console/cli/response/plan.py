"""``plan`` and ``approve``: what will be done to many tokens, and who lets it be done."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from backends.contract import Verb
from backends.model import Secret
from console.cli.inventory import one, opened
from console.cli.response.access import (
    Workplace,
    ask_answers,
    ask_word,
    find,
    place,
    secret_from_stdin,
    told_signature,
)
from console.cli.shell import output
from console.errors import Exit, UsageError
from console.incident import active
from console.inventory import export
from console.inventory.search import query as queries
from console.response.approve.signing import Responder
from console.response.plan import destinations, not_done
from console.response.plan.model import Mode, Plan
from console.response.service import planning
from console.response.service.planning import MadePlan, PlanRequest
from console.response.state import report
from console.settings import paths


def request(chosen: argparse.Namespace, handles: tuple[str, ...], query: str = "") -> PlanRequest:
    """What a person asked for on the command line. Refuses nothing; the service does."""
    sinks = tuple(getattr(chosen, "to", ()))
    if getattr(chosen, "show", False):
        sinks = (*sinks, destinations.SHOW)
    return PlanRequest(
        verb=Verb(chosen.verb),
        reason=chosen.reason,
        handles=handles,
        query=query,
        incident=active.for_plan(paths(chosen.home), chosen.incident),
        mode=Mode.LEAK if chosen.leak else Mode.ROUTINE,
        sinks=sinks,
        probe=chosen.probe,
    )


def run(chosen: argparse.Namespace) -> int:
    """Make a plan for many, print it, and keep it to be approved."""
    here = place(chosen)
    query = " ".join(chosen.query)
    if not query and not chosen.token:
        raise UsageError("no tokens are named", "Give a query, or --token ID.")
    # Refused before a value is asked for, or any system.
    queries.scope(query)
    with opened(here.paths) as inventory:
        handles = tuple(one(inventory, wanted).handle for wanted in chosen.token)
    old = secret_from_stdin() if chosen.secret_stdin else None
    made = make(request(chosen, handles, query), here, old, dry_run=chosen.dry_run)
    plan, card = made.plan, made.card
    if chosen.json:
        print(as_json(plan))
        return Exit.OK if made.approvable or chosen.dry_run else Exit.FAILED
    told = report.plan_lines(plan, second=made.second_person)
    lines = report.call_lines(plan) if chosen.calls else told
    for line in lines if card is None else card.lines():
        output.line(line)
    if chosen.dry_run:
        return Exit.OK
    if card is not None:
        return Exit.FAILED
    # A plan of which nothing may be done is not kept: nobody can approve it.
    not_done.refuse(plan)
    name = report.short(plan.id)
    output.note(f"kept as {plan.id}; nothing was sent")
    output.note(f"to go on: token-console approve {name} --confirm '{plan.typed_word}'")
    return Exit.OK


def make(
    wanted: PlanRequest, here: Workplace, old: Secret | None = None, *, dry_run: bool = False
) -> MadePlan:
    """The plan, kept for its approval unless it is for show (``dry_run``).

    What earlier runners left open is asked about first, and told. Raises as the service.
    """
    return asyncio.run(_make(wanted, here, old, dry_run=dry_run))


async def _make(
    wanted: PlanRequest, here: Workplace, old: Secret | None, *, dry_run: bool
) -> MadePlan:
    # Reading the backends brings the store's machinery, which other commands do not need.
    from console.fleet import Fleet

    def progress(done: int, total: int) -> None:
        output.progress(f"planning {done:,} of {total:,}")

    with opened(here.paths) as inventory:
        async with Fleet(here.settings, here.paths, act=True) as fleet:
            if not dry_run:
                for settled in await planning.settle(fleet.backend, fleet.names, here.paths):
                    output.note(settled.sentence)
            try:
                return await planning.make(
                    wanted,
                    fleet.backend,
                    inventory,
                    here.paths,
                    here.settings,
                    dry_run=dry_run,
                    secret=old,
                    progress=progress,
                )
            finally:
                output.progress_done()


def approve(chosen: argparse.Namespace) -> int:
    """The first approval of a plan, or a second person's."""
    from console.response.service import approving

    here = place(chosen)
    found = approving.look_at(find(chosen.plan, here.paths).id, here.paths)
    plan, responder = found.plan, Responder(here.settings.journal)
    if not chosen.json:
        for line in report.plan_lines(plan, second=found.second_person):
            output.line(line)
    waits = ""
    if found.first:
        not_done.refuse(plan)
        given = ask_answers(plan, chosen.answer)
        word = ask_word(plan, chosen.confirm)
        approved = approving.approve(
            plan, here.paths, responder, word, given, break_glass=chosen.break_glass
        )
        entry, waits = approved.entry, approved.waits
    elif chosen.break_glass:
        word = ask_word(plan, chosen.confirm)
        entry = approving.break_glass(plan, here.paths, responder, word, chosen.break_glass)
    else:
        word = ask_word(plan, chosen.confirm)
        entry = approving.second(plan, here.paths, responder, word, chosen.reason)
    told_signature(responder, here.settings)
    if chosen.json:
        print(export.dumps({"plan": plan.id, "entry": entry.id, "says": entry.sentence}))
    else:
        output.line(entry.sentence)
    if waits:
        output.note(f"a second person is needed before it starts: {waits}")
    else:
        output.note(f"to start it: token-console run start {report.short(plan.id)}")
    return Exit.OK


def as_json(plan: Plan) -> str:
    """The plan for a script: the same bytes mean the same plan."""
    told = msgspec.to_builtins(plan, builtin_types=(), str_keys=True)
    card = not_done.not_done(plan)
    word = "" if card is not None else plan.typed_word
    more = {"title": card.title, "why": card.why, "instead": card.commands} if card else None
    return export.dumps({**told, "typed_word": word, "not_done": more})
