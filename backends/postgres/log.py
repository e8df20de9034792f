"""Log-ins and role statements from the server's own log, where the console may read it.

Only the JSON log is read (``log_destination = jsonlog``, PostgreSQL 15 and newer, with
``logging_collector = on``, ``log_connections = on`` and ``log_timezone = UTC``): in the
plain one a role's name can be chosen so that it looks like another line. Source:
PostgreSQL documentation, "Error Reporting and Logging", JSON-format log output.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from backends.logs.postgres import Line, from_json, lines_of
from backends.postgres.roles import Login

MAX_READ: Final = 64 * 1024 * 1024
"""Bytes of the log's end that are read; what is older is not seen, and that is said."""


class LogTail(NamedTuple):
    """The end of a log file."""

    lines: tuple[Line, ...]
    begins: datetime | None
    """The time of the oldest line that was read."""
    cut: bool
    """Whether older lines were left out because of ``MAX_READ``."""
    odd: int
    """Lines that are not JSON of a log, or whose time is not in UTC."""


def read(path: Path) -> LogTail:
    """Read the end of the log file.

    Raises:
        OSError: the file cannot be read.
    """
    lines: list[Line] = []
    begins: datetime | None = None
    odd = 0
    with path.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - MAX_READ))
        if size > MAX_READ:
            handle.readline()
        for raw in handle:
            if not raw.endswith(b"\n"):
                break  # The server is still writing this one.
            parsed = from_json(raw)
            if parsed is None:
                odd += 1
                continue
            at, entry = parsed
            begins = begins or at
            lines.extend(lines_of(at, entry))
    return LogTail(tuple(lines), begins, size > MAX_READ, odd)


def logins(tail: LogTail) -> dict[str, Login]:
    """The last successful log-in of each role, by the role's name at that time."""
    last: dict[str, Login] = {}
    for line in tail.lines:
        if line.action == "login" and line.outcome == "ok":
            purpose = f"{line.agent} on {line.detail}" if line.agent else line.detail
            last[line.role] = Login(line.at, line.source, purpose)
    return last
