"""Paths with ``{{identity.entity.id}}`` and the like, with the token's entity put in.

Source: OpenBao's ``sdk/helper/identitytpl``. A path whose template has no value (no such alias,
no such metadata, not in the group) is left out by the server, and so it is here. What cannot be
known from here stays as it is written, and counts as a path that may be there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

_PLACE: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class Caller(NamedTuple):
    """Whom a token speaks for: the records of its entity and of that entity's groups.

    None says that they could not be read; an empty entity says that the token has none.
    """

    entity: Mapping[str, Any] | None
    groups: Sequence[Mapping[str, Any]] | None


class Absent(Exception):
    """The template has no value for this caller: the server leaves the path out."""


class Barred(Exception):
    """A value has a sign that none may have. Some versions leave the path out, and others refuse
    the token everything. Says which value, for people."""


class Unresolved(Exception):
    """What the template stands for cannot be known from here. Says why, for people."""


def templated(path: str) -> bool:
    """Whether a path has something to be put in."""
    return "{{" in path


def resolved(path: str, caller: Caller, blocked: Sequence[str]) -> str:
    """The path with the caller put in. ``blocked`` are the signs that no value may have.

    Raises:
        Absent: the server leaves the path out for this caller.
        Barred: a value has a blocked sign.
        Unresolved: it cannot be known.
    """

    def put(match: re.Match[str]) -> str:
        value = _value(match[1].strip(), caller)
        for sign in blocked:
            if sign in value:
                raise Barred(f"the value of {match[1].strip()} has a {sign}")
        return value

    return _PLACE.sub(put, path)


def _value(name: str, caller: Caller) -> str:
    if name.startswith("identity.entity."):
        if caller.entity is None:
            raise Unresolved("its entity could not be read")
        if not caller.entity:
            raise Absent
        return _of_entity(name.removeprefix("identity.entity."), caller.entity)
    if name.startswith("identity.groups."):
        if caller.groups is None:
            raise Unresolved("its entity's groups could not be read")
        return _of_groups(name.removeprefix("identity.groups."), caller.groups)
    if name.startswith("time."):
        raise Unresolved("it changes with the time")
    raise Absent


def _of_entity(name: str, entity: Mapping[str, Any]) -> str:
    if name.startswith("aliases."):
        accessor, _, what = name.removeprefix("aliases.").partition(".")
        aliases = entity.get("aliases") or ()
        for alias in aliases:
            if isinstance(alias, dict) and alias.get("mount_accessor") == accessor:
                return _field(what, alias, ("metadata", "custom_metadata"))
        raise Absent
    return _field(name, entity, ("metadata",))


def _field(name: str, record: Mapping[str, Any], tables: Sequence[str]) -> str:
    for table in tables:
        if name.startswith(f"{table}."):
            values = record.get(table)
            key = name.removeprefix(f"{table}.")
            if not isinstance(values, dict) or key not in values:
                raise Absent
            return str(values[key])
    value = record.get(name) if name in ("id", "name") else None
    if not isinstance(value, str) or not value:
        raise Absent
    return value


def _of_groups(name: str, groups: Sequence[Mapping[str, Any]]) -> str:
    by, _, rest = name.partition(".")
    which, _, what = rest.partition(".")
    if by not in ("ids", "names") or not what:
        raise Absent
    for group in groups:
        if group.get(by[:-1]) == which:
            return _field(what, group, ("metadata",))
    raise Absent
