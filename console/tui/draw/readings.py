"""Words for readings: how a value is known is never lost, and "unknown" is never "never"."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from backends.model import How, Reading
from console.text import age

SHORT = {
    How.NEVER: "never",
    How.NOT_TRACKED: "untracked",
    How.NOT_PERMITTED: "forbidden",
    How.NOT_READ: "not read",
}
"""For narrow columns. ``known`` has a value instead."""

TINY = {
    SHORT[How.NOT_TRACKED]: "n/a",
    SHORT[How.NOT_PERMITTED]: "deny",
    SHORT[How.NOT_READ]: "?",
}
"""For columns in which not even a word has room; each has its line in help."""

LONG = {
    How.NEVER: "never",
    How.NOT_TRACKED: "not tracked by this system",
    How.NOT_PERMITTED: "not permitted to this credential",
    How.NOT_READ: "not read yet",
}


def span(seconds: float) -> str:
    """A span to the minute: what would change every second is not worth redrawing."""
    if -60 < seconds < 60:
        return "<1m"
    return age(seconds)


def span_of(length: timedelta) -> str:
    """A length of time to the second: unlike an age, it does not change."""
    return age(length.total_seconds())


def ago(moment: int | float, now: float) -> str:
    """How long ago, to the minute. A moment slightly in the future is a clock's error."""
    return span(max(now - moment, 0))


def left(moment: int | float, now: float) -> str:
    """The time that is left, or that has passed since."""
    return span(moment - now) if moment > now else "past"


def cell(how: str, value: int | None, now: float, ahead: bool = False) -> str:
    """A time reading for a column."""
    if how == How.KNOWN and value is not None:
        return left(value, now) if ahead else ago(value, now)
    return SHORT.get(How(how), how) if how in set(How) else SHORT[How.NOT_READ]


def moment(at: datetime | int | float) -> str:
    """A point in time as people compare it: 2026-11-24 02:31 UTC."""
    if not isinstance(at, datetime):
        at = datetime.fromtimestamp(at, UTC)
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def provenance(reading: Reading[Any], now: float) -> str:
    """How a reading is known: its source, how old the answer is, and its step."""
    said: list[str] = []
    if reading.source:
        said.append(reading.source)
    if reading.as_of is not None:
        said.append(f"as of {ago(reading.as_of.timestamp(), now)} ago")
    if reading.granularity:
        said.append(f"kept to the {_step(reading.granularity)}")
    return ", ".join(said)


def words(reading: Reading[Any], show: Callable[[Any], str]) -> str:
    """A reading's value, or the way of not having one, in words."""
    if reading.how is How.KNOWN:
        return show(reading.value)
    return LONG[reading.how]


def _step(step: timedelta) -> str:
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        amount, rest = divmod(int(step.total_seconds()), size)
        if amount and not rest:
            return name if amount == 1 else f"{amount} {name}s"
    return f"{step.total_seconds():g} s"
