"""Log-ins and role statements from the server's own log, where the console may read it.

Only the JSON log is read (``log_destination = jsonlog``, PostgreSQL 15 and newer, with
``logging_collector = on``, ``log_connections = on`` and ``log_timezone = UTC``): in the
plain one a role's name can be chosen so that it looks like another line. Source:
PostgreSQL documentation, "Error Reporting and Logging", JSON-format log output.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from backends.postgres.roles import Login

MAX_READ: Final = 64 * 1024 * 1024
"""Bytes of the log's end that are read; what is older is not seen, and that is said."""

_STATEMENT = re.compile(
    r"\s*(?:(CREATE|ALTER|DROP)\s+(ROLE|USER|GROUP)|(GRANT|REVOKE)|(REASSIGN|DROP)\s+(OWNED))\b",
    re.IGNORECASE,
)
_AUTHORIZED = re.compile(r" database=(.*?)(?: application_name=(.*?))?(?: SSL | GSS |$)")
_LITERAL = re.compile(r"'(?:[^']|'')*'?")


class Line(NamedTuple):
    """One line of the log that matters here. ``id`` is the session's id and line number."""

    id: str
    at: datetime
    role: str
    action: str
    outcome: str
    source: str
    agent: str
    detail: str


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
            parsed = _parse(raw)
            if parsed is None:
                odd += 1
                continue
            at, entry = parsed
            begins = begins or at
            lines.extend(_lines(at, entry))
    return LogTail(tuple(lines), begins, size > MAX_READ, odd)


def logins(tail: LogTail) -> dict[str, Login]:
    """The last successful log-in of each role, by the role's name at that time."""
    last: dict[str, Login] = {}
    for line in tail.lines:
        if line.action == "login" and line.outcome == "ok":
            purpose = f"{line.agent} on {line.detail}" if line.agent else line.detail
            last[line.role] = Login(line.at, line.source, purpose)
    return last


def _parse(raw: bytes) -> tuple[datetime, dict[str, Any]] | None:
    try:
        # Names of another encoding are in the log as they are in the catalogs.
        entry = json.loads(raw.decode("utf-8", "replace"))
        stamp, zone = entry["timestamp"].rsplit(" ", 1)
        if zone not in ("UTC", "GMT"):
            return None
        return datetime.fromisoformat(stamp).replace(tzinfo=UTC), entry
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def _lines(at: datetime, entry: dict[str, Any]) -> Iterator[Line]:
    message = str(entry.get("message", ""))
    role = str(entry.get("user", ""))
    severity = entry.get("error_severity")
    state = str(entry.get("state_code", ""))
    action, outcome, detail = "", "ok", ""
    agent = str(entry.get("application_name", ""))
    if severity == "LOG" and message.startswith("connection authorized: "):
        action = "login"
        if found := _AUTHORIZED.search(message):
            detail, agent = f"database {found[1]}", found[2] or ""
    elif severity == "FATAL" and state.startswith("28"):
        action, outcome, detail = "login", "denied", message[:200]
    elif severity == "LOG" and message.startswith("disconnection: "):
        action = "logout"
    elif severity == "LOG" and message.startswith("statement: "):
        statement = message.removeprefix("statement: ")
        if found := _STATEMENT.match(statement):
            action = " ".join(word.upper() for word in found.groups() if word)
            detail = _without_values(statement)
    if action and role:
        yield Line(
            f"{entry.get('session_id', '')}.{entry.get('line_num', '')}",
            at,
            role,
            action,
            outcome,
            str(entry.get("remote_host", "")),
            agent,
            detail,
        )


def _without_values(statement: str) -> str:
    """A statement without what stands in quotes: somebody may have sent a password in clear."""
    if "$" in statement and "SCRAM-SHA-256$" not in statement:
        return "(not shown: the statement quotes with dollars)"
    return _LITERAL.sub("'...'", statement)[:300]
