"""One server process of the lab: started, waited for, and ended by its own id."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from backends.errors import BackendError

START_TIMEOUT = 60.0
"""Seconds that a server may take to answer for the first time on a busy machine."""
STOP_TIMEOUT = 10.0


class LabError(BackendError):
    """A server of the lab cannot be started, filled or ended."""

    hint = "Look at the server's log, which the message names; then: token-console lab down."


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started_at(pid: int) -> str:
    """When the kernel says a process began, to tell it from a later one with the same id.

    The empty string when there is no such process, or when it has ended and only waits
    for a parent that never asks (in a container whose first process reaps nobody).
    """
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
    return asked.stdout.strip()


class Server(ABC):
    """One real server. ``home`` is its own directory; ``port`` is chosen at :meth:`start`."""

    name: ClassVar[str]
    """Also the name of its backend in the configuration that the lab writes."""
    title: ClassVar[str]

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = 0
        self.pid = 0
        self.began = ""

    @property
    def log(self) -> Path:
        """What the server's process printed."""
        return self.home / "server.log"

    @abstractmethod
    def start(self) -> None:
        """Prepare the directory, start the process, and wait until it answers."""

    @abstractmethod
    def fill(self, tokens: int) -> None:
        """Create believable owners, grants, tokens and use through the system's own interface.

        ``tokens`` is roughly how many tokens to make.
        """

    @abstractmethod
    def table(self) -> Mapping[str, Any]:
        """The backend's table for the configuration file, with credentials by reference.

        Credentials are files in :attr:`home` with mode 0600.
        """

    def discard(self) -> None:
        """Remove what :meth:`start` had to put outside :attr:`home`. Usually nothing."""

    def spawn(
        self,
        command: list[str],
        ready: Callable[[], bool],
        *,
        env: Mapping[str, str] = {},
        user: str | None = None,
    ) -> None:
        """Start a process in a session of its own, and wait until ``ready`` is true.

        Raises:
            LabError: it ended at once, or was not ready in time.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                env={**os.environ, **env},
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
                start_new_session=True,
            )
        self.pid = process.pid
        self.began = started_at(process.pid)
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise LabError(f"{self.title} ended with {process.returncode}; see {self.log}")
            with contextlib.suppress(Exception):
                if ready():
                    return
            time.sleep(0.05)
        self.stop()
        raise LabError(f"{self.title} was not ready in {START_TIMEOUT:.0f} s; see {self.log}")

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (not another one with its id)."""
        if not self.pid or not self.began:
            return False
        return started_at(self.pid) == self.began

    def stop(self) -> None:
        """End the process and its children: asked first, then killed. Harmless when it is gone."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive:
                break
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
            deadline = time.monotonic() + STOP_TIMEOUT
            while time.monotonic() < deadline and self.alive:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self.pid, os.WNOHANG)
                time.sleep(0.05)
        if self.pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
        self.pid = 0

    def keep(self, name: str, secret: str) -> Path:
        """Write a secret into a file of this server's, private to its owner."""
        path = self.home / name
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(secret)
        return path
