"""From ``[backend.NAME]`` tables to configured backends, ours and those of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from backends import credentials
from backends.contract import Backend, BackendConfig, Capabilities
from backends.errors import ConfigError
from backends.model import Secret
from backends.options import check_options, type_in
from backends.plugins import Registry

TYPES: Final = Registry[Backend](
    "token_console.backends",
    {
        "openbao": "backends.openbao:OpenBao",
        "aws_iam": "backends.aws_iam:AwsIam",
        "postgres": "backends.postgres:Postgres",
        "redis": "backends.redis_acl:RedisAcl",
        "estate": "backends.estate:Estate",
    },
    Backend,
    "backend",
    extras={"aws_iam": "aws", "postgres": "postgres", "redis": "redis"},
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
    parts = TYPES.guarded(type_, "say its parts", lambda: tuple(backend.credential_parts))
    read, read_parts = _credential(table, "read", parts)
    write, act_parts = _credential(table, "act", parts) if act else (None, {})
    config = BackendConfig(
        name=name,
        type=type_,
        options=options,
        read=read,
        act=write,
        read_parts=read_parts,
        act_parts=act_parts,
        production=bool(table.get("production", False)),
        rate=rate,
    )
    return _made(type_, backend, config)


def _credential(
    table: Mapping[str, Any], option: str, parts: tuple[str, ...]
) -> tuple[Secret | None, Mapping[str, Secret]]:
    """A credential of a backend's table, whole or in the parts that its type asks for."""
    if option not in table:
        return None, {}
    if parts:
        return None, credentials.resolve_parts(table[option], option, parts)
    return credentials.resolve(table[option], option), {}


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
