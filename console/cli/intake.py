"""``intake``: a secret in hand, or a report of many; what it is, whose, and what to do."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

from backends.words import count
from console import settings
from console.cli.shell import asking, output
from console.cli.shell.hidden import hidden
from console.cli.show import labelled
from console.errors import Exit, UsageError
from console.fleet import Fleet
from console.incident import active
from console.intake import log_words, reports, words
from console.intake.advice import Planner
from console.intake.matching import fingerprints
from console.intake.service import Answered, IntakeResult, document, take_in, try_card
from console.inventory import export
from console.inventory.search.inventory import Inventory
from console.journal.format import scan
from console.response.plan.model import typed_word
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
    if chosen.log:
        return _log(chosen, where)
    leak = None if chosen.leak is None else moment_of(chosen.leak, now)
    data = _input(chosen.file)
    if not where.inventory.exists():
        # Whoever has a leaked value in hand must not have to wait for a long look first.
        output.error(
            "no backend was read yet: who uses it, and what depends on it, is not known here",
            "Afterwards: token-console sync, and then again.",
        )
    if chosen.try_ and chosen.offline:
        raise UsageError("to try a value is to use it", "Leave --offline or --try out.")
    if chosen.try_:
        scan.reason(chosen.reason)
    taken = asyncio.run(_take_in(chosen, data, where, loaded, now, leak))
    if chosen.json:
        print(export.dumps(document(taken)))
    return Exit.OK if taken.all_found else Exit.FAILED


def _log(chosen: argparse.Namespace, where: Paths) -> int:
    """Find in a log the values and ids that are known here. Asks no system anything."""
    if chosen.file is None and sys.stdin.isatty():
        raise UsageError("no log is named", "token-console intake --log access.log")
    known = fingerprints(where)

    def progress(lines: int, size: int) -> None:
        output.progress(f"{count(lines, 'line')}, {size >> 20:,} MB read")

    with contextlib.closing(Inventory(where.inventory)) as inventory:
        with log_words.open_log(chosen.file or "-", sys.stdin.buffer) as stream:
            try:
                told = log_words.search(stream, known, inventory.long_ids(), progress)
            finally:
                output.progress_done()
        for problem in told.problems:
            output.error(problem)
        names = {
            one.handle: f"{detail.token.ref.backend}/{detail.token.name}"
            for one in told.found
            if (detail := inventory.detail(one.handle)) is not None
        }
        total = inventory.total()
    if chosen.json:
        print(export.dumps(words.log_document(told, names, total)))
    else:
        for line in words.log_lines(told, names, total):
            for piece in textwrap.wrap(line, 80, subsequent_indent="  ", break_on_hyphens=False):
                output.line(piece)
    if told.problems:
        return Exit.PARTIAL
    return Exit.OK if told.found else Exit.FAILED


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
        # Plans are made with what one acts with, as those are that can be approved.
        async with Fleet(loaded, where, act=True) as acting:
            planner = Planner(acting.backend, where, loaded, act=True)
            try:
                taken = await take_in(
                    data, where, fleet, ask, now, leak, progress, planner if ask else None
                )
            finally:
                output.progress_done()
        for problem in taken.told.problems:
            output.error(f"left out: {problem}")
        if not chosen.json:
            _print(taken, datetime.fromtimestamp(now, UTC))
        return await _tried(chosen, taken, fleet) if chosen.try_ else taken


async def _tried(chosen: argparse.Namespace, taken: IntakeResult, fleet: Fleet) -> IntakeResult:
    """Try the one value that came, once the responder has read what that does and says so."""
    cards = [
        (shown, shown.advice.effects)
        for one in taken.answered
        for shown in one.cards
        if shown.advice.effects is not None
    ]
    if len(cards) != 1 or len(taken.told.items) != 1:
        raise UsageError(
            "nothing was tried: only a value that came alone, and of which one token can be tried",
            "The cards say which can be, and why another cannot; --backend NAME leaves others out.",
        )
    ((shown, effects),) = cards
    word = typed_word(shown.token)
    ref = shown.token.ref
    told = f"try the value of {ref.backend}/{shown.token.name}: {words.side_effects(effects)}"
    if chosen.confirm is None:
        typed = asking.ask(told, f"type {word} to try it, anything else to stop")
        if typed is None:
            raise UsageError("nobody is there to confirm", f"Say what you mean: --confirm '{word}'")
    else:
        output.note(told)
        typed = chosen.confirm
    if typed.strip() != word:
        raise UsageError("nothing was tried", f"To try it, type {word}.")
    taken = await try_card(
        taken,
        ref.handle,
        fleet.backend,
        fleet.paths,
        reason=chosen.reason,
        agreed=effects,
        now=time.time,
        incident=active.for_plan(fleet.paths, ""),
    )
    if not chosen.json:
        (one,) = taken.answered
        for made in one.cards:
            if made.tried is not None or made.token.ref == ref:
                for piece in labelled("LEAKED", f"{made.headline.title}: {made.headline.why}"):
                    output.line(piece)
    return taken


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
