"""Questions to the person at the terminal, also where a value comes on standard input.

A person is there when one of the three standard streams is a terminal. They are asked on the
controlling terminal, as ``ssh`` and ``sudo`` do: what is piped in is no answer, and what is
piped out is no place for a question.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO

from console.text import safe

TERMINAL = "/dev/tty"


def somebody() -> bool:
    """Whether a person can be asked."""
    with _terminal() as found:
        return found is not None


def ask(*told: str, prompt: str = "> ") -> str | None:
    """Show the lines, and return what the person types after them; None where nobody is there.

    Raises:
        EOFError: the terminal ended instead of an answer.
    """
    with _terminal() as found:
        if found is None:
            return None
        reads, writes = found
        for text in told:
            writes.write(f"{safe(text, 2000)}\n")
        writes.write(prompt)
        writes.flush()
        typed = reads.readline()
        if not typed:
            raise EOFError("the terminal ended")
        return typed.rstrip("\r\n")


@contextlib.contextmanager
def _terminal() -> Iterator[tuple[IO[str], IO[str]] | None]:
    """The controlling terminal to read from and to write to, where a person is at it."""
    if not any(map(_is_terminal, (sys.stdin, sys.stdout, sys.stderr))):
        yield None
        return
    try:
        number = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        # There is none (a session of its own), and standard input may be one all the same.
        yield (sys.stdin, sys.stderr) if _is_terminal(sys.stdin) else None
        return
    with (
        open(number, encoding="utf-8", errors="replace") as reads,
        open(os.dup(number), "w", encoding="utf-8", errors="replace") as writes,
    ):
        # Who reads it from the background is stopped, and the question with it.
        yield (reads, writes) if os.tcgetpgrp(number) == os.getpgrp() else None


def _is_terminal(stream: IO[str] | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # It is closed.
        return False
