"""From ``[backend.NAME]`` tables to configured backends, ours and those of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from backends import credentials
from backends.contract import Backend, BackendConfig, Capabilities
from backends.errors import ConfigError
from backends.options import check_options, type_in
from backends.plugins import Registry

TYPES: Final = Registry[Backend](
    "token_console.backends",
    {
        "openbao": "backends.openbao:OpenBao",
        "aws_iam": "backends.aws_iam:AwsIam",
        "postgres": "backends.postgres:Postgres",
        "estate": "backends.estate:Estate",
    },
    Backend,
    "backend",
    extras={"aws_iam": "aws", "postgres": "postgres"},
)
"""The types of backend, by the ``type`` in the configuration file."""

COMMON: Final = frozenset({"type", "read", "act", "production", "enabled", "rate"})
"""Entries that every backend's table may have; the console itself reads these."""


def configure(name: str, table: Mapping[str, Any], *, act: bool = False) -> Backend:
    """A backend from its table in the configuration file, with its secrets resolved.

    The credential to act with is only looked up when ``act`` is true, so that a console
    that just looks never holds it.

    Raises:
        ConfigError: an entry is wrong, or no such type is installed; ``option`` names it.
        MissingLibrary: a library that the backend needs is not installed.
        BrokenPlugin: the backend cannot be loaded, or does not keep the contract.
    """
    type_ = type_in(table, TYPES.names())
    backend = TYPES.load(type_)
    options = check_options(
        TYPES.guarded(type_, "say its options", lambda: tuple(backend.options)),
        {key: value for key, value in table.items() if key not in COMMON},
        COMMON,
    )
    rate = _rate(table.get("rate"))
    read = credentials.resolve(table["read"], "read") if "read" in table else None
    write = credentials.resolve(table["act"], "act") if act and "act" in table else None
    config = BackendConfig(
        name=name,
        type=type_,
        options=options,
        read=read,
        act=write,
        production=bool(table.get("production", False)),
        rate=rate,
    )
    return _made(type_, backend, config)


def _rate(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ConfigError("rate must be a number above 0", "Changing calls a second.", "rate")
    return float(value)


def _made(type_: str, backend: type[Backend], config: BackendConfig) -> Backend:
    """An instance that is what it should be and declares what it can do."""
    made = TYPES.guarded(type_, "be made from its table", lambda: backend(config))
    declared: Any = TYPES.guarded(type_, "say what it can do", lambda: made.capabilities())
    if not isinstance(declared, Capabilities):
        raise TYPES.broken(type_, f"declares a {type(declared).__name__} instead of capabilities")
    return made
