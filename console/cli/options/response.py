"""The options of the commands that act."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from console.cli.shell.words import ID

VERBS = {
    "contain": "make one token useless, so that it can be undone",
    "restore": "undo a contain: put back exactly what was there",
    "disconnect": "end the open sessions of one token",
    "rotate": "replace a token's value, deliver it, prove that the consumers moved",
    "revoke": "end one token for good: plan, confirm, execute, read back",
}
FUNCTION = {"report": "report_", "except": "except_"}
"""Where a command's name is not that of its function, which Python or a module has taken."""
ANSWER = "answer a hazard of the plan: its code and why it may go on; once for each"


def add(
    make: Callable[..., argparse.ArgumentParser], commands: Any, positive: Callable[[str], int]
) -> None:
    """Add ``contain`` .. ``revoke``, ``plan``, ``approve``, ``run`` and ``escrow``."""
    command = partial(make, commands)
    for verb, help_ in VERBS.items():
        made = command(
            verb,
            help_,
            f"token-console {verb} 3f9a1c --reason 'leaked in public repo' --dry-run",
            "response.one_token:run",
        )
        made.set_defaults(verb=verb)
        made.add_argument(
            "token",
            metavar="ID",
            help=ID,
        )
        _planning(made, rotates=verb == "rotate")
        made.add_argument("--dry-run", action="store_true", help="show the exact calls, send none")
        _confirming(made)
        made.add_argument("--json", action="store_true")

    plan = command(
        "plan",
        "plan for many tokens at once; nothing is sent before it is approved and started",
        "token-console plan revoke owner:vendor-x --reason 'vendor breach' --incident INC-7",
        "response.plan:run",
    )
    plan.add_argument("verb", choices=list(VERBS))
    plan.add_argument(
        "query",
        nargs="*",
        help="as for list, with free words in name, id, owner and principal only; quote < and >",
    )
    plan.add_argument(
        "--token", action="append", default=[], metavar="ID", help="this token too; repeat it"
    )
    _planning(plan, rotates=True)
    plan.add_argument("--calls", action="store_true", help="print every call, one a line")
    plan.add_argument(
        "--dry-run", action="store_true", help="show it and keep nothing to be approved"
    )
    plan.add_argument("--json", action="store_true")

    approve = command(
        "approve",
        "approve a plan; where it wants a second person, a different one approves it again",
        "token-console approve 5c1f02aa --confirm '412 tokens'",
        "response.plan:approve",
    )
    approve.add_argument("plan", metavar="PLAN", help="the plan's id, or its last 8 digits")
    approve.add_argument("--reason", default="", help="the second person's own reason")
    _confirming(approve)
    approve.add_argument("--json", action="store_true")

    run = command(
        "run",
        "carry out approved plans, watch them, steer them, close them",
        "token-console run watch 5c1f02aa",
        "response.run:list_",
    )
    below = run.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=type(run)
    )
    _running(partial(make, below), positive)

    escrow = command(
        "escrow",
        "open the sealed copy of a new value, with your own private key",
        "token-console escrow open 5c1f02aa 1 --identity ~/.ssh/id_ed25519",
        "response.run:escrow",
    )
    escrow.add_argument("what", choices=["open"])
    escrow.add_argument("run_id", metavar="RUN")
    escrow.add_argument("item", type=positive, help="the token's number in the plan")
    escrow.add_argument("--identity", required=True, metavar="FILE", help="an SSH or age key")


def _planning(made: argparse.ArgumentParser, *, rotates: bool) -> None:
    made.add_argument("--reason", required=True, help="why; goes into the journal")
    made.add_argument(
        "--incident", default="", help="the incident's id (default: the one you work on)"
    )
    made.add_argument(
        "--leak",
        action="store_true",
        help="somebody else has the value: do not wait for consumers, end grace values too",
    )
    made.add_argument(
        "--secret-stdin",
        action="store_true",
        help="the old value comes on standard input; it is tried only with --probe",
    )
    made.add_argument(
        "--probe", action="store_true", help="try the old value afterwards, to see it refused"
    )
    if rotates:
        made.add_argument(
            "--to",
            action="append",
            default=[],
            metavar="SINK",
            help="deliver the new value to this [sink.NAME] of the configuration; repeat it",
        )
        made.add_argument(
            "--show", action="store_true", help="show the new value once, on this terminal"
        )


def _confirming(made: argparse.ArgumentParser) -> None:
    made.add_argument("--confirm", metavar="WORD", help="what is asked for, instead of typing it")
    made.add_argument("--answer", action="append", default=[], metavar="CODE=WHY", help=ANSWER)
    made.add_argument(
        "--break-glass",
        default="",
        metavar="WHY",
        help="go on without the second person; journaled before anything else, and shown for ever",
    )


def _running(made: Callable[..., argparse.ArgumentParser], positive: Callable[[str], int]) -> None:
    def about(name: str, help_: str, example: str, why: bool = False) -> argparse.ArgumentParser:
        function = FUNCTION.get(name, name)
        parser = made(name, help_, f"token-console run {example}", f"response.run:{function}")
        parser.add_argument("run_id", metavar="RUN", help="the run's id, or its last 8 digits")
        if why:
            parser.add_argument("--reason", required=True, help="why; goes into the journal")
        parser.add_argument("--json", action="store_true")
        return parser

    listed = made("list", "list the runs", "token-console run list", "response.run:list_")
    listed.add_argument(
        "--all", action="store_true", help="also plans that were never approved, or never begun"
    )
    listed.add_argument("--approved", action="store_true", help="only what was approved")
    listed.add_argument("--incident", metavar="INCIDENT", help="only those of this incident")
    listed.add_argument("--json", action="store_true")
    start = about("start", "start or go on with a run; it outlives this terminal", "start 5c1f02aa")
    start.add_argument("--no-watch", action="store_true", help="do not stay to watch it")
    start.add_argument(
        "--secrets-stdin",
        action="store_true",
        help='values in hand on standard input, as JSON {"handle": "value"}',
    )
    about("watch", "follow a run until it is through; leaving changes nothing", "watch 5c1f02aa")
    about("show", "every token of a run and where it stands", "show 5c1f02aa --json")
    about("report", "the situation report as text, for a chat", "report 5c1f02aa")
    about("pause", "begin no further call", "pause 5c1f02aa --reason 'vendor asks'", True)
    about("resume", "go on after a pause", "resume 5c1f02aa --reason 'cleared'", True)
    about(
        "abort", "end the run where it is; nothing is taken back", "abort 5c1f02aa --reason x", True
    )
    unhalt = about(
        "unhalt", "let a halted backend go on", "unhalt 5c1f02aa aws-main --reason x", True
    )
    unhalt.add_argument("backend")
    waive = about(
        "waive",
        "retire the old value although a consumer has not moved",
        "waive 5c1f02aa 3 --reason x",
        True,
    )
    waive.add_argument("item", type=positive, help="the token's number in the plan")
    waive.add_argument("--consumer", default="", help="only this one; the others are waited for")
    except_ = about(
        "except",
        "leave a token out, with somebody who answers for it until a date",
        "except 5c1f02aa 3 --owner ana --until 2027-01-31 --reason 'frozen system'",
        True,
    )
    except_.add_argument("item", help=f"the token's number in the plan, or its {ID}")
    except_.add_argument("--owner", required=True, help="who answers for it")
    except_.add_argument("--until", required=True, metavar="DATE", help="when it opens again")
    about("extend", "plan for the late arrivals of a run", "extend 5c1f02aa")
    about(
        "close", "close a run of which nothing is left", "close 5c1f02aa --reason 'all dead'", True
    )
