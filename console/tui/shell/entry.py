"""Where the command line enters the screen. Nothing of Textual is imported before ``run``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from console.env import display, scrub
from console.settings import Paths, Settings
from console.tui.session import worker_link

DARK = "ansi-dark"
"""The terminal's own colours: right on dark and light, in sixteen colours and in millions."""


def run(
    paths: Paths,
    settings: Settings | None,
    *,
    act: bool,
    demo: bool = False,
    now: Callable[[], float] = time.time,
    worker: bool = True,
) -> int:
    """Show the screen until it is left, and return the exit code.

    ``act`` lets actions through that change something outside. Without ``worker`` nothing
    talks to the backends and only what is stored is shown.

    Raises:
        StoreError: the inventory cannot be opened.
    """
    scrub()
    surroundings = display()
    from console.tui.shell.application import ConsoleApp
    from console.tui.shell.application import run as run_app

    app = ConsoleApp(
        paths,
        settings,
        act=act,
        demo=demo,
        ascii_only=surroundings.ascii,
        now=now,
        worker=worker_link.command(paths, act=act) if worker else None,
        theme=os.environ.get("TEXTUAL_THEME", DARK),
    )
    # Any-motion tracking writes to the wire with each movement, and takes the terminal's
    # own selection away.
    mouse = not surroundings.remote and os.environ.get("TOKEN_CONSOLE_MOUSE") == "1"
    return run_app(app, mouse=mouse)
