"""``plan`` and ``approve``: what will be done to many tokens, and who lets it be done."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from backends.contract import Verb
from backends.model import Secret
from console.cli import output
from console.cli.inventory import one, opened
from console.cli.response.place import (
    Place,
    ask_answers,
    ask_word,
    find,
    place,
    secret_from_stdin,
    told_signature,
)
from console.errors import Exit, UsageError
from console.inventory import export
from console.inventory import query as queries
from console.journal import opening
from console.response import (
    approval,
    gathering,
    not_done,
    places,
    report,
    second,
)
from console.response.plan import Mode, Plan
from console.response.recover import recover
from console.response.rules import Rules
from console.response.signing import Desk

if TYPE_CHECKING:
    from console.fleet import Fleet


class Wanted(NamedTuple):
    """What a person asked for on the command line."""

    verb: Verb
    handles: tuple[str, ...]
    query: str
    reason: str
    incident: str
    mode: Mode
    sinks: tuple[str, ...]
    probe: bool
    extends: str = ""

    @classmethod
    def of(cls, chosen: argparse.Namespace, handles: tuple[str, ...], query: str = "") -> Self:
        sinks = tuple(getattr(chosen, "to", ()))
        if getattr(chosen, "show", False):
            sinks = (*sinks, places.SHOW)
        return cls(
            verb=Verb(chosen.verb),
            handles=handles,
            query=query,
            reason=chosen.reason,
            incident=chosen.incident,
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
    plan = make(Wanted.of(chosen, handles, query), here, old, settle=not chosen.dry_run)
    card = not_done.not_done(plan)
    refused = card is not None or all(item.fatal for item in plan.items)
    if not chosen.dry_run and not refused:
        keep(plan, here)
    if chosen.json:
        print(as_json(plan))
        return Exit.FAILED if refused and not chosen.dry_run else Exit.OK
    needed = Rules(here.settings).second_person(plan)
    told = report.plan_lines(plan, second=needed)
    lines = report.call_lines(plan) if chosen.calls else told
    for line in lines if card is None else card.lines():
        output.line(line)
    if card is not None and not chosen.dry_run:
        return Exit.FAILED
    if not chosen.dry_run:
        # A plan of which nothing may be done is not kept: nobody can approve it.
        not_done.refuse(plan)
        name = report.short(plan.id)
        output.note(f"kept as {plan.id}; nothing was sent")
        output.note(f"to go on: token-console approve {name} --confirm '{plan.typed_word}'")
    return Exit.OK


def keep(plan: Plan, here: Place) -> None:
    """Keep the plan for its approval, bound by the journal from now on."""
    with opening.journal(here.paths) as journal:
        approval.keep(plan, journal, here.paths)


def make(wanted: Wanted, here: Place, old: Secret | None = None, *, settle: bool = True) -> Plan:
    """The plan. With ``settle`` what earlier runners left open is asked about first.

    Raises:
        UsageError: no token matches, or a sink is not in the configuration.
        BackendError: a backend cannot be asked at all.
    """
    return asyncio.run(_make(wanted, here, old, settle=settle))


async def _make(wanted: Wanted, here: Place, old: Secret | None, *, settle: bool) -> Plan:
    # Reading the backends brings the store's machinery, which other commands do not need.
    from console.fleet import Fleet

    def progress(done: int, total: int) -> None:
        output.progress(f"planning {done:,} of {total:,}")

    with opened(here.paths) as inventory:
        async with Fleet(here.settings, here.paths, act=True) as fleet:
            if settle:
                await _settle(fleet, here)
            try:
                return await gathering.gather(
                    fleet.backend,
                    inventory,
                    wanted.verb,
                    query=wanted.query,
                    handles=wanted.handles,
                    reason=wanted.reason,
                    incident=wanted.incident,
                    mode=wanted.mode,
                    sinks=wanted.sinks,
                    settings=here.settings,
                    probe=wanted.probe,
                    secret=old,
                    extends=wanted.extends,
                    progress=progress,
                )
            finally:
                output.progress_done()


async def _settle(fleet: Fleet, here: Place) -> None:
    """Ask about what a killed runner left open, at the backends that it is about."""
    with opening.journal(here.paths) as journal:
        names = {entry.backend for entry in journal.open_intents()}
        backends = [await fleet.backend(name) for name in sorted(names & set(fleet.names))]
        if backends:
            for settled in await recover(backends, journal, here.paths):
                output.note(settled.sentence)


def approve(chosen: argparse.Namespace) -> int:
    """The first approval of a plan, or a second person's."""
    here = place(chosen)
    plan = find(chosen.plan, here.paths)
    desk = Desk(here.settings.journal)
    needed = Rules(here.settings).second_person(plan)
    with opening.journal(here.paths) as journal:
        # What is shown is what was made: a file that was changed since is not read out.
        with approval.noted(plan, journal, "an approval"):
            plan = approval.made(plan.id, journal, here.paths)
        first = journal.get(plan.id) is None
        if not chosen.json:
            for line in report.plan_lines(plan, second=needed):
                output.line(line)
        if first:
            not_done.refuse(plan)
            if chosen.break_glass:
                second.break_glass(plan, journal, here.paths, chosen.break_glass, desk)
            given = ask_answers(plan, chosen.answer)
            entry = approval.approve(
                plan, journal, here.paths, ask_word(plan, chosen.confirm), given, desk
            )
        elif chosen.break_glass:
            approval.approved(plan.id, journal, here.paths)
            word = ask_word(plan, chosen.confirm)
            entry = second.go_without(plan, journal, here.paths, word, chosen.break_glass, desk)
        else:
            word = ask_word(plan, chosen.confirm)
            entry = second.approve(plan, journal, here.paths, word, chosen.reason, desk)
        told_signature(desk, here.settings)
    if chosen.json:
        print(export.dumps({"plan": plan.id, "entry": entry.id, "says": entry.sentence}))
    else:
        output.line(entry.sentence)
    if first and needed and not chosen.break_glass:
        output.note(f"a second person is needed before it starts: {needed}")
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
