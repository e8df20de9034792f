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
from console.incident import scoping
from console.incident.further import REASON, Further, lines
from console.incident.further import further as look
from console.incident.record import Incident, find, fold
from console.inventory import export
from console.journal import opening
from console.settings import Paths, paths

FEW = 40


def further(chosen: argparse.Namespace) -> int:
    """Ask, show, and take into the scope where that is wanted; exit 3 where not all is known."""
    where = paths(chosen.home)
    with opening.view(where) as view:
        incident = find(named(where, chosen.incident), fold(view.cases()).values())
    found = asyncio.run(_ask(where, incident))
    output.progress_done()
    taken = None
    if chosen.take_in and found.handles:
        taken = scoping.widen(where, incident.id, handles=found.handles, reason=REASON)
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
    told = list(lines(found))
    for line in told[:FEW]:
        output.line(line)
    if len(told) > FEW:
        output.line(f"and {len(told) - FEW:,} more: --json has all")
    if found.kept:
        output.line(
            "Take these tokens into the scope:"
            f" token-console incident further {incident.id} --take-in"
        )
    for sentence in found.not_known[:FEW]:
        output.note(sentence)
    if len(found.not_known) > FEW:
        output.note(f"and {len(found.not_known) - FEW:,} more: --json has all")
