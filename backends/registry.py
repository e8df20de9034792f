"""From entry points to configured backends. One broken backend is reported, never fatal.

A distribution offers a backend under the entry-point group ``token_console.backends``::

    [project.entry-points."token_console.backends"]
    mysystem = "my_package.mysystem:MySystem"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from backends import credentials
from backends.contract import Backend, BackendConfig, Option
from backends.errors import BackendError, ConfigError, MissingLibrary

GROUP = "token_console.backends"
COMMON = frozenset({"type", "read", "act", "production", "enabled", "rate"})
"""Entries that every backend's table may have; the console itself reads these."""


def names() -> list[str]:
    """The types of backend that are installed. Imports none of them."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def load(type_: str) -> type[Backend]:
    """Import one type of backend.

    Raises:
        ConfigError: no installed distribution offers it.
        MissingLibrary: it is there, but a library that it needs is not.
        BackendError: it is there and broken.
    """
    found: list[EntryPoint] = list(entry_points(group=GROUP, name=type_))
    if not found:
        raise ConfigError(
            f"no backend is called {type_!r}",
            f"Installed are: {', '.join(names()) or 'none'}.",
            option="type",
        )
    try:
        backend = found[0].load()
    except ModuleNotFoundError as error:
        raise MissingLibrary(
            f"the backend {type_!r} needs the library {error.name!r}",
            f"Install it: pip install 'token-console[{_extra(type_)}]'.",
        ) from None
    except Exception as error:  # noqa: BLE001
        # A third party's module may fail in any way at import; the others must go on.
        raise BackendError(
            f"the backend {type_!r} cannot be loaded: {type(error).__name__}: {error}",
            "Reinstall or remove the distribution that brings it.",
        ) from None
    if not (isinstance(backend, type) and issubclass(backend, Backend)):
        raise BackendError(f"the backend {type_!r} is not a backends.contract.Backend")
    return backend


def _extra(type_: str) -> str:
    return {"aws_iam": "aws"}.get(type_, type_)


def check_options(
    declared: Iterable[Option], given: Mapping[str, Any], common: Iterable[str] = COMMON
) -> dict[str, Any]:
    """The options with their defaults filled in and their types checked.

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
        if name not in given:
            if option.required:
                raise ConfigError(f"the option {name!r} is missing", option.help, option=name)
            values[name] = option.default
            continue
        value = given[name]
        if option.kind is float and type(value) is int:
            value = float(value)
        strings = not isinstance(value, list) or all(isinstance(item, str) for item in value)
        if type(value) is not option.kind or not strings:
            wanted = "list of strings" if option.kind is list else option.kind.__name__
            raise ConfigError(f"{name} must be a {wanted}, not {value!r}", option.help, option=name)
        values[name] = value
    return values


def configure(name: str, table: Mapping[str, Any], *, act: bool = False) -> Backend:
    """A backend from its table in the configuration file, with its secrets resolved.

    The credential to act with is only looked up when ``act`` is true, so that a console
    that just looks never holds it.

    Raises:
        ConfigError, MissingLibrary, BackendError: see above.
    """
    type_ = table.get("type")
    if not isinstance(type_, str):
        raise ConfigError("the option 'type' is missing", f"One of: {', '.join(names())}.", "type")
    backend = load(type_)
    options = check_options(
        backend.options, {key: value for key, value in table.items() if key not in COMMON}
    )
    rate = table.get("rate")
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float)):
        rate = -1.0
    if rate is not None and rate <= 0:
        raise ConfigError("rate must be a number above 0", "Changing calls a second.", "rate")
    read = credentials.resolve(table["read"], "read") if "read" in table else None
    write = credentials.resolve(table["act"], "act") if act and "act" in table else None
    return backend(
        BackendConfig(
            name=name,
            type=type_,
            options=options,
            read=read,
            act=write,
            production=bool(table.get("production", False)),
            rate=None if rate is None else float(rate),
        )
    )
