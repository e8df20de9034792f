"""Sources whose logs are files of lines: they share the tail and differ in what a line says."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from backends.contract import Option
from backends.logs import tail
from backends.logs.source import Batch, Clock, Hole, Source, SourceConfig
from backends.model import AuditEvent
from backends.words import count

PATH = Option("path", "The log file; rotated siblings and a pattern (*) are found.", required=True)
_places = msgspec.json.Decoder(tail.Place)


class Told(NamedTuple):
    """What a line says: its time, and the events in it, of which there may be none."""

    at: datetime | None
    events: Iterable[AuditEvent] = ()
    lost: str = ""
    """Why nobody can tell what it says, as what such lines are called: it becomes a hole."""


class Lined(Source):
    """A source over a tail. One that is read again learns again what it needs from ``learned``."""

    def __init__(self, config: SourceConfig) -> None:
        super().__init__(config)
        self.path = Path(str(config.options["path"])).expanduser()

    @property
    def origin(self) -> str:
        """What its events call it."""
        return f"{self.name} {self.path.name}"

    def split(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Cut bytes into whole records, each with its end, and what is left over."""
        return tail.lines(data)

    @abstractmethod
    def told(self, line: bytes, id_: str) -> Told | None:
        """What a line says. ``id_`` names it, for lines without an id of their own.

        None for a line that is none. Raises nothing: a log is read to its end whatever
        stands in it.
        """

    def begin(self, learned: Mapping[str, str]) -> None:
        """Take up what was learned from older lines."""

    def learned(self) -> dict[str, str]:
        """What was learned since the last batch."""
        return {}

    def read(self, places: Mapping[str, bytes], learned: Mapping[str, str]) -> Iterator[Batch]:
        self.begin(learned)
        stored = places.get("")
        clock = Clock()
        reading = tail.Tail(self.path, self.split)
        for piece in reading.pieces(_places.decode(stored) if stored else None):
            batch = Batch("", msgspec.json.encode(piece.place), holes=list(piece.holes))
            batch.lines = len(piece.records)
            batch.mended = [name for name in piece.mended if name]
            lost = _Lost(batch)
            for offset, line in piece.records:
                if not line.strip():
                    continue
                told = self._told(line, _line_id(piece.place.first, offset, line))
                if told is None or told.lost:
                    lost.add(1, clock.newest, told.lost if told else NO_ENTRY)
                    continue
                if told.at is not None:
                    lost.end(told.at)
                    clock.see(told.at)
                batch.events.extend(told.events)
            lost.add(piece.bad, clock.newest, NO_ENTRY)
            lost.end(None)
            batch.learned = self.learned()
            clock.give(batch)
            yield batch

    def _told(self, line: bytes, id_: str) -> Told | None:
        """What a line says; None for one that is none, or of no possible time."""
        try:
            told = self.told(line, id_)
        except Exception:  # noqa: BLE001
            # A log may hold anything, and one line stops no other.
            return None
        if told is not None and told.at is not None and not self.credible(told.at):
            return None
        return told


class _Lost:
    """Lines that are none, put into a batch as holes between the lines around them."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._count = 0
        self._since: datetime | None = None
        self._whats: dict[str, None] = {}

    def add(self, number: int, since: datetime | None, what: str) -> None:
        if not number:
            return
        if not self._count:
            self._since = since
        self._whats[what] = None
        self._count += number
        self._batch.bad += number

    def end(self, until: datetime | None) -> None:
        if not self._count:
            return
        what = f"{count(self._count, 'line')}: {', '.join(list(self._whats)[:MAX_WHATS])}"
        if len(self._batch.holes) < MAX_HOLES:
            hole = Hole("unreadable", what, "Look at the file.", self._since, until)
            self._batch.holes.append(hole)
        else:
            last = self._batch.holes.pop()
            what = f"many lines: {', '.join(list(self._whats)[:MAX_WHATS])}"
            self._batch.holes.append(last._replace(what=what, until=until))
        self._count = 0
        self._whats.clear()


NO_ENTRY = "no whole entry"
MAX_HOLES = 50
MAX_WHATS = 3


def _line_id(first: str, offset: int, line: bytes) -> str:
    """A name for a line: the same in a rotated copy, another for the same words elsewhere."""
    digest = hashlib.blake2b(line, digest_size=16)
    digest.update(f"{first}:{offset}".encode())
    return digest.hexdigest()
