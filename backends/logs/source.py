"""What a source of audit events is: it gives batches, each with the place that it ends at.

Whoever takes a batch keeps its events and its place in one transaction, and gives the
place back at the next start. Then every event is taken once, whenever the process dies.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

import msgspec

from backends.contract import Option
from backends.errors import ConfigError
from backends.model import AuditEvent, Covers, Secret

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No log that is read here is older; a date from before is a clock that was never set."""
BEGINNING = datetime.fromtimestamp(0, UTC)
"""In a hole's ``since``: from the beginning of the log, whenever that was."""
STEP_BACK = timedelta(seconds=10)
"""Lines of requests under way at the same time may stand out of order by so much."""


class Hole(NamedTuple):
    """A stretch of which a log tells nothing. ``kind`` is missing, truncated or unreadable.

    None in ``since`` stands for the time of the last line before, in ``until`` for that of
    the next line that can be read: in the same batch for one that stands before its lines,
    in a later one for one that ``since`` puts at its end. ``file`` is what could not be read,
    by a name that stays the same: it has one hole, until it is in a batch's ``mended``.
    """

    kind: str
    what: str
    hint: str = ""
    since: datetime | None = None
    until: datetime | None = None
    file: str = ""


class Batch(msgspec.Struct):
    """Some of a log. ``holes`` come before its events; ``file`` and ``state`` are its place.

    A batch with a ``file`` is all of that file: what it says of it is in the place of what was
    said before, and its holes have their own bounds.
    """

    file: str
    state: bytes
    events: list[AuditEvent] = []
    holes: list[Hole] = []
    learned: dict[str, str] = {}
    mended: list[str] = []
    """What can be read now, of what once could not be: its holes go."""
    lines: int = 0
    bad: int = 0
    first: datetime | None = None
    """The earliest time in it, of lines that make no event too."""
    last: datetime | None = None
    back: timedelta = timedelta(0)
    """How far time went backwards within it."""


class SourceConfig(NamedTuple):
    """A source as it is configured."""

    name: str
    backend: str
    options: Mapping[str, Any]
    read: Secret | None = None


COVERS = Option(
    "covers",
    "What is in it: changes, uses, both, or part (then its silence shows nothing).",
)


class Source(ABC):
    """One log, of one backend. Blocking: it is read in a thread.

    Raises:
        ConfigError: ``covers`` is none of its words.
    """

    contract: ClassVar[int] = 1
    """The ``backends.contract.VERSION`` that the class was written for."""
    type_name: ClassVar[str]
    """The name of its entry point, and the ``type`` in the configuration file."""
    title: ClassVar[str]
    options: ClassVar[tuple[Option, ...]]
    """The entries of its table; with :data:`COVERS`, so that a person can say what it covers."""
    by_name: ClassVar[bool] = False
    """Whether its events name tokens in the log's own way, which has to be looked up."""
    kind: ClassVar[str] = ""
    """The kind under which its events name tokens, where that is always the same."""
    asks: ClassVar[bool] = False
    """Whether nobody but the backend can say what it calls a token."""
    delay: ClassVar[timedelta] = timedelta(0)
    """How late lines may arrive after what they tell of."""
    latest: datetime | None = None
    """An entry from after this is not believed; whoever reads the source says it."""
    usually: ClassVar[Covers] = Covers.PART
    """What such a log covers, where the configuration does not say."""

    def __init__(self, config: SourceConfig) -> None:
        self.name = config.name
        self.backend = config.backend
        self.config = config
        self.key = secrets.token_bytes(32)
        """For the hashes that stand for values; whoever keeps what is read gives a lasting one."""
        said = config.options.get("covers") or self.usually.value
        try:
            self.covers = Covers(said)
        except ValueError:
            known = ", ".join(Covers)
            raise ConfigError(
                f"a log cannot cover {said!r}", f"One of: {known}.", "covers"
            ) from None

    def credible(self, at: datetime) -> bool:
        """Whether there can be an entry of that time. One that cannot be must not move a clock."""
        return at >= EARLIEST and (self.latest is None or at <= self.latest)

    @abstractmethod
    def read(self, places: Mapping[str, bytes], learned: Mapping[str, str]) -> Iterator[Batch]:
        """All that is there and was not read, in batches. It ends at the end of the log.

        ``places`` are the states of the batches before, by file; ``learned`` all that they
        learned.

        Raises:
            BackendError: it cannot be read at all; another try goes on where this one ended.
        """

    def close(self) -> None:
        """Give back what ``read`` took."""


class Clock:
    """Watches the times in a log: the first, the last, and how far they went backwards."""

    def __init__(self, newest: datetime | None = None) -> None:
        self.newest = newest
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.back = timedelta(0)

    def see(self, at: datetime) -> None:
        """Take in the time of the next line."""
        if self.first is None or at < self.first:
            self.first = at
        if self.last is None or at > self.last:
            self.last = at
        if self.newest is None or at > self.newest:
            self.newest = at
        elif self.newest - at > STEP_BACK:
            self.back = max(self.back, self.newest - at)

    def give(self, batch: Batch) -> None:
        """Put into a batch what was seen since the last one."""
        batch.first, batch.last, batch.back = self.first, self.last, self.back
        self.first = self.last = None
        self.back = timedelta(0)


def instant(value: Any, *, utc: bool = False) -> datetime | None:
    """A time as logs write it: ISO 8601 with a zone, or seconds (or ms, µs, ns) since 1970.

    ``utc`` takes a text without a zone for UTC. None for what is no time.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, str):
            try:
                at = datetime.fromisoformat(value.strip())
            except ValueError:
                return instant(float(value))
            if at.tzinfo is None:
                return at.replace(tzinfo=UTC) if utc else None
            return at.astimezone(UTC)
        if not isinstance(value, int | float):
            return None
        seconds = float(value)
        if not abs(seconds) < 1e20:
            return None
        while seconds >= 1e11:
            seconds /= 1000
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
