"""The screen in a real pseudo-terminal: what it writes byte by byte, and how it ends.

As a program it is what runs inside: ``pty_screen.py HOME [--act | --crash-...]``.
"""

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = float(os.environ.get("TEST_PATIENCE", "600"))
"""Seconds, as ``patience.HANG``, which this file cannot import: it is a program too."""
CANARY = "hvs.CANARY-" + "f00d" * 6
"""Stands for a secret: it must never reach a terminal or a report."""


class Terminal:
    """A program on the far side of a pseudo-terminal. Everything that it wrote is in ``out``."""

    program = (sys.executable, __file__)

    def __init__(
        self,
        home: Path,
        *flags: str,
        size: tuple[int, int] = (80, 24),
        environ: dict[str, str] | None = None,
        ignore_hangup: bool = False,
    ) -> None:
        self.master, slave = os.openpty()
        self.size = size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.before = termios.tcgetattr(slave)
        clean = {name: value for name, value in os.environ.items() if "TEXTUAL" not in name}
        for name in ("TMUX", "STY", "SSH_TTY", "SSH_CONNECTION", "NO_COLOR", "COLORTERM"):
            clean.pop(name, None)
        given = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "COLUMNS": "", "LINES": ""}
        words = [*self.program, str(home), *flags]
        if ignore_hangup:
            # As nohup does: the signal that a lost link sends is not seen.
            words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *words]
        self.process = subprocess.Popen(
            words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env=clean | given | (environ or {}),
        )
        self.slave = slave
        self.out = b""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for descriptor in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def read(self, seconds: float) -> bytes:
        """What arrives within a time; ends early when nothing more can come."""
        # Not select(), which knows only the first 1,024 descriptors of a long test run.
        waiting = select.poll()
        waiting.register(self.master, select.POLLIN)
        if not waiting.poll(seconds * 1000):
            return b""
        try:
            new = os.read(self.master, 1 << 16)
        except OSError:
            return b""
        self.out += new
        return new

    def until(self, true: Callable[[], bool]) -> None:
        """Read until a condition holds; the time only bounds a failure."""
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, self.text()
            self.read(0.1)

    def shown(self, text: str) -> None:
        """Read until a text stands on the screen."""
        self.until(lambda: text in self.text())

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def quiet(self, seconds: float = 0.4) -> int:
        """Read until nothing has come for a while; the bytes that came."""
        before = len(self.out)
        while self.read(seconds):
            pass
        return len(self.out) - before

    def text(self) -> str:
        """The screen as an emulator shows it."""
        import pyte

        screen = pyte.Screen(*self.size)
        pyte.ByteStream(screen).feed(self.out)
        return "\n".join(screen.display)

    def ended(self) -> int:
        """Read to the end, and return the exit code."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, "it did not end"
            self.read(0.1)
        while self.read(0.1):
            pass
        return self.process.wait()

    def restored(self) -> None:
        """Assert that the terminal is as it was before."""
        for leave in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?2004l", b"\x1b[?1004l", b"\x1b[?7h"):
            enter = leave[:-1] + (b"l" if leave.endswith(b"h") else b"h")
            assert leave in self.out, leave
            assert self.out.rindex(leave) > self.out.rfind(enter), leave
        assert termios.tcgetattr(self.slave)[:4] == self.before[:4]


def main(home: str, *flags: str) -> int:
    """Run the screen over the store in ``home``, without a worker."""
    from console.settings import paths
    from console.tui.shell import entry

    if flags and flags[0].startswith("--crash"):
        from console.env import scrub

        scrub()
        from console.tui.views.inventory.table import TokenTable
        from console.tui.views.inventory.view import InventoryView

        def crash(*arguments: object, **more: object) -> None:
            secret = CANARY
            raise ValueError(f"cannot use {secret}")

        if flags[0] == "--crash-in-key":
            InventoryView.HANDLERS = {**InventoryView.HANDLERS, "sort": crash}
        elif flags[0] == "--crash-in-callback":
            InventoryView._say_count = crash  # type: ignore[assignment,method-assign]
        else:
            TokenTable.line = crash  # type: ignore[assignment,method-assign]
    return entry.run(paths(Path(home)), None, act="--act" in flags, worker=False)


if __name__ == "__main__":
    # A test that was itself started with SIGHUP ignored must not hand that on.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(*sys.argv[1:]))
