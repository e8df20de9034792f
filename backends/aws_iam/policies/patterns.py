"""Patterns of actions and resources as IAM matches them, and the variables in them.

Sources: IAM User Guide, "IAM JSON policy elements: Action", "... Resource" and "Policy
variables". Actions are compared without regard to case, resources with it. ``*`` stands for any
text and ``?`` for one character, within a segment of an ARN; what is missing at an ARN's end may
be anything. ``${*}``, ``${?}`` and ``${$}`` are the characters themselves.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Final

NOT_ACTION: Final = "NotAction "
NOT_RESOURCE: Final = "NotResource "
"""What a row's text begins with that stands for all but a list, which follows as JSON."""

SEGMENTS: Final = 6
"""Parts of an ARN; the last one, the resource, may hold colons of its own."""

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_ESCAPES: Final = ("*", "?", "$")
_DEFAULT = re.compile(r"\s*([^,]+?)\s*,\s*'([^']*)'\s*")


def all_but(kind: str, patterns: tuple[str, ...]) -> str:
    """The text of a row that stands for all but these: ``NotAction ["iam:*"]``."""
    return kind + json.dumps(list(patterns), ensure_ascii=False)


def action_matches(pattern: str, action: str) -> bool:
    """Whether a row's action stands for this one."""
    if pattern == action:
        return True
    if pattern.startswith(NOT_ACTION):
        return not any(action_matches(each, action) for each in _listed(pattern, NOT_ACTION))
    return _action(pattern).fullmatch(action) is not None


def resource_matches(pattern: str, resource: str) -> bool:
    """Whether a row's resource stands for this one.

    A variable that is left in the pattern may be any text; the row has a condition for it.
    """
    if pattern == resource:
        return True
    if pattern.startswith(NOT_RESOURCE):
        # One with a variable left may match or not; that it does not is what the row is for.
        return not any(
            resource_matches(each, resource)
            for each in _listed(pattern, NOT_RESOURCE)
            if not unresolved(each)
        )
    return _whole(pattern, resource)


def covers(wide: str, narrow: str) -> bool:
    """Whether a resource pattern certainly stands for all that another one stands for."""
    if wide in ("*", narrow):
        return True
    if wide.startswith(NOT_RESOURCE) or narrow.startswith(NOT_RESOURCE) or unresolved(wide):
        return False
    # A question mark of the wide one cannot stand for the narrow one's star.
    return "?" not in wide and _whole(wide, narrow)


def apart(one: str, other: str) -> bool:
    """Whether two resource patterns certainly have nothing in common."""
    if one.startswith(NOT_RESOURCE) or other.startswith(NOT_RESOURCE):
        return False
    pairs = zip(one.split(":", SEGMENTS - 1), other.split(":", SEGMENTS - 1), strict=False)
    return any(_segments_apart(left, right) for left, right in pairs)


def _segments_apart(one: str, other: str) -> bool:
    left, right = (re.split(r"[*?]|\$\{", each, maxsplit=1)[0] for each in (one, other))
    if left == one and right == other:
        return left != right
    if left == one or right == other:
        plain, pattern = (one, other) if left == one else (other, one)
        return _glob(_tokens(pattern)).fullmatch(plain) is None
    return not left.startswith(right) and not right.startswith(left)


def cut_short(pattern: str) -> bool:
    """Whether it is an ARN with parts missing, and no star that may stand for them."""
    return pattern.startswith("arn:") and pattern.count(":") < SEGMENTS - 1 and pattern[-1] != "*"


def unresolved(pattern: str) -> tuple[str, ...]:
    """The names of the variables that are left in a pattern."""
    names = (found[1] for found in _VARIABLE.finditer(pattern))
    return tuple(dict.fromkeys(name for name in names if name not in _ESCAPES))


def filled(pattern: str, values: Mapping[str, str | None]) -> str | None:
    """The pattern with the variables replaced that are known, by lower-case names.

    A value of None says that the request surely has none: then the variable's default stands,
    and without one the statement matches nothing, which is told by None. An unknown variable
    stays as it is.
    """
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        name, default = found[1], None
        if name in _ESCAPES:
            return found[0]
        if with_default := _DEFAULT.fullmatch(name):
            name, default = with_default[1], with_default[2]
        key = name.lower()
        if key not in values:
            return found[0]
        known = values[key]
        if known is None:
            known = default
        if known is None:
            missing = True
            return ""
        return _literal(known)

    text = _VARIABLE.sub(value, pattern)
    return None if missing else text


def _literal(text: str) -> str:
    return re.sub(r"[*?$]", lambda found: f"${{{found[0]}}}", text)


def _listed(text: str, kind: str) -> tuple[str, ...]:
    try:
        found = json.loads(text[len(kind) :])
    except ValueError:
        return ()
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


@functools.lru_cache(maxsize=8192)
def _action(pattern: str) -> re.Pattern[str]:
    return _glob([*pattern], re.IGNORECASE | re.ASCII)


@functools.lru_cache(maxsize=8192)
def _resource(pattern: str) -> tuple[re.Pattern[str], ...]:
    """The pattern's segments; or one, of the whole, where it is no ARN."""
    if not pattern.startswith("arn:"):
        return (_glob(_tokens(pattern)),)
    segments = pattern.split(":", SEGMENTS - 1)
    segments += ["*"] * (SEGMENTS - len(segments))
    return tuple(_glob(_tokens(segment)) for segment in segments)


@functools.lru_cache(maxsize=1024)
def _spilling(pattern: str) -> re.Pattern[str] | None:
    """For an ARN that is cut short, such as ``arn:*:user/x``: with stars that pass over colons."""
    segments = pattern.split(":")
    if len(segments) >= SEGMENTS or not any(each.endswith("*") for each in segments):
        return None
    return _glob(_tokens(pattern))


def _whole(pattern: str, resource: str) -> bool:
    parts = _resource(pattern)
    if len(parts) == 1:
        return parts[0].fullmatch(resource) is not None
    given = resource.split(":", SEGMENTS - 1)
    if len(given) == SEGMENTS and all(
        part.fullmatch(text) for part, text in zip(parts, given, strict=True)
    ):
        return True
    spilling = _spilling(pattern)
    return spilling is not None and spilling.fullmatch(resource) is not None


def _tokens(text: str) -> list[str]:
    """The text's characters, with escapes and variables as one each."""
    found: list[str] = []
    position = 0
    while position < len(text):
        variable = _VARIABLE.match(text, position)
        position = variable.end() if variable else position + 1
        if variable is None:
            found.append(text[position - 1])
        elif variable[1] in _ESCAPES:
            found.append(variable[0])
        else:
            found.append("*")
    return found


def _glob(tokens: list[str], flags: int = 0) -> re.Pattern[str]:
    """A pattern whose time grows with the text only, however many stars somebody wrote.

    After a star the first place that fits is as good as any later one, so that none is tried
    twice: that is what the atomic groups say.
    """
    pieces: list[str] = [""]
    for each in tokens:
        if each == "*":
            pieces.append("")
        elif each == "?":
            pieces[-1] += "."
        else:
            pieces[-1] += re.escape(each[2] if len(each) > 1 else each)
    first, *rest = pieces
    text = first
    for number, piece in enumerate(rest):
        text += f".*{piece}" if number == len(rest) - 1 else f"(?>.*?{piece})"
    return re.compile(text, flags | re.DOTALL)
