"""``ingest`` and ``timeline``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import itertools
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from backends.words import count
from console import settings
from console.cli.inventory import one, opened, watch_incidents
from console.cli.shell import output
from console.errors import ConsoleError, Exit, UsageError
from console.inventory import export
from console.settings import Paths, paths
from console.text import cell
from console.timeline import events, plain
from console.timeline.axis import Window
from console.timeline.coverage import moment
from console.timeline.events import ShownEvent
from console.timeline.since import Since, since
from console.timeline.view import Timeline
from console.timeline.when import moment_of, seconds_of

if TYPE_CHECKING:
    from console.audit.ingest import IngestReport

PAGE = 1000


def ingest(chosen: argparse.Namespace) -> int:
    """Read the sources; exit 3 where one was not read to its end, 1 where none was."""
    from console.fleet import Fleet

    where = paths(chosen.home)
    loaded = settings.load(where.config)
    for problem in loaded.problems:
        output.error(f"{where.config}:{problem.line}: {problem.message}", problem.hint)
    if not loaded.sources:
        raise UsageError(
            "no log source is configured",
            '[source.vault-audit]\ntype = "openbao_file"\nbackend = "vault-prod"\n'
            'path = "/var/log/openbao/audit.log"',
        )

    async def read() -> list[IngestReport]:
        async with Fleet(loaded, where) as fleet:
            while True:
                reports = await fleet.ingest(
                    chosen.source,
                    lambda name, taken: output.progress(f"{name}: {taken:,}"),
                    seal_all=not chosen.follow,
                )
                output.progress_done()
                if not chosen.follow:
                    return reports
                for report in reports:
                    if report.taken or report.message:
                        _tell(report, as_json=chosen.json)
                if any(report.taken for report in reports):
                    await asyncio.to_thread(watch_incidents, where)
                await asyncio.sleep(chosen.every)

    try:
        reports = asyncio.run(read())
    except KeyboardInterrupt:
        # The way to end --follow; what was read is kept.
        return Exit.OK
    for report in reports:
        _tell(report, as_json=chosen.json)
    watch_incidents(where)
    failed = [report for report in reports if report.message]
    if not failed:
        return Exit.OK
    return Exit.FAILED if len(failed) == len(reports) else Exit.PARTIAL


def _tell(report: IngestReport, *, as_json: bool) -> None:
    if as_json:
        print(export.dumps(report._asdict()))
        return
    told = f"{report.source}: {count(report.taken, 'event')} from {count(report.lines, 'line')}"
    for number, single, many in (
        (report.bad, "line not readable", "lines not readable"),
        (report.holes, "hole", "holes"),
        (report.unknown, "name of an unknown token", "names of unknown tokens"),
    ):
        told += f", {count(number, single, many)}" if number else ""
    output.line(told + (" (another process reads it)" if report.busy else ""))
    if report.message:
        output.error(f"{report.source}: {report.message}", report.hint)


def run(chosen: argparse.Namespace) -> int:
    """Print a timeline."""
    where = paths(chosen.home)
    now = time.time()
    leak = None if chosen.leak is None else moment_of(chosen.leak, now)
    span = seconds_of(chosen.since) if chosen.since else None
    with opened(where) as inventory:
        tokens = [one(inventory, chosen.token).handle] if chosen.token else []
    by = chosen.by or ("address" if tokens else "token")
    with (
        _journal(where) as journal,
        Timeline(where.inventory, tokens, journal=journal, leak=leak) as timeline,
    ):
        start = timeline.now - (span or 86_400)
        if leak is not None and span is None:
            start = min(start, leak - 3600)
        window = Window.of(start, max(timeline.now + 1, timeline.whole.all.last or 0))
        timeline.load(by, window)
        answer = since(timeline, leak) if leak is not None and tokens else None
        if chosen.csv:
            _csv(timeline, window)
        elif chosen.json:
            print(export.dumps(_document(timeline, window, answer)))
        else:
            output.line(f"{timeline.subject.label}  {moment(window.start)} to {moment(window.end)}")
            if answer is not None:
                output.line(answer.sentence)
                for label, text in answer.facts:
                    output.line(f"  {label}: {text}")
            drawn = plain.draw(timeline, window, width=chosen.width, ascii_=chosen.ascii)
            for text in drawn:
                output.line(text)
    return Exit.OK


@contextlib.contextmanager
def _journal(where: Paths) -> Iterator[Any]:
    """The journal to read from; None where it cannot be, which is told."""
    from console.journal import opening

    try:
        view = opening.view(where)
    except ConsoleError as error:
        output.error(f"without our own entries: {error}", error.hint)
        yield None
        return
    with view:
        yield view


def _each(timeline: Timeline, window: Window) -> Iterator[ShownEvent]:
    for skip in itertools.count(0, PAGE):
        page = events.within(timeline, window.start, window.end, limit=PAGE, skip=skip)
        yield from page
        if len(page) < PAGE:
            return


def _csv(timeline: Timeline, window: Window) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["at", *ShownEvent._fields[2:]])
    for event in _each(timeline, window):
        rest = ["" if value is None else str(value) for value in event[2:]]
        writer.writerow([moment(event.at), *map(cell, rest)])


def _document(timeline: Timeline, window: Window, answer: Since | None) -> dict[str, object]:
    frame = timeline.frame(window, 96)
    return {
        "subject": timeline.subject.label,
        "tokens": list(timeline.subject.tokens),
        "start": moment(window.start),
        "end": moment(window.end),
        "exact": frame.exact,
        "edges": [moment(edge) for edge in window.edges(96)],
        "counts": frame.whole.counts,
        "denied": frame.whole.denied,
        "after_revoke": frame.whole.after,
        "by": timeline.by,
        "lanes": [lane._asdict() for lane in frame.lanes],
        "marks": [{**mark._asdict(), "at": moment(mark.at)} for _, mark in frame.marks],
        "not_covered": [_hole(hole._asdict()) for hole in timeline.holes(window)],
        "logs": [
            {
                "name": log.name,
                "backend": log.backend,
                "type": log.type,
                "since": None if log.since is None else moment(log.since),
                "until": None if log.until is None else moment(log.until),
                "covers": log.covers.value,
                "notes": list(log.notes),
            }
            for log in timeline.coverage.logs
        ],
        "since_leak": None
        if answer is None
        else {
            "sentence": answer.sentence,
            "facts": [list(fact) for fact in answer.facts],
            "used": answer.used,
            "denied": answer.denied,
            "after_revoke": answer.after,
            "new_addresses": list(answer.strangers),
            "covered": answer.sure,
            "issuer_knows_more": answer.told,
        },
    }


def _hole(hole: dict[str, Any]) -> dict[str, Any]:
    for end in ("since", "until"):
        hole[end] = None if hole[end] is None else moment(hole[end])
    return hole
