"""``contain``, ``restore``, ``disconnect``, ``rotate`` and ``revoke``: one token, in one go.

The same plan, gate and runner that the screen uses, and that a plan for thousands goes
through.
"""

from __future__ import annotations

import argparse

from backends.contract import Verb
from backends.model import Secret
from console.cli.inventory import one, opened
from console.cli.response import watch
from console.cli.response.access import (
    Workplace,
    ask_answers,
    ask_word,
    fold,
    place,
    secret_from_stdin,
    told_signature,
)
from console.cli.response.plan import PlanRequest, as_json, make
from console.cli.shell import output
from console.errors import Exit
from console.journal import opening
from console.response.approve import approval, second_person
from console.response.approve.requirements import Requirements
from console.response.approve.signing import Desk
from console.response.plan import not_done
from console.response.plan.model import Plan
from console.response.run import process
from console.response.state import report


def run(chosen: argparse.Namespace) -> int:
    """Plan, show, confirm, start the runner, and report what it wrote into the journal."""
    here = place(chosen)
    with opened(here.paths) as inventory:
        handle = one(inventory, chosen.token).handle
    old = secret_from_stdin() if chosen.secret_stdin else None
    plan = make(PlanRequest.of(chosen, (handle,)), here, old, settle=not chosen.dry_run)
    card = not_done.not_done(plan)
    if chosen.json and (chosen.dry_run or card is not None):
        print(as_json(plan))
    elif not chosen.json:
        told = report.plan_lines(plan, second=Requirements(here.settings).second_person(plan))
        for line in told if card is None else card.lines():
            output.line(line)
    if chosen.dry_run:
        return Exit.OK
    if card is not None:
        # There is no call: nothing to confirm, and nothing that could look like an approval.
        return Exit.FAILED
    not_done.refuse(plan)
    given = ask_answers(plan, chosen.answer)
    typed = ask_word(plan, chosen.confirm)
    desk = Desk(here.settings.journal)
    with opening.journal(here.paths) as journal:
        if chosen.break_glass:
            second_person.break_glass(plan, journal, here.paths, chosen.break_glass, desk)
        approval.approve(plan, journal, here.paths, typed, given, desk)
        told_signature(desk, here.settings)
        needed = Requirements.now(here.paths).second_person(plan)
        if needed and not chosen.break_glass:
            return _wait_for_second(plan, needed, as_json_=chosen.json)
    secrets = {handle: old} if old is not None else {}
    return _start(plan, here, desk, secrets, chosen)


def _start(
    plan: Plan,
    here: Workplace,
    desk: Desk,
    secrets: dict[str, Secret],
    chosen: argparse.Namespace,
) -> int:
    shown = getattr(chosen, "show", False) and plan.verb is Verb.ROTATE
    process.start(plan.id, here.paths, desk.current, secrets, show=1 if shown else None)
    with opening.view(here.paths) as view:
        board = fold(plan, here.paths, view)
        return watch.follow(board, view, here.paths, as_json=chosen.json)


def _wait_for_second(plan: Plan, needed: str, *, as_json_: bool) -> int:
    name = report.short(plan.id)
    if as_json_:
        print(as_json(plan))
    output.note(f"approved; nothing is sent before a second person approves: {needed}")
    output.note(f"they: token-console approve {name}   then: token-console run start {name}")
    return Exit.PARTIAL
