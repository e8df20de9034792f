"""What the command line prints: results on standard output, all else on standard error."""

from __future__ import annotations

import contextlib
import select
import sys
from collections.abc import Iterable, Sequence

from console.cli.shell import tables
from console.text import safe


def line(text: str = "") -> None:
    """One line of a result. The text is made safe for the terminal."""
    print(safe(text, 4000))


def error(message: str, hint: str = "") -> None:
    """A problem, and what to do about it. A hint may have several lines of its own."""
    print(f"token-console: {safe(message, 2000)}", file=sys.stderr)
    for part in hint.splitlines():
        print(f"  {safe(part, 2000)}", file=sys.stderr)


def note(text: str) -> None:
    """Something by the way."""
    print(safe(text, 2000), file=sys.stderr)


def progress(text: str) -> None:
    """A line that the next one replaces; nothing where standard error is not a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{safe(text, 78)}", end="", file=sys.stderr, flush=True)


def progress_done() -> None:
    """Take the line of ``progress`` away again."""
    if sys.stderr.isatty():
        print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    limits: Sequence[int],
    *,
    key: int = 0,
) -> None:
    """Aligned columns that fit the terminal, each at most ``limits`` wide there; else whole.

    ``key`` columns at the left are repeated where the others need several parts.
    """
    for text in tables.lines(header, rows, limits, tables.room(), key=key):
        print(text)


def closed() -> bool:
    """Whether whoever read standard output or standard error has gone."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            watched = select.poll()
            watched.register(stream.fileno(), 0)
            if any(told & (select.POLLERR | select.POLLHUP) for _, told in watched.poll(0)):
                return True
    return False
