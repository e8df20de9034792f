"""``journal init-postgres``: the tables and the rights of a team's journal."""

from __future__ import annotations

import argparse
import getpass
import json
import sys

from backends.model import Secret
from console.cli.shell import output
from console.errors import Exit, UsageError

MAX_TEXT = 4096


def init_postgres(chosen: argparse.Namespace) -> int:
    """Make the tables. Neither the administrator's string nor its password is kept."""
    from console.journal.store.postgres import SCHEMA, init

    init(administrator("token-console journal init-postgres ROLE"), chosen.role)
    if chosen.json:
        print(json.dumps({"schema": SCHEMA, "role": chosen.role}))
    else:
        output.line(f"schema {SCHEMA}: made; {chosen.role} may append and read")
        output.note("Put that role's connection string into [journal]; then: journal doctor.")
    return Exit.OK


def administrator(command: str) -> Secret:
    """The administrator's connection string, from standard input or typed unseen.

    Raises:
        UsageError: there is none.
    """
    if sys.stdin.isatty():
        text = getpass.getpass("administrator's connection string (not shown): ")
    else:
        text = sys.stdin.read(MAX_TEXT + 1)
    text = text.strip()
    if not text or len(text) > MAX_TEXT:
        raise UsageError(
            "there is no connection string on standard input",
            f"pass show pg-admin | {command}",
        )
    return Secret(text)
