"""``intake``: a secret in hand, or a report of many; what it is, whose, and what to do."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from console import settings
from console.cli.shell import output
from console.cli.shell.hidden import hidden
from console.cli.show import labelled
from console.errors import Exit, UsageError
from console.fleet import Fleet
from console.intake import reports, words
from console.intake.service import Answered, IntakeResult, document, take_in
from console.inventory import export
from console.settings import Paths, paths
from console.store import upkeep
from console.timeline.when import moment_of

CARDS = 5
"""Cards that are printed whole; of more tokens a line each, and how to see one."""
MOST = reports.MOST_BYTES


def run(chosen: argparse.Namespace) -> int:
    """Read what came in, say what each is, and print the answer cards."""
    where = paths(chosen.home)
    loaded = settings.load(where.config)
    now = time.time()
    leak = None if chosen.leak is None else moment_of(chosen.leak, now)
    data = _input(chosen.file)
    if not where.inventory.exists():
        # Whoever has a leaked value in hand must not have to wait for a long look first.
        output.error(
            "no backend was read yet: who uses it, and what depends on it, is not known here",
            "Afterwards: token-console sync, and then again.",
        )
    taken = asyncio.run(_take_in(chosen, data, where, loaded, now, leak))
    for problem in taken.told.problems:
        output.error(f"left out: {problem}")
    if chosen.json:
        print(export.dumps(document(taken)))
    else:
        _print(taken, datetime.fromtimestamp(now, UTC))
    return Exit.OK if taken.all_found else Exit.FAILED


def _input(file: str | None) -> bytes:
    if file is not None:
        path = Path(file).expanduser()
        try:
            if path.stat().st_size > MOST:
                raise UsageError(f"{path} has more than {MOST >> 20} MB", "Split it.")
            return path.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if sys.stdin.isatty():
        return hidden("Paste a secret or a report, then enter (nothing is shown): ", MOST)
    return sys.stdin.buffer.read(MOST + 1)


async def _take_in(
    chosen: argparse.Namespace,
    data: bytes,
    where: Paths,
    loaded: settings.Settings,
    now: float,
    leak: int | None,
) -> IntakeResult:
    def progress(done: int, total: int) -> None:
        if total > 1:
            output.progress(f"{done:,} of {total:,} looked up")

    where.make()
    upkeep.bring_up_to_date(where.inventory)
    async with Fleet(loaded, where) as fleet:
        ask = [] if chosen.offline else fleet.chosen(chosen.backend)
        try:
            return await take_in(data, where, fleet, ask, now, leak, progress)
        finally:
            output.progress_done()


def _print(taken: IntakeResult, now: datetime) -> None:
    output.line(words.what_came(taken.told))
    many = sum(len(one.cards) for one in taken.answered) > CARDS
    for number, one in enumerate(taken.answered, 1):
        output.line()
        output.line(f"#{number}  {words.label(one.matched.item)}")
        for place in words.places(one.matched.item):
            output.line(f"    {place}")
        _one(one, now, many=many)
    if many:
        output.line()
        output.line("One of them: token-console show HANDLE, token-console timeline HANDLE")


def _one(one: Answered, now: datetime, *, many: bool) -> None:
    if not one.matched.found:
        output.line("    NO MATCH")
        for sentence in one.why_none:
            output.line(f"    {sentence}")
        return
    for name, why in one.matched.silent:
        output.line(f"    {name} could not be asked: {why}")
    for handle in one.bare:
        output.line(f"    it is {handle}, of which nothing else is known here")
    for shown in one.cards:
        ref = shown.token.ref
        if many:
            name = f"{ref.backend}/{shown.token.name}"
            output.line(f"    {name}  {ref.handle}  {shown.headline.title}")
            continue
        output.line()
        for label, text in words.card_lines(shown, now):
            for piece in labelled(label, text):
                output.line(piece)
