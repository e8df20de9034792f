"""The screen: what ``token-console`` does when no command is given."""

from __future__ import annotations

import argparse

from console import settings
from console.errors import Exit, UsageError
from console.settings import paths
from console.store import upkeep


def run(chosen: argparse.Namespace) -> int:
    """Open the screen over the configured backends."""
    where = paths(chosen.home)
    loaded = settings.load(where.config)
    if not loaded.backends:
        raise UsageError(
            f"{where.config} has no usable backend",
            "See what is wrong with: token-console config check",
        )
    return open_screen(where, loaded, act=chosen.act, demo=False)


def open_screen(where: settings.Paths, loaded: settings.Settings, *, act: bool, demo: bool) -> int:
    """Run the screen until it is left.

    Raises:
        UsageError: standard input or output is not a terminal.
    """
    import sys

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the screen needs a terminal", "For scripts: token-console list --json, show, sync."
        )
    where.make()
    upkeep.bring_up_to_date(where.inventory)
    from console.tui.shell.entry import run as run_app

    return run_app(where, loaded, act=act, demo=demo) or Exit.OK
