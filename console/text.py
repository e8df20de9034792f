"""The one place where text from outside becomes harmless for a terminal.

Names of tokens, owners and grants are chosen by whoever made them: an attacker may have
put escape sequences, bidirectional overrides or ten thousand characters into one. They
are stored as they came, and pass through here on their way to a screen or an export.
"""

from __future__ import annotations

import textwrap
import unicodedata
from datetime import UTC, datetime

LIMIT = 512
"""Characters that a single value may take on a screen."""

MARK = "\N{REPLACEMENT CHARACTER}"
MAX_COMBINING = 2
"""Combining marks in a row; more of them overwrite the neighbouring lines."""


def safe(text: str, limit: int = LIMIT) -> str:
    """The text with every character that a terminal could act on replaced.

    Control and format characters, lone surrogates and all blanks but the space become a
    replacement character; the result is at most ``limit`` characters and has no newline.
    """
    if len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) == "Me":
            marks += 1
            if marks > MAX_COMBINING:
                continue
        else:
            marks = 0
        kept.append(character if character.isprintable() else MARK)
    return "".join(kept)


def cells(text: str) -> int:
    """The columns that a safe text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )


def middle(text: str, width: int) -> str:
    """The safe text in at most ``width`` cells; what is cut is its middle.

    Names of one family begin alike, and often end in what tells them apart.
    """
    if cells(text) <= width:
        return text
    head, tail, room = "", "", max(width - 1, 0)
    for at in range(len(text)):
        if cells(head + text[at]) + cells(tail) > room:
            break
        head += text[at]
        if cells(head) + cells(text[-1 - at] + tail) > room:
            break
        tail = text[-1 - at] + tail
    return f"{head}…{tail}" if width > 0 else ""


def ascii_only(text: str) -> str:
    """The text for a terminal that draws nothing but ASCII."""
    return safe(text).replace("…", "~").replace("·", "-").encode("ascii", "replace").decode()


def cell(text: str) -> str:
    """The text for one CSV cell: safe, and never taken for a formula by a spreadsheet."""
    clean = safe(text, 32_000)
    return f"'{clean}" if clean[:1] in ("=", "+", "-", "@") else clean


def age(seconds: float) -> str:
    """A span in the two largest units that matter: 4s, 12m, 3h, 9d, 2y8m."""
    if seconds < 0:
        return f"in {age(-seconds)}"
    whole = int(seconds)
    for unit, size, below in (("s", 1, 60), ("m", 60, 60), ("h", 3600, 48), ("d", 86400, 730)):
        if whole < size * below:
            return f"{whole // size}{unit}"
    years, days = divmod(whole // 86400, 365)
    months = days // 31
    return f"{years}y{months}m" if months else f"{years}y"


def since(moment: datetime, now: datetime) -> str:
    """How long ago a moment was."""
    return age((now - moment).total_seconds())


def stamp(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


WIDTH = 80
"""Columns that everything a person has to read in words is wrapped to."""


def wrapped(text: str, indent: str = "  ", width: int = WIDTH) -> list[str]:
    """Lines of text for a terminal: no word is lost at its edge."""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False
    )
