"""How each token of a scope stands *now*: from the runs, the store and the systems' logs.

One rule for the screen, the command and the worker. What a run proved is believed as long as
nothing that was read later speaks against it: a record that calls the token active again, or
a use in the log after its end.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from backends.contract import Verb
from backends.model import Token, TokenState
from console.incident.record import Incident, PersonsWord, ScopedToken
from console.inventory.search.inventory import Detail, Inventory
from console.journal.read.view import JournalView
from console.response.service.trying import LastTry, last_of_any
from console.response.state.old_value import Verdict, What, clock
from console.response.state.run import Board
from console.response.state.token import ENDING, RunToken
from console.response.state.token_life import About, about
from console.settings import Paths
from console.store import reading
from console.store.queries import events, logs
from console.timeline.view import SLACK

DEALT_WITH = (What.REFUSED, What.RECORDED)
"""Verdicts under which a value is no reason to keep an incident open."""
_ENDED = {
    TokenState.REVOKED: "RECORDED REVOKED, NOT TRIED",
    TokenState.EXPIRED: "RECORDED EXPIRED, NOT TRIED",
    TokenState.DISABLED: "RECORDED DISABLED, NOT TRIED",
}


class TokenStanding(NamedTuple):
    """One token of the scope. Times are in unix seconds; 0 is not known.

    ``ended`` is from when on its value should not have worked; ``used_after`` the newest use
    that was let through later than that.
    """

    scoped: ScopedToken
    detail: Detail | None
    about: About | None
    verdict: Verdict
    contained: float
    ended: float
    used_after: float
    verb: Verb | None
    """What the newest run did about it; None where none did."""
    exception: PersonsWord | None

    @property
    def is_stopped(self) -> bool:
        """Whether it cannot be used, by what is known now; contained counts."""
        return self.verdict.what in DEALT_WITH

    @property
    def is_over(self) -> bool:
        """Whether it is ended for good: one that is contained or disabled can come back."""
        disabled = (
            self.verb is None
            and self.detail is not None
            and self.detail.row.presence == "present"
            and self.detail.token.state is TokenState.DISABLED
        )
        return self.is_stopped and self.verb is not Verb.CONTAIN and not disabled

    @property
    def stopped(self) -> float:
        """From when on it cannot be used, by what is known now; contained counts."""
        moments = [at for at in (self.contained, self.ended) if at]
        return min(moments, default=0.0) if self.is_stopped else 0.0

    @property
    def over(self) -> float:
        """From when on it is ended for good: to contain it is not enough, nor is a word alone."""
        return self.ended if self.is_over else 0.0

    @property
    def dead(self) -> float:
        """When its system was seen to refuse it after its end; the record alone is not enough."""
        refused = self.verdict.what is What.REFUSED and self.over
        return self.verdict.at if refused else 0.0

    @property
    def name(self) -> str:
        """``backend/name``, raw."""
        member = self.scoped.member
        return f"{member.backend}/{member.name or member.id}"

    def excepted(self, now: float) -> bool:
        """Whether somebody answers for letting it be, at this moment."""
        return self.exception is not None and self.exception.holds(now)

    def blocks(self, now: float) -> bool:
        """Whether an incident stays open because of it."""
        if self.excepted(now):
            return False
        return self.verdict.what not in DEALT_WITH or now < self.verdict.until


def standings(
    incident: Incident, paths: Paths, journal: JournalView, inventory: Inventory | None, now: float
) -> Iterator[TokenStanding]:
    """Every token of the scope, in the order in which they came in.

    ``inventory`` is None where there is none yet: then only the journal tells.

    Raises:
        ConsoleError: the journal or the store cannot be read.
    """
    boards: dict[str, Board] = {}

    def parent_of(handle: str) -> Token | None:
        known = inventory.detail(handle) if inventory is not None else None
        return known.token if known is not None else None

    with _events(paths, inventory) as connection:
        for scoped in incident.scope.values():
            handle = scoped.member.handle
            detail = inventory.detail(handle) if inventory is not None else None
            found = None
            if detail is not None and inventory is not None:
                gone = detail.row.presence == "gone"
                found = about(
                    detail.token, paths, journal, now,
                    gone=gone, parent_of=parent_of, boards=boards,
                )  # fmt: skip
            row = _row(boards, found, handle)
            verdict = _verdict(detail, found, row, now)
            if row is None or row.item.verb is not Verb.ROTATE:
                # Of one that was rotated, a try may have been of the new value.
                verdict = _with_try(verdict, last_of_any(journal, handle), now)
            ended = _ended_at(verdict, row, detail)
            used = _used_after(connection, handle, ended, row)
            if used:
                verdict = Verdict(
                    What.WORKS,
                    "USED AFTER ITS END",
                    f"let through at {clock(used, now)}, as its system's log says",
                    used,
                )
            yield TokenStanding(
                scoped, detail, found, verdict, _contained(row), ended, used,
                row.item.verb if row is not None else None,
                incident.excepted.get(handle),
            )  # fmt: skip


@contextlib.contextmanager
def _events(paths: Paths, inventory: Inventory | None) -> Iterator[sqlite3.Connection | None]:
    if inventory is None:
        yield None
        return
    with contextlib.closing(reading.connect(paths.inventory)) as connection:
        try:
            yield connection
        except sqlite3.Error as error:
            raise reading.unusable(paths.inventory, error) from None


def _row(boards: dict[str, Board], found: About | None, handle: str) -> RunToken | None:
    board = boards.get(found.run) if found is not None and found.run else None
    return board.of(handle) if board is not None else None


def _verdict(
    detail: Detail | None, found: About | None, row: RunToken | None, now: float
) -> Verdict:
    """What a run found, unless what was read later speaks against it; else the record's word."""
    if detail is None or found is None:
        return Verdict(What.UNKNOWN, "NOT KNOWN", "the inventory here has no such token")
    verdict = found.verdict
    if verdict is None and found.run:
        # The plan's file is on the machine that made it; the entries alone do not name its items.
        return _by_record(detail, found, f"run {found.run[-8:]} was made on another machine", now)
    if verdict is None or row is None:
        return _by_record(detail, found, "no run of this journal has touched it", now)
    if row.item.verb is Verb.RESTORE and verdict.what is What.RECORDED:
        return Verdict(What.WORKS, "GIVEN BACK", f"run {found.run[-8:]} restored it", verdict.at)
    if row.item.verb not in ENDING:
        return _by_record(detail, found, f"run {found.run[-8:]} has not ended it", now)
    if verdict.what in DEALT_WITH and _active_again(detail, verdict, row):
        return Verdict(
            What.UNKNOWN,
            "NOT KNOWN",
            f"{verdict.title}, and its record calls it active, as read at"
            f" {clock(detail.last_seen, now)}",
            detail.last_seen,
        )
    return verdict


def _with_try(verdict: Verdict, tried: LastTry | None, now: float) -> Verdict:
    """The verdict with a try that was made outside of a run, where it is newer."""
    if tried is None or tried.at <= verdict.at:
        return verdict
    by = f"tried at {clock(tried.at, now)} by {tried.who}"
    if tried.accepted:
        return Verdict(What.WORKS, "OLD VALUE STILL WORKS", f"accepted when {by}", tried.at)
    if verdict.what in DEALT_WITH:
        title = f"REFUSED at {clock(tried.at, now)}"
        return Verdict(What.REFUSED, title, by, tried.at, verdict.until)
    return verdict._replace(why=f"{verdict.why}; refused when {by}".strip("; "))


def _active_again(detail: Detail, verdict: Verdict, row: RunToken) -> bool:
    """Whether the token was read as active after the run had settled it.

    One that was rotated in place lives on under its id, with another value.
    """
    if row.item.verb is Verb.ROTATE:
        return False
    active = detail.row.presence == "present" and detail.token.state is TokenState.ACTIVE
    return active and detail.last_seen > max(verdict.at, verdict.until) + 1


def _by_record(detail: Detail, found: About, why: str, now: float) -> Verdict:
    """The verdict where no run settles it: the issuer's record, as the inventory has it."""
    if detail.row.presence == "gone":
        told = found.ended.words if found.ended is not None else why
        at = float(detail.gone_at or 0)
        return Verdict(What.RECORDED, "NOT IN ITS SYSTEM'S LIST ANY MORE, NOT TRIED", told, at)
    if title := _ENDED.get(detail.token.state):
        # A system that is not read any more keeps its last word: how old that is has to be seen.
        read = f"as read at {clock(detail.last_seen, now)}"
        return Verdict(What.RECORDED, title, f"{read}; {why}", float(detail.last_seen))
    state = detail.token.state.value
    return Verdict(What.UNDONE, "NOT ENDED", f"its record calls it {state}; {why}")


def _contained(row: RunToken | None) -> float:
    """When a call that was to stop it was known to be made."""
    return row.acted if row is not None and row.item.verb in ENDING else 0.0


def _ended_at(verdict: Verdict, row: RunToken | None, detail: Detail | None) -> float:
    """From when on the value should not have been let through, where it is known to be ended."""
    if verdict.what not in DEALT_WITH:
        return 0.0
    if row is None or row.item.verb not in ENDING:
        return float(detail.gone_at or 0) if detail is not None else 0.0
    return max(row.acted, row.over if row.window else 0.0)


def _used_after(
    connection: sqlite3.Connection | None, handle: str, ended: float, row: RunToken | None
) -> float:
    """When it was used last after its end; 0 where it was not, as far as the logs were read."""
    replaced = row is not None and row.item.verb is Verb.ROTATE
    if connection is None or not ended or replaced:
        return 0.0
    named = known_as(connection, handle)
    return float(events.let_in_after(connection, named, int(ended) + SLACK) or 0)


def known_as(connection: sqlite3.Connection, handle: str) -> list[str]:
    """A token's handle, and those of the names that its system's logs give it."""
    return [handle, *(alias for alias, _ in logs.names(connection, [handle]))]


def worst_first(found: Iterable[TokenStanding]) -> list[TokenStanding]:
    """The same with what keeps an incident open at the top."""
    order = list(What)
    return sorted(found, key=lambda each: order.index(each.verdict.what))
