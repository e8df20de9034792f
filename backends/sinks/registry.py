"""From ``[sink.NAME]`` tables to configured sinks.

A table of dotted paths rather than entry points: a sink receives live values, so the list
of kinds is closed, and a package that happens to be installed cannot add one. ``command``
is the way to everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from backends import credentials
from backends.errors import ConfigError, MissingLibrary
from backends.registry import check_options
from backends.sinks.contract import Sink, SinkConfig

KINDS: Mapping[str, str] = {
    "file": "backends.sinks.file:FileSink",
    "command": "backends.sinks.command:CommandSink",
    "openbao_kv": "backends.sinks.openbao_kv:OpenBaoKv",
    "aws_secret": "backends.sinks.aws_secret:AwsSecret",
    "kubernetes_secret": "backends.sinks.kubernetes_secret:KubernetesSecret",
    "show": "backends.sinks.show:ShowSink",
}
"""The kinds by the ``type`` in the configuration file. Imported when they are needed."""

COMMON = frozenset({"type", "write", "enabled"})


def load(type_: str) -> type[Sink]:
    """Import one kind of sink.

    Raises:
        ConfigError: there is no such kind.
        MissingLibrary: it needs a library that is not installed.
    """
    if type_ not in KINDS:
        raise ConfigError(
            f"no kind of sink is called {type_!r}", f"Known are: {', '.join(KINDS)}.", "type"
        )
    module, _, name = KINDS[type_].partition(":")
    try:
        found: type[Sink] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise MissingLibrary(
            f"the sink {type_!r} needs the library {error.name!r}",
            "Install it: pip install 'token-console[aws]'.",
        ) from None
    return found


def configure(name: str, table: Mapping[str, Any], *, act: bool = False) -> Sink:
    """A sink from its table in the configuration file.

    The credential is only looked up when ``act`` is true; a sink without it can plan, and
    cannot be opened.

    Raises:
        ConfigError, MissingLibrary: see above.
    """
    type_ = table.get("type")
    if not isinstance(type_, str):
        raise ConfigError("the option 'type' is missing", f"One of: {', '.join(KINDS)}.", "type")
    sink = load(type_)
    if "write" in table:
        credentials.check(table["write"], "write")
        if not sink.takes_credential:
            raise ConfigError(
                f"a sink of the kind {type_} takes no credential", "Remove write.", "write"
            )
    own = {key: value for key, value in table.items() if key not in COMMON}
    write = credentials.resolve(table["write"], "write") if act and "write" in table else None
    options = check_options(sink.options, own, COMMON)
    return sink(SinkConfig(name=name, type=type_, options=options, write=write))
