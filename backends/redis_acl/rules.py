"""What a user's rules let it do: rows, questions about them, and ways to more.

Rules are applied in their order, and the last one that bears on a command wins. A part (the
user's own rules, or a selector) must allow the command and every key of it; one part is
enough. Which commands a category such as ``@read`` has differs by version and modules, so a
question that only a category settles is answered "conditional", and the row says which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from backends.model import Gap, GapKind, TokenRef
from backends.permissions import (
    Access,
    Answer,
    Decision,
    Elevation,
    Permission,
    PermissionEffect,
    Permissions,
    weighed,
)
from backends.redis_acl.users import Rules, User

ADMIN: Final = frozenset({"all", "admin", "dangerous"})
READS: Final = frozenset({"read"})
WRITES: Final = frozenset({"write"})
WAYS: Final[Mapping[str, tuple[str, str]]] = {
    "acl|setuser": ("write-users", "It may give itself and others every right, and passwords."),
    "acl|load": ("load-users", "It may put back the users of the ACL file."),
    "config|set": (
        "write-config",
        "It may change where files are written, and the default user's password.",
    ),
    "module|load": ("load-module", "It may load a library into the server."),
    "replicaof": ("replicate", "It may make the server a copy of another one, ACL file apart."),
    "debug": ("debug", "It may stop the server, or load data that it did not check."),
    "monitor": ("monitor", "It may watch every command of everybody."),
}
HASHES: Final = ("acl|list", "acl|getuser", "config|get")
"""Commands that show the hashes of passwords, or passwords (``masterauth``)."""
CHANGES: Final = ("acl|save", "acl|deluser", "config|rewrite")
SURE: Final = frozenset({*WAYS, *HASHES, *CHANGES})
"""Commands that are in the categories of ``HOLD`` and in no other, in every version since 6.0."""
HOLD: Final = frozenset({"all", "admin", "dangerous", "slow"})
OWN: Final = "the user's rules"


def opened(ref: TokenRef, found: Mapping[str, User]) -> Permissions:
    """The rules of a user on each server, as rows."""
    alike = len({user.parts for user in found.values()}) == 1
    rows: list[Permission] = []
    elevations: dict[str, Elevation] = {}
    secrets: list[Permission] = []
    for label, user in found.items():
        for number, part in enumerate(user.parts):
            source = f"selector {number}" if number else OWN
            mine = _rows(part, source if alike else f"{source} at {label}")
            rows += mine
            for command, (code, words) in WAYS.items():
                if by := _opens(mine, command):
                    elevations.setdefault(code, Elevation(code, words, by))
            for command in HASHES:
                secrets += [row for row in _opens(mine, command) if row not in secrets]
        if alike:
            break
    hole = Gap(
        ref.id,
        GapKind.UNLISTABLE,
        "which keys hold secrets",
        "Redis does not say what is in a key: look at the key patterns.",
    )
    return Permissions(
        ref=ref,
        rows=tuple(rows),
        elevations=tuple(elevations.values()),
        secrets=tuple(secrets),
        secret_gaps=(hole,) if rows else (),
        as_of=datetime.now(UTC),
    )


def _rows(part: Rules, source: str) -> list[Permission]:
    return [
        Permission(
            action=rule[1:],
            resource=part.place,
            effect=PermissionEffect.ALLOW if rule[0] == "+" else PermissionEffect.DENY,
            access=_access(rule[1:]),
            source=source,
        )
        for rule in part.gives
    ]


def _access(action: str) -> Access:
    if action.startswith("@"):
        category = action[1:]
        if category in ADMIN:
            return Access.ADMIN
        if category in READS:
            return Access.READ
        return Access.WRITE if category in WRITES else Access.UNKNOWN
    return Access.ADMIN if any(_bears(action, way) for way in WAYS) else Access.UNKNOWN


def _bears(rule: str, command: str) -> bool:
    """Whether a rule without a category is about the whole of a command."""
    return command == rule or command.startswith(f"{rule}|")


def decided(rows: Sequence[Permission], action: str) -> tuple[set[PermissionEffect], list[int]]:
    """What the rules of one part may come to for a command or a category, and by which rows."""
    effects = {PermissionEffect.DENY}
    by: list[int] = []
    for place, row in enumerate(rows):
        rule = row.action
        if rule in ("@all", action) or _bears(rule, action) or _within(rule, action):
            effects, by = {row.effect}, [place]
        elif rule.startswith("@") or action.startswith("@") or _bears(action, rule):
            if _apart(rule, action):
                continue
            effects = effects | {row.effect}
            by.append(place)
    return effects, by


def _within(rule: str, action: str) -> bool:
    """Whether a category surely has a command."""
    return rule.startswith("@") and rule[1:] in HOLD and action in SURE


def _apart(rule: str, action: str) -> bool:
    """Whether a category surely does not have a command."""
    return rule.startswith("@") and rule[1:] not in HOLD and action in SURE


def _opens(rows: list[Permission], command: str) -> tuple[Permission, ...]:
    effects, by = decided(rows, command)
    if PermissionEffect.ALLOW not in effects:
        return ()
    found = tuple(rows[place] for place in by if rows[place].effect is PermissionEffect.ALLOW)
    # Only what is certain: that a category might hold it is no way that was seen.
    return found if effects == {PermissionEffect.ALLOW} else ()


def allows(user: User, command: str) -> bool | None:
    """Whether the user may run a command; None where only a category could tell."""
    answers = [decided(_rows(part, OWN), command)[0] for part in user.parts]
    if any(effects == {PermissionEffect.ALLOW} for effects in answers):
        return True
    if any(PermissionEffect.ALLOW in effects for effects in answers):
        return None
    return False


def permits(permissions: Permissions, action: str, resource: str) -> Answer:
    """By the rows: ``permits(..., "config|get", "")``, ``permits(..., "get", "app:1")``.

    A resource is a key's name (a ``~`` before it does no harm), ``&`` and a channel's name, a
    row's patterns as they stand, or empty for a command that touches no key.
    """
    wanted = action.strip().casefold().lstrip("+-").replace(" ", "|")
    parts: dict[tuple[str, str], list[Permission]] = {}
    for row in permissions.rows:
        parts.setdefault((row.source, row.resource), []).append(row)
    best = Answer(Decision.DENIED)
    denied: list[Permission] = []
    for (_, place), rows in parts.items():
        effects, by = decided(rows, wanted)
        because = tuple(rows[each] for each in by)
        if PermissionEffect.ALLOW not in effects:
            denied += because
            continue
        reach = _reach(place, resource)
        if reach == "":
            continue
        if effects == {PermissionEffect.ALLOW} and reach == "whole":
            return weighed(Answer(Decision.ALLOWED, because), permissions)
        words = []
        if len(effects) > 1:
            words.append(f"it hangs on which commands a category has: ACL CAT, for {wanted}")
        if reach != "whole":
            words.append(f"the key may be {reach} only")
        best = Answer(Decision.CONDITIONAL, because, "; ".join(words))
    if best.decision is Decision.DENIED:
        best = Answer(Decision.DENIED, tuple(denied))
    return weighed(best, permissions)


def _reach(place: str, resource: str) -> str:
    """How far a part's patterns reach a resource: "whole", "read", "written", or not ("")."""
    if resource in ("", place, "no key"):
        return "whole"
    channel = resource.startswith("&")
    name = resource[1:] if resource[:1] in ("&", "~") else resource
    ways: set[str] = set()
    for pattern in place.split(" "):
        if channel and pattern.startswith("&") and _glob(pattern[1:]).fullmatch(name):
            return "whole"
        if channel or pattern[:1] not in ("~", "%"):
            continue
        head, _, glob = pattern.partition("~")
        if _glob(glob).fullmatch(name):
            ways |= {"R", "W"} if not head else set(head[1:].upper())
    if {"R", "W"} <= ways:
        return "whole"
    return {"R": "read", "W": "written"}.get("".join(sorted(ways)), "")


@lru_cache(maxsize=2048)
def _glob(pattern: str) -> re.Pattern[str]:
    """A pattern of Redis (``*``, ``?``, ``[a-z]``, ``[^a]``, ``\\`` before any) as a regex."""
    made: list[str] = []
    place = 0
    while place < len(pattern):
        sign = pattern[place]
        place += 1
        if sign == "*":
            made.append(".*")
        elif sign == "?":
            made.append(".")
        elif sign == "\\" and place < len(pattern):
            made.append(re.escape(pattern[place]))
            place += 1
        elif sign == "[" and (end := pattern.find("]", place)) >= 0:
            inside = pattern[place:end]
            not_ = inside.startswith("^")
            inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[1:] if not_ else inside)
            made.append(f"[{'^' if not_ else ''}{inside}]" if inside else "(?!)")
            place = end + 1
        else:
            made.append(re.escape(sign))
    try:
        return re.compile("".join(made), re.DOTALL)
    except re.error:
        return re.compile(r"(?!)")
