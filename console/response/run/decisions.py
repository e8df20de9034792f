"""What a responder decides about a run: each decision is one entry, and the run obeys it.

The runner need not live: whoever starts it next reads the same entries. For the command
line and for the screen's worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from backends.words import count
from console.errors import PlanRefused, UsageError
from console.inventory.search.resolve_name import DIGITS
from console.journal.format import scan
from console.journal.format.entry import Act, Kind, RunMark, instant
from console.journal.format.parts import RunEvent, Sig
from console.journal.format.sentence import Entry
from console.journal.format.words import system_words
from console.journal.write.journal import Journal
from console.response.plan import entry_parts
from console.response.plan.model import Plan, PlanItem
from console.response.state.run import Board

Sign = Callable[[bytes], Sig | None]
"""Gives the responder's signature over an entry's statement: ``Session.sign_statement``."""
_CLOSED = "Plan again what is still wanted: a run that is closed, or aborted, stays so."


def pause(plan: Plan, journal: Journal, reason: str = "", sign: Sign | None = None) -> Entry:
    """Begin no further call of the run until ``resume``. What is under way ends.

    Raises:
        PlanRefused: the run was never approved, is over, or is paused already.
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        JournalError: the journal cannot take it.
    """
    board = _going(plan, journal)
    if board.paused:
        raise PlanRefused("the run is paused already", "Go on: token-console run resume.")
    return _mark(plan, journal, RunEvent.PAUSE, reason, sign)


def resume(plan: Plan, journal: Journal, reason: str = "", sign: Sign | None = None) -> Entry:
    """Let a paused run go on. Raises as ``pause``; refuses one that is not paused."""
    board = _going(plan, journal)
    if not board.paused:
        told = ", ".join(board.halted)
        hint = f"Halted are the lanes of: {told}. Use: token-console run unhalt." if told else ""
        raise PlanRefused("the run is not paused", hint)
    return _mark(plan, journal, RunEvent.RESUME, reason, sign)


def abort(plan: Plan, journal: Journal, reason: str, sign: Sign | None = None) -> Entry:
    """End the run for good: no further call, whatever is left. Raises as ``pause``."""
    _going(plan, journal)
    return _mark(plan, journal, RunEvent.ABORT, reason, sign)


def unhalt(
    plan: Plan, journal: Journal, reason: str, backend: str, sign: Sign | None = None
) -> Entry:
    """Let a halted lane go on, and try what failed in it again. Raises as ``pause``."""
    board = _going(plan, journal)
    if backend not in board.halted:
        halted = ", ".join(board.halted) or "none"
        raise PlanRefused(f"the lane of {backend!r} has not halted", f"Halted are: {halted}.")
    return _mark(plan, journal, RunEvent.UNHALT, reason, sign, backend=backend)


def waive(
    plan: Plan,
    journal: Journal,
    reason: str,
    item: int,
    consumer: str = "",
    sign: Sign | None = None,
) -> Entry:
    """Go on with an item without the proof that its consumers have moved.

    ``consumer`` names the one that is not waited for; empty waives all. Raises as
    ``pause``, and for an item that the plan does not have.
    """
    _going(plan, journal)
    found = _item(plan, item)
    act = entry_parts.act(plan.verb.value, found.token, plan=plan.id)
    return _mark(
        plan, journal, RunEvent.WAIVE, reason, sign, item=item, backend=found.backend, act=act,
        detail=consumer,
    )  # fmt: skip


def except_(
    plan: Plan,
    journal: Journal,
    reason: str,
    item: int,
    owner: str,
    expires: datetime | None = None,
    sign: Sign | None = None,
    *,
    late: str = "",
) -> Entry:
    """Let a token be, on somebody's word: it counts as excepted until the exception ends.

    ``owner`` answers for it. ``item`` 0 with ``late`` excepts a late arrival, by its
    handle. Raises as ``pause``; refuses an exception that nobody owns or that is over.
    """
    board = _not_closed(plan, journal)
    if not owner.strip():
        raise UsageError("an exception needs an owner", "Name who answers for it: --owner NAME")
    if expires is not None and expires.timestamp() <= time.time():
        raise UsageError("the exception would be over already", "Give a later date, or none.")
    act = None
    if late:
        late = _late(list(board.late), late)
        item = 0
    else:
        found = _item(plan, item)
        act = entry_parts.act(plan.verb.value, found.token, plan=plan.id)
    return _mark(
        plan, journal, RunEvent.EXCEPT, reason, sign, item=item, act=act, detail=late,
        owner=system_words(owner.strip(), 200),
        expires=instant(expires.timestamp()) if expires is not None else 0,
    )  # fmt: skip


def which(plan: Plan, word: str) -> tuple[int, str]:
    """What a word means for ``except_``: a token's number in the plan, or a late one's handle.

    A whole handle may be of either. It may be all digits, so a number that the plan does
    not have is none.
    """
    number = int(word) if word.isascii() and word.isdecimal() and len(word) < 12 else 0
    if plan.item(number) is not None:
        return number, ""
    handles = {item.token.ref.handle: item.number for item in plan.items}
    return (handles[word.lower()], "") if word.lower() in handles else (0, word)


def _late(handles: list[str], word: str) -> str:
    found = [handle for handle in handles if handle == word]
    if not found and len(word) >= DIGITS:
        found = [handle for handle in handles if handle.startswith(word.lower())]
    if len(found) != 1:
        known = ", ".join((found or handles)[:5]) or "none"
        told = (
            count(len(found), "late arrival begins", "late arrivals begin")
            if found
            else "no late arrival begins"
        )
        raise UsageError(
            f"{told} with {word[:40]!r}, and no token of the plan has that number",
            f"Late arrivals: {known}. See: token-console run show.",
        )
    return found[0]


def close(
    plan: Plan,
    journal: Journal,
    reason: str = "",
    sign: Sign | None = None,
    board: Board | None = None,
) -> Entry:
    """Declare the run done. ``board`` is the whole fold, with the plans that extend this one.

    Raises:
        PlanRefused: something is still left, or failed; or as ``pause``.
    """
    if board is None:
        board = fold(plan, journal)
    board.tick(time.time())
    if not board.approved:
        raise PlanRefused("the plan was never approved", "Nothing is running.")
    if why := board.may_close():
        raise PlanRefused(f"the run cannot be closed: {why}", "See: token-console run watch.")
    return _mark(plan, journal, RunEvent.CLOSE, reason, sign)


def fold(plan: Plan, journal: Journal) -> Board:
    """Where the run of this one plan stands."""
    board = Board(plan)
    board.feed(journal.of_plan(plan.id))
    return board


def _not_closed(plan: Plan, journal: Journal) -> Board:
    board = fold(plan, journal)
    if not board.approved:
        raise PlanRefused("the plan was never approved", "Nothing is running.")
    if board.closed:
        raise PlanRefused("the run is closed", _CLOSED)
    return board


def _going(plan: Plan, journal: Journal) -> Board:
    board = _not_closed(plan, journal)
    if board.aborted:
        raise PlanRefused("the run was aborted", _CLOSED)
    return board


def _item(plan: Plan, number: int) -> PlanItem:
    found = plan.item(number)
    if found is None:
        raise UsageError(
            f"the plan has no item {number}", f"It has the items 1 to {len(plan.items)}."
        )
    return found


def _mark(
    plan: Plan,
    journal: Journal,
    what: RunEvent,
    reason: str,
    sign: Sign | None,
    *,
    item: int = 0,
    backend: str = "",
    act: Act | None = None,
    owner: str = "",
    expires: int = 0,
    detail: str = "",
) -> Entry:
    return journal.append(
        Kind.RUN,
        why=scan.reason(reason) if reason else "",
        incident=plan.incident,
        act=act,
        run=RunMark(
            plan=plan.id,
            what=what,
            item=item,
            backend=backend,
            owner=owner,
            expires=expires,
            detail=system_words(detail),
        ),
        sign=sign,
    )
