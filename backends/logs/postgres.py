"""PostgreSQL's server log in its two forms for machines, and what came of each try in it.

A line says that something begins, and only a later line of the same session says that it
was refused: "connection authorized" comes before "is not permitted to log in". So
:class:`Sessions` holds a log-in, or a statement about a role, until the session has gone on.

Source: PostgreSQL documentation, "Error Reporting and Logging", the sections on
CSV-format and JSON-format log output. In the plain form a role's name can be chosen so
that it looks like another line, so that one is not read. Times must be in UTC
(``log_timezone``): names of other zones cannot be told apart. Messages must be in English
(``lc_messages``).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from backends.hiding import hidden
from backends.logs import sql
from backends.model import EventClass

SETTLE: Final = timedelta(seconds=5)
"""How long after an authorised log-in a refusal may be written. It follows within
milliseconds; a session of which nothing more is logged counts as let in after this."""
MAX_STATEMENTS: Final = 100
"""Statements of one line that are told of one by one."""

_STATEMENT = re.compile(
    r"(?:(CREATE|ALTER|DROP)\s(ROLE|USER|GROUP)\b(?!\sMAPPING\b)|(GRANT|REVOKE)\b"
    r"|(REASSIGN|DROP)\s(OWNED)\b)",
    re.IGNORECASE,
)
_WORDS = re.compile(r"\b(?:role|user|group|grant|revoke|owned)\b", re.IGNORECASE)
"""One of them is in every statement about roles: the others need not be taken apart."""
_ENCRYPTED = re.compile(r" (?:SSL enabled|GSS) \([^()]*\)$")
_TAGS = {
    **{f"{verb} ROLE": f"{verb} ROLE" for verb in ("CREATE", "ALTER", "DROP")},
    **{verb: verb for verb in ("GRANT", "REVOKE", "REASSIGN OWNED", "DROP OWNED")},
    "GRANT ROLE": "GRANT",
    "REVOKE ROLE": "REVOKE",
}
"""Command tags, which the server makes, of statements about roles."""
_STARTING = ("", "startup", "authentication")
"""What a session does before it can do anything (the "ps" field)."""
_DURATION = re.compile(r"duration: [\d.]+ ms  (?=statement: |execute )")
_ENDS = ("statement: ", "execute ", "disconnection: ", "duration: ")
"""How lines begin that show that the statement before has ended."""
NO_ENTRY: Final = "no whole entry"


class Line(msgspec.Struct, frozen=True):
    """One thing in the log that matters here. ``id`` is the session's id and line number.

    ``role`` is the name for people, ``raw`` its bytes.
    """

    id: str
    at: datetime
    role: str
    raw: bytes
    action: str
    outcome: str
    source: str
    agent: str
    detail: str
    sort: EventClass = EventClass.USE
    """Only a log-in that is refused for the role's or its password's sake is a refusal of it.

    One that fails for another reason (the server is full, there is no such database), a
    statement that fails, and the end of a session show neither that the password is dead nor
    that nobody has it.
    """


class Held(msgspec.Struct, frozen=True):
    """What one session began, until it is known what came of it."""

    session: str
    login: bool
    lines: tuple[Line, ...]


Entry = tuple[datetime, Mapping[str, Any]]

COLUMNS = (
    "timestamp", "user", "dbname", "pid", "remote_host", "session_id", "line_num", "ps",
    "session_start", "vxid", "txid", "error_severity", "state_code", "message", "detail", "hint",
    "internal_query", "internal_position", "context", "statement", "cursor_position",
    "func_name", "application_name", "backend_type", "leader_pid", "query_id",
)  # fmt: skip
"""The columns of the CSV form, by the names that the JSON form gives them."""


def from_json(raw: bytes) -> Entry | str:
    """A line of the JSON log: its time and its fields, or in words what is wrong with it."""
    try:
        # Names of another encoding are in the log as they are in the catalogs.
        entry = json.loads(raw.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return NO_ENTRY
    return _timed(entry) if isinstance(entry, dict) else NO_ENTRY


def from_csv(raw: bytes) -> Entry | str:
    """A record of the CSV log, which may have line feeds within quotes."""
    try:
        (row,) = csv.reader([raw.decode("utf-8", "surrogateescape")], strict=True)
    except (csv.Error, ValueError):
        return NO_ENTRY
    if not 23 <= len(row) <= 40:
        return NO_ENTRY
    entry = dict(zip(COLUMNS, row, strict=False))
    # Host and port stand in one column here.
    entry["remote_host"] = entry["remote_host"].rpartition(":")[0] or entry["remote_host"]
    return _timed(entry)


def _timed(entry: Mapping[str, Any]) -> Entry | str:
    try:
        stamp, zone = entry["timestamp"].rsplit(" ", 1)
        at = datetime.fromisoformat(stamp).replace(tzinfo=UTC)
    except (ValueError, KeyError, AttributeError, TypeError):
        return NO_ENTRY
    if zone not in ("UTC", "GMT"):
        return f"time in the zone {zone[:20]!r}, and only log_timezone = UTC can be read"
    return at, entry


class Sessions:
    """Follows the sessions of a log from line to line.

    It goes on over files and restarts: what is :meth:`held` at the end of one reading is
    given to the next.
    """

    def __init__(self, held: Iterable[Held] = ()) -> None:
        self._held: dict[str, Held] = {one.session: one for one in held}
        self._newest: datetime | None = None

    @property
    def held(self) -> tuple[Held, ...]:
        """What is not decided yet, oldest first."""
        return tuple(self._held.values())

    def take(self, at: datetime, entry: Mapping[str, Any]) -> list[Line]:
        """The next line of the log. Returns what is known by it, older things first."""
        self._newest = at if self._newest is None else max(at, self._newest)
        session = _text(entry, "session_id") or _text(entry, "pid")
        told = _Told(at, session, entry)
        found: list[Line] = []
        held = self._held.get(session)
        began = told.begins()
        if held is not None and (began or told.decides(held)):
            del self._held[session]
            if not told.refuses(held):
                found += held.lines
        # Only a line that undoes what the session began knows the program's name no more.
        agent = held.lines[0].agent if held is not None and held.login else ""
        found += self.settle(self._newest)
        if began is None:
            return found + told.ends(agent)
        self._held[session] = began
        return found

    def settle(self, now: datetime) -> list[Line]:
        """Take for done what was begun more than :data:`SETTLE` before ``now``."""
        found: list[Line] = []
        for session, held in list(self._held.items()):
            if now - held.lines[0].at < SETTLE:
                break
            del self._held[session]
            found += held.lines
        return found


class _Told:
    """What one line says, by itself."""

    def __init__(self, at: datetime, session: str, entry: Mapping[str, Any]) -> None:
        self._at, self._session, self._entry = at, session, entry
        message = _text(entry, "message")
        lasted = _DURATION.match(message)
        self._lasted = lasted is not None
        self._message = message[lasted.end() :] if lasted else message
        self._doing = _text(entry, "ps")
        self._state = _text(entry, "state_code")
        severity = entry.get("error_severity")
        self._log = severity == "LOG"
        self._fatal = severity in ("FATAL", "PANIC")
        self._failed = self._fatal or severity == "ERROR"

    def begins(self) -> Held | None:
        """What this line begins, that a later one may refuse."""
        lines = self._login() or ([] if self._lasted else self._statements())
        if not lines or not self._session:
            return None
        return Held(self._session, lines[0].action == "login", tuple(lines))

    def decides(self, held: Held) -> bool:
        """Whether by this line, of the same session, it is known what came of ``held``."""
        if held.login:
            ready = self._message.startswith("connection ready")
            return self._fatal or ready or self._doing not in _STARTING
        return self._failed or (self._log and self._message.startswith(_ENDS))

    def refuses(self, held: Held) -> bool:
        """Whether what came of it is that it was refused."""
        if held.login:
            return self._fatal and (self._doing in _STARTING or self._state.startswith("28"))
        if not self._failed:
            return False
        # Another statement may fail before it is logged as begun: it has another text.
        tried = [line.detail for line in self._made(_text(self._entry, "statement"))]
        return tried == [line.detail for line in held.lines]

    def ends(self, agent: str) -> list[Line]:
        """What this line says that nothing later can change."""
        if self._fatal and (self._doing in _STARTING or self._state.startswith("28")):
            # Before that, 28000 is pg_hba.conf's word about where the client comes from.
            own = self._state == "28P01" or (self._state, self._doing) == ("28000", "startup")
            sort = EventClass.DENIED if own else EventClass.OTHER
            kept = self._line("login", self._outcome(login=True), self._message[:200], agent)
            return [msgspec.structs.replace(kept, sort=sort)] if kept.role else []
        if self._failed:
            return self._refused()
        if self._log and self._message.startswith("disconnection: "):
            line = self._line("logout", "ok", "")
            return [msgspec.structs.replace(line, sort=EventClass.OTHER)] if line.role else []
        # Without a session, or with its duration, there is nothing more to wait for.
        return self._login() or self._statements()

    def _login(self) -> list[Line]:
        if not self._log:
            return []
        user, database = _text(self._entry, "user"), _text(self._entry, "dbname")
        for kind in ("", "replication "):
            start = f"{kind}connection authorized: user={user}"
            if user and self._message.startswith(start):
                rest = _ENCRYPTED.sub("", self._message.removeprefix(start))
                rest = rest.removeprefix(f" database={database}")
                agent = rest.partition(" application_name=")[2]
                place = f"database {database}" if database else ""
                detail = " on ".join(filter(None, (kind.strip(), place)))
                return [self._line("login", "ok", detail, agent)]
        return []

    def _statements(self) -> list[Line]:
        if not self._log:
            return []
        if self._message.startswith("statement: "):
            return self._made(self._message.removeprefix("statement: "))
        if self._message.startswith("execute ") and (action := _TAGS.get(self._doing)):
            # The client names what it sends, and the name may look like a statement.
            return self._made(self._message.partition(": ")[2], action)[:1]
        return []

    def _refused(self) -> list[Line]:
        outcome = self._outcome(login=False)
        why = self._message[:120] if self._state == "42501" else f"SQLSTATE {self._state}"
        return [
            msgspec.structs.replace(
                line, outcome=outcome, detail=f"{line.detail} ({why})", sort=EventClass.OTHER
            )
            for line in self._made(_text(self._entry, "statement"))
        ]

    def _outcome(self, *, login: bool) -> str:
        states = ("28", "42501", "53300", "3D000") if login else ("28", "42501")
        return "denied" if self._state.startswith(states) else "error"

    def _made(self, text: str, action: str = "") -> list[Line]:
        """The statements about roles in a text; the first one is ``action`` where it is given."""
        if not action and not _WORDS.search(text):
            return []
        all_ = sql.statements(text)
        more = f" (of {len(all_)} statements in one)" if len(all_) > 1 else ""
        found: list[Line] = []
        for statement in all_ or [sql.Statement("", certain=False)]:
            what = action
            if not what and (matched := _STATEMENT.match(statement.text)):
                what = " ".join(word.upper() for word in matched.groups() if word)
            if not what:
                continue
            shown = statement.text[:300] if statement.certain else "(not shown: unclear quotes)"
            if len(found) + 1 == MAX_STATEMENTS:
                more += ", and more that are not told of"
            found.append(self._line(what, "ok", shown + more, number=len(found)))
            if len(found) == MAX_STATEMENTS:
                break
        return found if _text(self._entry, "user") else []

    def _line(
        self, action: str, outcome: str, detail: str, agent: str = "", number: int = 0
    ) -> Line:
        entry = self._entry
        user = _text(entry, "user")
        raw = _bytes(user)
        id_ = f"{_text(entry, 'session_id')}.{_text(entry, 'line_num')}"
        return Line(
            id=f"{id_}.{number}" if number else id_,
            at=self._at,
            role=raw.decode("utf-8", "backslashreplace"),
            raw=raw,
            action=action,
            outcome=outcome,
            source=_shown(_text(entry, "remote_host")),
            agent=_shown(agent or _text(entry, "application_name")),
            detail=_shown(detail),
        )


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return "" if value is None else str(value)


def _bytes(text: str) -> bytes:
    """The bytes that stood in the log."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def _shown(text: str) -> str:
    """A text that is kept, also with what is not decided yet: a client may put a value there."""
    return hidden(_bytes(text).decode("utf-8", "backslashreplace"))
