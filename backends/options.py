"""The entries of a table in the configuration, checked against what its type declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backends.contract import Option
from backends.errors import ConfigError


def check_options(
    declared: Iterable[Option], given: Mapping[str, Any], common: Iterable[str]
) -> dict[str, Any]:
    """The options with their defaults filled in and their types checked.

    ``common`` are entries that every table of the group may have; they are named to whoever
    mistook one, and are not in ``given``.

    Raises:
        ConfigError: for an unknown, missing or wrongly typed one; ``option`` names it.
    """
    table = {option.name: option for option in declared}
    for name in given:
        if name not in table:
            known = ", ".join(sorted([*table, *common]))
            raise ConfigError(f"there is no option {name!r}", f"Known are: {known}.", option=name)
    values: dict[str, Any] = {}
    for name, option in table.items():
        if name in given:
            values[name] = _checked(option, given[name])
        elif option.required:
            raise ConfigError(f"the option {name!r} is missing", option.help, option=name)
        else:
            values[name] = option.default
    return values


def _checked(option: Option, value: Any) -> Any:
    if option.kind is float and type(value) is int:
        value = float(value)
    strings = not isinstance(value, list) or all(isinstance(item, str) for item in value)
    if type(value) is not option.kind or not strings:
        wanted = "list of strings" if option.kind is list else option.kind.__name__
        raise ConfigError(
            f"{option.name} must be a {wanted}, not {value!r}", option.help, option=option.name
        )
    return value


def type_in(table: Mapping[str, Any], known: Iterable[str]) -> str:
    """The ``type`` of a table.

    Raises:
        ConfigError: it has none; the hint names those that are ``known``.
    """
    type_ = table.get("type")
    if not isinstance(type_, str):
        raise ConfigError("the option 'type' is missing", f"One of: {', '.join(known)}.", "type")
    return type_
