"""``backends``: health, coverage and the capability matrix."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from backends import registry
from backends.contract import Backend, KindCapabilities, Readable, Support, Verb
from backends.errors import BackendError, TimedOut
from backends.words import count
from console import contact, faults, settings
from console.cli.shell import output
from console.contact import Contact
from console.errors import Exit
from console.inventory import export
from console.inventory.search.inventory import BackendState, Inventory
from console.response import escrow
from console.settings import BackendTable, paths
from console.text import age

if TYPE_CHECKING:
    from console.fleet import Fleet

MARKS = {
    Support.FULL: "yes",
    Support.PARTIAL: "part",
    Support.MANUAL: "hand",
    Support.NONE: "no",
    Support.UNKNOWN: "?",
}


def run(chosen: argparse.Namespace) -> int:
    """Show each backend as it answers; exit 3 where one does not, 1 where none does."""
    from console.fleet import Fleet

    where = paths(chosen.home)
    loaded = settings.load(where.config)
    stored = _stored(where.inventory)

    async def ask(fleet: Fleet, table: BackendTable) -> dict[str, Any]:
        if chosen.offline:
            return await _offline(table)
        return await _ask(fleet, table, float(chosen.wait))

    async def ask_all() -> list[dict[str, Any]]:
        told: dict[str, dict[str, Any]] = {}
        async with Fleet(loaded, where, act=True) as fleet:
            # Each as it comes: one that hangs must not keep the others' rows back.
            for answer in asyncio.as_completed([ask(fleet, each) for each in loaded.backends]):
                each = await answer
                each |= _coverage(stored.get(each["name"]))
                told[each["name"]] = each
                if not chosen.json:
                    _print(each)
                    sys.stdout.flush()
        return [told[name] for name in fleet.names]

    told = asyncio.run(ask_all())
    if chosen.json:
        print(export.dumps(told))
    else:
        ready = escrow.readiness(loaded.response.escrow)
        output.line(ready.words)
        if ready.hint:
            output.line(f"  next: {ready.hint}")
    broken = sum("error" in backend for backend in told)
    if not broken:
        return Exit.OK
    return Exit.FAILED if broken == len(told) else Exit.PARTIAL


async def _ask(fleet: Fleet, table: BackendTable, wait: float) -> dict[str, Any]:
    """One backend's answer, or that it gave none in so many seconds."""
    type_ = fleet.type_of(table.name)
    try:
        asked = contact.ask(lambda: fleet.backend(table.name), type_, wait)
        known = await contact.within(asked, wait)
    except TimedOut as error:
        known = Contact(state=contact.SILENT, error=error.message, hint=error.hint)
    told: dict[str, Any] = {
        "name": table.name,
        "type": type_,
        "state": known.state,
        "production": table.table.get("production") is True,
    }
    if known.state == contact.SILENT:
        told |= {"waited_s": wait, "error": contact.silence(wait), "hint": known.hint}
    elif known.state == contact.FAILED:
        told |= {"error": known.error, "hint": known.hint}
    else:
        told |= {
            "version": known.version,
            "latency_ms": known.latency_ms,
            "skew_s": None if known.skew_ms is None else known.skew_ms / 1000,
            "notes": list(known.notes),
            "speaks_as": known.name,
            "can_act": known.can_act,
            "own": list(known.own),
        }
    if (backend := fleet.opened(table.name)) is not None:
        told |= _declared(backend)
    return told


async def _offline(table: BackendTable) -> dict[str, Any]:
    """What a backend declares. Nobody is contacted for that."""
    told: dict[str, Any] = {"name": table.name, "type": str(table.table.get("type", ""))}
    try:
        made = await asyncio.to_thread(registry.configure, table.name, table.table, act=True)
        return told | _declared(made)
    except BackendError as error:
        return told | {"error": error.message, "hint": error.hint}


def _declared(backend: Backend) -> dict[str, Any]:
    try:
        return {"capabilities": msgspec.to_builtins(backend.capabilities(), str_keys=True)}
    except Exception as error:  # noqa: BLE001
        # A third party's backend may fail in any way; the others are shown all the same.
        message, hint = faults.words(error, backend.config.type)
        return {"error": message, "hint": hint}


def _stored(path: Path) -> dict[str, BackendState]:
    """What the last looks saw, whoever looked."""
    if not path.exists():
        return {}
    inventory = Inventory(path)
    try:
        return {state.name: state for state in inventory.backends()}
    finally:
        inventory.close()


def _coverage(state: BackendState | None) -> dict[str, Any]:
    if state is None:
        return {}
    return {
        "tokens": state.tokens,
        "synced_at": state.synced_at,
        "result": state.result,
        "gaps": [msgspec.to_builtins(gap) for gap in state.gaps],
    }


def _print(told: dict[str, Any]) -> None:
    if "error" in told:
        # Of a system that nobody could ask, or asked, it is not known that it is down.
        words = {contact.SILENT: "NO ANSWER", contact.FAILED: "FAILED"}
        word = words.get(told.get("state", ""), "CANNOT BE USED")
        output.line(f"{told['name']}: {word}: {told['error']}")
        if told["hint"]:
            output.line(f"  next: {told['hint']}")
    elif "state" not in told:
        output.line(f"{told['name']}: not asked (--offline)")
    else:
        can = {True: "may act", False: "read-only", None: "whether it may act is not known"}
        latency = f", {told['latency_ms']} ms" if told["latency_ms"] is not None else ""
        output.line(
            f"{told['name']}: up{latency}, {told['version'] or 'version not told'}, "
            f"as {told['speaks_as'] or '?'}, {can[told['can_act']]}"
        )
        for note in told["notes"]:
            output.line(f"  note: {note}")
    if synced := told.get("synced_at"):
        output.line(f"  {count(told['tokens'], 'token')}, seen {age(time.time() - synced)} ago")
    for gap in told.get("gaps", []):
        where = "" if gap["scope"] == gap["what"] else f" in {gap['scope']}"
        hint = f": {gap['hint']}" if gap.get("hint") else ""
        output.line(f"  {gap['kind']}: {gap['what']}{where}{hint}")
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
