"""``config check``: what is wrong in the configuration file, where, and how to mend it."""

from __future__ import annotations

import argparse

from backends import registry
from backends.errors import BackendError, ConfigError
from backends.logs import registry as logs
from backends.origin import OURS
from backends.sinks import registry as sinks
from console import settings
from console.cli import output
from console.errors import Exit
from console.settings import BackendTable, Problem, Settings, paths


def run(chosen: argparse.Namespace) -> int:
    """Check the file without contacting any system; exit 2 where something is wrong."""
    where = paths(chosen.home)
    if chosen.what == "path":
        output.line(str(where.config))
        return Exit.OK
    loaded = settings.load(where.config)
    found = problems(loaded)
    for problem in sorted(set(found)):
        place = f"{where.config}:{problem.line}" if problem.line else str(where.config)
        output.error(f"{place}: {problem.message}", problem.hint)
    for name, sink in loaded.sinks.items():
        output.line(f"sink {name}: {sink.table.get('type', '?')}")
    for name, source in loaded.sources.items():
        output.line(f"source {name}: {source.table.get('type', '?')}")
    for table in loaded.backends:
        output.line(f"{table.name}: {_row(table, found)}")
    if found:
        return Exit.USAGE
    output.line(f"{where.config} is in order; {len(loaded.backends)} backends")
    return Exit.OK


def _row(table: BackendTable, found: list[Problem]) -> str:
    """What a backend's table is, and what is wrong with it."""
    type_ = str(table.table.get("type", "?"))
    whose = registry.origin_of(type_)
    if whose.distribution not in ("", OURS):
        type_ += f" of {whose.name}"
    wrong = [problem for problem in found if problem.message.startswith(f"{table.name}: ")]
    if wrong:
        return f"{type_}, CANNOT BE USED: {wrong[0].message.removeprefix(f'{table.name}: ')}"
    return f"{type_}, with a credential to act" if "act" in table.table else type_


def problems(loaded: Settings) -> list[Problem]:
    """Everything wrong in the file, its backends' options and credentials included."""
    found = list(loaded.problems)
    for table in loaded.backends:
        try:
            registry.configure(table.name, table.table, act=True)
        except ConfigError as error:
            line = loaded.line_of(table.name, error.option) or table.line
            found.append(Problem(line, f"{table.name}: {error}", error.hint))
        except BackendError as error:
            found.append(Problem(table.line, f"{table.name}: {error}", error.hint))
    for name, sink in loaded.sinks.items():
        try:
            sinks.configure(name, sink.table, act=True)
        except ConfigError as error:
            line = loaded.line_of(name, error.option, "sink") or sink.line
            found.append(Problem(line, f"sink {name}: {error}", error.hint))
        except BackendError as error:
            found.append(Problem(sink.line, f"sink {name}: {error}", error.hint))
    for name, source in loaded.sources.items():
        try:
            made = logs.configure(name, source.table, resolve=False)
            if made.backend not in {table.name for table in loaded.backends}:
                told = f"no backend is called {made.backend!r}"
                raise ConfigError(told, "Name the backend whose log it is.", "backend")
        except ConfigError as error:
            line = loaded.line_of(name, error.option, "source") or source.line
            found.append(Problem(line, f"source {name}: {error}", error.hint))
        except BackendError as error:
            found.append(Problem(source.line, f"source {name}: {error}", error.hint))
    for type_ in registry.names():
        if told := registry.clash(type_):
            found.append(Problem(0, told, registry.CLASH_HINT))
    if not loaded.backends and not found:
        found.append(Problem(0, "no backend is configured", settings.EXAMPLE))
    return found
