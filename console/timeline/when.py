"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from console.errors import UsageError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def seconds_of(text: str) -> int:
    """An age such as 90m, 24h or 7d in seconds. Raises ``UsageError``."""
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no age", "Write it as 90m, 24h, 7d or 2w.")
    return int(found[1]) * UNITS[found[2]]


def moment_of(text: str, now: float) -> int:
    """A point in time, as ISO 8601 or as an age. Raises ``UsageError``."""
    if re.fullmatch(r"\d{1,6}[smhdw]", text.strip()):
        return int(now) - seconds_of(text)
    try:
        at = datetime.fromisoformat(text.strip())
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no time", "Write it as 2026-11-24T03:12Z, or as an age: 6h."
        ) from None
