"""``incident further``: what a leaked token can read, and whose values lie there."""

from __future__ import annotations

import argparse
import asyncio

from backends.words import count
from console import settings
from console.cli.incident.record import named
from console.cli.shell import output
from console.errors import Exit
from console.fleet import Fleet
from console.incident import service
from console.incident.further import Further
from console.incident.further import further as look
from console.incident.record import Incident, find, fold
from console.inventory import export
from console.journal import opening
from console.settings import Paths, paths

FEW = 20


def further(chosen: argparse.Namespace) -> int:
    """Ask, show, and take into the scope where that is wanted; exit 3 where not all is known."""
    where = paths(chosen.home)
    with opening.view(where) as view:
        incident = find(named(where, chosen.incident), fold(view.cases()).values())
    found = asyncio.run(_ask(where, incident))
    output.progress_done()
    taken = None
    if chosen.take_in and found.handles:
        reason = "its value lies where a leaked token of the scope can read it"
        taken = service.widen(where, incident.id, handles=found.handles, reason=reason)
    if chosen.json:
        print(export.dumps(
            {
                "reads": [each._asdict() for each in found.reads],
                "kept": [each._asdict() for each in found.kept],
                "not_known": list(found.not_known),
            }
        ))  # fmt: skip
    else:
        _print(found, incident)
    if taken is not None:
        output.note(f"{taken.added:,} of {count(taken.found, 'token')} new in the scope")
    return Exit.PARTIAL if found.not_known else Exit.OK


async def _ask(where: Paths, incident: Incident) -> Further:
    async with Fleet(settings.load(where.config), where) as fleet:
        return await look(
            incident, where, fleet,
            lambda done, total: output.progress(f"{done:,} of {total:,} asked"),
        )  # fmt: skip


def _print(found: Further, incident: Incident) -> None:
    if not found.reads:
        output.line("No secret that a token of the scope may read is known.")
    for each in found.reads[:FEW]:
        only = f", only if {each.only_if}" if each.only_if else ""
        output.line(f"{each.handle} may read {each.resource}{only} ({each.source})")
    _rest(len(found.reads))
    for kept in found.kept[:FEW]:
        may = "can be read" if kept.sure else "can be read under conditions"
        output.line(f"{kept.handle} lies in {kept.place}, which {may} by {kept.by}")
    _rest(len(found.kept))
    if found.kept:
        output.line(
            "Take these tokens into the scope:"
            f" token-console incident further {incident.id} --take-in"
        )
    elif found.reads:
        output.line("No token is known whose value lies there: teams' files can tell of more.")
    for sentence in found.not_known[:FEW]:
        output.note(sentence)
    if len(found.not_known) > FEW:
        output.note(f"and {len(found.not_known) - FEW:,} more: --json has all")


def _rest(number: int) -> None:
    if number > FEW:
        output.line(f"and {number - FEW:,} more: --json has all")
