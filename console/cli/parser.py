"""The commands and their options. Every ``--help`` ends with an example to copy."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from console import __version__
from console.cli.options import graph, incident, timeline
from console.cli.options import journal as journal_options
from console.cli.options import response as response_options
from console.cli.shell.arguments import ordered
from console.cli.shell.words import ID

QUERY_HELP = """\
words are looked for in name, id, owner, principal, backend, kind, scope and grants (in a
plan in name, id, owner and principal only, as by text:WORD); a whole handle or BACKEND/NAME
is found too; then:
  owner:payments   owner:none   backend:vault-prod   kind:access-key
  state:active     state:gone   grant:admin          age:>1y
  incident:INC-7   (the tokens in an incident's scope)
  used:<30d  used:>90d  used:never   expires:<30d  expires:never
put - (or !) in front to turn a term round (!word for a word); quote blanks;
a,b means either
  token-console list owner:payments used:\\>90d -state:gone
"""

EXIT_HELP = """\
exit codes: 0 done, 1 failed, 2 wrong command or configuration, 3 done in part
"""

INTAKE_HELP = """\
what can come in: one secret; many, one a line; a report of TruffleHog, gitleaks, Kingfisher,
  Betterleaks, in SARIF, or GitHub's secret-scanning alerts; a CSV with a column of ids or values
The value is never shown or kept. It is looked up at configured backends that can have issued
  it, which is no use of it. It is tried only with --try, which asks first and is journaled.
Where kingfisher-secret-scanner is installed (pip install 'token-console[kingfisher]') its rules
  name what is of no type here, offline; its live validation is never used.
examples:
  token-console intake               (paste; nothing is shown)
  gitleaks git -f json -r - | token-console intake
  token-console intake vendor.csv --offline
  token-console intake --log access.log.gz
exit codes: 0 every one has a token, 1 one has none, 2 wrong command or configuration
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The chosen command with its options; ``run`` is the function that carries it out."""
    parser = _parser("token-console", "Find, explain and end API tokens and keys.")
    parser.epilog = "start here: token-console demo\n" + EXIT_HELP
    parser.add_argument("--version", action="version", version=f"token-console {__version__}")
    _common(parser, suppressed=False)
    parser.add_argument(
        "--act", action="store_true", help="the screen may act; without it, it only looks"
    )
    parser.set_defaults(run=_lazily("screen", "run"))
    commands = parser.add_subparsers(
        title="commands (none: open the screen)", metavar="COMMAND", parser_class=_Parser
    )

    command = partial(make, commands)

    demo = command(
        "demo",
        "open the screen on an embedded estate; needs no network and no configuration",
        "token-console demo",
        "demo:run",
    )
    demo.add_argument("--fresh", action="store_true", help="throw the old estate away first")
    demo.add_argument("--tokens", type=_positive, default=4000, help="how many (default 4000)")
    demo.add_argument("--seed", type=int, default=7, help="another seed makes another estate")
    demo.add_argument("--read-only", action="store_true", help="look only")
    demo.add_argument("--prepare", action="store_true", help="make and read it, open no screen")

    sync = command(
        "sync",
        "read the backends into the inventory",
        "token-console sync vault-prod",
        "inventory:sync",
    )
    sync.add_argument("backend", nargs="*", help="these backends only")
    sync.add_argument("--json", action="store_true")

    list_ = command(
        "list",
        "list tokens from the inventory",
        "token-console list owner:none expires:never --csv",
        "inventory:list_",
    )
    list_.epilog = f"queries:\n{QUERY_HELP}\nexample:\n  token-console list owner:none --csv\n"
    list_.add_argument("query", nargs="*", help="see below; quote < and > for the shell")
    form = list_.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="every reading says how it is known")
    form.add_argument("--csv", action="store_true")
    list_.add_argument("--sort", default="name", help="a column; with - in front, descending")
    list_.add_argument("--limit", type=_positive, help="at most so many (default: all)")

    show = command(
        "show",
        "tell all that is known about one token",
        "token-console show vault-prod/ci-deploy",
        "inventory:show",
    )
    show.add_argument(
        "token",
        metavar="ID",
        help=ID,
    )
    show.add_argument("--history", type=_positive, default=25, metavar="N", help="lines of it")
    show.add_argument("--json", action="store_true")

    identify = command(
        "identify",
        "find out whose token a secret is; the secret comes on standard input",
        "pbpaste | token-console identify",
        "inventory:identify",
    )
    identify.add_argument("--backend", action="append", default=[], help="ask these only")
    identify.add_argument("--json", action="store_true")

    intake = command(
        "intake",
        "a secret leaked: say whose it is, what it did, and what to do next",
        "pbpaste | token-console intake --leak 6h",
        "intake:run",
    )
    intake.epilog = INTAKE_HELP
    intake.add_argument(
        "file", nargs="?", metavar="FILE", help="a report or a list; without one, standard input"
    )
    intake.add_argument(
        "--leak", metavar="WHEN", help="when it leaked: a time, or an age such as 6h"
    )
    intake.add_argument("--backend", action="append", default=[], help="ask these only")
    intake.add_argument(
        "--offline", action="store_true", help="ask no system: inventory and fingerprints only"
    )
    intake.add_argument(
        "--log",
        action="store_true",
        help="FILE is a log of any size: find values whose fingerprints are kept here, and ids, in"
        " it; asks no system",
    )
    intake.add_argument(
        "--try",
        dest="try_",
        action="store_true",
        help="then try the one value that came, to learn whether it works; says what that does"
        " besides, and asks first",
    )
    intake.add_argument("--reason", default="", help="why it is tried; goes into the journal")
    intake.add_argument("--confirm", metavar="WORD", help="what is asked for, instead of typing it")
    intake.add_argument("--json", action="store_true")

    backends = command(
        "backends",
        "show each backend's health, coverage and what it can do",
        "token-console backends",
        "backends:run",
    )
    backends.add_argument("--json", action="store_true")
    backends.add_argument("--offline", action="store_true", help="contact nobody")
    backends.add_argument(
        "--wait",
        type=_positive,
        default=15,
        metavar="SECONDS",
        help="say of a backend that it does not answer after so long (default 15)",
    )

    config = command(
        "config", "check the configuration", "token-console config check", "config:run"
    )
    config.add_argument(
        "what", choices=["check", "path"], help="check: name what is wrong, and where"
    )

    timeline.add(make, commands, _positive)
    incident.add(make, commands, _positive)
    response_options.add(make, commands, _positive)
    graph.add(make, commands, _positive)

    journal = command(
        "journal",
        "read, check, prove and export the record of every action",
        "token-console journal verify",
        "journal.list:list_",
    )
    below = journal.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=_Parser
    )
    journal_options.add(partial(make, below), _positive)

    lab = command(
        "lab",
        "start or end real servers on this machine to try things on",
        "token-console --home ~/token-lab lab up",
        "lab:run",
    )
    lab.add_argument("what", choices=["up", "down", "status"])
    lab.add_argument(
        "--systems", help="comma-separated; default all: openbao,aws_iam,postgres,redis"
    )
    lab.add_argument("--tokens", type=_positive, default=120, help="about how many in each")
    return parser.parse_args(arguments)


def make(
    commands: Any, name: str, help_: str, example: str, function: str
) -> argparse.ArgumentParser:
    """Add a command. ``function`` is ``module:function`` below ``console.cli``."""
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=f"example:\n  {example}\n",
    )
    _common(made, suppressed=True)
    module, _, attribute = function.partition(":")
    made.set_defaults(run=_lazily(module, attribute))
    return made


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ``argparse`` does, with options and other words in any order."""
        if args is not None and self._subparsers is None:
            args = ordered(self, args)
        return super().parse_known_args(args, namespace)


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    return _Parser(prog=name, description=description)


def _common(parser: argparse.ArgumentParser, *, suppressed: bool) -> None:
    # A subcommand must not overwrite what was given before it, hence no default there.
    default = argparse.SUPPRESS if suppressed else None
    parser.add_argument(
        "--home",
        type=Path,
        default=default,
        metavar="DIR",
        help="configuration and state in DIR (or set TOKEN_CONSOLE_HOME)",
    )


def _lazily(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    def run(chosen: argparse.Namespace) -> int:
        return int(getattr(import_module(f"console.cli.{module}"), name)(chosen))

    return run


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
