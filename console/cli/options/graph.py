"""The options of ``graph``, ``reach``, ``owner`` and ``fingerprint``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from console.cli.shell.words import ID


def add(
    make: Callable[..., argparse.ArgumentParser], commands: Any, positive: Callable[[str], int]
) -> None:
    """Add ``graph``, ``reach``, ``owner`` and ``fingerprint``."""
    command = partial(make, commands)
    graph = command(
        "graph",
        "show what owns, carries and uses a token",
        "token-console graph vault-prod/ci-deploy --dot | dot -Tsvg > ci.svg",
        "graph.show:run",
    )
    graph.add_argument("token", metavar="ID", help=ID)
    graph.add_argument("--reverse", action="store_true", help="from the token back to its owners")
    graph.add_argument("--ask", action="store_true", help="ask its system what depends on it")
    graph.add_argument("--limit", type=positive, default=200, help="lines (default 200)")
    form = graph.add_mutually_exclusive_group()
    for name in ("dot", "mermaid", "json"):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name)

    reach = command(
        "reach",
        "tell what a leak of a token gets to, with the path that proves each, and what it may do",
        "token-console reach vault-prod/ci-deploy",
        "graph.show:reach",
    )
    reach.add_argument("token", metavar="ID", help=ID)
    reach.add_argument("--json", action="store_true")
    how = reach.add_mutually_exclusive_group()
    how.add_argument("--stored", action="store_true", help="ask its system nothing")
    how.add_argument(
        "--may",
        nargs=2,
        metavar=("ACTION", "RESOURCE"),
        help="ask one thing only, in its system's words; ends with 0 if allowed, 1 if denied, "
        "3 if what could be read does not tell, 4 if allowed under conditions",
    )

    owner = command(
        "owner", "who answers for tokens", "token-console owner orphans", "graph.owner:orphans"
    )
    below = owner.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=type(owner)
    )
    one = partial(make, below)
    shown = one(
        "show", "all claims about a token", "token-console owner show 3f9a1c", "graph.owner:show"
    )
    shown.add_argument("token", metavar="ID", help=ID)
    orphans = one(
        "orphans", "tokens nobody answers for", "token-console owner orphans", "graph.owner:orphans"
    )
    assign = one(
        "assign",
        "make somebody answer for a token; goes into the journal",
        "token-console owner assign 3f9a1c payments --reason 'agreed with Ana today'",
        "graph.owner:assign",
    )
    assign.add_argument("token", metavar="ID", help=ID)
    assign.add_argument("owner", metavar="NAME")
    assign.add_argument("--kind", choices=["person", "team", "service", "on-call"], default="")
    assign.add_argument("--reason", required=True, help="why; goes into the journal")
    leaves = one(
        "leaves",
        "what dies, breaks or is orphaned if a person, app, vendor or token goes",
        "token-console owner leaves ana@example.com",
        "graph.owner:leaves",
    )
    leaves.add_argument("name", metavar="NAME")
    for each in (shown, orphans, assign, leaves):
        each.add_argument("--json", action="store_true")

    print_ = command(
        "fingerprint",
        "remember a token's keyed hash, to find its value in files; value on standard input",
        "token-console fingerprint 3f9a1c < value.txt",
        "graph.show:fingerprint",
    )
    print_.add_argument("token", metavar="ID", help=ID)
