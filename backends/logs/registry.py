"""From ``[source.NAME]`` tables to configured sources."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from backends import credentials
from backends.errors import ConfigError, MissingLibrary
from backends.logs.source import Source, SourceConfig
from backends.model import Secret
from backends.registry import check_options

KINDS: Mapping[str, str] = {
    "openbao_file": "backends.logs.openbao:OpenBaoFile",
    "cloudtrail_files": "backends.logs.objects:CloudTrailFiles",
    "cloudtrail_s3": "backends.logs.objects:CloudTrailS3",
    "postgres_log": "backends.logs.servers:PostgresLog",
    "kubernetes_audit": "backends.logs.servers:KubernetesAudit",
    "json_lines": "backends.logs.mapped:JsonLines",
}
"""The kinds by the ``type`` in the configuration file. Imported when they are needed."""

COMMON = frozenset({"type", "backend", "read", "enabled"})


def load(type_: str) -> type[Source]:
    """Import one kind of source.

    Raises:
        ConfigError: there is no such kind.
        MissingLibrary: it needs a library that is not installed.
    """
    if type_ not in KINDS:
        raise ConfigError(
            f"no kind of source is called {type_!r}", f"Known are: {', '.join(KINDS)}.", "type"
        )
    module, _, name = KINDS[type_].partition(":")
    try:
        found: type[Source] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise MissingLibrary(
            f"the source {type_!r} needs the library {error.name!r}",
            "Install it: pip install 'token-console[aws]'.",
        ) from None
    return found


def configure(name: str, table: Mapping[str, Any], *, resolve: bool = True) -> Source:
    """A source from its table in the configuration file.

    With ``resolve`` false a credential is not looked up; such a source is only checked.

    Raises:
        ConfigError, MissingLibrary: see above.
    """
    type_, backend = table.get("type"), table.get("backend")
    if not isinstance(type_, str):
        raise ConfigError("the option 'type' is missing", f"One of: {', '.join(KINDS)}.", "type")
    if not isinstance(backend, str) or not backend:
        raise ConfigError(
            "the option 'backend' is missing", "The backend whose log it is.", "backend"
        )
    source = load(type_)
    read = None
    if "read" in table:
        credentials.check(table["read"], "read")
        read = credentials.resolve(table["read"], "read") if resolve else Secret("-:-")
    own = {key: value for key, value in table.items() if key not in COMMON}
    return source(SourceConfig(name, backend, check_options(source.options, own, COMMON), read))
