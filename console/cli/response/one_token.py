"""``contain``, ``restore``, ``disconnect``, ``rotate`` and ``revoke``: one token, in one go.

The same plan, gate and runner that the screen uses, and that a plan for thousands goes
through.
"""

from __future__ import annotations

import argparse

from backends.contract import Verb
from console.cli.inventory import one, opened
from console.cli.response.access import (
    ask_answers,
    ask_word,
    place,
    secret_from_stdin,
    told_signature,
    watching,
)
from console.cli.response.plan import as_json, make, request
from console.cli.shell import output
from console.errors import Exit
from console.response.approve.signing import Responder
from console.response.plan import not_done
from console.response.plan.model import Plan
from console.response.state import report


def run(chosen: argparse.Namespace) -> int:
    """Plan, show, confirm, start the runner, and report what it wrote into the journal."""
    here = place(chosen)
    with opened(here.paths) as inventory:
        handle = one(inventory, chosen.token).handle
    old = secret_from_stdin() if chosen.secret_stdin else None
    made = make(request(chosen, (handle,)), here, old, dry_run=chosen.dry_run)
    plan, card = made.plan, made.card
    if chosen.json and (chosen.dry_run or card is not None):
        print(as_json(plan))
    elif not chosen.json:
        told = report.plan_lines(plan, second=made.second_person)
        for line in told if card is None else card.lines():
            output.line(line)
    if chosen.dry_run:
        return Exit.OK
    if card is not None:
        # There is no call: nothing to confirm, and nothing that could look like an approval.
        return Exit.FAILED
    not_done.refuse(plan)
    # Who only looks at a plan does not wait for what carries it out.
    from console.cli.response import watch
    from console.response.service import approving
    from console.response.service.starting import Launch

    given = ask_answers(plan, chosen.answer)
    typed = ask_word(plan, chosen.confirm)
    responder = Responder(here.settings.journal)
    shown = getattr(chosen, "show", False) and plan.verb is Verb.ROTATE
    secrets = {handle: old} if old is not None else {}
    approved = approving.approve(
        plan,
        here.paths,
        responder,
        typed,
        given,
        break_glass=chosen.break_glass,
        launch=Launch(secrets, 1 if shown else None),
    )
    told_signature(responder, here.settings)
    if approved.waits:
        return _wait_for_second(plan, approved.waits, as_json_=chosen.json)
    with watching(plan, here.paths) as (board, view):
        return watch.follow(board, view, here.paths, as_json=chosen.json)


def _wait_for_second(plan: Plan, needed: str, *, as_json_: bool) -> int:
    name = report.short(plan.id)
    if as_json_:
        print(as_json(plan))
    output.note(f"approved; nothing is sent before a second person approves: {needed}")
    output.note(f"they: token-console approve {name}   then: token-console run start {name}")
    return Exit.PARTIAL
