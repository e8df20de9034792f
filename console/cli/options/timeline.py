"""The options of ``ingest`` and ``timeline``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from console.cli.shell.words import ID

BY = ("token", "actor", "address", "action")


def add(
    make: Callable[..., argparse.ArgumentParser], commands: Any, positive: Callable[[str], int]
) -> None:
    """Add ``ingest`` and ``timeline``."""
    command = partial(make, commands)
    ingest = command(
        "ingest",
        "read audit logs from files and buckets into the inventory",
        "token-console ingest --follow",
        "timeline:ingest",
    )
    ingest.add_argument("source", nargs="*", help="these sources only")
    ingest.add_argument("--follow", action="store_true", help="go on until interrupted")
    ingest.add_argument(
        "--every", type=positive, default=5, metavar="S", help="with --follow: look every S seconds"
    )
    ingest.add_argument("--json", action="store_true")

    shown = command(
        "timeline",
        "show what a token did, when, and what the logs do not tell",
        "token-console timeline vault-prod/ci-deploy --leak 2026-11-24T03:12Z --by address",
        "timeline:run",
    )
    shown.add_argument(
        "token",
        metavar="ID",
        nargs="?",
        help=f"{ID}; none: everything",
    )
    shown.add_argument("--since", metavar="AGE", help="how far back: 90m, 24h, 7d (default 24h)")
    shown.add_argument("--by", choices=BY, help="what a lane stands for (default address)")
    shown.add_argument("--leak", metavar="TIME", help="ISO 8601 in UTC, or an age such as 6h")
    shown.add_argument("--width", type=positive, default=80, metavar="N")
    shown.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    form = shown.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true")
    form.add_argument("--csv", action="store_true", help="the single events")
