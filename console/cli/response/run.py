"""``run``: carry out approved plans, watch them, steer them, close them; and ``escrow``."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import time
from pathlib import Path

from backends.model import Secret
from console.cli.inventory import one, opened
from console.cli.response import plan as cli_plan
from console.cli.response import watch as watching
from console.cli.response.access import find, place, told_signature
from console.cli.response.access import watching as watched
from console.cli.shell import asking, output
from console.errors import Exit, UsageError
from console.inventory import export
from console.journal import opening
from console.response import escrow as sealed
from console.response.approve.requirements import Requirements
from console.response.approve.signing import Responder
from console.response.plan import file, not_done
from console.response.run import decisions, run_list
from console.response.run.run_list import WhichPlans
from console.response.service import closing, deciding, planning, starting
from console.response.service.deciding import Decide, Decision
from console.response.service.starting import Launch
from console.response.state import old_value, report
from console.response.state.run import Board
from console.response.state.runner_lock import alive
from console.settings import paths

MAX_SECRETS = 16 * 1024 * 1024


def list_(chosen: argparse.Namespace) -> int:
    """Every plan that is kept, newest first, and how far its run is."""
    here, now = place(chosen), time.time()
    wanted = (
        WhichPlans.ALL if chosen.all else WhichPlans.RUNS if chosen.approved else WhichPlans.LATELY
    )
    told, hidden = [], 0
    with opening.view(here.paths) as view:
        for path in sorted(here.paths.plans.glob("*.json"), reverse=True):
            plan = file.load(path.stem, here.paths)
            if chosen.incident and plan.incident.lower() != chosen.incident.lower():
                continue
            board = Board(plan)
            board.feed(view.of_plan(plan.id))
            if not run_list.shown(board, wanted, now):
                hidden += 1
                continue
            told.append((plan, board, alive(plan.id, here.paths)))
    rules = Requirements.now(here.paths)
    if words := run_list.hidden_words(hidden, "run list --all"):
        output.note(words)
    if chosen.json:
        rows = [
            {
                "plan": plan.id,
                "verb": plan.verb.value,
                "incident": plan.incident,
                "tokens": board.total,
                "states": board.sums(),
                "approved": bool(board.approved),
                "running": living,
                "standing": report.standing(
                    board, now, working=living, needed=rules.second_person(plan)
                ),
                "old_values": _counts(board, now),
                "cannot_close": board.may_close(now),
            }
            for plan, board, living in told
        ]
        print(export.dumps(rows))
        return Exit.OK
    output.table(
        ["RUN", "MADE", "VERB", "TOKENS", "LEFT", "FAILED", "STATE", "OLD VALUES", "WHY"],
        [
            [
                report.short(plan.id),
                f"{plan.made_at:%Y-%m-%d %H:%M}",
                plan.verb.value,
                f"{board.total:,}",
                f"{board.sums()['left']:,}",
                f"{board.sums()['failed']:,}",
                _state(board, now, living=living, needed=rules.second_person(plan)),
                old_value.summary(plan, board.rows.values(), now) if board.approved else "",
                plan.reason,
            ]
            for plan, board, living in told
        ],
        [8, 16, 10, 9, 9, 9, 22, 120, 60],
    )
    return Exit.OK


def _state(board: Board, now: float, *, living: bool, needed: str) -> str:
    standing = report.standing(board, now, working=living, needed=needed)
    return {"stopped": "stopped: run start", "second person": "waits for a second"}.get(
        standing, standing
    )


def _counts(board: Board, now: float) -> dict[str, int]:
    rows = board.rows.values()
    return {what.value: count for what, count in old_value.counts(rows, now).items()}


def start(chosen: argparse.Namespace) -> int:
    """Start a run, or go on with one whose runner is gone."""
    here = place(chosen)
    plan = find(chosen.run_id, here.paths)
    secrets = _secrets(chosen)
    responder = Responder(here.settings.journal)
    starting.start(plan, here.paths, responder, Launch(secrets))
    told_signature(responder, here.settings)
    if chosen.no_watch:
        output.note(f"started; watch it: token-console run watch {report.short(plan.id)}")
        return Exit.OK
    return watch(chosen)


def _secrets(chosen: argparse.Namespace) -> dict[str, Secret]:
    if not chosen.secrets_stdin:
        return {}
    text = sys.stdin.read(MAX_SECRETS)
    try:
        table = json.loads(text)
        return {str(handle): Secret(str(value)) for handle, value in dict(table).items()}
    except (ValueError, TypeError):
        # The parser's own words would quote what it read.
        raise UsageError("standard input is not JSON", 'Write {"handle": "value", ...}.') from None


def watch(chosen: argparse.Namespace) -> int:
    """Follow a run until its runner ends."""
    here = place(chosen)
    plan = find(chosen.run_id, here.paths)
    with watched(plan, here.paths) as (board, view):
        return watching.follow(board, view, here.paths, as_json=chosen.json)


def show(chosen: argparse.Namespace) -> int:
    """Every token of a run."""
    here, now = place(chosen), time.time()
    plan = find(chosen.run_id, here.paths)
    with watched(plan, here.paths) as (board, view):
        if chosen.json:
            told = watching.summary(board, view, here.paths, now)
            print(export.dumps({**told, "items": watching.items(board, now)}))
        else:
            output.line(report.equation(board))
            for row in board.rows.values():
                named = f"{row.item.number:>4}. {report.name(row.item)}"
                output.line(f"{named}: {row.state}; proof: {row.proof}")
                watching.say(old_value.of(row, now).line, "      ")
    return Exit.OK


def report_(chosen: argparse.Namespace) -> int:
    """The situation report."""
    here = place(chosen)
    plan = find(chosen.run_id, here.paths)
    with watched(plan, here.paths) as (board, view):
        if chosen.json:
            print(export.dumps(watching.summary(board, view, here.paths, time.time())))
        else:
            living = run_list.working(board.plans, here.paths)
            needed = Requirements.now(here.paths).second_person(plan)
            for line in report.situation(board, working=living, needed=needed):
                watching.say(line)
    return Exit.OK


def pause(chosen: argparse.Namespace) -> int:
    """Begin no further call."""
    return _decide(chosen, Decision(Decide.PAUSE, chosen.reason))


def resume(chosen: argparse.Namespace) -> int:
    """Go on after a pause."""
    return _decide(chosen, Decision(Decide.RESUME, chosen.reason))


def abort(chosen: argparse.Namespace) -> int:
    """End the run where it is."""
    return _decide(chosen, Decision(Decide.ABORT, chosen.reason))


def unhalt(chosen: argparse.Namespace) -> int:
    """Let a halted lane go on."""
    return _decide(chosen, Decision(Decide.UNHALT, chosen.reason, backend=chosen.backend))


def waive(chosen: argparse.Namespace) -> int:
    """Retire the old value although a consumer has not moved."""
    item, consumer = str(chosen.item), chosen.consumer
    return _decide(chosen, Decision(Decide.WAIVE, chosen.reason, item, consumer=consumer))


def except_(chosen: argparse.Namespace) -> int:
    """Leave a token out of the run's completeness, until a date."""
    owner, until = chosen.owner, chosen.until
    decision = Decision(Decide.EXCEPT, chosen.reason, _item(chosen), owner=owner, until=until)
    return _decide(chosen, decision)


def _item(chosen: argparse.Namespace) -> str:
    """What was typed where it is a number of the plan; else the handle that it names."""
    plan = find(chosen.run_id, paths(chosen.home))
    number, word = decisions.which(plan, chosen.item)
    return str(chosen.item) if number else _named(chosen, word)


def _named(chosen: argparse.Namespace, word: str) -> str:
    """The handle of the token that a word names; the word where the inventory has none so.

    A late arrival may be newer than what the inventory has of it.

    Raises:
        UsageError: more than one is named so, and perhaps not the one of this run is meant.
    """
    where = paths(chosen.home)
    if not where.inventory.exists():
        return word
    with opened(where) as inventory:
        return one(inventory, word).handle if inventory.find(word) else word


def close(chosen: argparse.Namespace) -> int:
    """Close a run of which nothing is left."""
    here = place(chosen)
    plan = find(chosen.run_id, here.paths)
    closed = closing.close(plan, here.paths, chosen.reason)
    if chosen.json:
        entry = closed.entry
        told = {"plan": plan.id, "entry": entry.id, "says": entry.sentence, "also": closed.also}
        print(export.dumps(told))
    else:
        output.line(closed.entry.sentence)
        for words in closed.also:
            watching.say(words, "  ")
    return Exit.OK


def extend(chosen: argparse.Namespace) -> int:
    """Make a plan for the late arrivals of a run; it is approved like any other."""
    here = place(chosen)
    plan = find(chosen.run_id, here.paths)
    made = cli_plan.make(planning.for_late_arrivals(plan, here.paths), here)
    more = made.plan
    if chosen.json:
        print(cli_plan.as_json(more))
        return Exit.OK if made.kept else Exit.FAILED
    for line in report.plan_lines(more, second=made.second_person):
        output.line(line)
    not_done.refuse(more)
    output.note(f"kept as {more.id}; to go on: token-console approve {report.short(more.id)}")
    return Exit.OK


def escrow(chosen: argparse.Namespace) -> int:
    """Print a new value that was sealed, for whoever has the private key."""
    here = place(chosen)
    plan = find(chosen.run_id, here.paths)
    kept = sealed.held(here.paths, plan.id, chosen.item)
    if not kept:
        raise UsageError(
            f"nothing is sealed for item {chosen.item} of this run",
            "See the items: token-console run show " + report.short(plan.id),
        )
    identity = Path(chosen.identity).expanduser()
    passphrase = None
    if asking.somebody():
        typed = getpass.getpass("passphrase of the key (nothing if it has none): ")
        passphrase = Secret(typed) if typed else None
    value = sealed.unseal(kept[-1], identity, passphrase)
    # The one place of the command line where a value is shown: it was asked for by name.
    print(value.reveal())
    return Exit.OK


def _decide(chosen: argparse.Namespace, decision: Decision) -> int:
    here = place(chosen)
    plan = find(chosen.run_id, here.paths)
    entry = deciding.decide(plan, here.paths, decision)
    if chosen.json:
        print(export.dumps({"plan": plan.id, "entry": entry.id, "says": entry.sentence}))
    else:
        output.line(entry.sentence)
    return Exit.OK
