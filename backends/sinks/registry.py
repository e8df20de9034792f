"""From ``[sink.NAME]`` tables to configured sinks, ours and those of others.

A sink receives live values. So one that happens to be installed gets none: only a table that
names its type makes it a sink, and no other distribution can take the name of one of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from backends import credentials
from backends.errors import ConfigError
from backends.options import check_options, type_in
from backends.plugins import Registry
from backends.sinks.contract import Sink, SinkConfig

TYPES: Final = Registry[Sink](
    "token_console.sinks",
    {
        "file": "backends.sinks.file:FileSink",
        "command": "backends.sinks.command:CommandSink",
        "openbao_kv": "backends.sinks.openbao_kv:OpenBaoKv",
        "aws_secret": "backends.sinks.aws_secret:AwsSecret",
        "kubernetes_secret": "backends.sinks.kubernetes_secret:KubernetesSecret",
        "show": "backends.sinks.show:ShowSink",
    },
    Sink,
    "sink",
    states=("title", "type_name"),
    extras={"aws_secret": "aws"},
)
"""The types of sink, by the ``type`` in the configuration file."""

COMMON: Final = frozenset({"type", "write", "enabled"})
"""Entries that every sink's table may have; the console itself reads these."""


def configure(name: str, table: Mapping[str, Any], *, act: bool = False) -> Sink:
    """A sink from its table in the configuration file.

    The credential is only looked up when ``act`` is true; a sink without it can plan, and
    cannot be opened.

    Raises:
        ConfigError: an entry is wrong, or no such type is installed; ``option`` names it.
        MissingLibrary: a library that the sink needs is not installed.
        BrokenPlugin: the sink cannot be loaded, or does not keep the contract.
    """
    type_ = type_in(table, TYPES.names())
    sink = TYPES.load(type_)
    if "write" in table:
        credentials.check(table["write"], "write")
        if not sink.takes_credential:
            raise ConfigError(
                f"a sink of the kind {type_} takes no credential", "Remove write.", "write"
            )
    options = check_options(
        TYPES.guarded(type_, "say its options", lambda: tuple(sink.options)),
        {key: value for key, value in table.items() if key not in COMMON},
        COMMON,
    )
    write = credentials.resolve(table["write"], "write") if act and "write" in table else None
    config = SinkConfig(name=name, type=type_, options=options, write=write)
    return TYPES.guarded(type_, "be made from its table", lambda: sink(config))
