"""PostgreSQL's server log in its two forms for machines, line by line.

Source: PostgreSQL documentation, "Error Reporting and Logging", the sections on
CSV-format and JSON-format log output. In the plain form a role's name can be chosen so
that it looks like another line, so that one is not read. Times must be in UTC
(``log_timezone``): names of other zones cannot be told apart.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

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


COLUMNS = (
    "timestamp", "user", "dbname", "pid", "remote_host", "session_id", "line_num", "ps",
    "session_start", "vxid", "txid", "error_severity", "state_code", "message", "detail", "hint",
    "internal_query", "internal_position", "context", "statement", "cursor_position",
    "func_name", "application_name", "backend_type", "leader_pid", "query_id",
)  # fmt: skip
"""The columns of the CSV form, by the names that the JSON form gives them."""


def from_json(raw: bytes) -> tuple[datetime, Mapping[str, Any]] | None:
    """A line of the JSON log: its time and its fields; None for one that is none."""
    try:
        # Names of another encoding are in the log as they are in the catalogs.
        entry = json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return _timed(entry) if isinstance(entry, dict) else None


def from_csv(raw: bytes) -> tuple[datetime, Mapping[str, Any]] | None:
    """A record of the CSV log, which may have line feeds within quotes."""
    try:
        (row,) = csv.reader([raw.decode("utf-8", "replace")], strict=True)
    except (csv.Error, ValueError):
        return None
    if not 23 <= len(row) <= 40:
        return None
    entry = dict(zip(COLUMNS, row, strict=False))
    # Host and port stand in one column here.
    entry["remote_host"] = entry["remote_host"].rpartition(":")[0] or entry["remote_host"]
    return _timed(entry)


def _timed(entry: Mapping[str, Any]) -> tuple[datetime, Mapping[str, Any]] | None:
    try:
        stamp, zone = entry["timestamp"].rsplit(" ", 1)
        if zone not in ("UTC", "GMT"):
            return None
        return datetime.fromisoformat(stamp).replace(tzinfo=UTC), entry
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def lines_of(at: datetime, entry: Mapping[str, Any]) -> Iterator[Line]:
    """What of an entry matters here: log-ins, tries, log-outs, and statements about roles."""
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
