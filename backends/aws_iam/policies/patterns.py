"""Patterns of actions and resources as IAM matches them, and the variables in them.

Sources: IAM User Guide, "IAM JSON policy elements: Action", "... Resource" and "Policy
variables". Actions are compared without regard to case, resources with it. ``*`` stands for any
text and ``?`` for one character; in an ARN, a ``*`` that is not the last of its segment stays
within the segment. ``${*}``, ``${?}`` and ``${$}`` are the characters themselves.
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
    return _resource(pattern).fullmatch(resource) is not None


def covers(wide: str, narrow: str) -> bool:
    """Whether a resource pattern certainly stands for all that another one stands for."""
    if wide in ("*", narrow):
        return True
    if wide.startswith(NOT_RESOURCE) or narrow.startswith(NOT_RESOURCE) or unresolved(wide):
        return False
    # A question mark of the wide one cannot stand for the narrow one's star.
    return "?" not in wide and _resource(wide).fullmatch(narrow) is not None


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
        return _resource(pattern).fullmatch(plain) is None
    return not left.startswith(right) and not right.startswith(left)


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
    parts = (
        {"*": ".*", "?": "."}.get(part, re.escape(part)) for part in re.split(r"([*?])", pattern)
    )
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL | re.ASCII)


@functools.lru_cache(maxsize=8192)
def _resource(pattern: str) -> re.Pattern[str]:
    written: list[str] = []
    segment = 1
    position = 0
    while position < len(pattern):
        if found := _VARIABLE.match(pattern, position):
            written.append(re.escape(found[1]) if found[1] in _ESCAPES else ".*")
            position = found.end()
            continue
        char = pattern[position]
        position += 1
        if char == ":":
            segment += 1
        inside = segment < SEGMENTS and pattern.startswith("arn:")
        if char == "*":
            last = position == len(pattern) or pattern[position] == ":"
            written.append(".*" if last or not inside else "[^:]*")
        elif char == "?":
            written.append("[^:]" if inside else ".")
        else:
            written.append(re.escape(char))
    return re.compile("".join(written), re.DOTALL)
