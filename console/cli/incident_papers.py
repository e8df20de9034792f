"""``incident report``, ``handover`` and ``pack``: what an incident gives to others."""

from __future__ import annotations

import argparse
import time

from console.cli.incident import named
from console.errors import Exit
from console.incident import document
from console.incident.assess import Assessment, assess
from console.incident.document import Document
from console.incident.names import Names
from console.incident.record import find, fold
from console.incident.story import story
from console.inventory import export
from console.journal import opening
from console.settings import Paths, paths


def _assessed(chosen: argparse.Namespace) -> tuple[Paths, Assessment]:
    where = paths(chosen.home)
    with opening.view(where) as view:
        incident = find(named(where, chosen.incident), fold(view.cases()).values())
        return where, assess(incident, where, view, time.time())


def report(chosen: argparse.Namespace) -> int:
    """Print the situation report."""
    from console.incident import report as reports

    _, found = _assessed(chosen)
    names = Names(found)
    if chosen.json:
        print(export.dumps(reports.told(found, names)))
    else:
        _print(reports.situation(found, names, every=chosen.every), markdown=chosen.markdown)
    return Exit.OK


def handover(chosen: argparse.Namespace) -> int:
    """Print the hand-over."""
    from console.incident import handover as handovers

    where, found = _assessed(chosen)
    told = handovers.handover(found, Names(found), story(found, where))
    _print(told, markdown=chosen.markdown)
    return Exit.OK


def _print(told: Document, *, markdown: bool) -> None:
    if markdown:
        print(document.markdown(told), end="")
        return
    for line in document.text(told):
        print(line)


def pack(chosen: argparse.Namespace) -> int:
    """Write the pack, and an entry about it into the journal."""
    raise NotImplementedError
