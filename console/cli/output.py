"""What the command line prints: results on standard output, all else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

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
    if sys.stderr.isatty():
        print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], limits: Sequence[int]) -> None:
    """Aligned columns, each at most ``limits`` wide; the last one is never padded."""
    clean = [[safe(value, limit) for value, limit in zip(row, limits, strict=True)] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *clean, strict=True)]
    for row in [list(header), *clean]:
        padded = (value.ljust(width) for value, width in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())
