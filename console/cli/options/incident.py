"""The commands under ``incident`` and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from console.cli.options import incident_papers
from console.cli.shell.words import ID
from console.journal.format.incident_mark import SEVERITIES

HELP = """\
An incident says why you act, on which tokens, and who does what. While you are at work on
one, each plan that you make carries it. What it says of a token comes from runs, systems'
records and logs: nothing is closed by a word alone.
  token-console incident open --title 'npm token in a build log' --leak 6h --reason 'the CI alerted'
  token-console incident scope INC-7 owner:payments
  token-console incident show INC-7
  token-console incident close INC-7 --reason 'all refused, consumers moved'
"""


def add(
    make: Callable[..., argparse.ArgumentParser], commands: Any, positive: Callable[[str], int]
) -> None:
    """Add ``incident`` and what is below it."""
    command = make(
        commands,
        "incident",
        "open, follow and close incidents",
        "token-console incident show INC-7",
        "incident.record:list_",
    )
    command.epilog = HELP
    below = command.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=type(command)
    )
    _record(partial(make, below))
    _decide(partial(make, below))
    incident_papers.add(partial(make, below))


def about(
    command: Callable[..., argparse.ArgumentParser],
    name: str,
    help_: str,
    example: str,
    function: str = "",
    *,
    why: bool = False,
    may_be_left_out: bool = False,
) -> argparse.ArgumentParser:
    """A command about one incident. ``function`` may name another module: ``module:function``.

    Where it ``may_be_left_out``, the one that is worked on is meant.
    """
    where = function if ":" in function else f"incident.record:{function or name}"
    made = command(name, help_, f"token-console incident {example}", where)
    which = made.add_argument(
        "incident", metavar="INCIDENT", help="its id, or . for the one that you work on"
    )
    if may_be_left_out:
        which.nargs, which.default, which.required = "?", ".", False
    if why:
        made.add_argument("--reason", required=True, help="why; goes into the journal")
    made.add_argument("--json", action="store_true", help="for programs")
    return made


def _record(command: Callable[..., argparse.ArgumentParser]) -> None:
    opened = command(
        "open",
        "open an incident, and be at work on it from here on",
        "token-console incident open --title 'a token in a log' --leak 6h --reason 'CI sent word'",
        "incident.record:open_",
    )
    opened.add_argument("id", nargs="?", default="", help="such as INC-7 (default: INC-DATE-N)")
    opened.add_argument("--title", required=True, help="what happened, in a few words")
    opened.add_argument("--reason", required=True, help="why it is one; goes into the journal")
    _facts(opened)
    opened.set_defaults(severity="high")
    opened.add_argument(
        "--query", default="", metavar="QUERY", help="its scope: the tokens that a query finds"
    )
    opened.add_argument(
        "--token", action="append", default=[], metavar="ID", help=f"a token in scope: {ID}"
    )
    opened.add_argument("--json", action="store_true", help="for programs")

    listed = command(
        "list", "list incidents", "token-console incident list --all", "incident.record:list_"
    )
    listed.add_argument("--all", action="store_true", help="closed ones too")
    listed.add_argument("--json", action="store_true", help="for programs")

    show = about(
        command,
        "show",
        "tell where an incident stands: tokens, times, and what keeps it open",
        "show INC-7",
    )
    show.add_argument("--notes", action="store_true", help="with every note")
    show.add_argument("--every", action="store_true", help="with every token of the scope")
    show.add_argument(
        "--timeline", action="store_true", help="what leaked, who used it, what was done, instead"
    )
    use = about(
        command, "use", "be at work on an incident: plans carry it from here on", "use INC-7",
        may_be_left_out=True,
    )  # fmt: skip
    use.add_argument("--none", action="store_true", help="be at work on none any more")
    amend = about(
        command, "amend", "set title, severity, leak time or deadline anew",
        "amend INC-7 --leak 2026-11-24T03:12Z --reason 'the log says so'", why=True,
    )  # fmt: skip
    amend.add_argument("--title", default="")
    _facts(amend)
    amend.set_defaults(severity="")


def _facts(made: argparse.ArgumentParser) -> None:
    made.add_argument("--severity", choices=SEVERITIES)
    made.add_argument("--leak", metavar="WHEN", help="when the leak began: a time, or 6h")
    made.add_argument("--deadline", metavar="WHEN", help="a time, or so far from now: 72h")


def _decide(command: Callable[..., argparse.ArgumentParser]) -> None:
    scope = about(
        command, "scope", "take tokens into the scope, with what was not seen of their systems",
        "scope INC-7 owner:payments",
    )  # fmt: skip
    scope.add_argument("query", nargs="*", help="as in list; quote < and > for the shell")
    scope.add_argument("--token", action="append", default=[], metavar="ID", help=ID)
    scope.add_argument("--again", action="store_true", help="look anew at its queries")
    scope.add_argument("--reason", default="", help="why; goes into the journal")

    note = about(command, "note", "keep a word for the record", "note INC-7 'vendor called back'")
    note.add_argument("text", help="goes into the journal: no secrets")

    assign = about(
        command, "assign", "give somebody a role, or the tokens of a backend",
        "assign INC-7 ana --role lead",
    )  # fmt: skip
    assign.add_argument("person")
    assign.add_argument("--role", default="", help="lead, scribe, operator, ...")
    assign.add_argument("--backend", default="", help="for the tokens of this backend")
    assign.add_argument("--reason", default="")

    except_ = about(
        command, "except", "let a token be, with somebody who answers for it until a date",
        "except INC-7 2b1c77aa90de --owner ana --until 2027-01-31 --reason 'frozen system'",
        "except_", why=True,
    )  # fmt: skip
    except_.add_argument("token", metavar="ID", help=ID)
    except_.add_argument("--owner", required=True, help="who answers for it")
    except_.add_argument("--until", required=True, metavar="DATE", help="when it counts again")

    accept = about(
        command, "accept", "answer for parts of systems that were not seen",
        "accept INC-7 5c1f02aa --owner ana --reason 'no keys are kept there'", why=True,
    )  # fmt: skip
    accept.add_argument("hole", nargs="+", metavar="HOLE", help="its id, as show names it")
    accept.add_argument("--owner", required=True, help="who answers for it")

    vendor = about(
        command, "vendor", "compare what a vendor holds, issued or used here with its own list",
        "vendor INC-7 partner --address 203.0.113.0/24 --list theirs.csv",
        "incident.vendor:vendor",
    )  # fmt: skip
    vendor.add_argument("name", help="the vendor, as names, owners and grants here call it")
    vendor.add_argument("--query", default="", help="what it holds (default: its name anywhere)")
    vendor.add_argument(
        "--address", action="append", default=[], metavar="RANGE", help="where it works from"
    )
    vendor.add_argument(
        "--agent", action="append", default=[], metavar="PATTERN", help="its programs: partner/*"
    )
    vendor.add_argument(
        "--list", dest="listed", metavar="FILE",
        help="what it sent: a table, ids or values one a line, or a report, as intake takes it;"
        " the differences are kept in the journal until somebody settles them",
    )  # fmt: skip
    vendor.add_argument(
        "--take-in", action="store_true", help="take every token of either set into the scope"
    )
    vendor.add_argument("--every", action="store_true", help="name every token")

    further = about(
        command, "further",
        "ask what the tokens of the scope can read, and whose values lie there",
        "further INC-7 --take-in",
        "incident.further:further",
    )  # fmt: skip
    further.add_argument(
        "--take-in", action="store_true", help="take the tokens whose values lie there into it"
    )

    settle = about(
        command, "settle", "settle differences between two lists, each by its id",
        "settle INC-7 5c1f02aa 77aa01be --reason 'keys of the old tenant, ended in May'",
        "incident.vendor:settle", why=True,
    )  # fmt: skip
    settle.add_argument("difference", nargs="+", metavar="DIFFERENCE")

    about(
        command, "close", "close an incident of which nothing is left",
        "close INC-7 --reason 'all refused, consumers moved'", why=True,
    )  # fmt: skip
    about(
        command, "reopen", "open a closed incident again",
        "reopen INC-7 --reason 'the vendor found more'", why=True,
    )  # fmt: skip
