"""One line of the audit log, as far as it is read.

Source: OpenBao ``audit/format.go``, whose entries are JSON objects, one on a line.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from backends.hiding import HASHED, HIDDEN, hidden

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
"""How far a server's clock may be ahead of ours for an entry to be believed."""
LEAST_HIDDEN = 3
"""Characters; a shorter "value" is in too many words to be taken out of them."""
_BY_VALUE = re.compile(r"^(auth/token/(?:lookup|renew|revoke|revoke-orphan)/)[^/]+$")
"""Old forms of these calls have the token in the path."""
REQUEST_MARK = b'"type":"request"'
MARK_WITHIN = 96
"""Bytes: an entry begins with its time and its type."""


class _Auth(msgspec.Struct, gc=False):
    accessor: str = ""
    client_token: str = ""
    display_name: str = ""


class _Namespace(msgspec.Struct, gc=False):
    path: str = ""


class _Data(msgspec.Struct, gc=False):
    accessor: Any = None
    token: Any = None
    secret_id: Any = None
    secret_id_accessor: Any = None
    no_parent: Any = None


class _Secret(msgspec.Struct, gc=False):
    lease_id: str = ""


class AuditRequest(msgspec.Struct, gc=False):
    """What was asked, by whom and from where. Tokens and accessors are hashes of the device."""

    id: str = ""
    operation: str = ""
    path: str = ""
    client_token: str = ""
    client_token_accessor: str = ""
    remote_address: str = ""
    namespace: _Namespace | None = None
    data: _Data | None = None

    @property
    def full_path(self) -> str:
        """The path with its namespace before it."""
        return (self.namespace.path if self.namespace else "") + self.path


class _Response(msgspec.Struct, gc=False):
    auth: _Auth | None = None
    data: _Data | None = None
    secret: _Secret | None = None


class AuditLine(msgspec.Struct, gc=False):
    """One line of the log, as far as it is read."""

    time: datetime
    request: AuditRequest
    type: str = ""
    auth: _Auth | None = None
    response: _Response | None = None
    error: str = ""


_decoder = msgspec.json.Decoder(AuditLine)


def entry_of(line: bytes) -> AuditLine | None:
    """The entry on a line, or None for a line that is none (torn, or of another kind).

    Raises nothing: a log is read to its end whatever stands in it.
    """
    if not line.startswith(b"{"):
        # A device may be set to put a prefix before each entry.
        line = line[line.find(b"{") :]
    try:
        entry = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if entry.time.tzinfo is None:
        return None
    try:
        entry.time = entry.time.astimezone(UTC)
    except OverflowError:
        # A date at either end of the calendar.
        return None
    if not EARLIEST <= entry.time <= datetime.now(UTC) + AHEAD:
        # It cannot be placed, and would make a last use of its own.
        return None
    _hide(entry)
    return entry


def _hide(entry: AuditLine) -> None:
    """Take values out of the texts that are kept.

    A device with ``log_raw`` writes them as they are, and no device hashes a path or an error,
    in which a caller may have put one.
    """
    request, response = entry.request, entry.response
    said: list[Any] = [request.client_token]
    for auth in (entry.auth, response.auth if response else None):
        said += [auth.client_token] if auth else []
    for data in (request.data, response.data if response else None):
        said += [data.token, data.secret_id] if data else []
    values = [value for value in said if isinstance(value, str) and len(value) > LEAST_HIDDEN]
    raw = [value for value in values if not value.startswith(HASHED)]
    request.path = hidden(_BY_VALUE.sub(rf"\1{HIDDEN}", request.path), raw)
    if entry.error:
        entry.error = hidden(entry.error, raw)
    if entry.auth:
        entry.auth.display_name = hidden(entry.auth.display_name, raw)


def is_request(line: bytes) -> bool:
    """Whether a line is the first half of a pair; the second half says all that it does."""
    return REQUEST_MARK in line[:MARK_WITHIN]


def is_login(path: str) -> bool:
    """Whether a request at a path is a log-in, which speaks for the secret that it shows."""
    return path.startswith("auth/") and "/login" in path


def outcome_of(error: str) -> str:
    """An entry's error as an outcome: ok, denied, or error for any other failure."""
    if not error:
        return "ok"
    refused = ("permission denied", "invalid token", "bad token", "invalid credentials")
    return "denied" if any(words in error for words in refused) else "error"
