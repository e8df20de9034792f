"""``backends``: health, coverage and the capability matrix."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

import msgspec

from backends.contract import Backend, Health, KindCapabilities, Readable, Support, Verb, WhoAmI
from backends.errors import BackendError
from backends.words import count
from console import settings
from console.cli import output
from console.errors import Exit
from console.inventory import export
from console.inventory.search import Inventory
from console.settings import paths
from console.text import age

MARKS = {
    Support.FULL: "yes",
    Support.PARTIAL: "part",
    Support.MANUAL: "hand",
    Support.NONE: "no",
    Support.UNKNOWN: "?",
}


def run(chosen: argparse.Namespace) -> int:
    """Show the backends; exit 3 where one does not answer, 1 where none does."""
    from console.fleet import Fleet

    where = paths(chosen.home)
    loaded = settings.load(where.config)

    async def ask(fleet: Fleet, name: str) -> dict[str, Any]:
        told: dict[str, Any] = {"name": name}
        try:
            backend = await fleet.backend(name)
            told["capabilities"] = msgspec.to_builtins(backend.capabilities(), str_keys=True)
            if not chosen.offline:
                health, who = await asyncio.gather(backend.health(), backend.whoami())
                told.update(_answers(backend, health, who))
        except BackendError as error:
            told["error"] = str(error)
            told["hint"] = error.hint
        return told

    async def ask_all() -> list[dict[str, Any]]:
        async with Fleet(loaded, where, act=True) as fleet:
            return list(await asyncio.gather(*(ask(fleet, name) for name in fleet.names)))

    told = asyncio.run(ask_all())
    _add_coverage(where.inventory, told)
    if chosen.json:
        print(export.dumps(told))
    else:
        for backend in told:
            _print(backend)
    broken = sum("error" in backend for backend in told)
    if not broken:
        return Exit.OK
    return Exit.FAILED if broken == len(told) else Exit.PARTIAL


def _answers(backend: Backend, health: Health, who: WhoAmI) -> dict[str, Any]:
    return {
        "version": health.version,
        "latency_ms": health.latency_ms,
        "skew_s": health.skew.total_seconds() if health.skew is not None else None,
        "notes": list(health.notes),
        "speaks_as": who.name,
        "can_act": who.can_act,
        "own": [ref.handle for ref in who.own],
        "production": backend.config.production,
    }


def _add_coverage(path: Any, told: list[dict[str, Any]]) -> None:
    """What the last syncs saw, where there was one."""
    if not path.exists():
        return
    inventory = Inventory(path)
    try:
        states = {state.name: state for state in inventory.backends()}
    finally:
        inventory.close()
    for backend in told:
        if state := states.get(backend["name"]):
            backend["tokens"] = state.tokens
            backend["synced_at"] = state.synced_at
            backend["result"] = state.result
            backend["gaps"] = [msgspec.to_builtins(gap) for gap in state.gaps]


def _print(told: dict[str, Any]) -> None:
    if "error" in told:
        output.line(f"{told['name']}: DOWN: {told['error']}")
        output.line(f"  next: {told['hint']}")
    else:
        can = "may act" if told.get("can_act") else "read-only"
        latency = f", {told['latency_ms']} ms" if "latency_ms" in told else ""
        output.line(
            f"{told['name']}: up{latency}, {told.get('version') or 'version not told'}, "
            f"as {told.get('speaks_as', '?')}, {can}"
        )
    if synced := told.get("synced_at"):
        output.line(f"  {count(told['tokens'], 'token')}, seen {age(time.time() - synced)} ago")
    for gap in told.get("gaps", []):
        output.line(f"  {gap['kind']}: {gap['what']} in {gap['scope']}: {gap.get('hint', '')}")
    if capabilities := told.get("capabilities"):
        _matrix(capabilities)
    output.line()


def _matrix(capabilities: dict[str, Any]) -> None:
    kinds = [msgspec.convert(kind, KindCapabilities) for kind in capabilities["kinds"]]
    header = ["", *(kind.kind for kind in kinds)]
    rows = [
        [f"  {read.value}", *(MARKS[kind.can_read(read)] for kind in kinds)] for read in Readable
    ]
    for verb in Verb:
        row = [f"  {verb.value}"]
        for kind in kinds:
            ability = kind.ability(verb)
            row.append(MARKS[ability.support] + (" (undo)" if ability.reversible else ""))
        rows.append(row)
    rows.append(["  rotation", *(kind.rotation.value for kind in kinds)])
    rows.append(
        [
            "  old value works on",
            *(
                "not known"
                if kind.propagation is None
                else f"{kind.propagation.total_seconds():.0f} s"
                for kind in kinds
            ),
        ]
    )
    output.table(header, rows, [22] + [28] * len(kinds), key=1)
    for what in capabilities.get("unlistable", []):
        output.line(f"  cannot be listed: {what}")
