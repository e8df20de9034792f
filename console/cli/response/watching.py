"""Following a run in the journal. Leaving changes nothing: the run has a process of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from console.cli import output
from console.errors import Exit
from console.inventory import export
from console.journal.read import JournalView
from console.response import listing, report
from console.response import verdict as verdicts
from console.response.board import Board
from console.response.folding import refresh
from console.response.locks import alive
from console.response.plan import Item
from console.response.rules import Rules
from console.settings import Paths

PAUSE = 0.1
SETTLED = 0.5
"""Seconds to see what a runner writes right after the last call."""
PATIENCE = 90.0
"""Seconds that proof is waited for at most; the runner goes on longer."""
LEAST = 5.0
EVERY = 5.0
"""Seconds between two lines where nothing can be drawn over."""


def follow(
    board: Board,
    view: JournalView,
    where: Paths,
    *,
    as_json: bool = False,
    patience: float = PATIENCE,
) -> int:
    """Show the run until nothing is left, and return its exit code; see ``verdict``.

    A run of one token is told entry by entry, one of many as numbers that change. The
    runner goes on climbing the evidence; ``patience`` is for how many seconds that is
    watched too, where a probe was agreed to and a refusal can still come.
    """
    show = _one(board, view) if len(board.rows) == 1 else _many(board, where)
    through = 0.0
    while True:
        # Asked before the last look, so that what a runner wrote at its end is seen.
        running = alive(board.plan.id, where)
        refresh(board, view)
        now = time.time()
        calling = any(not row.finished and not row.called for row in board.rows.values())
        through = 0.0 if calling else through or now
        wait = SETTLED
        if board.sums()["left"]:
            wait = min(max(map(_window, board.plan.items)), PATIENCE)
        elif verdicts.waiting(board.rows.values(), now):
            # As declared, values may still work: a run is not over by an answer alone.
            wait = PATIENCE
        elif board.plan.probe and any(not row.refused for row in board.rows.values()):
            wait = patience
        settled = not calling and now - through >= wait
        over = not running or settled
        if not as_json:
            show(over)
        if over:
            break
        time.sleep(PAUSE)
    if as_json:
        print(export.dumps({**summary(board, view, where, now), "items": items(board, now)}))
    elif len(board.rows) == 1:
        # Last, and whole: what is known now, whatever each call was answered.
        for line in report.old_values(board, now):
            say(line)
    if not as_json and running:
        name = report.short(board.plan.id)
        output.note(f"the evidence is climbed on; see: token-console run report {name}")
    return verdict(board, now)


def _window(item: Item) -> float:
    """Seconds that the effect of a call on this item may take to show."""
    return LEAST + (item.propagation.total_seconds() if item.propagation else 0.0)


def verdict(board: Board, now: float) -> int:
    """0: every token is dealt with; 1: some failed; 3: some are not known to be, or not yet."""
    sums = board.sums()
    if sums["left"]:
        output.error(
            f"not finished with proof: {sums['left']:,} left",
            f"See: token-console run report {report.short(board.plan.id)}",
        )
        return Exit.PARTIAL
    if sums["failed"]:
        output.error(
            f"{sums['failed']:,} failed",
            f"See: token-console run report {report.short(board.plan.id)}",
        )
        return Exit.FAILED
    if wait := verdicts.waiting(board.rows.values(), now):
        output.error(
            f"not over yet: {wait}",
            f"See: token-console run report {report.short(board.plan.id)}",
        )
        return Exit.PARTIAL
    return Exit.OK


def say(text: str, indent: str = "") -> None:
    """A result in words, broken at blanks so that no terminal hides its end."""
    for line in verdicts.wrapped(text, indent) or [""]:
        output.line(line)


def summary(board: Board, view: JournalView, where: Paths, now: float) -> dict[str, object]:
    """The whole board for a script."""
    working = listing.working(board.plans, where)
    rows = board.rows.values()
    needed = Rules.now(where).second_person(board.plan)
    return {
        "plan": board.plan.id,
        "verb": board.plan.verb.value,
        "incident": board.plan.incident,
        "standing": report.standing(board, now, working=working, needed=needed),
        "approved_by": board.approved,
        "second_person": board.second,
        "old_values": {what.value: n for what, n in verdicts.counts(rows, now).items()},
        "total": board.total,
        "states": board.sums(),
        "evidence": board.evidence(),
        "lanes": [
            {**lane._asdict(), "scope": lane.scope} for lane in board.lanes(now, working=working)
        ],
        "late": [late._asdict() for late in board.late.values()],
        "alarms": board.alarms,
        "cannot_close": board.may_close(now),
        "log": [
            {"kind": entry.kind, "id": entry.id, "says": entry.sentence}
            for entry in (view.of_plan(board.plan.id) if len(board.rows) == 1 else ())
        ],
    }


def items(board: Board, now: float) -> list[dict[str, object]]:
    """Every token of the run and where it stands."""
    return [
        {
            "item": row.item.number,
            "plan": row.plan.id,
            "handle": row.item.token.ref.handle,
            "backend": row.item.backend,
            "kind": row.item.token.ref.kind,
            "id": row.item.token.ref.id,
            "name": row.item.token.name,
            "state": row.state,
            "evidence": row.level,
            "refused": row.refused,
            "says": row.words,
            "old_value": verdicts.of(row, now).told(),
            "calls": row.calls,
            "moved": row.moved,
            "owner_of_exception": row.owner,
        }
        for row in board.rows.values()
    ]


def _one(board: Board, view: JournalView) -> Callable[[bool], None]:
    seen = 0

    def show(_ended: bool) -> None:
        nonlocal seen
        for entry in view.of_plan(board.plan.id, seen):
            seen = entry.seq
            output.line(f"  {entry.sentence}")

    return show


def _many(board: Board, where: Paths) -> Callable[[bool], None]:
    told = 0.0

    def show(ended: bool) -> None:
        nonlocal told
        now = time.time()
        if sys.stderr.isatty() and not ended:
            output.progress(report.equation(board))
        elif ended or now - told >= EVERY:
            told = now
            output.progress_done()
            living = listing.working(board.plans, where)
            needed = Rules.now(where).second_person(board.plan)
            ends = report.situation(board, now, working=living, needed=needed) if ended else []
            for line in ends or [report.equation(board)]:
                say(line)

    return show
