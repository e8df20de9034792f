"""A run in words: the situation report for a chat, and a plan for people to review."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime

from backends.contract import Phase, Verb
from backends.model import EvidenceLevel
from backends.words import count
from console.response.plan import pace
from console.response.plan.model import Mode, Plan, PlanItem, Scope
from console.response.state import old_value
from console.response.state.run import Board
from console.response.state.token import ENDING, STATES, Standing
from console.text import age, safe, stamp

NOTHING_LEFT = "nothing left"
"""Each token is dealt with; the run is still to be closed by somebody."""
NOT_OVER = "not over yet"
"""Each token is dealt with, and values may, as declared, still work."""
_PROVED = (Standing.DEAD, Standing.RECORDED, Standing.REPLACED, Standing.DONE)
_WORST = tuple(old_value.What)
MOST_TOLD = 20
"""Tokens of a run whose old values a report tells one by one."""


def equation(board: Board) -> str:
    """``5,000 = dead 2,911 + recorded 12 + ... + left 876``; states with nothing in are left out.

    ``left`` is always named: that it is nought is what everybody waits for.
    """
    sums = board.sums()
    shown = [state for state in STATES if sums[state] or state is Standing.LEFT]
    parts = [f"{state} {sums[state]:,}" for state in shown]
    return f"{board.total:,} = {' + '.join(parts)}"


def standing(board: Board, now: float, *, working: bool, needed: str = "") -> str:
    """Where the whole run stands, in a word or two, for everybody who shows it.

    ``now`` is in unix seconds: whether a run is over is a question of time, too.
    ``working`` is whether its runner lives: what is not being done is not running.
    ``needed`` is why it takes a second person, by the rules of now (``Rules.second_person``).
    """
    if not board.approved:
        return "not approved"
    if board.closed:
        return "closed"
    if board.aborted:
        return "aborted"
    if not board.sums()["left"]:
        return NOT_OVER if old_value.waiting(board.rows.values(), now) else NOTHING_LEFT
    if board.paused:
        return "paused"
    if waits(board, needed):
        return "second person"
    if board.began:
        return "running" if working else "stopped"
    return "not begun"


def waits(board: Board, needed: str) -> str:
    """Why a second person is waited for; empty where none is."""
    done = board.second or board.broken_glass
    return "" if done or not board.approved else needed


def headline(board: Board, now: float, *, working: bool, needed: str = "") -> str:
    """What the run is, how far, for how long, and until when."""
    plan = board.plan
    ran = age(max(0.0, now - board.began)) if board.began else "not begun"
    eta = board.eta(now) if working else None
    until = f", about {age(eta)} left" if eta and not board.closed else ""
    about = f" · {safe(plan.incident, 40)}" if plan.incident else ""
    word = standing(board, now, working=working, needed=needed)
    stopped = " (its runner is gone; run start goes on)" if word == "stopped" else ""
    return f"RUN {short(plan.id)} {plan.verb}{about} · {word}{stopped} · {ran}{until}"


def short(plan_id: str) -> str:
    """The part of a plan's id that tells it from others: a UUIDv7 begins with the time."""
    return plan_id[-8:]


def situation(
    board: Board, now: float | None = None, *, working: bool, needed: str = ""
) -> list[str]:
    """The situation report: plain lines for a chat or a ticket. Safe to show."""
    now = time.time() if now is None else now
    board.tick(now)
    plan = board.plan
    lines = [
        headline(board, now, working=working, needed=needed),
        f"as of {stamp(datetime.fromtimestamp(now, UTC))}, from the journal's entry {board.seq:,}",
        f"why: {safe(plan.reason, 300)}",
        *_people(board),
        equation(board),
        *old_values(board, now),
    ]
    for lane in board.lanes(now, working=working):
        counts = ", ".join(
            f"{state} {lane.counts[state]:,}" for state in STATES if lane.counts[state]
        )
        eta = f", calls for about {age(lane.eta)}" if lane.eta and lane.state == "running" else ""
        why = f": {safe(lane.halted, 120)}" if lane.halted else ""
        lines.append(f"  {safe(lane.backend)}: {counts} of {lane.scope:,}; {lane.state}{why}{eta}")
        if lane.state == "running":
            lines.append(f"    {lane.rate:.3g} a second now; {safe(lane.pace, 600)}")
    lines.append(f"proof: {board.proof().line}")
    if plan.verb in ENDING:
        shown = [row for row in board.rows.values() if row.state in _PROVED]
        refused = sum(row.refused for row in shown)
        recorded = sum(not row.refused and row.level >= EvidenceLevel.RECORDED for row in shown)
        lines.append(f"refused by the system: {refused:,}; recorded, not refused: {recorded:,}")
    lines += _troubles(board)
    if plan.scope is not None:
        lines += [f"not seen: {safe(name)}: {safe(gap.what, 160)}" for name, gap in plan.scope.gaps]
    why_not = board.may_close(now)
    if not board.closed:
        lines.append(f"cannot be closed: {why_not}" if why_not else "may be closed")
    return lines


def old_values(board: Board, now: float) -> list[str]:
    """What is known of the old values now: each of a few, the worst of many, and how many."""
    rows = sorted(board.rows.values(), key=lambda row: _WORST.index(old_value.of(row, now).what))
    lines = []
    if len(rows) > 1:
        lines.append(f"old values: {old_value.summary(board.plan, rows, now)}")
    told = [(row, old_value.of(row, now)) for row in rows]
    if len(rows) > MOST_TOLD:
        told = [each for each in told if each[1].what is old_value.What.WORKS]
    for row, each in told[:MOST_TOLD]:
        lines.append(f"{name(row.item)}: {each.line}" if len(rows) > 1 else each.line)
    if len(told) > MOST_TOLD:
        lines.append(f"and {len(told) - MOST_TOLD:,} more: run show has every one")
    return lines


def _people(board: Board) -> list[str]:
    """Who let it be done: by the listed name of the key, where there was a signature."""
    told = f"approved by {safe(board.approved, 160)}" if board.approved else "not approved"
    if board.second:
        told += f"; second person: {safe(board.second, 160)}"
    return [told]


def _troubles(board: Board) -> list[str]:
    lines = [f"ALARM {safe(alarm, 300)}" for alarm in board.alarms[:5]]
    failed = [row for row in board.rows.values() if row.state is Standing.FAILED]
    for row in failed[:5]:
        lines.append(f"failed: {name(row.item)}: {safe(row.words, 200)}")
    if len(failed) > 5:
        lines.append(f"failed: and {len(failed) - 5:,} more")
    for row in board.rows.values():
        if row.state is Standing.EXCEPTED:
            until = (
                f" until {stamp(datetime.fromtimestamp(row.expires / 1e6, UTC))}"
                if row.expires
                else ""
            )
            lines.append(f"excepted: {name(row.item)}: for {safe(row.owner, 60)}{until}")
    for late in list(board.late.values())[:5]:
        lines.append(
            f"late: {safe(late.name, 60)} on {safe(late.backend)}: {safe(late.words, 120)}"
        )
    if board.broken_glass:
        lines.append(f"BREAK-GLASS {safe(board.broken_glass, 300)}")
    return lines


def name(item: PlanItem) -> str:
    """The token of an item, safe: its name and its backend."""
    return f"{safe(item.token.name or item.token.ref.id, 60)} on {safe(item.backend)}"


def plan_lines(plan: Plan, calls: int = 20, second: str = "") -> list[str]:
    """A plan for people to review: every hazard, and the exact calls of so many tokens.

    ``second`` says why a second person is needed: see ``rules``.
    """
    lines = [_title(plan), f"  reason        {safe(plan.reason, 300)}"]
    if plan.incident:
        lines.append(f"  incident      {safe(plan.incident, 60)}")
    if plan.mode is Mode.LEAK:
        lines.append("  mode          leak: nothing waits; predecessors and grace values end too")
    if plan.scope is not None and (plan.scope.query or len(plan.items) > 1):
        asked = f"query {safe(plan.scope.query, 2000)}" if plan.scope.query else "named one by one"
        frozen = stamp(plan.scope.frozen_at)
        many = count(plan.scope.total, "token")
        lines.append(f"  scope         {asked}: {many}, frozen {frozen}")
        lines += _left_out(plan.scope)
        lines += [
            f"  not seen      {safe(where)}: {safe(gap.what, 160)}"
            for where, gap in plan.scope.gaps
        ]
    for raised in plan.hazards:
        word = "! NO  " if raised.hazard.fatal else "! STOP"
        number = len(raised.items)
        many = f" ({count(number, 'token')})" if len(plan.items) > 1 else ""
        code = safe(raised.hazard.code, 40)
        lines.append(f"  {word}        {code}{many}: {safe(raised.hazard.text, 400)}")
    unknown = Counter(text for item in plan.items for text in item.proposal.not_known)
    for text, times in unknown.most_common(MOST_TOLD):
        many = f" ({count(times, 'token')})" if len(plan.items) > 1 else ""
        lines.append(f"  ! not known   {safe(text, 400)}{many}")
    if second:
        lines.append(f"  second person needed: {safe(second, 300)}")
    for sink in plan.sinks:
        lines.append(f"  deliver to    {safe(sink, 80)}")
    if plan.verb is Verb.ROTATE:
        keys = len(plan.escrow)
        lines.append(f"  escrow        sealed to {count(keys, 'public key')} first")
    if len(plan.items) > 1:
        for backend in plan.backends:
            number = sum(item.backend == backend for item in plan.items)
            how = safe(pace.told(plan, backend), 600)
            lines.append(f"  {safe(backend):<13} {count(number, 'token')}, {how}")
    for item in plan.items[:calls]:
        lines += _item_lines(item, plan.mode, many=len(plan.items) > 1)
    if len(plan.items) > calls:
        lines.append(f"  and {len(plan.items) - calls:,} more: --calls shows every call")
    return lines


def _left_out(scope: Scope) -> list[str]:
    """What the words of the query find and the plan does not have, in so many lines."""
    lines = [
        f"  left out      {safe(one.name, 60)} on {safe(one.ref.backend)},"
        f" handle {one.ref.handle}: {safe(one.why, 120)}"
        for one in scope.left_out[:20]
    ]
    if len(scope.left_out) > 20:
        lines.append(f"  left out      and {len(scope.left_out) - 20:,} more of the same")
    if scope.beside:
        lines.append(
            f"  not in it     {count(scope.beside, 'more holds', 'more hold')} the words only in"
            " backend, kind, scope or grants; to take them in: backend:WORD, kind:WORD,"
            " scope:WORD, grant:WORD"
        )
    return lines


def _title(plan: Plan) -> str:
    production = " (production)" if any(item.production for item in plan.items) else ""
    steps = [step for item in plan.items for step in item.proposal.steps]
    final = "" if all(step.reversible for step in steps) else "  irreversible"
    final = final if steps else "  no call"
    if len(plan.items) == 1:
        what = f"{safe(plan.items[0].token.name, 60)} on {safe(plan.items[0].backend)}"
    else:
        many = len(plan.backends)
        what = f"{count(len(plan.items), 'token')} on {count(many, 'backend')}"
    return f"{plan.verb.upper()} {what}{production}{final}"


def takes_effect(item: PlanItem, mode: Mode) -> str:
    """When the old value ends, as far as that can be promised. Raw text.

    A backend tells of its own calls only: whom a rotation waits for before it makes them,
    and for how long a value may work on after them, belongs to the same question.
    """
    told = item.proposal.takes_effect or "not known"
    if not item.proposal.steps:
        return "nothing is sent"
    if item.verb is Verb.ROTATE:
        retires = any(step.phase is Phase.RETIRE for step in item.proposal.steps)
        if retires and mode is Mode.ROUTINE:
            told = (
                "the old value works until every consumer was seen with the new one, or somebody"
                f" waives that; only then its end is called for; {told}"
            )
        elif retires:
            told = f"the old value is ended right after the new one was delivered; {told}"
    spread = item.propagation
    if item.verb in ENDING and spread is not None and spread.total_seconds() > 0:
        told += (
            f"; it may work on for {old_value.span(spread.total_seconds())} after that (declared)"
        )
    elif item.verb in ENDING and spread is None:
        told += "; for how long it may work on after that is not declared"
    return told


def _item_lines(item: PlanItem, plan_mode: Mode, *, many: bool) -> list[str]:
    proposal, lines = item.proposal, []
    owner = safe(item.token.owner.or_else("none known"), 60)
    if many:
        lines.append(f"  {item.number:>4}. {name(item)}, owner {owner}, wave {item.wave + 1}")
        if item.matched:
            lines.append(f"        matched      {safe(item.matched, 300)}")
        if item.why:
            lines.append(f"        why here     {safe(item.why, 160)}")
    else:
        lines.append(f"  owner         {owner}")
        if item.matched:
            lines.append(f"  matched       {safe(item.matched, 300)}")
    indent = "        " if many else "  "
    for step in proposal.steps:
        lines.append(f"{indent}will call     {safe(step.call.line, 2000)}")
    for number, part in enumerate(proposal.manual.splitlines()):
        lines.append(f"{indent}{'' if number else 'by hand':<13} {safe(part, 600)}")
    lines += [f"{indent}goes with it  {safe(text, 300)}" for text in proposal.collateral[:20]]
    if len(proposal.collateral) > 20:
        lines.append(f"{indent}goes with it  and {len(proposal.collateral) - 20:,} more")
    if not many:
        lines.append(f"{indent}takes effect  {safe(takes_effect(item, plan_mode), 600)}")
        lines.append(f"{indent}undo          {safe(proposal.undo or 'none', 300)}")
    return lines


def call_lines(plan: Plan) -> list[str]:
    """Every call of the plan in its order, one a line: ``<step> <call>``."""
    return [
        f"{step.id} {safe(step.call.line, 4000)}"
        for item in plan.items
        for step in item.proposal.steps
    ]
