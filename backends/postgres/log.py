"""Log-ins and role statements from the server's own log, where the console may read it.

Only the JSON log is read (``log_destination = jsonlog``, PostgreSQL 15 and newer, with
``logging_collector = on``, ``log_connections = on``, ``lc_messages = C`` and
``log_timezone = UTC``): in the plain one a role's name can be chosen so that it looks like
another line. Source: PostgreSQL documentation, "Error Reporting and Logging", JSON-format
log output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from backends.errors import BackendError
from backends.logs import tail
from backends.logs.postgres import Line, Sessions, from_json
from backends.model import Gap, GapKind
from backends.postgres.roles import Login
from backends.words import count

MAX_READ: Final = 64 * 1024 * 1024
"""Bytes of the log's end that are read; what is older is not seen, and that is said."""
PACKED: Final = 10
"""How much larger a compressed file is taken to be than it looks."""
HINT: Final = (
    "Set log_destination = jsonlog, logging_collector = on, log_connections = on, "
    "log_timezone = UTC and lc_messages = C."
)
SETTINGS: Final = (
    "SELECT current_setting('log_connections') AS connections, current_setting('lc_messages')"
    " AS messages, current_setting('log_min_messages') AS least,"
    " current_setting('log_destination') AS destination"
)
SIDE_BY_SIDE: Final = timedelta(minutes=1)
"""How far two files have to overlap to be two that grow side by side. The processes of one
server may be some seconds out of order around a rotation."""
MAX_STRETCHES: Final = 50
"""Stretches of unreadable lines that are told of one by one."""


class Stretch(NamedTuple):
    """Lines that cannot be understood, between two that can. None: there is none on that side."""

    since: datetime | None
    until: datetime | None
    lines: int
    what: str

    @property
    def words(self) -> str:
        return f"{count(self.lines, 'line')}: {self.what}"


class LogTail(NamedTuple):
    """The end of a log."""

    lines: tuple[Line, ...]
    """In the order of their times."""
    open: datetime | None
    """From when on there are log-ins of which it is not known yet whether they were let in."""
    begins: datetime | None
    """The time of the oldest line that was read. What was before it is not known."""
    odd: tuple[Stretch, ...]


def read(path: Path, now: datetime, since: datetime | None = None) -> LogTail:
    """Read the end of the log: of its file, and back to ``since`` of those rotated away.

    ``now`` is the time by our clock: it settles what stands at the log's very end.

    Raises:
        OSError: the file cannot be read.
    """
    taken = _Taken()
    files, unread = _files(path, since)
    for number, (file, start) in enumerate(files):
        try:
            _take(taken, file, start)
        except tail.BROKEN as error:
            if number + 1 == len(files):
                raise error if isinstance(error, OSError) else OSError(5, "it is damaged") from None
            # What was rotated away is told of as far back as it can be read without a gap.
            taken = _Taken()
            if _pattern(path):
                unread += [each for each, _ in files[: number + 1]]
    # What is not read may be another server's: nothing is known before it was left alone.
    taken.not_before(max(filter(None, map(_written, unread)), default=None))
    return taken.all(now)


def missing(settings: Mapping[str, str]) -> str:
    """What of a use the server does not log as it is set; empty where it logs all of it."""
    words = {word.strip().lower() for word in settings["connections"].split(",")}
    if not words & {"on", "true", "yes", "1", "all", "authorization"}:
        return f"log_connections is {settings['connections'] or 'empty'}"
    if settings["least"] in ("fatal", "panic"):
        return f"log_min_messages is {settings['least']}"
    if "jsonlog" not in settings["destination"]:
        return f"log_destination is {settings['destination']}, without jsonlog"
    language = settings["messages"]
    if language not in ("", "C", "POSIX") and not language.lower().startswith(("c.", "en")):
        return f"lc_messages is {language}, and only English can be read"
    return ""


def gaps(told: LogTail, scope: str, since: datetime, until: datetime | None) -> Iterator[Gap]:
    """What of a stretch of time the log does not tell, but for what stands at its end."""
    if told.begins is not None and told.begins > since:
        what = f"events before {told.begins:%Y-%m-%d %H:%M}: the log begins there"
        end = told.begins if until is None else min(until, told.begins)
        yield Gap(scope, GapKind.LIMITED, what, "Keep rotated files beside it.", since, end)
    for one in told.odd:
        start = max(since, one.since or since)
        if one.until is not None and one.until > start and (until is None or start < until):
            yield Gap(scope, GapKind.FAILED, one.words, HINT, start, one.until)


def unread(told: LogTail) -> Stretch | None:
    """The newest lines, if they cannot be understood."""
    return told.odd[-1] if told.odd and told.odd[-1].until is None else None


class _Taken:
    """What was read so far."""

    def __init__(self) -> None:
        self.sessions = Sessions()
        self.lines: list[Line] = []
        self.odd = _Odd()
        self.begins: datetime | None = None
        self._last: datetime | None = None
        """The newest time in the files before the one that is read."""

    def file(self, first: datetime | None, last: datetime | None) -> None:
        """Note from when to when one more file tells, and so from when on all of them do.

        One that goes on where the last one ended adds to it. One that was written to side by
        side with it is another server's, and only where both tell is the whole known.
        """
        if first is None or last is None:
            return
        if self._last is None:
            self.begins = first
        elif first < self._last - SIDE_BY_SIDE:
            self.not_before(first)
        self._last = last if self._last is None else max(self._last, last)

    def not_before(self, at: datetime | None) -> None:
        """Claim nothing of the time before a moment."""
        if self.begins is not None and at is not None:
            self.begins = max(self.begins, at)

    def all(self, now: datetime) -> LogTail:
        self.odd.end(None)
        lines = {line.id: line for line in (*self.lines, *self.sessions.settle(now))}
        found = sorted(lines.values(), key=lambda line: line.at)
        open_ = min((held.lines[0].at for held in self.sessions.held), default=None)
        return LogTail(tuple(found), open_, self.begins, tuple(self.odd.stretches))


def _take(taken: _Taken, file: Path, start: int) -> None:
    first: datetime | None = None
    last: datetime | None = None
    with tail.opened(file) as handle:
        handle.seek(start)
        if start:
            handle.readline()
        for raw in handle:
            if not raw.endswith(b"\n"):
                break  # The server is still writing this one.
            parsed = from_json(raw)
            if isinstance(parsed, str):
                taken.odd.add(parsed)
                continue
            at, entry = parsed
            taken.odd.end(at)
            first, last = first or at, at if last is None else max(last, at)
            taken.lines += taken.sessions.take(at, entry)
    taken.file(first, last)


def logins(told: LogTail) -> Mapping[bytes, Login]:
    """The last successful log-in of each role, by the bytes of its name at that time."""
    last: dict[bytes, Login] = {}
    for line in told.lines:
        if line.action == "login" and line.outcome == "ok":
            purpose = f"{line.agent} on {line.detail}" if line.agent else line.detail
            last[line.raw] = Login(line.at, line.source, purpose)
    return last


def _files(path: Path, since: datetime | None) -> tuple[list[tuple[Path, int]], list[Path]]:
    """The files to read, oldest first, each with the byte to begin at; and those not to read.

    What a pattern matches need not be files that follow each other: two servers may write side
    by side. So an older one is read as well if it was written to within the time in question.
    """
    try:
        every = tail.generations(path) or [(path, None)]
    except BackendError:
        # Its folder may be closed to us, and the file itself not.
        every = [(path, None)]
    chosen: list[tuple[Path, int]] = []
    unread: list[Path] = []
    left = MAX_READ
    newer: int | None = None
    reached: datetime | None = None
    """From when on the files that follow each other tell all that is asked for."""
    for file, number in reversed(every):
        if number is not None and newer is not None and number - newer > 1:
            break
        newer = number
        packed = file.suffix in tail.OPENERS
        try:
            size = file.stat().st_size * (PACKED if packed else 1)
            begins = _begins(file)
        except tail.BROKEN:
            if not chosen:
                raise
            unread.append(file)
            if not _pattern(path):
                break
            continue
        written = _written(file)
        if left <= 0 or (reached is not None and written is not None and written < reached):
            unread.append(file)
            continue
        chosen.append((file, 0 if packed else max(0, size - left)))
        left -= size
        if (since is None and size) or (
            begins is not None and since is not None and begins <= since
        ):
            reached = reached or since or begins
        if not _pattern(path) and (left <= 0 or reached is not None):
            break
    return chosen[::-1], unread if _pattern(path) else []


def _pattern(path: Path) -> bool:
    return any(sign in path.name for sign in "*?[")


def _written(path: Path) -> datetime | None:
    """When a file was last written to; None for one that is not there any more."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def _begins(path: Path) -> datetime | None:
    """The time of a file's first line."""
    with tail.opened(path) as handle:
        parsed = from_json(handle.readline(MAX_READ))
    return None if isinstance(parsed, str) else parsed[0]


class _Odd:
    """Gathers lines that cannot be understood into stretches."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self._last: datetime | None = None
        self._whats: dict[str, None] = {}
        self._count = 0

    def add(self, what: str) -> None:
        self._whats[what] = None
        self._count += 1

    def end(self, at: datetime | None) -> None:
        """A line of this time is understood; None at the end of the log."""
        if self._count:
            what = ", ".join(list(self._whats)[:3])
            one = Stretch(self._last, at, self._count, what)
            if len(self.stretches) >= MAX_STRETCHES:
                before = self.stretches.pop()
                one = Stretch(before.since, at, before.lines + one.lines, what)
            self.stretches.append(one)
            self._whats.clear()
            self._count = 0
        self._last = at
