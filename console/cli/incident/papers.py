"""``incident report``, ``handover`` and ``pack``: what an incident gives to others."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from backends.words import count
from console.cli.incident.record import named, whole
from console.cli.journal import access
from console.cli.shell import output
from console.errors import Exit
from console.incident.assess import Assessment, assess
from console.incident.papers import document
from console.incident.papers.document import Document
from console.incident.papers.names import Names
from console.incident.papers.story import story
from console.incident.record import find, fold
from console.inventory import export
from console.journal import opening
from console.settings import Paths, paths


def _assessed(chosen: argparse.Namespace) -> tuple[Paths, Assessment]:
    where = paths(chosen.home)
    with opening.view(where) as view:
        whole(view)
        incident = find(named(where, chosen.incident), fold(view.cases()).values())
        return where, assess(incident, where, view, time.time())


def report(chosen: argparse.Namespace) -> int:
    """Print the situation report."""
    from console.incident.papers import report as reports

    _, found = _assessed(chosen)
    names = Names(found)
    if chosen.json:
        print(export.dumps(reports.told(found, names)))
    else:
        _print(reports.situation(found, names, every=chosen.every), markdown=chosen.markdown)
    return Exit.OK


def handover(chosen: argparse.Namespace) -> int:
    """Print the hand-over."""
    from console.incident.papers import handover as handovers

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
    from console.incident.pack.write import Wish, write

    where = paths(chosen.home)
    wish = Wish(
        directory=chosen.directory,
        redacted=chosen.redacted,
        reason=chosen.reason,
        policy=access.text_of(chosen.policy) if chosen.policy else "",
        ask=not chosen.unsigned,
    )
    made = write(
        where, named(where, chosen.incident), wish,
        lambda what, done, total: output.progress(f"packing {what}: {done:,} of {total:,}"),
    )  # fmt: skip
    output.progress_done()
    if chosen.json:
        told = {name: str(value) if isinstance(value, Path) else value
                for name, value in made._asdict().items()}  # fmt: skip
        print(json.dumps(told))
        return Exit.OK
    entries = f"{count(made.entries, 'entry', 'entries')} of the journal"
    if made.labels is not None:
        entries = f"made from {entries}, which are not in it"
    output.line(
        f"{made.directory}: {count(made.files, 'file')}, {made.size / 1e6:,.1f} MB, {entries}"
    )
    output.line(f"{made.archive}: the same, packed")
    if made.labels is not None:
        output.line(f"{made.labels}: what each label stands for. Give it to nobody.")
    if made.later:
        output.note(f"{count(made.later, 'entry', 'entries')} not yet under a checkpoint: left out")
    if made.signer:
        output.note(f"signed by the journal's key, and by {made.signer}")
    else:
        output.note(f"signed by the journal's key alone: {made.unsigned}")
    output.note(f"Check it without us: sh verify.sh '{made.vkey}'; see VERIFY.md in it")
    return Exit.OK
