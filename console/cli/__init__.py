"""The command line. Only the screen loads Textual; everything else starts without it."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from backends import memory
from backends.errors import BackendError
from console import env, ownership
from console.cli.parser import parse
from console.cli.shell import output
from console.errors import ConsoleError, Exit
from console.settings import paths

BROKEN_PIPE = 141
"""As a shell reports a program that SIGPIPE ended: not all was said, nor perhaps done."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; see ``console.errors.Exit``."""
    env.scrub()
    memory.keep_private()
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            # Here, and not when Python ends, where nobody could say what went wrong.
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain about it at exit.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.dup2(nowhere, sys.stderr.fileno())
        return BROKEN_PIPE


def _run(arguments: Sequence[str]) -> int:
    chosen = parse(arguments)
    try:
        return int(chosen.run(chosen))
    except (ConsoleError, BackendError) as error:
        output.error(str(error), _whose(error, chosen) or error.hint)
        return int(error.code if isinstance(error, ConsoleError) else Exit.FAILED)
    except KeyboardInterrupt:
        output.error(
            "interrupted", "A run that was started goes on; see: token-console journal list"
        )
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and output.closed():
            raise  # It is our own output that nobody reads, and no system's connection.
        if (whose := _whose(error, chosen)) or (isinstance(error, OSError) and error.filename):
            told = getattr(error, "strerror", None) or "it may not be used"
            name = getattr(error, "filename", None) or "a file"
            output.error(f"cannot use {name}: {told}", whose or "Check the disk and the path.")
            return int(Exit.USAGE)
        from console import crash

        written = crash.report(error, paths(chosen.home).state)
        where = f"{crash.lines(error)[-2].strip()}; " if len(crash.lines(error)) > 1 else ""
        output.error(
            f"a defect in token-console: {type(error).__name__}",
            f"{where}report: {written or 'could not be written'}",
        )
        return int(Exit.FAILED)


def _whose(error: BaseException, chosen: argparse.Namespace) -> str:
    """Whose the file is that the error is about, and what to type; empty if it is about none."""
    where = paths(getattr(chosen, "home", None))
    return ownership.hint(error, where.places)
