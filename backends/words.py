"""Words that every part of the program has to say in the same way."""

from __future__ import annotations


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun: 1 token, 12,480 tokens. ``many`` where an s does not do."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
