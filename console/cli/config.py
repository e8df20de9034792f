"""``config check``: what is wrong in the configuration file, where, and how to mend it."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping
from typing import Any

from backends import plugins, registry
from backends.errors import BackendError, ConfigError
from backends.logs import registry as logs
from backends.origin import OURS
from backends.sinks import registry as sinks
from backends.words import count
from console import settings
from console.cli.inventory import opened
from console.cli.shell import output
from console.errors import Exit, StoreError
from console.response import escrow
from console.response.plan import destinations
from console.response.plan.destinations import Misfit
from console.settings import BackendTable, Paths, Problem, Settings, paths


def run(chosen: argparse.Namespace) -> int:
    """Check the file without contacting any system; exit 2 where something is wrong."""
    where = paths(chosen.home)
    if chosen.what == "path":
        output.line(str(where.config))
        return Exit.OK
    loaded = settings.load(where.config)
    ready = escrow.readiness(loaded.response.escrow)
    fits = _fits(loaded, where)
    found = [*problems(loaded), *_unkept(loaded, ready), *_unplaced(loaded, fits)]
    for problem in sorted(set(found)):
        place = f"{where.config}:{problem.line}" if problem.line else str(where.config)
        output.error(f"{place}: {problem.message}", problem.hint)
    for name, sink in loaded.sinks.items():
        output.line(f"sink {name}: {_type(sink.table, sinks.TYPES)}{_told(fits.get(name))}")
    for name, source in loaded.sources.items():
        output.line(f"source {name}: {_type(source.table, logs.TYPES)}")
    for table in loaded.backends:
        output.line(f"{table.name}: {_row(table, found)}")
    output.line(ready.words)
    if not ready.keys and ready.hint:
        output.line(f"  {ready.hint}")
    if found:
        return Exit.USAGE
    output.line(f"{where.config} is in order; {count(len(loaded.backends), 'backend')}")
    return Exit.OK


def _fits(loaded: Settings, where: Paths) -> dict[str, Misfit | str]:
    """What is known of each sink's places: tokens without one, or that none is known yet."""
    found: dict[str, Misfit | str] = {}
    for name, table in loaded.sinks.items():
        # What is wrong with a sink itself is said by ``problems``.
        with contextlib.suppress(BackendError):
            sink = sinks.configure(name, table.table)
            if not destinations.by_outside_words(sink):
                continue
            if not where.inventory.exists():
                found[name] = "not known yet whether every token has a place: token-console sync"
                continue
            try:
                with opened(where) as inventory:
                    if misfit := destinations.misfit(sink, inventory):
                        found[name] = misfit
            except StoreError as error:
                found[name] = f"not known whether every token has a place: {error}"
    return found


def _told(fit: Misfit | str | None) -> str:
    if fit is None or isinstance(fit, str):
        return f"; {fit}" if fit else ""
    has = "has" if fit.unfit == 1 else "have"
    none = f"{fit.unfit:,} of {count(fit.of, 'token')} {has} no place there"
    return f"; {none}: {fit.example}. {fit.hint}"


def _unplaced(loaded: Settings, fits: dict[str, Misfit | str]) -> list[Problem]:
    """A sink that has a place for no token at all is a mistake in the file."""
    return [
        Problem(
            loaded.sinks[name].line,
            f"sink {name}: it has a place for none of {count(fit.of, 'token')}: {fit.example}",
            fit.hint,
        )
        for name, fit in fits.items()
        if isinstance(fit, Misfit) and fit.unfit == fit.of
    ]


def _unkept(loaded: Settings, ready: escrow.Readiness) -> list[Problem]:
    """A key that the file names and that nothing can be sealed to."""
    if ready.keys or not loaded.response.escrow:
        return []
    return [Problem(loaded.line_in("response", "escrow"), f"escrow: {ready.why}", ready.hint)]


def _row(table: BackendTable, found: list[Problem]) -> str:
    """What a backend's table is, and what is wrong with it."""
    type_ = _type(table.table, registry.TYPES)
    wrong = [problem for problem in found if problem.message.startswith(f"{table.name}: ")]
    if wrong:
        return f"{type_}, CANNOT BE USED: {wrong[0].message.removeprefix(f'{table.name}: ')}"
    return f"{type_}, with a credential to act" if "act" in table.table else type_


def _type(table: Mapping[str, Any], types: plugins.Registry[Any]) -> str:
    """A table's type, with the distribution that it comes from where that is not ours."""
    type_ = str(table.get("type", "?"))
    whose = types.origin_of(type_)
    return type_ if whose.distribution in ("", OURS) else f"{type_} of {whose.name}"


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
    for types in (registry.TYPES, sinks.TYPES, logs.TYPES):
        clashes = filter(None, map(types.clash, types.names()))
        found += [Problem(0, told, plugins.CLASH_HINT) for told in clashes]
    if not loaded.backends and not found:
        found.append(Problem(0, "no backend is configured", settings.EXAMPLE))
    return found
