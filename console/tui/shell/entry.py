"""Where the command line enters the screen. Nothing of Textual is imported before ``run``."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable

from console.env import display, scrub
from console.settings import Paths, Settings
from console.tui.session import worker_link

DARK = "ansi-dark"
"""The terminal's own colours: right on dark and light, in sixteen colours and in millions."""
MOMENT = 1.0
"""Seconds that the screen's threads have to come to an end by themselves."""


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
    code = run_app(app, mouse=mouse)
    _end_with_threads(code)
    return code


def _end_with_threads(code: int) -> None:
    """End the process here where a thread of the screen still works after a moment.

    Python ends such threads wherever they are as it ends itself. In a library written in Rust
    or C++ (signatures are checked in one) that is an abort: a core, and exit code 134.
    """
    from console.tui.session.background import Background
    from console.tui.views.inventory.searcher import Searcher

    ours = [each for each in threading.enumerate() if isinstance(each, Background | Searcher)]
    for each in ours:
        each.end()
    for each in ours:
        each.join(MOMENT / len(ours))
    if any(each.is_alive() for each in ours):
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
