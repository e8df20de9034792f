"""A crash report that holds where, and never what: no locals, no argument values."""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path

from console import ownership
from console.text import safe


def lines(error: BaseException) -> list[str]:
    """The error's kind and the places it passed through, innermost last.

    An error's own message may quote data from outside, so only the messages of our own
    errors are kept.
    """
    kept: list[str] = []
    for frame in traceback.extract_tb(error.__traceback__):
        name = Path(frame.filename)
        kept.append(f"  {'/'.join(name.parts[-3:])}:{frame.lineno} in {frame.name}")
    ours = type(error).__module__.split(".")[0] in ("console", "backends")
    kept.append(type(error).__name__ + (f": {safe(str(error))}" if ours else ""))
    return kept


def report(error: BaseException, state: Path) -> Path | None:
    """Write the report into ``state`` (mode 0600); None where that cannot be done."""
    target = state / f"crash-{int(time.time())}-{os.getpid()}.txt"
    text = "\n".join([f"token-console, Python {sys.version.split()[0]}", *lines(error), ""])
    if ownership.foreign(state):
        return None  # Root would leave a directory that its owner cannot use.
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except OSError:
        return None
    return target
