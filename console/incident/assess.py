"""Where an incident stands now: its tokens, what keeps it open, its times.

Computed each time from the journal, the runs, the store and the logs: nothing of it is kept.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from backends.model import TokenState
from backends.words import count
from console.incident import times
from console.incident.record import Incident, hole_id, text_id
from console.incident.runs import IncidentRun, runs
from console.incident.standing import DEALT_WITH, TokenStanding, standings, worst_first
from console.incident.times import Times
from console.inventory.records import Sort
from console.inventory.search import query as queries
from console.inventory.search.inventory import Inventory
from console.inventory.search.query import Query, QueryError
from console.inventory.search.terms import Term
from console.journal.case_scope import scopes
from console.journal.format.sentence import Entry
from console.journal.read.view import JournalView
from console.response.state.old_value import What
from console.settings import Paths
from console.text import stamp

MOST_TOLD = 20
"""Tokens of a query that are not in the scope, and are named one by one."""


class Block(NamedTuple):
    """One reason why an incident may not be closed, as raw text.

    ``kind`` is call, token, wait, hole, query (it finds more), late (it cannot be asked) or
    difference; ``subject`` is what one types for it; ``hint``
    says what to do about it.
    """

    kind: str
    subject: str
    words: str
    hint: str


class Assessment(NamedTuple):
    """An incident as it stands at ``now`` (unix seconds)."""

    incident: Incident
    now: float
    entries: list[Entry]
    """All that the journal holds of it, oldest first."""
    tokens: list[TokenStanding]
    """Those that keep it open first."""
    blocks: tuple[Block, ...]
    again: tuple[str, ...]
    """Why one that was closed is open all the same; raw text."""
    times: Times
    runs: tuple[IncidentRun, ...]
    """What was approved for it, oldest first."""
    inventory: bool
    """Whether there is an inventory at all."""

    @property
    def state(self) -> str:
        """open, closed, or OPEN AGAIN for one that was closed and is not over."""
        if self.incident.closed is None:
            return "open"
        return "OPEN AGAIN" if self.again else "closed"

    @property
    def plans(self) -> tuple[str, ...]:
        """The ids of its plans, oldest first."""
        return tuple(dict.fromkeys(entry.plan for entry in self.entries if entry.plan))

    @property
    def sums(self) -> dict[What, int]:
        """How many tokens have which verdict, the worst first; excepted ones are left out."""
        found = Counter(each.verdict.what for each in self.tokens if not each.excepted(self.now))
        return {what: found[what] for what in What if found[what]}

    @property
    def excepted(self) -> int:
        """How many tokens somebody answers for."""
        return sum(each.excepted(self.now) for each in self.tokens)


@contextlib.contextmanager
def stored(paths: Paths) -> Iterator[Inventory | None]:
    """The inventory, None where nothing was read yet. Raises ``StoreError``."""
    if not paths.inventory.exists():
        yield None
        return
    with contextlib.closing(Inventory(paths.inventory, scopes=scopes(paths))) as inventory:
        yield inventory


def assess(incident: Incident, paths: Paths, journal: JournalView, now: float) -> Assessment:
    """Where an incident stands.

    Raises:
        ConsoleError: the journal or the inventory cannot be read.
    """
    entries = journal.of_incident(incident.id)
    with stored(paths) as inventory:
        tokens = worst_first(standings(incident, paths, journal, inventory, now))
        blocks = (
            *_calls(incident, entries, journal),
            *_tokens(tokens, now),
            *_holes(incident),
            *_late(incident, inventory),
            *_differences(incident),
        )
        when = times.of(incident, tokens, paths, inventory, entries, now)
    closed = incident.closed
    again = tuple(_again(tokens, now, closed.at)) if closed is not None else ()
    made = tuple(runs(entries, paths, journal, now))
    return Assessment(
        incident, now, entries, tokens, blocks, again, when, made, inventory is not None
    )


def _calls(incident: Incident, entries: list[Entry], journal: JournalView) -> Iterator[Block]:
    ours = {entry.id for entry in entries}
    for intent in journal.open_intents():
        if intent.id in ours or intent.handle in incident.scope:
            yield Block(
                "call",
                str(intent.seq),
                f"a call is open: {intent.sentence}",
                "Ask what became of it: token-console journal recover",
            )


def _tokens(tokens: list[TokenStanding], now: float) -> Iterator[Block]:
    for each in tokens:
        if not each.blocks(now):
            continue
        handle = each.scoped.member.handle
        expired = ""
        if each.exception is not None:
            expired = f"; the exception for {each.exception.person} has expired"
        # What the inventory does not have can be neither ended nor named.
        first = f"End it: token-console revoke {handle} --reason WHY"
        if each.detail is None:
            first = "Read its system (token-console sync)"
        if each.verdict.what in DEALT_WITH and not expired:
            # What was done holds by then, as declared; there is nothing to do but to wait.
            until = stamp(datetime.fromtimestamp(each.verdict.until, UTC))
            yield Block("wait", handle, f"{each.name}: {each.verdict.line}", f"Wait until {until}")
            continue
        yield Block(
            "token",
            handle,
            f"{each.name}: {each.verdict.line}{expired}",
            f"{first}. Or have somebody answer for it: token-console incident except ID {handle}"
            " --owner NAME --until DATE --reason WHY",
        )


def _holes(incident: Incident) -> Iterator[Block]:
    for hole in incident.unaccepted:
        yield Block(
            "hole",
            hole_id(hole),
            f"not seen: {hole}",
            "Make it readable and scope again, or have somebody answer for it"
            f": token-console incident accept ID {hole_id(hole)} --owner NAME --reason WHY",
        )


def _differences(incident: Incident) -> Iterator[Block]:
    for text in incident.unsettled:
        yield Block(
            "difference",
            text_id(text),
            f"not settled: {text}",
            f"Settle it: token-console incident settle ID {text_id(text)} --reason WHY",
        )


def _late(incident: Incident, inventory: Inventory | None) -> Iterator[Block]:
    if inventory is None:
        if incident.queries:
            yield Block(
                "late", "", "whether its queries find more by now is not known: no inventory here",
                "Read the systems: token-console sync",
            )  # fmt: skip
        return
    again = "token-console incident scope ID --again"
    present = Term("is", ("present",))
    for text in incident.queries:
        try:
            wanted = Query((*queries.scope(text).terms, present))
        except QueryError as error:
            yield Block("late", text, f"its query cannot be read: {text}: {error}", again)
            continue
        new = [row for row, _ in inventory.each(wanted, Sort()) if row.handle not in incident.scope]
        if new:
            names = ", ".join(f"{row.backend}/{row.name}" for row in new[:MOST_TOLD])
            yield Block(
                "query",
                text,
                f"{count(len(new), 'token')} match {text} and are not in the scope: {names}",
                f"Take them in: {again}",
            )


def _again(tokens: list[TokenStanding], now: float, closed: float) -> Iterator[str]:
    for each in tokens:
        exception = each.exception
        if exception is not None and exception.holds(now):
            continue
        late = each.scoped.at > closed and each.blocks(now)
        if late or each.verdict.what is What.WORKS or _active_since(each, now, closed):
            yield f"{each.name}: {each.verdict.line}"
        elif exception is not None and each.blocks(now):
            yield (
                f"{each.name}: the exception for {exception.person} has expired;"
                f" {each.verdict.line}"
            )


def _active_since(each: TokenStanding, now: float, closed: float) -> bool:
    """Whether a record that was read after the closing calls it active, and nothing explains it.

    One of a run whose plan is on another machine may have been rotated: it is active by right.
    """
    detail = each.detail
    elsewhere = each.verb is None and each.about is not None and bool(each.about.run)
    if detail is None or elsewhere or not each.blocks(now):
        return False
    active = detail.row.presence == "present" and detail.token.state is TokenState.ACTIVE
    return active and detail.last_seen > closed + 1
