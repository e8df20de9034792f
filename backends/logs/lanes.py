"""Where each region's log stops: a hole in one must not be put at another's time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from backends.logs.shelf import ShelfItem
from backends.logs.source import BEGINNING


class Lanes:
    """Where the log of each region stops, so that a hole in one does not lie in another's time.

    ``places`` are the states of the files that were read, each with the time of its last event.
    """

    def __init__(self, places: Mapping[str, bytes], delay: timedelta) -> None:
        self._delay = delay
        self._ends: dict[str, list[tuple[str, datetime]]] = {}
        for name, state in places.items():
            last = state.partition(b" ")[2]
            if last.lstrip(b"-").isdigit():
                self.see(name, datetime.fromtimestamp(int(last), UTC))

    def see(self, name: str, last: datetime) -> None:
        """Note the time of a file's last event."""
        self._ends.setdefault(_lane(name), []).append((name, last))

    def bounds(self, item: ShelfItem) -> tuple[datetime, datetime | None]:
        """Between which moments the events of a file lie that cannot be read.

        They are from before its delivery, which its name tells, and from after the end of what
        was delivered in its region before it; a busy region's files overlap by the delay.
        """
        day = _DAY.search(item.name) if item.name.endswith("/") else None
        if day is not None:
            start = _moment("".join(day.groups()) + "T0000")
            if start is not None:
                return start - self._delay, start + timedelta(days=1) + self._delay
        named = _NAMED.search(item.name)
        until = item.modified
        if named is not None and (told := _moment(named["at"])) is not None:
            until = told + timedelta(minutes=1)
        before = [last for name, last in self._ends.get(_lane(item.name), ()) if name < item.name]
        starts = [max(before)] if before else []
        if named is not None and until is not None:
            starts.append(until - self._delay)
        return min(starts, default=BEGINNING), until


_NAMED = re.compile(r"(?P<lane>\d{12}_CloudTrail[\w-]*?_[a-z0-9-]+)_(?P<at>\d{8}T\d{4})Z_")
"""A file's name says account, region and when it was delivered. Source: the user guide,
"CloudTrail log file name format"."""
_DAY = re.compile(r"/(20\d\d)/(\d\d)/(\d\d)/$")
"""A day's folder, as in ``AWSLogs/ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/``."""


def _lane(name: str) -> str:
    """Which region's log a file belongs to: by its name, else by the folder it lies in."""
    named = _NAMED.search(name)
    return named["lane"] if named is not None else name.rpartition("/")[0]


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None
