"""Which paths a pattern covers, and where two patterns meet.

A ``*`` at the end stands for anything (only there), a ``+`` for one whole segment.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

HERE: Final = "zzz-any"
"""A segment that stands for any that has no rule of its own."""


class Pattern(NamedTuple):
    """A pattern taken apart: its segments, and whether the last is a beginning only."""

    segments: tuple[str, ...]
    glob: bool


def taken_apart(text: str) -> Pattern:
    """A pattern as its segments."""
    return Pattern(tuple(text.removesuffix("*").split("/")), text.endswith("*"))


def has_wildcards(path: str) -> bool:
    """Whether the server treats the path as one with segments left open."""
    return path == "+" or "/+" in path or path.startswith("+/")


def covers(pattern: str, path: str) -> bool:
    """Whether a pattern with open segments covers a path, as the server compares them."""
    segments, glob = taken_apart(pattern)
    parts = path.split("/")
    if len(parts) < len(segments) or (not glob and len(parts) != len(segments)):
        return False
    last = len(segments) - 1
    return all(
        wanted in ("+", part) or (glob and at == last and part.startswith(wanted))
        for at, (wanted, part) in enumerate(zip(segments, parts, strict=False))
    )


def may_cover(pattern: str, path: str) -> bool:
    """Whether a pattern with an unresolved template in it could cover a path."""
    pieces = re.split(r"(\{\{.*?\}\})", pattern.removesuffix("*"), flags=re.DOTALL)
    expression = "".join(
        ".*" if piece.startswith("{{") else re.escape(piece).replace(r"\+", "[^/]*")
        for piece in pieces
    )
    end = ".*" if pattern.endswith("*") else ""
    return re.fullmatch(expression + end, path, re.DOTALL) is not None


def meet(one: str, other: str) -> str:
    """The pattern of what two patterns both cover, or one within it; empty where nothing is."""
    (ones, one_glob), (others, other_glob) = taken_apart(one), taken_apart(other)
    found: list[str] = []
    for at in range(max(len(ones), len(others))):
        left, right = _at(ones, one_glob, at), _at(others, other_glob, at)
        if left is None or right is None:
            return ""
        segment = _narrower(left, right)
        if segment is None:
            return ""
        found.append(segment)
    # Both go on for ever, or the one that ends decides, and the other was still open there.
    if one_glob and other_glob:
        return "/".join(found) + "*"
    return "/".join(found)


def _at(segments: tuple[str, ...], glob: bool, at: int) -> tuple[str, bool] | None:
    """The segment at a place and whether it is a beginning only; None behind the end."""
    if at >= len(segments):
        return ("", True) if glob else None
    return segments[at], glob and at == len(segments) - 1


def _narrower(one: tuple[str, bool], other: tuple[str, bool]) -> str | None:
    (left, left_open), (right, right_open) = one, other
    if left_open and right_open:
        longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
        return longer if longer.startswith(shorter) else None
    if left_open or right_open:
        start, whole = (left, right) if left_open else (right, left)
        if whole == "+":
            return start + HERE if start else "+"
        return whole if whole.startswith(start) else None
    if left == "+":
        return right
    return left if right in ("+", left) else None


def example(pattern: str) -> str:
    """A path that the pattern covers, as unlike any that has a rule of its own as can be."""
    segments, glob = taken_apart(pattern)
    filled = [HERE if segment == "+" else segment for segment in segments]
    if glob:
        filled[-1] += HERE
    return "/".join(filled)
