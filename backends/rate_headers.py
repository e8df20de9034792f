"""What the headers of an answer tell of a system's limits, in the spellings that there are.

Sources: RFC 9110 10.2.3 (Retry-After: seconds or a date); the drafts
ietf-httpapi-ratelimit-headers-07 (RateLimit-Limit, -Remaining, -Reset, in seconds) and -10
(``RateLimit: "name";r=1;t=2`` beside ``RateLimit-Policy: "name";q=3;w=4``); X-RateLimit-* as
OpenBao (seconds left) and GitHub (unix time of the reset) send it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

_UNIX = 1_000_000_000
"""From here on a reset is a moment and not a number of seconds."""
_PART = re.compile(r"^\s*([a-z]+)\s*=\s*(\d{1,15})\s*$", re.ASCII)


class RateHeaders(NamedTuple):
    """``limit`` requests of which ``left`` are left for ``reset`` seconds; ``after``: seconds
    that the system asks to wait for. None is what was not told."""

    after: float | None = None
    limit: float | None = None
    left: float | None = None
    reset: float | None = None


def read(headers: Mapping[str, str], now: float) -> RateHeaders:
    """What the headers tell. ``now`` is in unix seconds; whatever makes no sense is not told."""
    after = _after(headers.get("retry-after", ""), now)
    for name in ("ratelimit", "x-ratelimit"):
        left = _number(headers.get(f"{name}-remaining", ""))
        if left is not None:
            limit = _number(headers.get(f"{name}-limit", "").partition(",")[0])
            reset = _number(headers.get(f"{name}-reset", ""))
            if reset is not None and reset >= _UNIX:
                reset = max(0.0, reset - now)
            return RateHeaders(after, limit, left, reset)
    said = _parts(headers.get("ratelimit", ""))
    policy = _parts(headers.get("ratelimit-policy", ""))
    return RateHeaders(after, policy.get("q"), said.get("r"), said.get("t"))


def _after(text: str, now: float) -> float | None:
    if not text:
        return None
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, at.replace(tzinfo=at.tzinfo or UTC).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if re.fullmatch(r"\d{1,15}(?:\.\d{1,9})?", text, re.ASCII) else None


def _parts(text: str) -> dict[str, float]:
    """The parameters of the first item of a structured list."""
    first = text.partition(",")[0]
    found = (_PART.match(part) for part in first.split(";")[1:])
    return {match[1]: float(match[2]) for match in found if match}
