"""Leaving cleanly when told to, and leaving at all when the terminal is gone.

Textual handles no signal that ends a process: it would die with the alternate screen on
and the keyboard raw, or, with the terminal gone and SIGHUP ignored, spin for ever.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

PATIENCE = 3.0
"""Seconds that an orderly exit may take before the process ends without one."""

ENDING = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGXCPU,
)  # fmt: skip
"""Signals that people, supervisors and limits send, and that would end the process as it
stands. Those of a fault in the process itself cannot be handled in order."""

RESTORE = (
    b"\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l"  # mouse
    b"\x1b[?2004l\x1b[?2048l\x1b[?7h\x1b[<u\x1b[0m"  # paste, resize reports, wrap, keys, colours
    b"\x1b[?1049l\x1b[?25h\x1b[?1004l"  # alternate screen, cursor, focus reports
)


class Leaving:
    """Ends the process once it should end, in order if it can and by force if it cannot."""

    def __init__(self, leave: Callable[[int], None]) -> None:
        """``leave`` is called with an exit code, in the main thread, at most once."""
        self._leave = leave
        self._going = False
        self._attributes: list[Any] | None = None
        with contextlib.suppress(termios.error, OSError, ValueError):
            self._attributes = termios.tcgetattr(sys.__stdin__.fileno())  # type: ignore[union-attr]

    def install(self) -> None:
        """Take every signal that ends a process. What the screen started goes on elsewhere."""
        for number in ENDING:
            signal.signal(number, self._told)

    def _told(self, number: int, frame: FrameType | None) -> None:
        self.go(128 + number)

    def go(self, code: int) -> None:
        """Begin to leave, and make sure that it comes to an end."""
        if not self._going:
            self._going = True
            threading.Thread(target=self._force, args=(code,), daemon=True).start()
            self._leave(code)

    def terminal_is_gone(self) -> bool:
        """Whether the other end of the terminal was closed."""
        try:
            poll = select.poll()
            poll.register(sys.__stdin__.fileno(), select.POLLIN)  # type: ignore[union-attr]
            return any(event & (select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0))
        except (OSError, ValueError):
            return False

    def _force(self, code: int) -> None:
        time.sleep(PATIENCE)
        # Textual draws on standard error. Its writer may be stuck in a slow or dead terminal,
        # so nothing here may block.
        with contextlib.suppress(OSError, ValueError, termios.error):
            descriptor = sys.__stderr__.fileno()  # type: ignore[union-attr]
            os.set_blocking(descriptor, False)
            os.write(descriptor, RESTORE)
            if self._attributes is not None:
                termios.tcsetattr(descriptor, termios.TCSANOW, self._attributes)
        os._exit(code)
