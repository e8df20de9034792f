"""From ``[source.NAME]`` tables to configured log sources, ours and those of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from backends import credentials
from backends.errors import ConfigError
from backends.logs.source import Source, SourceConfig
from backends.model import Secret
from backends.options import check_options, type_in
from backends.plugins import Registry

TYPES: Final = Registry[Source](
    "token_console.log_sources",
    {
        "openbao_file": "backends.openbao.source:OpenBaoFile",
        "cloudtrail_files": "backends.logs.objects:CloudTrailFiles",
        "cloudtrail_s3": "backends.logs.objects:CloudTrailS3",
        "postgres_log": "backends.logs.servers:PostgresLog",
        "kubernetes_audit": "backends.logs.servers:KubernetesAudit",
        "json_lines": "backends.logs.mapped:JsonLines",
    },
    Source,
    "log source",
    states=("options", "title", "type_name"),
    extras={"cloudtrail_s3": "aws"},
)
"""The types of log source, by the ``type`` in the configuration file."""

COMMON: Final = frozenset({"type", "backend", "read", "enabled"})
"""Entries that every source's table may have; the console itself reads these."""


def configure(name: str, table: Mapping[str, Any], *, resolve: bool = True) -> Source:
    """A source from its table in the configuration file.

    With ``resolve`` false a credential is not looked up; such a source is only checked.

    Raises:
        ConfigError: an entry is wrong, or no such type is installed; ``option`` names it.
        MissingLibrary: a library that the source needs is not installed.
        BrokenPlugin: the source cannot be loaded, or does not keep the contract.
    """
    type_, backend = type_in(table, TYPES.names()), table.get("backend")
    if not isinstance(backend, str) or not backend:
        raise ConfigError(
            "the option 'backend' is missing", "The backend whose log it is.", "backend"
        )
    source = TYPES.load(type_)
    read = None
    if "read" in table:
        credentials.check(table["read"], "read")
        read = credentials.resolve(table["read"], "read") if resolve else Secret("-:-")
    options = check_options(
        TYPES.guarded(type_, "say its options", lambda: tuple(source.options)),
        {key: value for key, value in table.items() if key not in COMMON},
        COMMON,
    )
    config = SourceConfig(name, backend, options, read)
    return TYPES.guarded(type_, "be made from its table", lambda: source(config))
